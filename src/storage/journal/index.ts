export type { JournalErrorCode, Outcome, ReadOnlyReason } from './errors.ts';
export { JournalError, WalCorruption } from './errors.ts';
export type {
  ExternalProof,
  Journal,
  JournalOptions,
  JournalState,
  JournalStatus,
  JournalTuning,
  Lsn,
  PackInfo,
  RecordIn,
  RecordOut,
  RecoveryReport,
  SegmentInfo,
  Ticket,
} from './types.ts';
