import type { Context } from '../../host/tracing.ts';
import type { ReadOnlyReason } from './errors.ts';

/** Number of a record in one journal: 1, 2, 3 … without gaps. A safe integer. */
export type Lsn = number;

/** A record to append. */
export interface RecordIn {
  /** 0..239; 240..255 belong to the journal. */
  readonly type: number;
  /** 0..2^32−1; default 0. */
  readonly stream?: number;
  /** Bytes, or pieces that are laid one after the other. Copied by `append`: the caller may reuse them at once. */
  readonly payload: Uint8Array | readonly Uint8Array[];
}

/** A record that was read. `payload` is a view into a buffer: copy to keep it beyond the next step of the iteration. */
export interface RecordOut {
  readonly lsn: Lsn;
  readonly stream: number;
  readonly type: number;
  /** Wall time at which its batch was submitted, milliseconds since 1970; never falls along the log. */
  readonly wallMs: number;
  readonly payload: Uint8Array;
}

/** The claim to the outcome of one append. */
export interface Ticket {
  readonly first: Lsn;
  readonly last: Lsn;
  /** Resolves when all of its records are durable; rejects with `JournalError`, whose `outcome` says what became of them. */
  durable(): Promise<void>;
}

export type JournalState = 'open' | 'read-only' | 'failed' | 'damaged' | 'closed';

/** One log file. */
export interface SegmentInfo {
  readonly id: number;
  /** File name within the journal's directory. */
  readonly file: string;
  readonly baseLsn: Lsn;
  /** Last durable record of it; `baseLsn − 1` while it has none. */
  readonly lastLsn: Lsn;
  /** Length of the file. */
  readonly bytes: number;
  /** Bytes of header and batches. */
  readonly usedBytes: number;
  readonly sealed: boolean;
  readonly createdWall: number;
}

/** One pack: a dense, immutable segment. */
export interface PackInfo {
  readonly path: string;
  readonly first: Lsn;
  readonly last: Lsn;
  readonly firstWallMs: number;
  readonly lastWallMs: number;
  readonly bytes: number;
  /** Hex SHA-256 of all bytes before the hash itself, as the footer carries it. */
  readonly sha256: string;
}

/** Figures of a running journal, for people and the admin routes. */
export interface JournalStatus {
  readonly id: string;
  readonly state: JournalState;
  /** Why it is in that state; empty when open. */
  readonly why: string;
  readonly readOnlyReasons: readonly ReadOnlyReason[];
  readonly firstLsn: Lsn;
  readonly nextLsn: Lsn;
  readonly durableLsn: Lsn;
  readonly witnessLsn: Lsn;
  /** Moving average of a durable write's time, milliseconds (weight 1/8). */
  readonly averageWriteMs: number;
  /** Appends that the next gather waits for. */
  readonly expectedAppends: number;
  /** Flushes left without gathering after gathers that met their deadline. */
  readonly backOff: number;
  readonly maxWaitMs: number;
  readonly maxBatchBytes: number;
  readonly pendingBytes: number;
  readonly pendingRecords: number;
  /** Age of the write in flight, milliseconds; 0 when there is none. */
  readonly inflightMs: number;
  readonly lastBatch: { readonly records: number; readonly bytes: number; readonly ms: number } | undefined;
  readonly segments: number;
  readonly diskBytes: number;
  readonly freeBytes: number | undefined;
  readonly spareReady: boolean;
  readonly recovery: RecoveryReport;
}

/** What can change while the journal runs. */
export interface JournalTuning {
  readonly maxWaitMs?: number;
  readonly maxBatchBytes?: number;
  readonly slowFsyncMs?: number;
}

/** Bytes that go to the journal's disk beside the journal: space that is spoken for while it still shows as free. */
export interface DiskClaims {
  /** All that were ever given to be written. */
  readonly givenBytes: number;
  /** Of them, those that are not written yet. */
  readonly unwrittenBytes: number;
}

/** A segmented durable log with group commit: one writer, any number of readers. */
export interface Journal {
  /** 32 hex digits. */
  readonly id: string;
  readonly state: JournalState;
  /** Oldest record kept. */
  readonly firstLsn: Lsn;
  /** LSN that the next record gets. Falls back to `durableLsn + 1` when a batch is rejected. */
  readonly nextLsn: Lsn;
  /** Every record up to this one is acknowledged. Readers see no further. */
  readonly durableLsn: Lsn;
  /**
   * Every record up to this one is proven to be on the medium. Behind `durableLsn` only while the tail that a start found waits for room
   * to be written anew (`recovering`): until then a loss of power may take what lies above.
   */
  readonly provenLsn: Lsn;
  /** A segment is being sealed and its successor begun: what is appended meanwhile waits. */
  readonly isRotating: boolean;
  /** The file of the next segment is being made, beside everything else. */
  readonly isMakingSpare: boolean;
  /**
   * Copies the records into the filling batch and numbers them: synchronous, all of them in one batch. Throws
   * `JournalError` before anything is written: JournalReadOnly, JournalFailed, JournalFull (over maxPendingBytes),
   * JournalDamaged, JournalClosed, RecordTooLarge (over maxAppendBytes, or what one segment holds). With `trace` its wait
   * and its commit are spans under that.
   */
  append(records: readonly RecordIn[], trace?: Context): Ticket;
  /** Everything appended so far, without further waiting. Rejects as the last ticket would. */
  flush(): Promise<void>;
  /** Calls `fn` once a batch, in order, before the tickets' continuations run. Returns how to stop. */
  onDurable(fn: (durable: Lsn) => void): () => void;
  onState(fn: (state: JournalState, why: string) => void): () => void;
  /**
   * Why there is less free space than the reserve; undefined: there is enough. The disk is looked at once a second; what `claims` says
   * counts at once.
   */
  readonly low: string | undefined;
  /** What the journal's owner writes to the same disk beside it. Default: nothing. */
  claims: () => DiskClaims;
  /** Calls `fn` when a look at the disk has found that `low` has come or gone. Returns how to stop. */
  onLow(fn: () => void): () => void;
  /** The record, checked. RecordNotFound outside firstLsn..durableLsn; WalCorruption when no intact bytes are left here. */
  read(lsn: Lsn): Promise<RecordOut>;
  /**
   * Records in order, one group a batch, from `from` to `to` or to what is durable when the reader gets there.
   * With `stream`, only that one's.
   */
  scan(from: Lsn, o?: { to?: Lsn; stream?: number; signal?: AbortSignal }): AsyncIterable<readonly RecordOut[]>;
  /** Keeps every record from `keepFrom` on. A sealed segment goes when all pins are past it; without pins nothing goes. */
  pin(name: string, keepFrom: Lsn): void;
  unpin(name: string): void;
  /** Writes the records of a sealed segment as a pack into a directory: tmp, sync, rename, syncDirectory, re-read. */
  pack(segment: SegmentInfo, directory: string): Promise<PackInfo>;
  /** Writes the missing records of a `damaged` journal (in LSN order) and opens it. */
  fill(records: AsyncIterable<RecordOut>): Promise<void>;
  segments(): readonly SegmentInfo[];
  /** Seals the active segment and begins the next, after everything appended so far. */
  roll(): Promise<void>;
  /** Flushes, seals, notes the clean end, unlocks. Idempotent. */
  close(): Promise<void>;
  /** Refuses appends for `reason` until the returned function is called. What is pending still becomes durable. */
  holdReadOnly(reason: 'index_full' | 'operator', why: string): () => void;
  configure(tuning: JournalTuning): void;
  status(): JournalStatus;
}

/** Something outside the journal that proves records acknowledged. */
export interface ExternalProof {
  /** `vault`, `index`, `archive`: names the source in the verdict. */
  readonly name: string;
  readonly lsn: Lsn;
  /** The journal that it speaks of, and the file that says so: of another journal it proves nothing. */
  readonly of?: { readonly journalId: string; readonly path: string };
}

export interface JournalOptions {
  /** Absolute path; made if missing and allowed. */
  readonly directory: string;
  /** Name of the witness's ring, and in log lines. */
  readonly name: string;
  /** Put before `wal_…`: `stemedb_`. */
  readonly metricsPrefix: string;
  /** Where `<name>.ring` lives; another disk than `directory` where there is one. Default `<directory>/witness`. */
  readonly witnessDirectory?: string;
  /** Size of a segment file, a multiple of 4096. Default 64 MiB. */
  readonly segmentBytes?: number;
  /** Longest gathering of a batch, milliseconds. Default 10. */
  readonly maxWaitMs?: number;
  /** A batch takes no further append beyond it. Default 1 MiB. */
  readonly maxBatchBytes?: number;
  /** Bytes of one append. Default 16 MiB. */
  readonly maxAppendBytes?: number;
  /** Appended and not yet durable; beyond it `append` throws JournalFull. Default 64 MiB. */
  readonly maxPendingBytes?: number;
  /** Free space, the spare segment in it, below which the journal turns read-only or says so. Default two segments. */
  readonly reserveBytes?: number;
  /**
   * What happens below the reserve. `read-only` (default): appends are refused. `tell`: `low` says so and the journal goes on while it has
   * room, so that its owner can stop what is large and still write what frees space.
   */
  readonly belowReserve?: 'read-only' | 'tell';
  /** Bytes of all segment files beyond which the journal turns read-only. Default unlimited. */
  readonly maxBytes?: number;
  /** Acknowledge only after the witness has noted the batch. Default false. */
  readonly strictTail?: boolean;
  /** A durable write that takes longer is logged. Default 100 ms. */
  readonly slowFsyncMs?: number;
  /** Default `if-missing`. Never creates beside a witness. */
  readonly create?: 'if-missing' | 'never';
  /** Default `refuse`. `quarantine` opens a journal with holes as `damaged`. */
  readonly onCorruption?: 'refuse' | 'quarantine';
  /** Segments that end before this LSN are not scanned at start. Default: everything is. */
  readonly scanFrom?: Lsn;
  /** Every LSN up to this one is kept elsewhere: the first segment may begin no later than after it. Default: not checked. */
  readonly coveredTo?: Lsn;
  /** What else proves acknowledgement. Default none. */
  readonly proofs?: readonly ExternalProof[];
  /** The trace that the start belongs to. Default: one of its own. */
  readonly trace?: Context;
}

/** What was found at the start. */
export interface RecoveryReport {
  readonly verdict: 'clean' | 'torn-tail' | 'corrupt';
  readonly first: Lsn;
  /** Last record; `first − 1` when there is none. */
  readonly last: Lsn;
  /** Highest LSN that intact bytes anywhere prove acknowledged. */
  readonly floor: Lsn;
  /** The unacknowledged tail that was dropped. */
  readonly torn?: { readonly segment: string; readonly offset: number; readonly bytes: number };
  readonly missing: readonly { readonly from: Lsn; readonly to: Lsn; readonly proof: string }[];
}
