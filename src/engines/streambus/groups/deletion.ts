import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import type { LiveGroup } from './live.ts';
import { exclusively } from './rebalance.ts';
import { appendEntry, appendEntryWithin, assertServing, confirmed, type GroupRuntime, whenSettled } from './runtime.ts';

/** DeleteGroups: a group without members goes with all its offsets. Throws `Unavailable`. */
export async function deleteGroup(runtime: GroupRuntime, groupId: string): Promise<number> {
  return whenSettled(runtime, groupId, (group) => {
    if (group === undefined) return kafkaErrors.GROUP_ID_NOT_FOUND;
    if (group.state !== 'Empty' || group.members.size > 0) return kafkaErrors.NON_EMPTY_GROUP;
    return exclusively(
      group,
      () => appendEntry(runtime, { kind: 'delete-group', group: groupId }),
      (errorCode) => {
        if (errorCode === kafkaErrors.NONE) dropLive(runtime, group);
        return errorCode;
      },
    );
  });
}

/** The leader forgets a group that is gone from the log. */
export function dropLive(runtime: GroupRuntime, group: LiveGroup): void {
  if (runtime.live.get(group.groupId) !== group) return;
  for (const timer of group.announced.values()) timer.cancel();
  group.joinTimer?.cancel();
  group.syncTimer?.cancel();
  group.state = 'Dead';
  runtime.live.delete(group.groupId);
  runtime.unlogged.delete(group.groupId);
}

/** OffsetDelete: not for topics that a member reads now. Throws `Unavailable`. */
export async function deleteOffsets(
  runtime: GroupRuntime,
  groupId: string,
  partitions: readonly { readonly topic: string; readonly partition: number }[],
): Promise<{ readonly errorCode: number; readonly partitions: readonly number[] }> {
  assertServing(runtime);
  await confirmed(runtime.handle);
  return whenSettled(runtime, groupId, async (group) => {
    if (group === undefined) return refusal(kafkaErrors.GROUP_ID_NOT_FOUND, partitions.length);
    const subscribed = subscribedTopics(group);
    if (subscribed === undefined) return refusal(kafkaErrors.NON_EMPTY_GROUP, partitions.length);
    const gone = partitions.filter(({ topic }) => !subscribed.has(topic));
    if (gone.length > 0) {
      const list = gone.map(({ topic, partition }) => [topic, partition] as const);
      await appendEntryWithin(runtime, { kind: 'delete-offsets', group: groupId, partitions: list });
    }
    return {
      errorCode: kafkaErrors.NONE,
      partitions: partitions.map(({ topic }) =>
        subscribed.has(topic) ? kafkaErrors.GROUP_SUBSCRIBED_TO_TOPIC : kafkaErrors.NONE,
      ),
    };
  });
}

function refusal(errorCode: number, count: number): { errorCode: number; partitions: number[] } {
  return { errorCode, partitions: Array.from({ length: count }, () => errorCode) };
}

/** Topics that members read; undefined when the group has members and does not speak the protocol of consumers. */
function subscribedTopics(group: LiveGroup): ReadonlySet<string> | undefined {
  const topics = new Set<string>();
  if (group.members.size === 0) return topics;
  if (group.protocolType !== 'consumer') return undefined;
  for (const member of group.members.values()) {
    for (const { metadata } of member.protocols) {
      const named = topicsOfSubscription(metadata);
      if (named === undefined) return undefined;
      for (const topic of named) topics.add(topic);
    }
  }
  return topics;
}

const decoder = new TextDecoder();

/**
 * Topics of a consumer's subscription (Kafka's ConsumerProtocolSubscription: version int16, then an array of strings, then fields
 * that later versions added); undefined when the bytes are something else.
 */
export function topicsOfSubscription(metadata: Uint8Array): string[] | undefined {
  const view = new DataView(metadata.buffer, metadata.byteOffset, metadata.length);
  if (view.byteLength < 6) return undefined;
  const count = view.getInt32(2);
  // Each name takes its length at least: a count that does not fit is not believed.
  if (count < 0 || count > (view.byteLength - 6) / 2) return undefined;
  const topics: string[] = [];
  let at = 6;
  for (let i = 0; i < count; i++) {
    if (at + 2 > view.byteLength) return undefined;
    const length = view.getInt16(at);
    at += 2;
    if (length < 0 || at + length > view.byteLength) return undefined;
    topics.push(decoder.decode(metadata.subarray(at, at + length)));
    at += length;
  }
  return topics;
}

/**
 * Partitions of a consumer's assignment (Kafka's ConsumerProtocolAssignment: version int16, then an array of topics, each a string
 * and an array of int32); undefined when the bytes are something else. No bytes: none.
 */
export function partitionsOfAssignment(assignment: Uint8Array): { topic: string; partition: number }[] | undefined {
  if (assignment.length === 0) return [];
  const view = new DataView(assignment.buffer, assignment.byteOffset, assignment.length);
  const partitions: { topic: string; partition: number }[] = [];
  try {
    let at = 6;
    for (let topics = view.getInt32(2); topics > 0; topics--) {
      const length = view.getInt16(at);
      const topic = decoder.decode(assignment.subarray(at + 2, at + 2 + length));
      at += 2 + length;
      const count = view.getInt32(at);
      at += 4;
      for (let i = 0; i < count; i++, at += 4) partitions.push({ topic, partition: view.getInt32(at) });
    }
  } catch (error) {
    if (error instanceof RangeError) return undefined; // past the end of the bytes
    throw error;
  }
  return partitions;
}
