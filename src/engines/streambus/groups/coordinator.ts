import type { PeerAnswers, ReplicatedMachine } from '../broker/group.ts';
import type { GroupId } from '../ids.ts';

/** What a member says of one protocol (an assignment strategy, in consumers): opaque to the broker. */
export interface MemberProtocol {
  readonly name: string;
  readonly metadata: Uint8Array;
}

export interface JoinRequest {
  readonly groupId: string;
  /** Empty: not known yet. */
  readonly memberId: string;
  readonly groupInstanceId: string | undefined;
  readonly clientId: string;
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocolType: string;
  /** In the member's order of preference. */
  readonly protocols: readonly MemberProtocol[];
  /** From JoinGroup 4: a member without id is told one and comes again with it (KIP-394), so that a lost answer leaves no ghost. */
  readonly requireKnownMemberId: boolean;
  /** From JoinGroup 9: a static leader that returns can be told to keep the assignment (KIP-814). */
  readonly supportsSkippingAssignment: boolean;
}

export interface JoinAnswer {
  readonly errorCode: number;
  readonly memberId: string;
  /** -1 with an error. */
  readonly generationId: number;
  readonly protocolType: string | undefined;
  readonly protocolName: string | undefined;
  readonly leader: string;
  readonly skipAssignment: boolean;
  /** For the leader only: everybody with what the chosen protocol says of them. */
  readonly members: readonly JoinedMember[];
  /** Time spent waiting for others. */
  readonly waitedMs: number;
}

export interface JoinedMember {
  readonly memberId: string;
  readonly groupInstanceId: string | undefined;
  readonly metadata: Uint8Array;
}

/** Who asks, as a member of a group. */
export interface MemberIdentity {
  readonly groupId: string;
  readonly memberId: string;
  readonly groupInstanceId: string | undefined;
}

export interface SyncRequest extends MemberIdentity {
  readonly generationId: number;
  /** Undefined: not said (before SyncGroup 5). */
  readonly protocolType: string | undefined;
  readonly protocolName: string | undefined;
  /** From the leader: everybody's. */
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[];
}

export interface SyncAnswer {
  readonly errorCode: number;
  readonly protocolType: string | undefined;
  readonly protocolName: string | undefined;
  readonly assignment: Uint8Array;
  readonly waitedMs: number;
}

export interface HeartbeatRequest extends MemberIdentity {
  readonly generationId: number;
}

export interface LeaveRequest {
  readonly groupId: string;
  readonly members: readonly { readonly memberId: string; readonly groupInstanceId: string | undefined }[];
}

export interface LeaveAnswer {
  readonly errorCode: number;
  /** One a member of the request, in its order. */
  readonly members: readonly number[];
}

/** One partition's offset to commit. */
export interface OffsetToCommit {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** -1: unknown. */
  readonly leaderEpoch: number;
  readonly metadata: string;
}

export interface CommitRequest extends MemberIdentity {
  /** -1 with an empty member id: a consumer that assigns itself. */
  readonly generationId: number;
  readonly offsets: readonly OffsetToCommit[];
  /** A retention of its own in milliseconds (OffsetCommit 2–4); undefined: that of the configuration. */
  readonly retentionMs: number | undefined;
}

export interface TransactionalCommitRequest extends CommitRequest {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
}

export interface FetchedOffset {
  readonly topic: string;
  readonly partition: number;
  /** 88 when stable ones are asked for and a transaction is open on it. */
  readonly errorCode: number;
  /** -1: none. */
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string;
}

export interface FetchOffsetsRequest {
  readonly groupId: string;
  /** Undefined: all that the group has. */
  readonly partitions: readonly { readonly topic: string; readonly partition: number }[] | undefined;
  /** Offsets of open transactions answer 88 (OffsetFetch 7 and later). */
  readonly requireStable: boolean;
}

export type ClassicState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead';

/** Where a partition ends; undefined: not known on this broker. */
export type EndOf = (topic: string, partition: number) => number | undefined;

export interface GroupFigures {
  readonly groupId: string;
  readonly members: number;
  /** Records behind the ends that are known; undefined without any. */
  readonly lag: number | undefined;
}

export interface GroupSummary {
  readonly groupId: string;
  readonly protocolType: string;
  readonly state: ClassicState;
}

export interface GroupDescription extends GroupSummary {
  readonly errorCode: number;
  readonly generationId: number;
  readonly protocolName: string;
  /** Empty: none. */
  readonly leader: string;
  readonly members: readonly DescribedMember[];
}

export interface DescribedMember {
  readonly memberId: string;
  readonly groupInstanceId: string | undefined;
  readonly clientId: string;
  readonly clientHost: string;
  /** What the chosen protocol says of it; empty while none is chosen. */
  readonly metadata: Uint8Array;
  readonly assignment: Uint8Array;
}

/** The end of a transaction, as a shard of consumer groups hears it: its pending offsets become visible or vanish. */
export interface OffsetsMarker {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly commit: boolean;
  /** Term of the transactions' shard. */
  readonly coordinatorEpoch: number;
  /** Grows with every transaction of the id: a repeat that comes late does nothing. */
  readonly transaction: number;
  /** Groups that the transaction added. */
  readonly groups: readonly string[];
}

/**
 * Consumer groups of one shard, as its leader serves them: the classic protocol of Kafka. Numbers in answers are Kafka's errors:
 * 16 when this replica does not lead, 14 while it has just begun to, 15 when the group could not be written now.
 */
export interface GroupCoordinator {
  readonly shard: GroupId;
  /** 0: requests are served; else 14 or 16. */
  readonly unavailable: number;
  /** Groups that the shard keeps. */
  readonly groupCount: number;
  /** Figures of the groups, for metrics. Synchronous: what this replica has applied. */
  figures(endOf: EndOf): readonly GroupFigures[];
  /** Resolves when the rebalance that the member waits for is done. */
  join(request: JoinRequest): Promise<JoinAnswer>;
  sync(request: SyncRequest): Promise<SyncAnswer>;
  heartbeat(request: HeartbeatRequest): Promise<number>;
  leave(request: LeaveRequest): Promise<LeaveAnswer>;
  /** Resolves to an error number for each offset of the request, in its order. */
  commitOffsets(request: CommitRequest): Promise<readonly number[]>;
  /** `add`: the group is added to the transaction (clients of version 2) where it does not belong to it yet. */
  commitTransactionalOffsets(request: TransactionalCommitRequest, add: boolean): Promise<readonly number[]>;
  fetchOffsets(
    request: FetchOffsetsRequest,
  ): Promise<{ readonly errorCode: number; readonly offsets: readonly FetchedOffset[] }>;
  endTransaction(marker: OffsetsMarker): Promise<number>;
  /** A group that is not there is `Dead`. */
  describe(groupId: string): Promise<GroupDescription>;
  list(): Promise<{ readonly errorCode: number; readonly groups: readonly GroupSummary[] }>;
  /** 68 when it has members, 69 when it is not there. */
  delete(groupId: string): Promise<number>;
  /** 86 for a topic that a member of the group reads. */
  deleteOffsets(
    groupId: string,
    partitions: readonly { readonly topic: string; readonly partition: number }[],
  ): Promise<{ readonly errorCode: number; readonly partitions: readonly number[] }>;
}

/** What the broker opens for a shard of consumer groups. */
export interface GroupShard extends ReplicatedMachine, PeerAnswers {
  readonly coordinator: GroupCoordinator;
}
