import { compileRead, compileWrite } from '../../../wire/kafka/schema/compile.ts';
import { Reader } from '../../../wire/kafka/schema/reader.ts';
import {
  array,
  bytes,
  type Decoded,
  field,
  int32,
  nullable,
  string,
  struct,
} from '../../../wire/kafka/schema/types.ts';
import { Writer } from '../../../wire/kafka/schema/writer.ts';

/**
 * What members of a consumer group tell each other through the coordinator, which does not look inside: Kafka's
 * ConsumerProtocolSubscription and ConsumerProtocolAssignment, version 1, each behind its version number.
 */
const subscriptionShape = struct({
  topics: array(string),
  userData: field(nullable(bytes), { default: null }),
  ownedPartitions: field(array(struct({ topic: string, partitions: array(int32) })), { since: 1, default: [] }),
});

const assignmentShape = struct({
  assignedPartitions: array(struct({ topic: string, partitions: array(int32) })),
  userData: field(nullable(bytes), { default: null }),
});

export type Subscription = Decoded<typeof subscriptionShape>;

/** A partition of a topic. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

const version = 1;
const elementsMax = 1_000_000;
const writeSubscription = compileWrite(subscriptionShape, version, false);
const writeAssignment = compileWrite(assignmentShape, version, false);

function written(write: (writer: Writer, value: unknown) => void, value: unknown): Uint8Array {
  const writer = new Writer();
  writer.int16(version);
  write(writer, value);
  return Buffer.concat(writer.finish());
}

/** Reads what stands behind the version; fields of later versions that follow are left. */
function readWith(shape: Parameters<typeof compileRead>[0], from: Uint8Array): unknown {
  const reader = new Reader(from, elementsMax);
  const theirs = reader.int16();
  return compileRead(shape, Math.min(Math.max(theirs, 0), version), false)(reader);
}

function byTopic(partitions: readonly TopicPartition[]): { topic: string; partitions: number[] }[] {
  return [...Map.groupBy(partitions, (one) => one.topic)].map(([topic, of]) => ({
    topic,
    partitions: of.map((one) => one.partition),
  }));
}

function flat(topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[]): TopicPartition[] {
  return topics.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })));
}

export function encodeSubscription(topics: readonly string[], owned: readonly TopicPartition[]): Uint8Array {
  return written(writeSubscription, { topics, ownedPartitions: byTopic(owned) });
}

/** Throws `KafkaCodecError`. */
export function decodeSubscription(from: Uint8Array): {
  readonly topics: readonly string[];
  readonly owned: TopicPartition[];
} {
  const read = readWith(subscriptionShape, from) as Subscription; // the shape was read
  return { topics: read.topics, owned: flat(read.ownedPartitions) };
}

export function encodeAssignment(partitions: readonly TopicPartition[]): Uint8Array {
  return written(writeAssignment, { assignedPartitions: byTopic(partitions) });
}

/** Empty bytes are no assignment: a member that got none. Throws `KafkaCodecError`. */
export function decodeAssignment(from: Uint8Array): TopicPartition[] {
  if (from.length === 0) return [];
  const read = readWith(assignmentShape, from) as Decoded<typeof assignmentShape>; // the shape was read
  return flat(read.assignedPartitions);
}
