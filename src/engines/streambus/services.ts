import type { Host } from '../../host/host.ts';
import type { GroupHandle } from './broker/group.ts';
import type { Rpc } from './broker/rpc.ts';
import type { StreamBusConfig } from './config.ts';
import type { GroupCoordinator } from './groups/coordinator.ts';
import type { BrokerId, GroupId } from './ids.ts';
import type { PartitionReplica } from './log/replica.ts';
import type { MetaCommands } from './meta/commands.ts';
import type { Metadata } from './meta/metadata.ts';
import type { TransactionCoordinator } from './txn/coordinator.ts';
import type { ConnectionFence } from './txn/fence.ts';
import type { ProducerIds } from './txn/pids.ts';

/** What the parts of a broker use of each other. Built once in `streambus.ts`; nothing here is global. */
export interface BrokerServices {
  readonly host: Host;
  readonly config: StreamBusConfig;
  readonly broker: BrokerId;
  readonly metadata: Metadata;
  /** Changes of the metadata, from any broker: they go to meta's leader, and resolve when this broker has applied them. */
  readonly commands: MetaCommands;
  readonly rpc: Rpc;
  /** A group that has a replica here. */
  group(id: GroupId): GroupHandle | undefined;
  /** Groups with a replica here. */
  readonly groupIds: Iterable<GroupId>;
  /** The leader of any group of the cluster, by gossip. */
  leaderOf(group: GroupId): { readonly broker: BrokerId; readonly term: number } | undefined;
  /**
   * Has the leader of a group, on whichever broker, hand the lead to another one; resolves when that one has it. Rejects with
   * `NotProposed` or `RpcError`.
   */
  transferLead(group: GroupId, to: BrokerId): Promise<void>;
  /** The replica on this broker; undefined when there is none. */
  partition(topic: string, partition: number): PartitionReplica | undefined;
  readonly partitions: Iterable<PartitionReplica>;
  /** Coordinator of a shard that has a replica here. */
  groupCoordinator(shard: GroupId): GroupCoordinator | undefined;
  transactionCoordinator(shard: GroupId): TransactionCoordinator | undefined;
  /** Ids for producers, taken from the metadata in blocks. */
  readonly producerIds: ProducerIds;
  /** Drops transactional requests that come late on connections which their clients have given up. */
  readonly connectionFence: ConnectionFence;
  /** Why this broker takes no writes now; undefined when it does. */
  readonly readOnly: string | undefined;
}
