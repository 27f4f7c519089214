import { recordBytes } from '../../storage/journal/batch.ts';
import { batchHeaderBytes, pageBytes } from '../../storage/journal/format.ts';

/** What a deployment is sized for. */
export interface SizingInput {
  readonly writesPerSecond: number;
  /** Payload of one record: content and signatures. */
  readonly payloadBytes: number;
  /** Time of one durable write on the WAL's disk (L), as `bench-fsync` measures it. */
  readonly latencyMs: number;
  /** `wal.max_bytes`. */
  readonly walMaxBytes: number;
  /** `index.max_bytes`. */
  readonly indexMaxBytes: number;
}

/** What it takes. All rates are per second unless the name says otherwise. */
export interface Sizing extends SizingInput {
  /** min(writes/s, 1/L): one durable write is in flight at a time, and it carries all that came meanwhile. */
  readonly syncsPerSecond: number;
  readonly recordsPerSync: number;
  /** Bytes that go to the WAL's disk, batches filled up to whole pages. */
  readonly logBytesPerSecond: number;
  readonly logBytesPerDay: number;
  /** Days until the log has `walMaxBytes` and the store turns read-only. */
  readonly daysUntilWalFull: number;
  /** Days until the index has `indexMaxBytes` and the store turns read-only. */
  readonly daysUntilIndexFull: number;
  /** Memory for the first day and for each further one: the index keeps a row of about 110 B a record. */
  readonly memoryBytesFirstDay: number;
  readonly memoryBytesPerDay: number;
  /** The runbook's formula: writes/s × 1.5, and twice that as headroom. */
  readonly runbookIops: number;
  readonly runbookIopsWithHeadroom: number;
}

/** Bytes of memory a record costs: a row of the index and its share of the derived tables. */
const MEMORY_PER_RECORD = 110;
/** Process, full pending queue and full record cache at their defaults: 120 + 64 + 64 MiB. */
const MEMORY_BASE = (120 + 64 + 64) * 2 ** 20;
const SECONDS_PER_DAY = 86_400;

/** Sizes a StemeDB node by how its log writes: group commit with one durable write in flight. */
export function sizeOf(input: SizingInput): Sizing {
  const syncsPerSecond = Math.min(input.writesPerSecond, 1000 / input.latencyMs);
  const recordsPerSync = input.writesPerSecond / syncsPerSecond;
  const batchBytes = batchHeaderBytes + recordsPerSync * recordBytes(input.payloadBytes);
  const logBytesPerSecond = syncsPerSecond * Math.ceil(batchBytes / pageBytes) * pageBytes;
  const logBytesPerDay = logBytesPerSecond * SECONDS_PER_DAY;
  const memoryBytesPerDay = input.writesPerSecond * SECONDS_PER_DAY * MEMORY_PER_RECORD;
  return {
    ...input,
    syncsPerSecond,
    recordsPerSync,
    logBytesPerSecond,
    logBytesPerDay,
    daysUntilWalFull: input.walMaxBytes / logBytesPerDay,
    daysUntilIndexFull: input.indexMaxBytes / memoryBytesPerDay,
    memoryBytesFirstDay: MEMORY_BASE + memoryBytesPerDay,
    memoryBytesPerDay,
    runbookIops: input.writesPerSecond * 1.5,
    runbookIopsWithHeadroom: input.writesPerSecond * 3,
  };
}
