/**
 * What a run of streambus leaves for its checks: plain data, gathered by the stand. Times are virtual milliseconds; Infinity: never. A key
 * is a partition, `orders/3`.
 */
import type { CheckOutcome } from '../findings.ts';
import type { Operation } from '../history.ts';

export interface StreamBusEvidence {
  /** What the clients did, in the words of `src/checkers/log`: txn, send, poll, assign, subscribe. Others are left alone. */
  readonly operations: readonly Operation[];
  /** Whether somebody polled every key to its end after the last send. */
  readonly polledToEnd: boolean;
  /** What the checks that watched the groups found, by name. */
  readonly watched: ReadonlyMap<string, CheckOutcome>;
  /** When the record was first on the media of a majority of its group's configuration; undefined: never; `unknown`: the stand cannot tell. */
  readonly durableAt: (key: string, offset: number) => number | undefined | 'unknown';
  /** What answers told of the ends of a key, in the order in which they came. */
  readonly ends: readonly EndsSeen[];
  readonly assignments: readonly AssignmentSeen[];
  readonly commits: readonly CommitSeen[];
  readonly offsetFetches: readonly OffsetFetchSeen[];
  /** Answers of fetches without an error, in the order in which they came. */
  readonly fetches: readonly FetchSeen[];
  /** Batches of idempotent producers that were refused though they were next. */
  readonly refusals: readonly SequenceRefused[];
  /** Epochs that transactional producers were given. */
  readonly epochs: readonly EpochSeen[];
  /** What lies on the disks in the end, by key and broker. */
  readonly replicas: readonly ReplicaSeen[];
  /** Highest offset below which somebody had a right to delete, by key: DeleteRecords, retention. None: nothing may be gone. */
  readonly mayBeGoneBelow: ReadonlyMap<string, number>;
  readonly metrics: readonly MetricSeen[];
  readonly gauges: readonly GaugeSeen[];
  /** What must have come to pass after everything was healed; undefined: nothing was healed, or nobody looked. */
  readonly recovery: readonly RecoverySeen[] | undefined;
  /** Everything was healed, and why nobody looked at what came to pass then; undefined: somebody did, or nothing was healed. */
  readonly unlooked: string | undefined;
}

/** What a client was told of the ends of a key, in one answer. */
export interface EndsSeen {
  /** A client that goes forward: one that was restarted is another. */
  readonly client: string;
  readonly key: string;
  readonly atMs: number;
  /** Undefined where the answer does not say. */
  readonly start: number | undefined;
  readonly highWatermark: number | undefined;
  readonly lastStable: number | undefined;
}

/** A member of a consumer group learnt what it owns. */
export interface AssignmentSeen {
  readonly group: string;
  readonly generation: number;
  readonly member: string;
  readonly keys: readonly string[];
  readonly atMs: number;
}

/** Offsets that somebody committed. */
export interface CommitSeen {
  readonly group: string;
  /** Undefined: by nobody's membership. */
  readonly generation: number | undefined;
  readonly offsets: Readonly<Record<string, number>>;
  readonly invokedAt: number;
  readonly completedAt: number;
  /** Of a transaction: what became of it. */
  readonly outcome: 'ok' | 'fail' | 'info';
}

/** What somebody was told to be committed; keys without a commit are left out. */
export interface OffsetFetchSeen {
  readonly group: string;
  readonly keys: readonly string[];
  readonly offsets: Readonly<Record<string, number>>;
  readonly invokedAt: number;
  readonly completedAt: number;
}

/** One partition's part of a fetch that was answered without an error. */
export interface FetchSeen {
  readonly client: string;
  readonly key: string;
  readonly atMs: number;
  readonly offset: number;
  /** Last stable offset, as the answer says. */
  readonly stable: number;
  /** Of all partitions together: an answer that is full gives the later ones of a request nothing. */
  readonly answerBytes: number;
}

/** A batch was refused for its sequence number by the leader that had acknowledged the one before it, or might have put it down itself. */
export interface SequenceRefused {
  readonly key: string;
  readonly producerId: number;
  readonly sequence: number;
  readonly errorCode: number;
  readonly atMs: number;
}

/** A transactional producer was given an epoch to go on with. */
export interface EpochSeen {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly epoch: number;
  readonly atMs: number;
  /** The answer that gave it. */
  readonly by: 'InitProducerId' | 'EndTxn';
}

/** The files of one replica. */
export interface ReplicaSeen {
  readonly key: string;
  readonly node: string;
  /** What it says to be its first offset. */
  readonly start: number;
  readonly segments: readonly SegmentSeen[];
}

export interface SegmentSeen {
  readonly baseOffset: number;
  /** No more is written to it. */
  readonly sealed: boolean;
  readonly batches: readonly BatchSeen[];
}

/** A batch, as an independent reader of the bytes found it. */
export interface BatchSeen {
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** How many records it holds. */
  readonly records: number;
  readonly leaderEpoch: number;
  /** -1: of no producer. */
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly isControl: boolean;
  readonly isTransactional: boolean;
  /** Over all of its bytes: equal bytes, equal digests. */
  readonly digest: number;
  /** Its checksum holds. */
  readonly intact: boolean;
}

/** A metric as a broker showed it, and what the simulator counted. */
export interface MetricSeen {
  readonly node: string;
  readonly atMs: number;
  readonly name: string;
  readonly shown: number | undefined;
  /** Anything in between is true: it may have changed while it was being asked for. */
  readonly least: number;
  readonly most: number;
}

/** Something that has a bound. */
export interface GaugeSeen {
  readonly node: string;
  readonly atMs: number;
  readonly name: string;
  readonly value: number;
  readonly limit: number;
}

/** Something that must come to pass once all is healed. */
export interface RecoverySeen {
  /** `every group has a leader`. */
  readonly what: string;
  readonly healedAtMs: number;
  readonly withinMs: number;
  /** Infinity: it did not, up to the end. */
  readonly reachedAtMs: number;
  /** What was missing when it was last looked at. */
  readonly missing: string | undefined;
  /** Between when it was looked at; undefined: never. */
  readonly looked: { readonly fromMs: number; readonly toMs: number } | undefined;
}
