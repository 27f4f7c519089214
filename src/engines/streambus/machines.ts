import type { DiskClaims } from '../../storage/journal/index.ts';
import type { Groups } from './broker/groups.ts';
import type { GroupSpec } from './broker/runtime.ts';
import type { StreamBusConfig } from './config.ts';
import type { GroupShard } from './groups/coordinator.ts';
import { openGroupShard } from './groups/open.ts';
import type { GroupId } from './ids.ts';
import type { PartitionHooks } from './log/hooks.ts';
import { type OpenPartitionOptions, openPartition, type Partition, PartitionRegressed } from './log/partition.ts';
import type { LogConfig } from './log/settings.ts';
import type { LogShared } from './log/shared.ts';
import type { PartitionInfo, ShardInfo } from './meta/metadata.ts';
import type { StreamBusMetrics } from './metrics.ts';
import type { BrokerServices } from './services.ts';
import type { TransactionShard } from './txn/coordinator.ts';
import { openTransactionShard } from './txn/open.ts';

/** What machines need beside the services. */
export interface MachineOptions {
  readonly services: BrokerServices;
  readonly groups: Groups;
  readonly shared: LogShared;
  readonly metrics: StreamBusMetrics;
  readonly fatal: (error: Error) => void;
}

/** The machines of the groups on this broker, by group: what partitions and coordinators are found by. */
export class Machines {
  readonly partitions = new Map<GroupId, Partition>();
  readonly groupShards = new Map<GroupId, GroupShard>();
  readonly transactionShards = new Map<GroupId, TransactionShard>();
  /** When every segment here was last read whole, milliseconds since 1970; undefined: not since the start. */
  scrubbedWall: number | undefined;
  readonly #options: MachineOptions;

  constructor(options: MachineOptions) {
    this.#options = options;
  }

  /** Bytes a second for catching up from now on. */
  setCatchUpRate(bytesPerSecond: number): void {
    this.#options.shared.setCatchUpRate(bytesPerSecond);
  }

  /** Bytes of batches in memory: those that consumers read and those that wait to be written. */
  get sharedBytes(): number {
    return this.#options.shared.cachedBytes + this.#options.shared.unwrittenBytes;
  }

  /** What the segments take of the disk. */
  get diskClaims(): DiskClaims {
    return this.#options.shared.claims;
  }

  forget(group: GroupId): void {
    this.partitions.delete(group);
    this.groupShards.delete(group);
    this.transactionShards.delete(group);
  }

  /** How a shard is opened. */
  shard(info: ShardInfo): GroupSpec {
    const { services, metrics } = this.#options;
    const { group, kind, founders } = info;
    return {
      group,
      kind,
      generation: 1,
      founders,
      open: async (handle, checkpoint) => {
        if (kind === 'groups') {
          const shard = await openGroupShard(services, handle, checkpoint, metrics);
          this.groupShards.set(group, shard);
          return shard;
        }
        const shard = await openTransactionShard(services, handle, checkpoint);
        this.transactionShards.set(group, shard);
        return shard;
      },
    };
  }

  /** How a partition is opened. */
  partition(info: PartitionInfo, directory: string): GroupSpec {
    const { services } = this.#options;
    const { group, founders } = info;
    const openWith =
      (options: OpenPartitionOptions): GroupSpec['open'] =>
      async (handle, checkpoint) => {
        const current = services.metadata.partitionOf(group) ?? info;
        const partition = await openPartition(
          services.host,
          logConfigOf(services.config, () => services.metadata.topics.get(info.topic)?.partitions.length ?? 1),
          current,
          directory,
          handle,
          checkpoint,
          this.#hooks(current),
          options,
        );
        this.partitions.set(group, partition);
        return partition;
      };
    return {
      group,
      kind: 'partition',
      label: `${info.topic}/${info.partition}`,
      generation: info.generation,
      founders,
      open: openWith({}),
      openSalvaged: openWith({ salvage: true }),
      isRegressed: (error) => error instanceof PartitionRegressed,
    };
  }

  #hooks({ group, topic }: PartitionInfo): PartitionHooks {
    const { services, groups, metrics, shared, fatal } = this.#options;
    return {
      shared,
      topicConfigs: () => services.metadata.topics.get(topic)?.configs ?? noConfigs,
      peers: () => groups.peersOf(group),
      readOnly: () => services.readOnly,
      fatal,
      damaged: () => metrics.corrupted('segment'),
      repaired: () => metrics.repaired('segment'),
      handOver: () => groups.handOverOne(group),
      repeated: () => metrics.duplicateAnswered(),
      wantCheckpoint: () => groups.checkpointSoon(group),
    };
  }
}

const noConfigs: ReadonlyMap<string, string> = new Map();

/**
 * What the configuration says of a topic's partitions where the topic says nothing; read when it is needed, since it may be reloaded.
 * The size of a topic is shared out among its partitions.
 */
export function logConfigOf(config: StreamBusConfig, partitionsOfTopic: () => number): LogConfig {
  return {
    get segmentBytes() {
      return config.storage.segment_size;
    },
    get segmentAgeMs() {
      return config.storage.segment_age;
    },
    get retentionMs() {
      return config.storage.retention.max_age;
    },
    get retentionBytes() {
      const { max_bytes: ofTopic } = config.storage.retention;
      return ofTopic === undefined ? -1 : Math.ceil(ofTopic / Math.max(1, partitionsOfTopic()));
    },
    get maxMessageBytes() {
      return config.topics.max_message;
    },
    get acksOne() {
      return config.topics.acks_one;
    },
    get producerIdleMs() {
      return config.transactions.id_expiration;
    },
  };
}
