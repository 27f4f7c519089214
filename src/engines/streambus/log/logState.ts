import { type BatchHeader, isControl, isTransactional } from '../../../wire/kafka/recordBatch.ts';
import { readMarker } from '../../../wire/kafka/records.ts';
import { AbortedIndex, type AbortedTransaction } from './aborted.ts';
import { bytesOf, lastOffsetOf } from './batchView.ts';
import { type EpochStart, Epochs } from './epochs.ts';
import { afterBatch, afterMarker, type ProducerState } from './producers.ts';
import { firstRollLimits, type RollLimits, rollsBefore } from './roll.ts';
import { type Segment, SegmentList } from './segmentList.ts';

/** Everything that a partition's log folds to, as plain data: what checkpoints and snapshots carry. */
export interface LogStateData {
  readonly start: number;
  readonly next: number;
  readonly limits: RollLimits;
  readonly segments: readonly Segment[];
  readonly epochs: readonly EpochStart[];
  readonly producers: readonly ProducerState[];
  readonly aborted: readonly AbortedTransaction[];
}

export const emptyLogState: LogStateData = {
  start: 0,
  next: 0,
  limits: firstRollLimits,
  segments: [{ base: 0, bytes: 0, firstTimestamp: -1, maxTimestamp: -1 }],
  epochs: [],
  producers: [],
  aborted: [],
};

/** Where a batch has its place. */
export interface BatchPlace {
  readonly segment: Segment;
  readonly position: number;
  /** It begins a segment that was not there before. */
  readonly rolled: boolean;
}

/** The fold of a partition's log: no clock, no randomness, no files. The same entries give the same state on every replica. */
export class LogState {
  start: number;
  /** Offset of the next record: the high watermark, since only committed entries are folded. */
  next: number;
  limits: RollLimits;
  readonly segments: SegmentList;
  readonly epochs: Epochs;
  readonly producers: Map<number, ProducerState>;
  readonly aborted: AbortedIndex;
  /** Producers with an open transaction and where it begins, in that order. */
  readonly #open: Map<number, number>;

  constructor(data: LogStateData = emptyLogState) {
    this.start = data.start;
    this.next = data.next;
    this.limits = data.limits;
    this.segments = new SegmentList(data.segments);
    this.epochs = new Epochs(data.epochs);
    this.producers = new Map(data.producers.map((state) => [state.producerId, state]));
    this.aborted = new AbortedIndex(data.aborted);
    const open = data.producers.filter((state) => state.transactionStart >= 0);
    this.#open = new Map(
      open
        .sort((a, b) => a.transactionStart - b.transactionStart)
        .map((state) => [state.producerId, state.transactionStart]),
    );
  }

  data(): LogStateData {
    return {
      start: this.start,
      next: this.next,
      limits: this.limits,
      segments: this.segments.all.map((segment) => ({ ...segment })),
      epochs: [...this.epochs.all],
      producers: [...this.producers.values()],
      aborted: [...this.aborted.all],
    };
  }

  /** First offset of the oldest open transaction; the end without one. */
  get stable(): number {
    for (const first of this.#open.values()) return Math.max(first, this.start);
    return this.next;
  }

  get openTransactions(): number {
    return this.#open.size;
  }

  /** Folds a batch whose header has its final offsets. `rolls` decides about a new segment in place of the limits: for tests of the tests. */
  addBatch(batch: Uint8Array, header: BatchHeader, rolls?: boolean): BatchPlace {
    if (header.baseOffset !== this.next) {
      throw new Error(`a batch at offset ${header.baseOffset} was committed where ${this.next} is next`);
    }
    const rolled = rolls ?? rollsBefore(this.segments.active, header, this.limits);
    const segment = rolled ? this.segments.roll(header.baseOffset) : this.segments.active;
    const position = segment.bytes;
    segment.bytes += bytesOf(header);
    if (segment.firstTimestamp < 0) segment.firstTimestamp = header.maxTimestamp;
    if (header.maxTimestamp > segment.maxTimestamp) segment.maxTimestamp = header.maxTimestamp;
    this.next = lastOffsetOf(header) + 1;
    this.epochs.note(header.partitionLeaderEpoch, header.baseOffset);
    if (header.producerId >= 0) this.#foldProducer(batch, header);
    return { segment, position, rolled };
  }

  #foldProducer(batch: Uint8Array, header: BatchHeader): void {
    const before = this.producers.get(header.producerId);
    // To the young end: the map is in order of the last batch, so the oldest idle producers come first.
    this.producers.delete(header.producerId);
    if (isControl(header)) {
      const marker = readMarker(batch, header);
      if (marker === undefined) throw new Error(`the control batch at offset ${header.baseOffset} is no marker`);
      const first = before?.transactionStart ?? -1;
      this.producers.set(header.producerId, afterMarker(before, header, marker.coordinatorEpoch));
      this.#open.delete(header.producerId);
      if (!marker.commit && first >= 0) {
        this.aborted.add({
          producerId: header.producerId,
          firstOffset: first,
          lastOffset: lastOffsetOf(header),
          stableOffset: this.stable,
        });
      }
      return;
    }
    const after = afterBatch(before, header, isTransactional(header));
    this.producers.set(header.producerId, after);
    if (after.transactionStart === header.baseOffset) this.#open.set(header.producerId, header.baseOffset);
  }

  /** The next batch begins a segment. */
  roll(): void {
    if (this.segments.active.bytes > 0) this.segments.roll(this.next);
  }

  /** The log begins at `start` from now on, if that is later than before. Gives the segments that are no part of it any more. */
  trim(start: number): Segment[] {
    if (start <= this.start || start > this.next) return [];
    this.start = start;
    this.epochs.trim(start);
    this.aborted.trim(start);
    return this.segments.dropBelow(start);
  }

  /** Forgets producers that have no open transaction. */
  expire(producers: readonly number[]): void {
    for (const id of producers) {
      if (!this.#open.has(id)) this.producers.delete(id);
    }
  }
}
