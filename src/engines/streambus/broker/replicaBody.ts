import type { RawNode } from '../../../consensus/rawNode.ts';
import type { Message, RaftId } from '../../../consensus/types.ts';
import type { Host } from '../../../host/host.ts';
import type { Lsn, RecordIn } from '../../../storage/journal/index.ts';
import type { BrokerId, GroupId } from '../ids.ts';
import type { CatchUpPeers, PeerAnswers, ReplicatedMachine } from './group.ts';
import type { GroupReplica } from './groupReplica.ts';
import type { CommittedEnd } from './groupRequests.ts';
import type { GroupStorage } from './groupStorage.ts';
import type { CheckpointRecord } from './journalFormat.ts';
import type { GroupObserver } from './observer.ts';
import type { Probation } from './probation.ts';
import type { Proposals } from './proposals.ts';
import type { ReadBarriers } from './readBarriers.ts';
import type { EntriesMark } from './recovery.ts';
import type { ReplicaAppends } from './replicaAppends.ts';
import type { ReplicaApplies } from './replicaApplies.ts';
import type { ReplicaCheckpoints } from './replicaCheckpoints.ts';
import type { GroupSpec } from './runtime.ts';
import type { SnapshotFiles } from './snapshotFiles.ts';

/** Limits of every group. Bytes. */
export const groupLimits = {
  /** Of a MsgApp; one entry always fits. */
  messageBytes: 1024 * 1024,
  committedBytesPerReady: 4 * 1024 * 1024,
  inflightMessages: 64,
  inflightBytes: 8 * 1024 * 1024,
  /** Of applied entries that are kept for followers. */
  windowBytes: 8 * 1024 * 1024,
} as const;

/** How long a replica that could not fetch a snapshot, or learn where its probation ends, waits before it tries again. */
export const againMs = 1_000;

/** What a replica uses of its broker. */
export interface ReplicaContext {
  readonly host: Host;
  readonly broker: BrokerId;
  readonly member: RaftId;
  readonly snapshots: SnapshotFiles;
  readonly observer: GroupObserver | undefined;
  readonly raft: {
    readonly electionTicks: number;
    readonly heartbeatTicks: number;
    readonly maxUncommittedBytes: number;
    /** Of one entry: the journal takes no larger one. */
    readonly maxEntryBytes: number;
  };
  /** Something is to do for this replica: it gets a turn. */
  schedule(replica: GroupReplica): void;
  /** Adds to this turn's append; `durable` is told the number of the first of the records. */
  record(records: readonly RecordIn[], durable: (first: Lsn) => void): void;
  send(replica: GroupReplica, message: Message): void;
  ask(
    broker: BrokerId,
    group: GroupId,
    generation: number,
    request: Uint8Array,
    committed: CommittedEnd,
    signal: AbortSignal,
  ): Promise<Uint8Array>;
  leaderOf(group: GroupId): BrokerId | undefined;
  /**
   * Tells the leader that this member has lost what it had acknowledged; resolves to the index up to which it must have applied the log
   * before it may vote again.
   */
  askBarrier(group: GroupId, generation: number, signal: AbortSignal): Promise<number>;
  /** Who leads, or whether this replica serves, has changed. */
  leaderChanged(replica: GroupReplica): void;
  electionBegun(replica: GroupReplica): void;
  confChanged(replica: GroupReplica): void;
  /** A replica has lost its vote for a time, or has it again. */
  probationChanged(): void;
  /** Ticks since the groups that are led here had their heartbeats: all of them have them at one tick, and share frames. */
  readonly heartbeatPhase: number;
  /** The process cannot go on. */
  fatal(error: unknown): void;
  /** Bytes that wait for the journal: beyond some of them nothing more is proposed. */
  readonly isCongested: boolean;
  readonly isStopping: boolean;
}

/** What a replica begins with. */
export interface ReplicaStart {
  readonly storage: GroupStorage;
  readonly checkpoint: CheckpointRecord;
  readonly checkpointLsn: Lsn;
  readonly hardStateLsn: Lsn;
  readonly marks: readonly EntriesMark[];
}

/** A replica as its parts see it: what they share, and each other. */
export interface ReplicaBody {
  readonly context: ReplicaContext;
  readonly spec: GroupSpec;
  readonly group: GroupId;
  readonly member: RaftId;
  readonly storage: GroupStorage;
  readonly proposals: Proposals;
  readonly barriers: ReadBarriers;
  /** Aborted when the replica closes. */
  readonly signal: AbortSignal;
  readonly isOpen: boolean;
  readonly node: RawNode;
  readonly machine: ReplicatedMachine & PeerAnswers;
  readonly peers: CatchUpPeers;
  readonly checkpoints: ReplicaCheckpoints;
  readonly appends: ReplicaAppends;
  readonly applies: ReplicaApplies;
  readonly probation: Probation;
  schedule(): void;
  /** To the core what is for this member, to the others the rest. */
  answer(responses: readonly Message[]): void;
  /** The machine was given an entry of `term`. */
  applied(term: number): void;
  electionBegun(): void;
  /** Who leads, or whether this replica serves, has changed. */
  leaderChanged(): void;
  confChanged(): void;
}
