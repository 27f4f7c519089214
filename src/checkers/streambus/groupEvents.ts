/**
 * What the members of Raft groups do, as plain data: told one by one, in the order in which it happens. A member is a number that a
 * broker never uses again once it has lost what it had promised.
 */

/** Who belongs to a group. With `outgoing`, a majority of both is needed. */
export interface Configuration {
  readonly voters: readonly number[];
  /** Empty outside a joint configuration. */
  readonly outgoing: readonly number[];
  readonly learners: readonly number[];
}

/** One entry of a log. Equal digests stand for equal bytes. */
export interface EntrySeen {
  readonly index: number;
  readonly term: number;
  readonly digest: number;
  readonly isConfigurationChange: boolean;
}

interface Of<Kind extends string> {
  readonly kind: Kind;
  readonly group: number;
  readonly member: number;
  /** Virtual milliseconds. */
  readonly atMs: number;
}

/** A member begins, with what its disk gave it. */
export interface Opened extends Of<'opened'> {
  readonly term: number;
  /** Whom it voted for in `term`; 0: nobody. */
  readonly vote: number;
  readonly commit: number;
  /** Index before the first entry of its log: everything up to it is in its state. */
  readonly snapshotIndex: number;
  /** Terms from `snapshotIndex` on. */
  readonly terms: readonly number[];
  readonly configuration: Configuration;
}

/** A vote is given: told to its candidate, or by who leads to itself. */
export interface Voted extends Of<'voted'> {
  readonly term: number;
  readonly candidate: number;
}

/** It leads. */
export interface Led extends Of<'led'> {
  readonly term: number;
}

/** Entries are put at the end of its log, instead of what is there from the first of them on. */
export interface Appended extends Of<'appended'> {
  /** Its term then. */
  readonly term: number;
  readonly leads: boolean;
  /** What it knows to be committed. */
  readonly commit: number;
  /** Term of the entry before the first one; undefined: that of its log. */
  readonly previousTerm: number | undefined;
  readonly entries: readonly EntrySeen[];
}

/** An entry is applied. */
export interface Applied extends Of<'applied'> {
  /** Its term then; that of the entry is in `entry`. */
  readonly term: number;
  readonly entry: EntrySeen;
}

/** A configuration holds for it from here on. */
export interface Configured extends Of<'configured'> {
  readonly index: number;
  readonly configuration: Configuration;
}

/** Its state was replaced by that at `index`; its log begins after it. */
export interface Restored extends Of<'restored'> {
  readonly index: number;
  readonly term: number;
  readonly configuration: Configuration;
}

/** Bytes of its log, or its term and vote, are on the medium of its disk. */
export interface Stored extends Of<'stored'> {
  /** They stand instead of what the log has from the first of them on. */
  readonly entries: readonly { readonly index: number; readonly term: number }[];
  /** Undefined when it was not written. */
  readonly hardState: { readonly term: number; readonly vote: number } | undefined;
  /** A state up to here is durable outside the log. */
  readonly snapshotIndex: number | undefined;
  /** The state came from another: it stands for the whole log, also for what contradicted it behind its index. */
  readonly replacesLog?: boolean;
}

/** Its disk was wiped, set back or cleared by hand: what was on it counts for nothing any more; of `log`, its votes stay. */
export interface Forgotten extends Of<'forgotten'> {
  readonly what: 'all' | 'log';
  readonly why: string;
}

/** The core gave work: what it takes itself for then. */
export interface Advanced extends Of<'advanced'> {
  readonly term: number;
  readonly leads: boolean;
  readonly commit: number;
}

/** It would vote for the candidate in this term, and promises nothing. */
export interface PreVoted extends Of<'pre-voted'> {
  readonly term: number;
  readonly candidate: number;
}

/** It asks for votes. `asked`: because its leader has told it to, without asking for pre-votes. */
export interface Stood extends Of<'stood'> {
  readonly term: number;
  readonly asked: boolean;
}

/** It sends a heartbeat. */
export interface Beat extends Of<'beat'> {
  readonly term: number;
  readonly to: number;
  readonly commit: number;
}

/** It answers its leader. */
export interface Answered extends Of<'answered'> {
  readonly term: number;
  readonly leader: number;
  /** Its log agrees with that of the leader up to here; undefined where the answer does not say. */
  readonly matches: number | undefined;
}

/** It sends a snapshot. */
export interface SnapshotSent extends Of<'snapshot-sent'> {
  readonly to: number;
  readonly index: number;
}

/** It confirms to a member that has lost its log where that has its vote again: what that one acknowledged before is void. */
export interface Probation extends Of<'probation'> {
  readonly of: number;
}

export type GroupEvent =
  | Opened
  | Voted
  | Led
  | Appended
  | Applied
  | Configured
  | Restored
  | Stored
  | Forgotten
  | Advanced
  | PreVoted
  | Stood
  | Beat
  | Answered
  | SnapshotSent
  | Probation;
