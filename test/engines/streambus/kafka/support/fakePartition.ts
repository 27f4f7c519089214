import type { GroupHandle } from '../../../../../src/engines/streambus/broker/group.ts';
import type {
  AppendRequest,
  AppendResult,
  PartitionReplica,
  ReadRequest,
  ReadResult,
} from '../../../../../src/engines/streambus/log/replica.ts';
import type { PartitionInfo } from '../../../../../src/engines/streambus/meta/metadata.ts';
import { readBatchHeader, stampBatch } from '../../../../../src/wire/kafka/recordBatch.ts';

interface Stored {
  readonly base: number;
  readonly next: number;
  readonly bytes: Uint8Array;
}

/** A partition in memory, for tests of the door: takes what comes, commits it at once or, while held, when it is released. */
export class FakePartition implements PartitionReplica {
  readonly info: PartitionInfo;
  readonly handle: GroupHandle;
  logStartOffset = 0;
  highWatermark = 0;
  leaderEpoch = 7;
  sizeBytes = 0;
  /** Lowest offset of an open transaction. */
  openFrom: number | undefined;
  /** Answers the next appends with this error. */
  appendError = 0;
  openTransactions = new Set<string>();
  transactionEnds = 0;
  /** While there is one, an append would be refused for a passing reason. Settled by `makeRoom`. */
  #crowded: { readonly room: Promise<void>; readonly end: () => void } | undefined;
  /** What ends the waits for room that were begun. */
  readonly waits: AbortSignal[] = [];
  /** At each append, how many of those waits were not over. */
  readonly placesAtAppend: number[] = [];
  readonly requests: AppendRequest[] = [];
  readonly batches: Stored[] = [];
  #held: (() => void)[] | undefined;
  #waiters: (() => void)[] = [];

  constructor(info: PartitionInfo) {
    this.info = info;
    this.handle = {
      group: info.group,
      term: 7,
      serving: true,
      leader: 1,
      propose: () => Promise.reject(new Error('the door does not propose')),
      readBarrier: () => Promise.resolve(),
    };
  }

  get lastStableOffset(): number {
    return Math.min(this.openFrom ?? this.highWatermark, this.highWatermark);
  }

  /** Appends are answered when `release` is called. */
  hold(): void {
    this.#held = [];
  }

  get heldCount(): number {
    return this.#held?.length ?? 0;
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const go of held) go();
  }

  /** Appends are refused with 19 until `makeRoom` is called. */
  crowd(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#crowded = { room: promise, end: resolve };
  }

  makeRoom(): void {
    this.#crowded?.end();
    this.#crowded = undefined;
  }

  room(_bytes: number, signal?: AbortSignal): Promise<void> | undefined {
    if (this.#crowded !== undefined && signal?.aborted === false) this.waits.push(signal);
    return this.#crowded?.room;
  }

  async append(request: AppendRequest): Promise<AppendResult> {
    this.requests.push(request);
    this.placesAtAppend.push(this.waits.filter(({ aborted }) => !aborted).length);
    const base = this.batches.at(-1)?.next ?? 0;
    const failed = this.#crowded === undefined ? this.appendError : 19;
    if (failed === 0) {
      const { lastOffsetDelta } = readBatchHeader(request.records);
      stampBatch(request.records, base, this.leaderEpoch);
      this.batches.push({ base, next: base + lastOffsetDelta + 1, bytes: request.records.slice() });
    }
    const held = this.#held;
    if (held !== undefined) await new Promise<void>((resolve) => held.push(resolve));
    if (failed === 0) this.#commitTo(base);
    return {
      errorCode: failed,
      errorMessage: failed === 0 ? undefined : 'as the test said',
      baseOffset: failed === 0 ? base : -1,
      logAppendTimeMs: -1,
      logStartOffset: this.logStartOffset,
      journalMs: 1,
      replicateMs: 2,
    };
  }

  #commitTo(base: number): void {
    const batch = this.batches.find((stored) => stored.base === base);
    this.highWatermark = Math.max(this.highWatermark, batch?.next ?? 0);
    for (const wake of this.#waiters.splice(0)) wake();
  }

  async read(request: ReadRequest): Promise<ReadResult> {
    const end = request.isolation === 'read-committed' ? this.lastStableOffset : this.highWatermark;
    const result = {
      highWatermark: this.highWatermark,
      lastStableOffset: this.lastStableOffset,
      logStartOffset: this.logStartOffset,
      aborted: [],
      diverging: undefined,
    };
    if (request.currentLeaderEpoch >= 0 && request.currentLeaderEpoch !== this.leaderEpoch) {
      return { ...result, errorCode: request.currentLeaderEpoch < this.leaderEpoch ? 74 : 75, records: [], bytes: 0 };
    }
    if (request.offset < this.logStartOffset || request.offset > this.highWatermark) {
      return { ...result, errorCode: 1, records: [], bytes: 0 };
    }
    const records: Uint8Array[] = [];
    let bytes = 0;
    for (const batch of this.batches) {
      if (batch.next <= request.offset || batch.next > end) continue;
      const fits = bytes + batch.bytes.length <= request.maxBytes;
      if (!fits && !(request.minOneBatch && records.length === 0)) break;
      records.push(batch.bytes);
      bytes += batch.bytes.length;
    }
    return { ...result, errorCode: 0, records, bytes };
  }

  async readable(offset: number, isolation: ReadRequest['isolation'], signal: AbortSignal): Promise<void> {
    const end = () => (isolation === 'read-committed' ? this.lastStableOffset : this.highWatermark);
    while (end() <= offset && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#waiters.push(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  async offsetFor(timestampMs: number, isolation: ReadRequest['isolation']) {
    const end = isolation === 'read-committed' ? this.lastStableOffset : this.highWatermark;
    const offset = timestampMs === -2 ? this.logStartOffset : end;
    return { errorCode: 0, offset, timestampMs: -1, leaderEpoch: this.leaderEpoch };
  }

  endOfEpoch(epoch: number) {
    return { epoch: Math.min(epoch, this.leaderEpoch), endOffset: this.highWatermark };
  }

  async deleteBefore(offset: number) {
    const to = offset === -1 ? this.highWatermark : offset;
    if (to > this.highWatermark) return { errorCode: 1, logStartOffset: this.logStartOffset };
    this.logStartOffset = Math.max(this.logStartOffset, to);
    return { errorCode: 0, logStartOffset: this.logStartOffset };
  }

  async endTransaction() {
    return { errorCode: 0 };
  }

  producers() {
    return [
      {
        producerId: 4,
        producerEpoch: 1,
        lastSequence: 9,
        lastTimestampMs: 5,
        coordinatorEpoch: -1,
        currentTransactionStartOffset: -1,
      },
    ];
  }

  hasOpenTransaction(producerId: number, producerEpoch: number): boolean {
    return this.openTransactions.has(`${producerId}/${producerEpoch}`);
  }
}
