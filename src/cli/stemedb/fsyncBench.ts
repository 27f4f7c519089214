import type { Disk } from '../../host/disk.ts';

/** The runbook's limits for the 99th percentile of a durable 4 KiB write, in milliseconds. */
export const LIMITS_MS = { 'NVMe SSD': 10, 'SATA SSD': 50 } as const;

/** Bytes of one write: the WAL's page, and the runbook's `bs=4k`. */
const SYNC_WRITE_BYTES = 4096;
/** Size of the scratch file of the sync test; writes go round in it. */
const SYNC_FILE_BYTES = 64 * 2 ** 20;
/** The runbook's `bs=1M`. */
const SEQUENTIAL_WRITE_BYTES = 2 ** 20;
/** What the measurement must leave free: the WAL's default reserve of two segments, and the 5 % at which DiskSpaceLow fires. */
const RESERVE_BYTES = 2 * 64 * 2 ** 20;
const RESERVE_SHARE = 0.05;

export interface FsyncBenchOptions {
  /** Directory on the disk to measure, outside any WAL directory. */
  readonly directory: string;
  /** How long to write, in milliseconds. */
  readonly durationMs: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Tells this run's scratch file from others'. */
  readonly tag: string;
}

/** Durable writes one after the other, as the WAL makes them. */
export interface FsyncResult {
  readonly writes: number;
  readonly syncsPerSecond: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Large writes with one sync at the end: the runbook's quarterly `seq-write`. */
export interface SequentialResult {
  readonly bytes: number;
  readonly bytesPerSecond: number;
}

/** The directory cannot be measured without harm; the message says why and what to do. */
export class BenchRefused extends Error {
  override readonly name = 'BenchRefused';
}

/** Measures durable 4 KiB writes into a preallocated scratch file, which is removed afterwards. */
export function measureFsync(disk: Disk, options: FsyncBenchOptions): Promise<FsyncResult> {
  return withScratch(disk, options, SYNC_FILE_BYTES, async (file, sync) => {
    await file.allocate(SYNC_FILE_BYTES);
    await sync();
    const page = new Uint8Array(SYNC_WRITE_BYTES).fill(0x5a);
    const took: number[] = [];
    const began = options.now();
    for (let at = 0; options.now() - began < options.durationMs; at = (at + page.length) % SYNC_FILE_BYTES) {
      const submitted = options.now();
      await file.write(at, [page], { durable: true });
      took.push(options.now() - submitted);
    }
    const elapsedMs = options.now() - began;
    took.sort((a, b) => a - b);
    return {
      writes: took.length,
      syncsPerSecond: (took.length * 1000) / elapsedMs,
      p50Ms: quantile(took, 0.5),
      p90Ms: quantile(took, 0.9),
      p99Ms: quantile(took, 0.99),
      maxMs: quantile(took, 1),
    };
  });
}

/** Measures large sequential writes until the time is over or `maxBytes` are written, sync included. */
export function measureSequential(
  disk: Disk,
  options: FsyncBenchOptions & { readonly maxBytes: number },
): Promise<SequentialResult> {
  return withScratch(disk, options, options.maxBytes, async (file, sync) => {
    const chunk = new Uint8Array(SEQUENTIAL_WRITE_BYTES).fill(0x5a);
    const began = options.now();
    let bytes = 0;
    while (bytes + chunk.length <= options.maxBytes && options.now() - began < options.durationMs) {
      await file.write(bytes, [chunk], { durable: false });
      bytes += chunk.length;
    }
    await sync();
    return { bytes, bytesPerSecond: (bytes * 1000) / (options.now() - began) };
  });
}

/** The smallest value that `q` of the sorted values do not exceed (nearest rank). */
export function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
}

type ScratchFile = Awaited<ReturnType<Disk['open']>>;

async function withScratch<T>(
  disk: Disk,
  options: FsyncBenchOptions,
  bytes: number,
  run: (file: ScratchFile, sync: () => Promise<void>) => Promise<T>,
): Promise<T> {
  await refuseHarm(disk, options.directory, bytes);
  const path = `${options.directory}/hotfire-bench-${options.tag}.tmp`;
  const file = await disk.open(path, { mode: 'create-new' });
  try {
    return await run(file, async () => {
      await file.sync();
      await disk.syncDirectory(options.directory);
    });
  } finally {
    await file.close();
    await disk.remove(path);
  }
}

async function refuseHarm(disk: Disk, directory: string, bytes: number): Promise<void> {
  const entries = await disk.list(directory);
  const journalFile = entries.find((entry) => entry.name === 'LOCK' || /^segment-\d+\.wal$/.test(entry.name));
  if (journalFile !== undefined) {
    throw new BenchRefused(
      `${directory}: expected a directory without a journal, found ${journalFile.name}; measure a directory beside it on the same disk`,
    );
  }
  const { freeBytes, totalBytes } = await disk.usage(directory);
  const reserve = Math.max(RESERVE_BYTES, totalBytes * RESERVE_SHARE);
  if (freeBytes - bytes < reserve) {
    throw new BenchRefused(
      `${directory}: expected ${Math.ceil(reserve + bytes)} bytes free (the reserve and the scratch file), got ${freeBytes}; free space first`,
    );
  }
}
