import { DiskError, isNoSpace } from '../../host/disk.ts';
import { JournalError } from '../../storage/journal/index.ts';
import { EngineError, ExitCode } from '../engine.ts';

/** Every reason for which a broker does not start or cannot go on, and what its process ends with. */
const EXIT = {
  CONFIG_INVALID: ExitCode.configuration,
  /** EX_OSERR. */
  PORT_IN_USE: 71,
  DATA_DIR_LOCKED: ExitCode.locked,
  /** EX_NOPERM. */
  DATA_DIR_NOT_WRITABLE: 77,
  FORMAT_NEWER: ExitCode.data,
  WRONG_CLUSTER: ExitCode.data,
  JOURNAL_CORRUPT: ExitCode.data,
  NEEDS_INCARNATION: ExitCode.data,
  /** The next start mends it: it takes a new incarnation. */
  ROLLED_BACK_DISK: ExitCode.software,
  JOURNAL_FAILED: ExitCode.software,
  /** A segment or a state file could not be synced, or the disk failed otherwise while the broker ran. */
  DISK_FAILED: ExitCode.software,
  /** The broker met what cannot be: its own fault, not the disk's. */
  DEFECT: ExitCode.software,
  SEGMENT_CORRUPT: ExitCode.data,
  PARTITION_OFFLINE: ExitCode.io,
  NO_QUORUM: ExitCode.io,
  CONF_CHANGE_PENDING: ExitCode.io,
  STORE_FAILED: ExitCode.io,
} as const;

export type StreamBusErrorCode = keyof typeof EXIT;

/** What the process ends with. */
export function exitCodeOf(code: StreamBusErrorCode): number {
  return EXIT[code];
}

/** Every code, as scenarios may name it. */
export const streamBusErrorCodes: readonly string[] = Object.keys(EXIT);

/** A broker cannot start, or has to end. `code` is stable; the message says what was expected, what came and what to do. */
export class StreamBusError extends EngineError {
  override readonly name = 'StreamBusError';
  declare readonly code: StreamBusErrorCode;

  constructor(code: StreamBusErrorCode, message: string, options?: { cause?: unknown }) {
    super(code, EXIT[code], message, options);
  }
}

/** What a disk refused, as the end of the process says it: STORE_FAILED. Anything else comes back as it is. */
export function storeError(error: unknown): unknown {
  if (!(error instanceof DiskError)) return error;
  const wanted = isNoSpace(error)
    ? 'expected room on the disk; free some (df -h names the disk), then start again'
    : "expected a disk that can be read and written; look at the kernel's log, then at the disk";
  return new StreamBusError('STORE_FAILED', `storage.data_dir: ${error.message}: ${wanted}`, { cause: error });
}

/** Why a broker that ran cannot go on, by what is at the bottom of it: the journal, another file of the disk, or a defect. */
export function endingError(error: unknown): StreamBusError {
  if (error instanceof StreamBusError) return error;
  const told = error instanceof Error ? error.message : String(error);
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at instanceof JournalError) {
      return new StreamBusError('JOURNAL_FAILED', `this broker cannot go on: ${told}`, { cause: error });
    }
    if (at instanceof DiskError) {
      const refused = at === error ? told : `${told}: ${at.message}`;
      const todo = "look at the kernel's log, then at the disk; the next start reads what is on it";
      return new StreamBusError('DISK_FAILED', `storage.data_dir: ${refused}: ${todo}`, { cause: error });
    }
  }
  const todo =
    'this is a defect of the broker: keep its log and its data directory for whoever mends it, then start it again';
  return new StreamBusError('DEFECT', `this broker cannot go on: ${told}: ${todo}`, { cause: error });
}
