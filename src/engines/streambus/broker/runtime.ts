import type { Status } from '../../../consensus/status.ts';
import type { ConfState, RaftId } from '../../../consensus/types.ts';
import type { BrokerId, GroupId, Incarnation } from '../ids.ts';
import type { GroupHandle, MachineCheckpoint, MachineFactory, PeerAnswers, ReplicatedMachine } from './group.ts';

/** What opens a group on this broker. */
export interface GroupSpec {
  readonly group: GroupId;
  /** Labels metrics, and the size of checkpoints follows from it: a partition's is a position, the others' their whole state. */
  readonly kind: 'meta' | 'groups' | 'transactions' | 'partition';
  /** How log lines name it beside its number: a partition as `topic/partition`. Undefined: its kind says enough. */
  readonly label?: string;
  /** Of the content: messages of another generation are dropped. */
  readonly generation: number;
  /**
   * The voters that the group began with, while nobody else has ever belonged to it; empty afterwards. A broker whose raft id is among
   * them and who has nothing of the group begins with them; any other begins empty and gets a snapshot from the leader.
   */
  readonly founders: readonly RaftId[];
  readonly open: MachineFactory;
  /**
   * For machines with files of their own: opens with whatever is left of them, without a checkpoint. For a replica that begins with a
   * leader's snapshot (a new incarnation, one that came late), and when `open` rejected with an error that `isRegressed` knows: they
   * hold less than the checkpoint promised. Such a replica is on probation.
   */
  readonly openSalvaged?: MachineFactory;
  readonly isRegressed?: (error: unknown) => boolean;
}

/** A group that is open here. */
export interface OpenGroup {
  readonly spec: GroupSpec;
  readonly handle: GroupHandle;
  readonly machine: ReplicatedMachine & PeerAnswers;
}

/** Who should belong to a group, as the metadata says. */
export interface DesiredMembers {
  /** In order of preference: the first leads when it can. */
  readonly voters: readonly RaftId[];
  readonly learners: readonly RaftId[];
}

/** What admin routes show of a group. */
export interface GroupView {
  readonly group: GroupId;
  readonly kind: GroupSpec['kind'];
  /** `probation`: takes part without a vote until a leader has confirmed what it holds. */
  readonly mode: 'normal' | 'restoring' | 'probation';
  readonly status: Status;
  /** Leader by raft id; 0 unknown. */
  readonly leader: RaftId;
  readonly leaderBroker: BrokerId | undefined;
  readonly confState: ConfState;
  /** Of this member's log in memory: its first index and size. */
  readonly firstIndex: number;
  readonly windowBytes: number;
  readonly pendingProposals: number;
  /** Of a leader: members that it has heard of within two election time-outs, itself among them. Empty for others. */
  readonly heard: ReadonlySet<RaftId>;
}

/** Every group of this broker: one journal, one tick, one turn for all of them. */
export interface GroupsRuntime {
  readonly incarnation: Incarnation;
  /** Opens a group from what the journal has of it, from its founders, or empty. Rejects when its machine cannot be opened. */
  open(spec: GroupSpec): Promise<OpenGroup>;
  /** Ends a group here and forgets it: its log counts no more, its machine is closed. Its files are the caller's to remove. */
  remove(group: GroupId): Promise<void>;
  get(group: GroupId): OpenGroup | undefined;
  readonly all: Iterable<OpenGroup>;
  /** The members that a group should have: asked by its leader about once a second. Undefined: leave it as it is. */
  desired: (group: GroupId) => DesiredMembers | undefined;
  view(group: GroupId): GroupView | undefined;
  /** The leader of any group, by gossip and by what this broker sees itself: the highest term wins. */
  leaderOf(group: GroupId): { readonly broker: BrokerId; readonly term: number } | undefined;
  /** Calls `fn` when a group's leader, as far as known here, has changed. Returns how to stop. */
  onLeader(fn: (group: GroupId) => void): () => void;
  /** An operator's wish: campaign. Throws `NotProposed` when this replica has no vote. */
  campaign(group: GroupId): void;
  /**
   * An operator's wish: hands the lead to another member, which keeps it though another is preferred until the leader changes again.
   * Resolves when it has it, rejects with `NotProposed` (`not-leader`) or after an election time-out.
   */
  transfer(group: GroupId, to: BrokerId): Promise<void>;
  /** Makes a checkpoint now; resolves to it. */
  checkpoint(group: GroupId): Promise<MachineCheckpoint>;
  /** Takes no leads any more and gives away those it has, for at most `withinMs`; resolves to the groups still led. */
  handOver(withinMs: number): Promise<readonly GroupId[]>;
  /** Takes leads again. */
  resume(): void;
  /** Checkpoints, closes machines and journal. */
  close(): Promise<void>;
}
