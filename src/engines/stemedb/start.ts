import { DiskError } from '../../host/disk.ts';
import type { Host } from '../../host/host.ts';
import type { Context } from '../../host/tracing.ts';
import {
  type Journal,
  JournalError,
  type JournalErrorCode,
  openJournal,
  type RecoveryReport,
} from '../../storage/journal/index.ts';
import { EngineError, ExitCode } from '../engine.ts';
import { type StemeConfig, witnessDirectory } from './config.ts';
import type { Manifest } from './index/manifest.ts';

/** Bytes of one append to the journal, unless segments are too small for it. */
const APPEND_BYTES_MAX = 16 * 1024 * 1024;

/** Where the index on disk is. */
export function indexDirectory({ store }: StemeConfig): string {
  return `${store.dir}/index`;
}

/** Opens the log of a store. The index on disk, if there is one, proves what was acknowledged. */
export async function openTheJournal(
  host: Host,
  config: StemeConfig,
  manifest: Manifest | undefined,
  trace: Context | undefined,
): Promise<{ journal: Journal; recovery: RecoveryReport }> {
  const { wal } = config;
  const indexed = manifest?.parts.at(-1)?.last;
  return openJournal(host, {
    directory: wal.dir,
    name: 'stemedb',
    metricsPrefix: 'stemedb_',
    witnessDirectory: witnessDirectory(config),
    segmentBytes: wal.segment_bytes,
    maxWaitMs: wal.group_commit_max_wait_ms,
    maxBatchBytes: wal.group_commit_max_bytes,
    maxAppendBytes: appendBytes(config),
    maxPendingBytes: wal.max_pending_bytes,
    reserveBytes: wal.reserve_bytes ?? 2 * wal.segment_bytes,
    maxBytes: wal.max_bytes,
    strictTail: wal.strict_tail,
    slowFsyncMs: wal.slow_fsync_ms,
    create: config.store.create,
    // The log is the database: a first segment that begins behind LSN 1 has lost what was before it.
    coveredTo: 0,
    ...(trace === undefined ? {} : { trace }),
    ...(manifest === undefined || indexed === undefined
      ? {}
      : {
          scanFrom: indexed,
          proofs: [
            {
              name: 'index',
              lsn: indexed,
              of: { journalId: manifest.journal, path: `${indexDirectory(config)}/MANIFEST` },
            },
          ],
        }),
  });
}

/**
 * One append lies in one batch and one segment: a quarter of it leaves room for headers and what is there already. It
 * also has to fit the queue: a batch in smaller appends is taken in turn, one too large for the queue never would be.
 */
export function appendBytes({ wal }: StemeConfig): number {
  const roomy = Math.min(wal.segment_bytes / 4, wal.max_pending_bytes / 2);
  return Math.min(APPEND_BYTES_MAX, Math.max(wal.max_record_bytes + 1024, roomy));
}

const EXIT_CODES: Partial<Record<JournalErrorCode, number>> = {
  WalCorruption: ExitCode.data,
  JournalFormat: ExitCode.data,
  JournalDamaged: ExitCode.data,
  JournalMissing: ExitCode.data,
  JournalLocked: ExitCode.locked,
};

/** What keeps a store from starting, with the exit code of the process. A defect comes back as it is. */
export function startError(error: unknown): unknown {
  if (error instanceof JournalError) {
    return new EngineError(error.code, EXIT_CODES[error.code] ?? ExitCode.io, error.message, { cause: error });
  }
  if (error instanceof DiskError) return new EngineError('DISK', ExitCode.io, error.message, { cause: error });
  return error;
}
