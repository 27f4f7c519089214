import { buildBatch, type RecordInput } from '../../../wire/kafka/records.ts';
import type { ClientError } from './clientError.ts';

/** Who a producer is to the brokers, and how far its numbers have come. */
export interface ProducerIdentity {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** The next sequence number of each partition, by `topic/partition`. */
  readonly sequences: Map<string, number>;
}

/** Where an acknowledged record lies. */
export interface SentRecord {
  readonly topic: string;
  readonly partition: number;
  /** -1 with acks=0, where nobody tells. */
  readonly offset: number;
  /** Leader's time when it stamps times, else -1. */
  readonly logAppendTimeMs: number;
}

interface Waiter {
  resolve(sent: SentRecord): void;
  reject(error: ClientError): void;
}

/** Roughly what a record adds to a batch beside its key and value. */
const recordOverheadBytes = 24;
const sequenceMax = 2 ** 31;

/** Records of one partition that go together. */
export class ProducerBatch {
  readonly topic: string;
  readonly partition: number;
  /** When it fails if it is not acknowledged, on the monotonic clock. */
  readonly deadline: number;
  readonly #records: RecordInput[] = [];
  readonly #waiters: Waiter[] = [];
  bytes = 0;
  state: 'queued' | 'sent' | 'failed' | 'done' = 'queued';
  /** An attempt may have appended it. */
  mayBeAppended = false;
  /** Why the last attempt failed. */
  failure: ClientError | undefined;
  attempts = 0;
  /** Earlier batches of the partition were under way when it failed. */
  isBehind = false;
  /** Under which it is sent, each time: the broker knows a repeat by it. */
  identity: ProducerIdentity | undefined;
  #encoded: Uint8Array | undefined;

  constructor(topic: string, partition: number, deadline: number) {
    this.topic = topic;
    this.partition = partition;
    this.deadline = deadline;
  }

  get count(): number {
    return this.#records.length;
  }

  /** True while records may be added. */
  get isOpen(): boolean {
    return this.#encoded === undefined;
  }

  add(record: RecordInput, waiter: Waiter): void {
    if (!this.isOpen) throw new Error('a batch that was sent takes no more records');
    this.#records.push(record);
    this.#waiters.push(waiter);
    this.bytes += recordBytes(record);
  }

  /** The bytes to send; `encode` came first. */
  get encoded(): Uint8Array {
    if (this.#encoded === undefined) throw new Error('a batch is encoded before it is sent');
    return this.#encoded;
  }

  /** The first call fixes producer and sequence numbers, for all repeats. */
  encode(identity: ProducerIdentity | undefined, isTransactional: boolean): void {
    if (this.#encoded !== undefined) return;
    this.identity = identity;
    if (identity === undefined) {
      this.#encoded = buildBatch(this.#records);
      return;
    }
    const key = `${this.topic}/${this.partition}`;
    const baseSequence = identity.sequences.get(key) ?? 0;
    identity.sequences.set(key, (baseSequence + this.count) % sequenceMax);
    this.#encoded = buildBatch(this.#records, {
      producerId: identity.producerId,
      producerEpoch: identity.producerEpoch,
      baseSequence,
      isTransactional,
    });
  }

  /** Forgets producer and numbers: it will be sent as a new one. Only for a batch that was surely not appended. */
  renumber(): void {
    if (this.mayBeAppended) throw new Error('a batch that may be in the log keeps its numbers');
    this.#encoded = undefined;
    this.identity = undefined;
  }

  succeed(baseOffset: number, logAppendTimeMs: number): void {
    this.state = 'done';
    const { topic, partition } = this;
    this.#waiters.forEach((waiter, n) => {
      waiter.resolve({ topic, partition, offset: baseOffset < 0 ? -1 : baseOffset + n, logAppendTimeMs });
    });
  }

  /** Gives up. What any attempt left open stays open. */
  abandon(error: ClientError): void {
    this.state = 'done';
    const final = this.mayBeAppended ? error.asIndeterminate() : error;
    for (const waiter of this.#waiters) waiter.reject(final);
  }
}

/** What a record adds to a batch, at most about. */
export function recordBytes(record: RecordInput): number {
  let bytes = recordOverheadBytes + (record.key?.length ?? 0) + (record.value?.length ?? 0);
  for (const header of record.headers ?? []) bytes += 8 + 3 * header.key.length + (header.value?.length ?? 0);
  return bytes;
}
