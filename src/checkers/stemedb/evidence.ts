/**
 * What a run of stemedb leaves for its checks: plain data, gathered by the stand. Times are virtual milliseconds; orders come
 * from one counter over everything here but the clients' history, smaller is earlier, never equal, Infinity: never.
 */
import type { Operation } from '../history.ts';

export interface StemeEvidence {
  /** The settings of the last process. A restart may have changed them: see `Life`. */
  readonly config: StemeSettings;
  /** What the clients did. Inputs and outputs are `ClientInput` and `ClientOutput`. */
  readonly operations: readonly Operation<ClientInput, ClientOutput>[];
  /** Every request that reached a route of the engine, in order of arrival. */
  readonly requests: readonly ServerRequest[];
  /** Every process of the engine, in order of their starts. */
  readonly lives: readonly Life[];
  /** Every call on the disk, in order of their beginnings. */
  readonly disk: readonly DiskCall[];
  /** The process from outside, at steady intervals and around batches. */
  readonly samples: readonly StateSample[];
  /** Windows in which a fault was active. */
  readonly faults: readonly FaultWindow[];
  /** Power losses, one by one. */
  readonly powerLosses: readonly { readonly atMs: number; readonly order: number }[];
  /** LSN ranges that an operator gave up by `--accept-loss`. */
  readonly acceptedLoss: readonly { readonly from: number; readonly to: number }[];
  /** When the last fault was healed; undefined in a run without a healing phase. */
  readonly healedAtMs: number | undefined;
  /** End of the run. */
  readonly endedAtMs: number;
  /** Fault points that fired: rare but legal paths, which cost time. */
  readonly firedFaultPoints: readonly string[];
  /** The index as it answered at the end: every key that was ever written, under every lens that the stand asks for. */
  readonly index: readonly IndexAnswer[];
}

/** Settings that bounds are computed from. Names as in the configuration file. */
export interface StemeSettings {
  readonly maxWaitMs: number;
  readonly maxBatchBytes: number;
  readonly segmentBytes: number;
  readonly reserveBytes: number;
  readonly maxPendingBytes: number;
  readonly cacheBytes: number;
  readonly indexMaxBytes: number;
  readonly requestTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly lameDuckMs: number;
  readonly strictTail: boolean;
  readonly walDirectory: string;
  readonly storeDirectory: string;
}

/** One thing that a client sent to be stored. `content` is what its id is the hash of. */
export interface Submission {
  /** SHA-256 of the canonical content, as the client computed it: 64 hexadecimal digits. */
  readonly id: string;
  readonly kind: 'assertion' | 'vote' | 'epoch' | 'agent-weight';
  readonly content: Readonly<Record<string, unknown>>;
}

export type ClientInput =
  | { readonly f: 'write'; readonly submissions: readonly Submission[]; readonly atomic: boolean }
  | { readonly f: 'get'; readonly id: string }
  | { readonly f: 'query'; readonly subject: string; readonly predicate: string; readonly lens: string }
  | { readonly f: 'other' };

/** How one submission of a write was answered. */
export interface AckRecord {
  readonly id: string;
  readonly lsn: number;
  readonly status: 'created' | 'exists';
}

export interface ClientOutput {
  readonly acks?: readonly AckRecord[];
  /** Items of a batch that were refused, by position. */
  readonly rejected?: readonly { readonly index: number; readonly code: string }[];
  /** Of `get`: what was served. */
  readonly found?: { readonly lsn: number; readonly content: unknown };
  /** Of `query`: ids of the candidates. */
  readonly candidates?: readonly string[];
  readonly winner?: string | undefined;
  readonly lsn?: number;
}

/** One request as the engine's own route saw it. */
export interface ServerRequest {
  readonly node: string;
  readonly incarnation: number;
  readonly method: string;
  readonly path: string;
  readonly arrivedAtMs: number;
  readonly arrivedOrder: number;
  answeredAtMs: number;
  answeredOrder: number;
  /** 0 until answered. */
  status: number;
  /** Ids of what it asks to store. */
  readonly ids: readonly string[];
  /** Bytes of the body as it came. */
  readonly bodyBytes: number;
  /** True: all of `ids` or none. */
  readonly atomic: boolean;
  /** Of a request that sets the rate limit: the new one; 0 for off. */
  readonly rateLimit?: number;
  acks: readonly AckRecord[];
  /** Of an error: its code and outcome; for a batch, those of the refused items, by id. */
  error?: { readonly code: string; readonly outcome: string };
  itemErrors?: readonly { readonly id: string; readonly code: string; readonly outcome: string }[];
}

/** A record as an independent reader of the log files found it. */
export interface LogRecord {
  readonly lsn: number;
  readonly type: number;
  readonly stream: number;
  /** SHA-256 of the content part of the payload. */
  readonly id: string;
  /** CRC-32C over the whole payload: equal bytes, equal sums. */
  readonly sum: number;
}

/** The log directory at one moment, read without the engine. */
export interface JournalImage {
  readonly atMs: number;
  readonly order: number;
  /** Records of the valid prefix, by LSN. */
  readonly records: readonly LogRecord[];
  /** Highest LSN that intact bytes of log or witness prove acknowledged. */
  readonly floor: number;
  /** Highest LSN that the witness proves; 0 without one. */
  readonly witness: number;
  /** Where the valid prefix ends though more bytes follow. */
  readonly invalid?: {
    readonly segment: string;
    readonly offset: number;
    readonly reason: string;
    /** First LSN of the segment behind, if damage lies within a segment that has one. */
    readonly nextBaseLsn?: number;
  };
  /** Wall milliseconds of the batches of the valid prefix, in order. */
  readonly walls: readonly number[];
}

/** One process of the engine. */
export interface Life {
  readonly node: string;
  readonly incarnation: number;
  readonly startedAtMs: number;
  readonly startedOrder: number;
  /** Disk that the log directory lay on: another one when something is mounted there, or no longer is. */
  readonly device: string;
  /** The log as the process found it. */
  readonly found: JournalImage;
  /** Last LSN that the index on disk covered at the start: segments that lie wholly below it are not scanned. */
  readonly indexedLsn: number;
  /** When its routes answered; Infinity: never. */
  servedAtMs: number;
  servedOrder: number;
  /** The log at that moment. */
  recovered?: JournalImage;
  endedAtMs: number;
  endedOrder: number;
  /** `running`: at the end of the run. */
  end: 'running' | 'stopped' | 'crashed' | 'exited';
  exit?: { readonly code: number; readonly name: string; readonly message: string };
  /** The log after its end (with what the page cache holds; a power loss is resolved by the next `found`). */
  left?: JournalImage;
  /** Total bytes of the log files that it had to read. */
  readonly logBytes: number;
  /** The settings with which it runs. */
  readonly settings: StemeSettings;
  /** SIGTERM: when it was asked to stop. */
  stopAskedAtMs?: number;
}

/** A batch as its bytes were handed to the disk. */
export interface BatchSeen {
  readonly firstLsn: number;
  /** firstLsn - 1 for a seal without records. */
  readonly lastLsn: number;
  readonly durableLsn: number;
  readonly ids: readonly string[];
  readonly wallMs: number;
  readonly seal: boolean;
}

/** One call of the engine on its disk. */
export interface DiskCall {
  readonly incarnation: number;
  readonly operation: string;
  readonly path: string;
  /** Of a rename: where to. */
  readonly to?: string;
  readonly position?: number;
  readonly bytes?: number;
  readonly durable?: boolean;
  /** Set on a write to a log file that begins with an intact batch. */
  readonly batches?: readonly BatchSeen[];
  /** Set on a write to a log file whose batch does not follow the format. */
  readonly malformed?: string;
  readonly beganAtMs: number;
  readonly beganOrder: number;
  endedAtMs: number;
  endedOrder: number;
  error?: string;
  /** With `error`: the operation that the disk named; of a durable write it tells which half of it failed. */
  failedOperation?: string;
}

/** The process from outside at one moment. A gauge that is not exported is left out. */
export interface StateSample {
  readonly atMs: number;
  readonly order: number;
  readonly node: string;
  readonly incarnation: number;
  /** State of the journal: open, read-only, failed, damaged, closed. */
  readonly walState?: string;
  readonly freeBytes?: number;
  readonly freeInodes?: number;
  readonly pendingBytes?: number;
  readonly indexBytes?: number;
  readonly durableLsn?: number;
  readonly witnessLsn?: number;
  readonly fsyncTotal?: number;
  readonly fsyncErrors?: number;
  readonly recordsTotal?: number;
  readonly fsyncQuantiles?: Readonly<Record<string, number>>;
  /** Files that the process has open. */
  readonly openFiles?: readonly OpenFile[];
  /** Work that it does beside its requests: `snapshotting`, `rotating`. */
  readonly activities?: readonly string[];
  /** Limit of the writes, records a second; 0: off. */
  readonly rateLimit?: number;
}

/** One file that a process has open. A file that was renamed is there under its new name. */
export interface OpenFile {
  readonly path: string;
  /** Opened for reading alone. */
  readonly isReader: boolean;
  readonly openedAtMs: number;
}

/** One fault as it was applied. */
export interface FaultWindow {
  readonly name: string;
  readonly startMs: number;
  /** Infinity: not healed. */
  readonly endMs: number;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** An answer of the index, and what was asked. */
export interface IndexAnswer {
  readonly incarnation: number;
  readonly atMs: number;
  readonly order: number;
  readonly subject: string;
  readonly predicate: string;
  readonly lens: string;
  /** The log that the answer speaks of: all records with an LSN up to here. */
  readonly lsn: number;
  readonly winner: string | undefined;
  readonly candidates: readonly string[];
  /** Of the skeptic lens, in millionths. */
  readonly conflict?: number;
  /** Why there is no answer. */
  readonly error?: string;
}
