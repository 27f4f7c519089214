import type { DiskFile } from '../../host/disk.ts';
import { DiskError } from '../../host/disk.ts';
import type { Host } from '../../host/host.ts';
import type { Logger } from '../../host/telemetry.ts';
import { sectorBytes, segmentHeaderBytes } from './format.ts';
import { JournalMetrics } from './metrics.ts';
import type { ExternalProof, JournalOptions, Lsn } from './types.ts';

/** Options with their defaults filled in. */
export interface Settings {
  readonly directory: string;
  readonly name: string;
  readonly witnessDirectory: string;
  readonly segmentBytes: number;
  readonly maxWaitMs: number;
  readonly maxBatchBytes: number;
  readonly maxAppendBytes: number;
  readonly maxPendingBytes: number;
  readonly reserveBytes: number;
  readonly belowReserve: 'read-only' | 'tell';
  readonly maxBytes: number;
  readonly strictTail: boolean;
  readonly slowFsyncMs: number;
  readonly create: 'if-missing' | 'never';
  readonly onCorruption: 'refuse' | 'quarantine';
  readonly scanFrom: Lsn;
  readonly coveredTo: Lsn | undefined;
  readonly proofs: readonly ExternalProof[];
}

const mutantNames = [
  'ack-on-write',
  'ack-before-sync',
  'skip-directory-sync',
  'retry-sync',
  'truncate-at-bad-crc',
  'rewrite-in-place',
  'recovery-not-synced',
  'floor-without-witness',
  'floor-without-successor',
  'witness-before-sync',
  'crc-without-lsn',
  'no-chain',
  'split-append',
  'keep-lsn-after-reject',
  'queued-as-indeterminate',
  'submitted-as-not-applied',
  'read-only-forever',
  'no-reserve',
  'fixed-wait',
  'no-gather',
  'count-ok-syncs-only',
  'quantile-of-all-time',
  'leak-budget',
] as const;

/** A bug of the journal that the simulator can plant. */
export type Mutant = (typeof mutantNames)[number];

/** What every part of one journal shares. */
export interface Context {
  readonly host: Host;
  readonly settings: Settings;
  readonly metrics: JournalMetrics;
  readonly logger: Logger;
  /** Planted bugs, asked for once: never any in production. */
  readonly mutants: ReadonlySet<Mutant>;
}

/** Fills in the defaults and refuses what cannot work. */
export function resolveSettings(o: JournalOptions): Settings {
  const segmentBytes = o.segmentBytes ?? 64 * 1024 * 1024;
  if (!Number.isSafeInteger(segmentBytes) || segmentBytes % 4096 !== 0 || segmentBytes < 4 * segmentHeaderBytes) {
    throw new RangeError(`segmentBytes is ${segmentBytes}, expected a multiple of 4096 of at least 16384`);
  }
  return {
    directory: o.directory,
    name: o.name,
    witnessDirectory: o.witnessDirectory ?? `${o.directory}/witness`,
    segmentBytes,
    maxWaitMs: o.maxWaitMs ?? 10,
    maxBatchBytes: o.maxBatchBytes ?? 1_048_576,
    maxAppendBytes: o.maxAppendBytes ?? 16 * 1024 * 1024,
    maxPendingBytes: o.maxPendingBytes ?? 64 * 1024 * 1024,
    reserveBytes: o.reserveBytes ?? 2 * segmentBytes,
    belowReserve: o.belowReserve ?? 'read-only',
    maxBytes: o.maxBytes ?? Number.POSITIVE_INFINITY,
    strictTail: o.strictTail ?? false,
    slowFsyncMs: o.slowFsyncMs ?? 100,
    create: o.create ?? 'if-missing',
    onCorruption: o.onCorruption ?? 'refuse',
    scanFrom: o.scanFrom ?? 1,
    coveredTo: o.coveredTo,
    proofs: o.proofs ?? [],
  };
}

export function createContext(host: Host, options: JournalOptions): Context {
  const settings = resolveSettings(options);
  const mutants = new Set(mutantNames.filter((name) => host.telemetry.mutant(name)));
  return {
    host,
    settings,
    metrics: new JournalMetrics(host, options.metricsPrefix, mutants),
    logger: host.telemetry.logger.child({ journal: settings.name }),
    mutants,
  };
}

export function isMissing(error: unknown): boolean {
  return error instanceof DiskError && error.code === 'ENOENT';
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Reads, with two more tries 10 ms apart when the disk reports EIO: many such errors do not come again. */
export async function readPatiently(host: Host, file: DiskFile, position: number, into: Uint8Array): Promise<number> {
  for (let tries = 1; ; tries++) {
    try {
      return await file.read(position, into);
    } catch (error) {
      if (tries === 3 || !(error instanceof DiskError) || error.code !== 'EIO') throw error;
      await host.clock.sleep(10);
    }
  }
}

/**
 * The first sector of a page that cannot be read whole: where the drive's sectors are smaller than a page, the header of a batch
 * may stand there intact and prove what the rest no longer does. Undefined when that sector is as bad.
 */
export async function readFirstSector(host: Host, file: DiskFile, offset: number): Promise<Uint8Array | undefined> {
  const sector = new Uint8Array(sectorBytes);
  try {
    const got = await readPatiently(host, file, offset, sector);
    return sector.subarray(0, got);
  } catch (error) {
    if (error instanceof DiskError && error.code === 'EIO') return undefined;
    throw error;
  }
}

/** Closes a file; what closing reports is of no use to anyone. */
export async function closeQuietly(file: DiskFile | undefined): Promise<void> {
  try {
    await file?.close();
  } catch {
    // Everything that had to be durable was synced before.
  }
}
