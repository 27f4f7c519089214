import type { RaftId } from '../../../consensus/types.ts';
import type { BrokerId, GroupId, Incarnation } from '../ids.ts';

/** A broker as the cluster knows it. */
export interface BrokerInfo {
  readonly broker: BrokerId;
  readonly incarnation: Incarnation;
  /** What clients are told. */
  readonly kafka: { readonly host: string; readonly port: number };
  readonly rpc: { readonly host: string; readonly port: number };
  readonly http: { readonly host: string; readonly port: number };
  readonly rack: string | undefined;
  /** UUID of its storage: another one means another disk. Empty until a broker of the cluster's format has registered. */
  readonly storage: string;
  /** Highest count of starts that it registered; a message with a lower one comes from a disk that was rolled back. */
  readonly startCount: number;
  /** `fenced`: registered before, not heard of since its incarnation was replaced. */
  readonly state: 'active' | 'draining' | 'left';
  /** Votes in meta. */
  readonly voter: boolean;
}

/** One partition of a topic: its group and who shall replicate it. */
export interface PartitionInfo {
  readonly topic: string;
  readonly partition: number;
  readonly group: GroupId;
  /** Grows when the content was replaced by a restore; messages of an older one are dropped. */
  readonly generation: number;
  /** In order of preference: the first one leads when it can. */
  readonly replicas: readonly BrokerId[];
  /**
   * Voters with which the group began. Only they make it out of nothing; everybody else waits for a leader's snapshot. Emptied for
   * ever by the first change of the replicas, or of the incarnation of one of them, so that nobody begins it a second time.
   */
  readonly founders: readonly RaftId[];
}

export interface TopicInfo {
  readonly name: string;
  /** 16 bytes. A topic that is made anew has another. */
  readonly id: Uint8Array;
  readonly partitions: readonly PartitionInfo[];
  /** Settings that differ from the defaults, by Kafka's names: `retention.ms`. */
  readonly configs: ReadonlyMap<string, string>;
  readonly createdWall: number;
}

/** A group that is not a partition's: meta or a shard. */
export interface ShardInfo {
  readonly group: GroupId;
  readonly kind: 'meta' | 'groups' | 'transactions';
  readonly replicas: readonly BrokerId[];
  /** Voters with which the group began: see `PartitionInfo`. */
  readonly founders: readonly RaftId[];
}

export interface AclBinding {
  readonly resourceType: 'topic' | 'group' | 'cluster' | 'transactional-id' | 'user';
  readonly resourceName: string;
  readonly patternType: 'literal' | 'prefixed';
  /** `User:alice`, `User:*`. */
  readonly principal: string;
  /** Address, or `*`. */
  readonly host: string;
  readonly operation: AclOperation;
  readonly permission: 'allow' | 'deny';
}

export type AclOperation =
  | 'all'
  | 'read'
  | 'write'
  | 'create'
  | 'delete'
  | 'alter'
  | 'describe'
  | 'cluster-action'
  | 'describe-configs'
  | 'alter-configs'
  | 'idempotent-write';

export interface ScramCredential {
  readonly mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
  readonly iterations: number;
  readonly salt: Uint8Array;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

/** Whom a quota is for. Undefined: not looked at. Null: everybody who has none of his own. */
export interface QuotaEntity {
  readonly user: string | null | undefined;
  readonly clientId: string | null | undefined;
}

/** Limits a second, of a client id (and user, where one is named) at each broker. Undefined: no limit. */
export interface Quota {
  readonly produceRate: number | undefined;
  readonly fetchRate: number | undefined;
  readonly produceBytesRate: number | undefined;
  readonly fetchBytesRate: number | undefined;
}

/** The cluster's metadata as this broker has applied it: a local copy, behind the leader's by a moment. Synchronous. */
export interface Metadata {
  readonly clusterId: string;
  /** Index of the last applied entry of meta: grows with every change. */
  readonly version: number;
  readonly brokers: ReadonlyMap<BrokerId, BrokerInfo>;
  readonly topics: ReadonlyMap<string, TopicInfo>;
  topicById(id: Uint8Array): TopicInfo | undefined;
  readonly shards: readonly ShardInfo[];
  /** The group of shards that keeps a consumer group, or a transactional id: by hash of its name. */
  shardOf(kind: 'groups' | 'transactions', name: string): GroupId;
  partitionOf(group: GroupId): PartitionInfo | undefined;
  /** Why the whole cluster takes no writes; undefined when it does. */
  readonly readOnly: string | undefined;
  readonly acls: readonly AclBinding[];
  credential(user: string, mechanism: ScramCredential['mechanism']): ScramCredential | undefined;
  /** Every credential, by user. */
  readonly credentials: ReadonlyMap<string, readonly ScramCredential[]>;
  /** Every quota that was set. */
  readonly quotas: readonly { readonly entity: QuotaEntity; readonly quota: Quota }[];
  /** The quota that holds for a client: the most specific one. */
  quota(user: string | undefined, clientId: string): Quota;
  /** Calls `fn` after each applied change. Returns how to stop. */
  onChange(fn: () => void): () => void;
}
