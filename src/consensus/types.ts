/** Id of a member of a group: a safe integer above 0. 0 is nobody. */
export type RaftId = number;

/** Storage messages are addressed to these instead of to a member. */
export const appendThread: RaftId = -1;
export const applyThread: RaftId = -2;

export type EntryType = 'normal' | 'conf-change' | 'conf-change-v2';

/** One entry of a group's log. `data` is never changed once the entry exists. */
export interface Entry {
  readonly term: number;
  readonly index: number;
  readonly type: EntryType;
  /** Empty for the no-op of a new leader. */
  readonly data: Uint8Array;
}

/** What must be durable before any message that depends on it leaves. */
export interface HardState {
  readonly term: number;
  /** Whom this member voted for in `term`; 0: nobody. */
  readonly vote: RaftId;
  readonly commit: number;
}

export type RaftState = 'follower' | 'candidate' | 'leader' | 'precandidate';

/** What a member knows for the moment; nothing of it is stored. */
export interface SoftState {
  /** 0: unknown. */
  readonly leader: RaftId;
  readonly state: RaftState;
}

/** Who belongs to a group. Lists are sorted by id. */
export interface ConfState {
  readonly voters: readonly RaftId[];
  /** Voters of the configuration that is being left; empty outside a joint one. */
  readonly votersOutgoing: readonly RaftId[];
  readonly learners: readonly RaftId[];
  /** Voters of the outgoing configuration that become learners when it is left. */
  readonly learnersNext: readonly RaftId[];
  readonly autoLeave: boolean;
}

export interface SnapshotMetadata {
  readonly confState: ConfState;
  readonly index: number;
  readonly term: number;
}

export interface Snapshot {
  readonly metadata: SnapshotMetadata;
  readonly data: Uint8Array;
}

export type ConfChangeType = 'add-node' | 'remove-node' | 'update-node' | 'add-learner';

/** A change of one member: the older form, kept apart because an entry's type says which it is. */
export interface ConfChange {
  readonly version: 1;
  readonly type: ConfChangeType;
  readonly node: RaftId;
  readonly context: Uint8Array;
}

export interface ConfChangeSingle {
  readonly type: ConfChangeType;
  readonly node: RaftId;
}

/** `auto`: joint where it must be, left by itself. `joint-implicit`: joint, left by itself. `joint-explicit`: joint until an empty change. */
export type ConfChangeTransition = 'auto' | 'joint-implicit' | 'joint-explicit';

/** Any number of changes at once; without any it leaves a joint configuration. */
export interface ConfChangeV2 {
  readonly version: 2;
  readonly transition: ConfChangeTransition;
  readonly changes: readonly ConfChangeSingle[];
  readonly context: Uint8Array;
}

export type MessageType =
  | 'MsgHup'
  | 'MsgBeat'
  | 'MsgProp'
  | 'MsgApp'
  | 'MsgAppResp'
  | 'MsgVote'
  | 'MsgVoteResp'
  | 'MsgSnap'
  | 'MsgHeartbeat'
  | 'MsgHeartbeatResp'
  | 'MsgUnreachable'
  | 'MsgSnapStatus'
  | 'MsgCheckQuorum'
  | 'MsgTransferLeader'
  | 'MsgTimeoutNow'
  | 'MsgReadIndex'
  | 'MsgReadIndexResp'
  | 'MsgPreVote'
  | 'MsgPreVoteResp'
  | 'MsgStorageAppend'
  | 'MsgStorageAppendResp'
  | 'MsgStorageApply'
  | 'MsgStorageApplyResp'
  | 'MsgForgetLeader';

/** A message between members, or to a storage thread. Numbers that do not apply are 0. */
export interface Message {
  readonly type: MessageType;
  readonly to: RaftId;
  readonly from: RaftId;
  readonly term: number;
  /** Term of the entry at `index`. */
  readonly logTerm: number;
  readonly index: number;
  readonly entries: readonly Entry[];
  readonly commit: number;
  /** In MsgStorageAppend: the vote to store. */
  readonly vote: RaftId;
  readonly snapshot: Snapshot | undefined;
  readonly reject: boolean;
  readonly rejectHint: number;
  readonly context: Uint8Array | undefined;
  /** In storage messages: what to step or send once the work is durable, or applied. */
  readonly responses: readonly Message[];
}

export interface ReadState {
  readonly index: number;
  readonly context: Uint8Array;
}

/** Work that a member hands to its driver. */
export interface Ready {
  /** Undefined when it has not changed. */
  readonly softState: SoftState | undefined;
  readonly hardState: HardState | undefined;
  readonly readStates: readonly ReadState[];
  readonly entries: readonly Entry[];
  readonly snapshot: Snapshot | undefined;
  readonly committedEntries: readonly Entry[];
  readonly messages: readonly Message[];
  readonly mustSync: boolean;
}

/**
 * A group's log as its member reads it: synchronous. Throws `Compacted` below the first index, `Unavailable` above the last,
 * `SnapshotNotReady` when a snapshot must be asked for again later.
 */
export interface RaftStorage {
  initialState(): { readonly hardState: HardState; readonly confState: ConfState };
  /** Entries of [lo, hi), at most `maxBytes` of them by `entryBytes`, but one at least. */
  entries(lo: number, hi: number, maxBytes: number): readonly Entry[];
  /** Also for `firstIndex() - 1`. */
  term(index: number): number;
  firstIndex(): number;
  lastIndex(): number;
  snapshot(): Snapshot;
}
