export { recordBytes } from './batch.ts';
export type { JournalErrorCode, Outcome, ReadOnlyReason } from './errors.ts';
export { JournalError, WalCorruption } from './errors.ts';
export { lostRecordType, segmentFileName } from './format.ts';
export {
  dumpJournal,
  type InspectOptions,
  type ListedSegment,
  type Listing,
  listJournal,
  type Verification,
  verifyJournal,
} from './inspect.ts';
export { openJournal } from './journal.ts';
export { lockDirectory } from './lock.ts';
export { type PackSource, packFileName, writePack } from './pack.ts';
export { openPack, type Pack } from './packFile.ts';
export { journalPoints } from './points.ts';
export { type ScrubResult, scrubPack, scrubSegment } from './scrub.ts';
export type {
  DiskClaims,
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
