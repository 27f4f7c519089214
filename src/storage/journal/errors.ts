/**
 * What became of the records of a failed append. `not_applied`: never handed to the disk, they will not appear.
 * `indeterminate`: handed to the disk, they may or may not be there after the next recovery.
 */
export type Outcome = 'not_applied' | 'indeterminate';

/** Stable codes of the journal's errors. */
export type JournalErrorCode =
  | 'JournalReadOnly'
  | 'JournalFailed'
  | 'JournalFull'
  | 'JournalDamaged'
  | 'JournalClosed'
  | 'JournalLocked'
  | 'JournalFormat'
  | 'JournalIo'
  | 'JournalMissing'
  | 'RecordTooLarge'
  | 'RecordNotFound'
  | 'WalCorruption';

/** A journal operation failed. Everything that a journal throws or rejects with on account of its state is one of these. */
export class JournalError extends Error {
  override readonly name: string = 'JournalError';
  readonly code: JournalErrorCode;
  /** True of the records of the append that failed; `not_applied` for operations that append nothing. */
  readonly outcome: Outcome;
  /** With JournalReadOnly: which cause of section "states" holds. */
  readonly reason: ReadOnlyReason | undefined;
  /** With JournalLocked: the process that holds the lock, where it is known. */
  readonly holderPid: number | undefined;

  constructor(
    code: JournalErrorCode,
    message: string,
    options?: { outcome?: Outcome; cause?: unknown; reason?: ReadOnlyReason; holderPid?: number },
  ) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.outcome = options?.outcome ?? 'not_applied';
    this.reason = options?.reason;
    this.holderPid = options?.holderPid;
  }
}

/** Why a journal takes no appends although nothing is broken. */
export type ReadOnlyReason = 'no_space' | 'wal_full' | 'index_full' | 'operator' | 'witness' | 'recovering';

/** Acknowledged records are damaged or missing, and something intact proves that they were acknowledged. */
export class WalCorruption extends JournalError {
  override readonly name = 'WalCorruption';
  /** File name of the segment, or the name that is missing. */
  readonly segment: string;
  /** Byte offset of the first damage in that file. */
  readonly offset: number;
  /** First LSN that is missing. */
  readonly from: number;
  /** Last LSN that is missing before the next intact record. */
  readonly to: number;
  /** What proves that they were acknowledged: one or more sources, joined by `and`. */
  readonly proof: string;

  constructor(damage: { segment: string; offset: number; from: number; to: number; proof: string; cause?: unknown }) {
    super(
      'WalCorruption',
      `acknowledged records ${damage.from}..${damage.to} are damaged or missing: ${damage.segment} at offset ${damage.offset} ` +
        `(acknowledged by ${damage.proof}); nothing was changed; what can be done: docs/runbooks/stemedb/corruption.md`,
      damage.cause === undefined ? undefined : { cause: damage.cause },
    );
    this.segment = damage.segment;
    this.offset = damage.offset;
    this.from = damage.from;
    this.to = damage.to;
    this.proof = damage.proof;
  }
}

/** A file is of another journal, of a newer version, or of no journal at all. */
export function formatError(path: string, what: string, expected: string, got: string): JournalError {
  return new JournalError('JournalFormat', `${path}: ${what} is ${got}, expected ${expected}; check the directory`);
}
