import type { Host } from '../../host/host.ts';
import type { Journal } from '../../storage/journal/index.ts';
import { type Groups, startGroups } from './broker/groups.ts';
import type { LateRuntime } from './broker/lateRuntime.ts';
import type { GroupObserver } from './broker/observer.ts';
import type { Established } from './broker/register.ts';
import { ReplicaKeeper } from './broker/replicaKeeper.ts';
import type { GroupSpec } from './broker/runtime.ts';
import type { Transport } from './broker/transport.ts';
import type { StreamBusConfig } from './config.ts';
import { groupEvents } from './groupEvents.ts';
import { raftStateDirectory } from './identity.ts';
import { type BrokerId, metaGroup } from './ids.ts';
import { type LogMaintenance, startLogMaintenance } from './log/maintenance.ts';
import { LogShared } from './log/shared.ts';
import { Machines } from './machines.ts';
import { memoryBudget } from './memory.ts';
import { metaFounders } from './meta/found.ts';
import { desiredMembers } from './meta/incarnations.ts';
import type { MetaMachine } from './meta/state.ts';
import type { StreamBusMetrics } from './metrics.ts';
import type { BrokerServices } from './services.ts';

/** Share of the memory budget for batches that consumers read from memory, and for what waits to be written. */
const cacheShare = 0.2;
const unwrittenShare = 0.1;
/** Between two looks at what partitions need; retention may be asked for more often. */
const maintenanceMs = 30_000;

/** What the groups of a broker are opened with. */
export interface RunningOptions {
  readonly host: Host;
  readonly config: StreamBusConfig;
  readonly broker: BrokerId;
  readonly transport: Transport;
  readonly observer: GroupObserver | undefined;
  readonly runtime: LateRuntime;
  readonly metadata: MetaMachine;
  readonly metrics: StreamBusMetrics;
  readonly services: BrokerServices;
  readonly fatal: (error: unknown) => void;
}

/**
 * What runs from the moment a broker knows who it is: its groups, their machines, the keeper of its replicas, the maintenance of its
 * logs. Each is there as soon as it is begun, so that a start that fails half-way leaves nothing behind after `close`.
 */
export class Running {
  readonly #options: RunningOptions;
  #groups: Groups | undefined;
  #machines: Machines | undefined;
  #keeper: ReplicaKeeper | undefined;
  #maintenance: LogMaintenance | undefined;

  constructor(options: RunningOptions) {
    this.#options = options;
  }

  get groups(): Groups | undefined {
    return this.#groups;
  }

  get machines(): Machines | undefined {
    return this.#machines;
  }

  /** Recovers the groups from the journal and opens those that the metadata places here. */
  async open(established: Established, journal: Journal): Promise<ReplicaKeeper> {
    const { host, config, broker, metadata, services, metrics, fatal } = this.#options;
    const groups = await this.#startGroups(established, journal);
    this.#groups = groups;
    this.#options.runtime.desired = (group) => desiredMembers(metadata, group);
    this.#options.runtime.begin(groups);
    const machines = new Machines({ services, groups, shared: this.#shared(), metrics, fatal });
    this.#machines = machines;
    journal.claims = () => machines.diskClaims;
    await groups.open(this.#metaSpec(established));
    const keeper = new ReplicaKeeper({
      host,
      broker,
      groups,
      metadata,
      dataDirectory: `${config.storage.data_dir}/data`,
      openShard: (shard) => machines.shard(shard),
      openPartition: (partition, directory) => machines.partition(partition, directory),
      changed: (partition) => machines.partitions.get(partition.group)?.setInfo(partition),
      closed: (group) => machines.forget(group),
      onFatal: fatal,
    });
    this.#keeper = keeper;
    await keeper.start();
    this.#maintenance = this.#maintain(machines);
    return keeper;
  }

  /** Bytes of batches in memory and of the groups' logs. */
  get countedBytes(): number {
    let bytes = this.#machines?.sharedBytes ?? 0;
    for (const { spec } of this.#options.runtime.all) bytes += this.#groups?.windowBytes(spec.group) ?? 0;
    return bytes;
  }

  async close(): Promise<void> {
    this.#maintenance?.stop();
    await this.#keeper?.stop();
    await this.#groups?.close();
  }

  #startGroups(established: Established, journal: Journal): Promise<Groups> {
    const { host, config, broker, transport, observer, metrics, fatal } = this.#options;
    const { storage, cluster } = config;
    const counted = groupEvents(metrics);
    return startGroups({
      host,
      broker,
      incarnation: established.identity.incarnation,
      journal,
      journalSegmentBytes: storage.journal.segment_size,
      snapshotDirectory: `${raftStateDirectory(storage.data_dir)}/snapshots`,
      transport,
      observer,
      raft: {
        tickMs: cluster.raft.tick,
        heartbeatTicks: cluster.raft.heartbeat_ticks,
        electionTicks: cluster.raft.election_ticks,
        maxUncommittedBytes: cluster.raft.max_uncommitted,
      },
      flushIntervalMs: () => storage.flush_interval,
      events: {
        ...counted,
        confChanged: (kind) => {
          counted.confChanged(kind);
          // A group may have let this broker go. Later: the replica that says so is in the midst of applying.
          queueMicrotask(() => this.#keeper?.look());
        },
      },
      onFatal: fatal,
    });
  }

  #shared(): LogShared {
    const { host, config } = this.#options;
    const budget = memoryBudget(host, config);
    return new LogShared(host, {
      cacheBytes: Math.floor(budget * cacheShare),
      unwrittenBytes: Math.floor(budget * unwrittenShare),
      catchUpRate: config.replication.catchup_rate,
    });
  }

  #metaSpec({ founding }: Established): GroupSpec {
    const { metadata } = this.#options;
    return {
      group: metaGroup,
      kind: 'meta',
      generation: 1,
      founders: founding === undefined ? [] : metaFounders(founding.meta),
      open: async (_handle, checkpoint) => {
        metadata.open(checkpoint, founding?.meta);
        return metadata;
      },
    };
  }

  #maintain(machines: Machines): LogMaintenance {
    const { host, config } = this.#options;
    const { storage } = config;
    return startLogMaintenance(host, {
      partitions: () => machines.partitions.values(),
      intervalMs: Math.min(maintenanceMs, storage.compaction.interval),
      retentionIntervalMs: () => (storage.compaction.enabled ? storage.compaction.interval : undefined),
      scrubIntervalMs: () => storage.scrub_interval,
      onScrubbed: (wallMs) => {
        machines.scrubbedWall = wallMs;
      },
    });
  }
}
