import type { RaftConfig } from './config.ts';
import type { Status } from './status.ts';
import type { ConfChange, ConfChangeV2, ConfState, Message, RaftId, RaftState, Ready } from './types.ts';

/** One member of one group: pure, without I/O, clock, promise or thread. */
export declare class RawNode {
  /** Throws `RaftConfigInvalid`. */
  constructor(config: RaftConfig);

  /** Cheap reads for drivers; nothing is copied. */
  get id(): RaftId;
  get term(): number;
  get state(): RaftState;
  /** 0: unknown. */
  get leader(): RaftId;
  get commit(): number;
  get applied(): number;
  get lastIndex(): number;
  /** Target of a transfer under way; 0: none. */
  get leadTransferee(): RaftId;
  /** This member leads and an entry of its own term is committed: it may answer ReadIndex and change the configuration. */
  get committedInTerm(): boolean;
  confState(): ConfState;

  tick(): void;
  /** A message from another member, or a storage message's response. Throws `LocalMessage`, `PeerNotFound`, `ProposalDropped`. */
  step(message: Message): void;
  campaign(): void;
  /** On return the entry is appended at `lastIndex` if this member leads (else it is on its way to the leader). Throws `ProposalDropped`. */
  propose(data: Uint8Array): void;
  /** Throws `ProposalDropped`. A change that does not fit becomes an empty normal entry. */
  proposeConfChange(change: ConfChange | ConfChangeV2): void;
  /** To be called for each committed configuration change, before `advance` or the apply response. Node 0 in a change: rejected, nothing is changed. */
  applyConfChange(change: ConfChange | ConfChangeV2): ConfState;
  hasReady(): boolean;
  /** Takes the work that is there; with ready/advance, `advance` must follow before the next `ready`. */
  ready(): Ready;
  /** With ready/advance only: the Ready's state is durable, its messages sent, its committed entries applied. */
  advance(ready: Ready): void;
  /** Asks for a read index; a ReadState with this context follows in a Ready, or nothing (no leader, leadership lost): ask again. */
  readIndex(context: Uint8Array): void;
  transferLeader(to: RaftId): void;
  /** A follower forgets its leader and may vote for others within the election time-out. */
  forgetLeader(): void;
  /** The last message to `id` could not be sent. */
  reportUnreachable(id: RaftId): void;
  /** The snapshot sent to `id` was received (`ok`) or failed. */
  reportSnapshot(id: RaftId, ok: boolean): void;
  status(): Status;
}
