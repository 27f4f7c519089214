import type { ConfState, HardState, RaftId, RaftState, SoftState } from './types.ts';

/** How a leader sends to a member: one MsgApp a heartbeat, a stream of them, or nothing until a snapshot has arrived. */
export type ProgressState = 'probe' | 'replicate' | 'snapshot';

/** What a leader knows of a member's log. */
export interface ProgressStatus {
  readonly id: RaftId;
  readonly match: number;
  readonly next: number;
  readonly state: ProgressState;
  /** Index of the snapshot under way; 0: none. */
  readonly pendingSnapshot: number;
  /** Heard from since the last check of the quorum. */
  readonly recentActive: boolean;
  readonly isLearner: boolean;
  /** No MsgApp with entries is sent for the moment. */
  readonly paused: boolean;
  readonly inflightMessages: number;
  readonly inflightBytes: number;
  /** The window of messages under way is full, by count or bytes. */
  readonly inflightFull: boolean;
}

/** A member's state, copied. */
export interface Status {
  readonly id: RaftId;
  readonly softState: SoftState;
  readonly hardState: HardState;
  readonly state: RaftState;
  readonly applied: number;
  readonly lastIndex: number;
  readonly leadTransferee: RaftId;
  readonly confState: ConfState;
  /** By ascending id; empty unless this member leads. */
  readonly progress: readonly ProgressStatus[];
}
