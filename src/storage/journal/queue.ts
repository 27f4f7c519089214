import type { Context as TraceContext } from '../../host/tracing.ts';
import { BatchBuffer, payloadBytes, recordBytes } from './batch.ts';
import type { Context } from './context.ts';
import { JournalError } from './errors.ts';
import { batchHeaderBytes, firstReservedType, pageBytes, segmentHeaderBytes } from './format.ts';
import { GroupTrace } from './groupTrace.ts';
import { AppendTicket, BatchOutcome } from './tickets.ts';
import type { Lsn, RecordIn, Ticket } from './types.ts';

/** Buffers kept for reuse. */
const poolMax = 4;

/** Appends that will be written together. */
export interface PendingBatch {
  readonly buffer: BatchBuffer;
  readonly outcome: BatchOutcome;
  appends: number;
  /** Takes no more appends. */
  full: boolean;
}

/**
 * What is appended and not yet submitted: batches in order, the last one filling. Bounded by maxPendingBytes, which
 * counts what is in flight too.
 */
export class AppendQueue {
  readonly #context: Context;
  readonly #recordSalt: number;
  readonly #pool: BatchBuffer[] = [];
  #batches: PendingBatch[] = [];
  nextLsn: Lsn;
  maxBatchBytes: number;
  /** Bytes and records pending, the batch in flight included; appends queued, without it. */
  pendingBytes = 0;
  pendingRecords = 0;
  queuedAppends = 0;
  queuedBytes = 0;

  constructor(context: Context, recordSalt: number, nextLsn: Lsn) {
    this.#context = context;
    this.#recordSalt = recordSalt;
    this.nextLsn = nextLsn;
    this.maxBatchBytes = context.settings.maxBatchBytes;
  }

  get length(): number {
    return this.#batches.length;
  }

  get head(): PendingBatch | undefined {
    return this.#batches[0];
  }

  get last(): PendingBatch | undefined {
    return this.#batches.at(-1);
  }

  /** Most bytes that one batch may have: a segment holds at least one beside its header and seal. */
  get #batchRoom(): number {
    return this.#context.settings.segmentBytes - segmentHeaderBytes - pageBytes;
  }

  append(records: readonly RecordIn[], trace?: TraceContext): Ticket {
    if (records.length === 0) throw new RangeError('an append needs at least one record');
    const { settings, mutants, host } = this.#context;
    let bytes = 0;
    for (const record of records) {
      if (!(record.type >= 0 && record.type < firstReservedType)) {
        throw new RangeError(`record type is ${record.type}, expected 0..${firstReservedType - 1}`);
      }
      bytes += recordBytes(payloadBytes(record.payload));
    }
    const most = Math.min(settings.maxAppendBytes, this.#batchRoom - batchHeaderBytes);
    if (bytes > most) {
      throw new JournalError('RecordTooLarge', `an append of ${bytes} bytes, expected at most ${most}; split it`);
    }
    if (this.pendingBytes + bytes > settings.maxPendingBytes) {
      throw new JournalError(
        'JournalFull',
        `${this.pendingBytes} bytes are pending and ${bytes} more would pass ${settings.maxPendingBytes}; try later`,
      );
    }
    const first = this.nextLsn;
    const split = mutants.has('split-append') && records.length > 1 ? records.length >> 1 : -1;
    let batch = this.#batchFor(bytes);
    for (let i = 0; i < records.length; i++) {
      const record = records[i];
      if (record === undefined) throw new RangeError(`record ${i} is missing`);
      if (i === split) {
        batch.full = true;
        batch = this.#batchFor(bytes);
      }
      const lsn = this.nextLsn;
      batch.buffer.add(
        record,
        payloadBytes(record.payload),
        this.#recordSalt,
        mutants.has('crc-without-lsn') ? 0 : lsn,
      );
      this.nextLsn = lsn + 1;
    }
    batch.appends += 1;
    if (trace !== undefined) {
      batch.outcome.trace ??= new GroupTrace(host.telemetry.tracer);
      batch.outcome.trace.appended(trace, first, records.length);
    }
    if (host.telemetry.buggify('tiny-batch')) batch.full = true;
    this.queuedAppends += 1;
    this.queuedBytes += bytes;
    this.pendingBytes += bytes;
    this.pendingRecords += records.length;
    return new AppendTicket(first, this.nextLsn - 1, batch.outcome);
  }

  #batchFor(bytes: number): PendingBatch {
    const last = this.#batches.at(-1);
    const limit = Math.min(this.maxBatchBytes, this.#batchRoom);
    if (last !== undefined && !last.full && last.buffer.usedBytes + bytes <= limit) return last;
    if (last !== undefined) last.full = true;
    const buffer = this.#pool.pop() ?? new BatchBuffer(this.nextLsn);
    buffer.reset(this.nextLsn);
    const batch = { buffer, outcome: new BatchOutcome(), appends: 0, full: false };
    this.#batches.push(batch);
    return batch;
  }

  /** Takes the oldest batch out to be submitted; its bytes stay pending until `settled`. */
  take(): PendingBatch {
    const batch = this.#batches.shift();
    if (batch === undefined) throw new Error('nothing is queued');
    this.queuedAppends -= batch.appends;
    this.queuedBytes -= batch.buffer.usedBytes - batchHeaderBytes;
    return batch;
  }

  /** A batch that was taken is durable or given up; its buffer is free. */
  settled(batch: PendingBatch): void {
    this.pendingBytes -= batch.buffer.usedBytes - batchHeaderBytes;
    this.pendingRecords -= batch.buffer.recordCount;
    if (this.#pool.length < poolMax && batch.buffer.capacityBytes <= 2 * this.maxBatchBytes + 65_536) {
      this.#pool.push(batch.buffer);
    }
  }

  /** Gives up everything queued: the rejected batches, oldest first. */
  clear(): PendingBatch[] {
    const given = this.#batches;
    this.#batches = [];
    this.queuedAppends = 0;
    this.queuedBytes = 0;
    // The planted bug keeps what the rejected batches had of the budget: back-pressure tightens with each of them.
    if (!this.#context.mutants.has('leak-budget')) for (const batch of given) this.settled(batch);
    return given;
  }
}
