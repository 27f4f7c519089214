import type { LogSink } from './events.ts';
import type { Entry, RaftId, RaftStorage } from './types.ts';

/** Bugs that can be planted in the core, to see that a checker finds them. */
export type RaftMutant =
  | 'commit-old-term'
  | 'commit-unclamped'
  | 'truncate-always'
  | 'snapshot-term-zero'
  | 'snapshot-keeps-suffix'
  | 'conf-before-own-term'
  | 'two-pending'
  | 'learner-counts'
  | 'no-check-quorum'
  | 'no-prevote'
  | 'snapshot-older';

/** What a member of a group needs to know at its start. Sizes are bytes; `Number.POSITIVE_INFINITY` is no limit. */
export interface RaftConfig {
  /** Above 0, the same after every restart, never used again by another member. */
  readonly id: RaftId;
  readonly storage: RaftStorage;
  /** Index of the last entry that was applied before the start; 0: none is known. */
  readonly applied: number;
  /** Ticks without a leader's word after which a member may campaign; above `heartbeatTicks`. */
  readonly electionTicks: number;
  /** Ticks between two heartbeats of a leader. */
  readonly heartbeatTicks: number;
  /** Work comes as MsgStorageAppend and MsgStorageApply in `Ready.messages` instead of ready/advance. */
  readonly asyncStorageWrites: boolean;
  /** A candidate asks first whether it could win (Raft thesis §9.6), so one that was cut off disturbs nobody. */
  readonly preVote: boolean;
  /** A leader that hears from no majority for an election time-out steps down; voters of a live leader ignore candidates. */
  readonly checkQuorum: boolean;
  /** Null: events are not even made. */
  readonly log: LogSink | null;
  /** Of a MsgApp's entries by `entryBytes`; one entry always fits. 0: one entry a message. */
  readonly maxBytesPerMessage: number;
  /** Of committed entries that are handed out and not yet applied; 0: as `maxBytesPerMessage`. */
  readonly maxCommittedBytesPerReady: number;
  /** Of data that a leader has appended and not yet committed; beyond it proposals are dropped. 0: no limit. */
  readonly maxUncommittedBytes: number;
  /** MsgApp with entries under way to a follower; above 0. */
  readonly maxInflightMessages: number;
  /** Bytes of data under way to a follower; 0: no limit, else at least `maxBytesPerMessage`. */
  readonly maxInflightBytes: number;
  /** A leader that a change removes or makes a learner steps down at once. */
  readonly stepDownOnRemoval: boolean;
  /** `lease` trusts clocks and needs `checkQuorum`. */
  readonly readOnly: 'safe' | 'lease';
  /** Followers drop proposals instead of passing them to the leader. */
  readonly disableProposalForwarding: boolean;
  /** A leader appends configuration changes without looking whether they fit the present configuration. */
  readonly disableConfChangeValidation: boolean;
  /** The ticks of this term's election time-out: a whole number of [electionTicks, 2 × electionTicks). */
  randomTimeout(): number;
  /**
   * Ticks since a driver of many groups last had the others' heartbeats, below `heartbeatTicks`: a lead that begins now beats together
   * with them, so that they share messages. Absent: the first beat is `heartbeatTicks` after the lead began.
   */
  heartbeatPhase?(): number;
  /** Size of an entry as it is stored or sent. */
  entryBytes(entry: Entry): number;
  /**
   * Election time-outs after which a snapshot that was sent and neither acknowledged nor reported counts as lost, and another is
   * sent. Absent or 0: never, then the driver must report each that may be lost, or its receiver waits for ever.
   */
  readonly snapshotPatience?: number;
  /** True for a bug that is planted; absent: none is. */
  mutant?(name: RaftMutant): boolean;
}
