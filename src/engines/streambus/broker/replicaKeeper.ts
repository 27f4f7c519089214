import { DiskError } from '../../../host/disk.ts';
import type { Host } from '../../../host/host.ts';
import { parentOf } from '../../../storage/atomicFile.ts';
import { type BrokerId, firstPartitionGroup, type GroupId, metaGroup } from '../ids.ts';
import { isLaterThan, readIdentity } from '../log/open.ts';
import type { Metadata, PartitionInfo, ShardInfo } from '../meta/metadata.ts';
import type { Groups } from './groups.ts';
import type { GroupSpec } from './runtime.ts';

/** Groups that are opened at the same time. */
const openingMax = 8;
/** A group that could not be opened is tried again after this time. */
const againMs = 5_000;

/** Of files that belong to whomever: no topic has their name. */
const anyGroup: GroupId = -1;
const anyGeneration = Number.POSITIVE_INFINITY;

/** What a keeper works with. */
export interface KeeperOptions {
  readonly host: Host;
  readonly broker: BrokerId;
  readonly groups: Groups;
  readonly metadata: Metadata;
  /** `data`. */
  readonly dataDirectory: string;
  readonly openShard: (shard: ShardInfo) => GroupSpec;
  readonly openPartition: (partition: PartitionInfo, directory: string) => GroupSpec;
  /** A partition that is open here has other replicas now. */
  readonly changed: (partition: PartitionInfo) => void;
  /** What was kept of a group has gone. */
  readonly closed: (group: GroupId) => void;
  readonly onFatal: (error: unknown) => void;
}

/** Where a partition's files lie. */
export function partitionDirectory(dataDirectory: string, topic: string, partition: number): string {
  return `${dataDirectory}/${topic}/partition-${partition}`;
}

/**
 * Keeps open the groups that the metadata gives to this broker: opens those that are new, removes those whose topic is gone, and those
 * that left this broker once the group has let it go.
 */
export class ReplicaKeeper {
  readonly #options: KeeperOptions;
  readonly #directories = new Map<GroupId, string>();
  readonly #failedUntil = new Map<GroupId, number>();
  #stopListening: (() => void) | undefined;
  #round: Promise<void> | undefined;
  #again = false;
  #hasSwept = false;
  #stopped = false;
  /** The metadata here is known to be no older than this start: what it does not name is gone. */
  isCurrent = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** Opens what the metadata names, and goes on with its changes. Resolves when the first round is done. */
  async start(): Promise<void> {
    this.#stopListening = this.#options.metadata.onChange(() => this.look());
    this.look();
    await this.#round;
  }

  /** Looks once more at what should be here. */
  look(): void {
    if (this.#stopped) return;
    this.#again = true;
    this.#round ??= this.#rounds()
      .catch((error: unknown) => this.#options.onFatal(error))
      .finally(() => {
        this.#round = undefined;
      });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopListening?.();
    await this.#round;
  }

  async #rounds(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      // What is gone goes first: a topic that was made anew has the directory of the old one.
      await this.#removeGone();
      if (this.isCurrent && !this.#hasSwept) await this.#sweep();
      await this.#openMissing();
    }
  }

  async #openMissing(): Promise<void> {
    const { metadata, broker, groups, openShard, openPartition, dataDirectory, changed } = this.#options;
    const wanted: GroupSpec[] = [];
    const isMissing = (group: GroupId) => groups.get(group) === undefined && !this.#isTooSoon(group);
    for (const shard of metadata.shards) {
      if (shard.kind !== 'meta' && shard.replicas.includes(broker) && isMissing(shard.group))
        wanted.push(openShard(shard));
    }
    for (const topic of metadata.topics.values()) {
      for (const partition of topic.partitions) {
        if (!partition.replicas.includes(broker)) continue;
        const directory = partitionDirectory(dataDirectory, partition.topic, partition.partition);
        if (isMissing(partition.group)) wanted.push(openPartition(partition, directory));
        else changed(partition);
        this.#directories.set(partition.group, directory);
      }
    }
    const work = async () => {
      for (let spec = wanted.shift(); spec !== undefined && !this.#stopped; spec = wanted.shift())
        await this.#open(spec);
    };
    await Promise.all(Array.from({ length: Math.min(openingMax, wanted.length) }, work));
  }

  async #open(spec: GroupSpec): Promise<void> {
    const { groups, host } = this.#options;
    // The metadata here are on their way to where this broker has let it go, and tell it once they are there.
    if (groups.isRemovedLater(spec)) return;
    try {
      await groups.open(spec);
      this.#failedUntil.delete(spec.group);
    } catch (error) {
      if (this.#stopped) return;
      // One group that cannot be opened must not keep the others: it is told, counted as offline, and tried again.
      const message = error instanceof Error ? error.message : String(error);
      host.telemetry.logger.error('a group cannot be opened', { group: spec.group, error: message });
      this.#failedUntil.set(spec.group, host.clock.now() + againMs);
      host.clock.timer(againMs + 1, () => this.look());
    }
  }

  #isTooSoon(group: GroupId): boolean {
    return (this.#failedUntil.get(group) ?? Number.NEGATIVE_INFINITY) > this.#options.host.clock.now();
  }

  async #removeGone(): Promise<void> {
    const { groups, metadata, broker } = this.#options;
    if (!this.isCurrent) return;
    const known = [...[...groups.all].map(({ spec }) => spec.group), ...groups.unopened];
    for (const group of known) {
      if (group === metaGroup || this.#stopped) continue;
      const replicas =
        metadata.partitionOf(group)?.replicas ?? metadata.shards.find((shard) => shard.group === group)?.replicas;
      if (replicas?.includes(broker) === true) continue;
      if (replicas !== undefined && groups.isMember(group)) continue;
      await groups.remove(group);
      this.#options.closed(group);
      const directory = this.#directories.get(group);
      this.#directories.delete(group);
      if (group >= firstPartitionGroup && directory !== undefined) await this.#removeDirectory(group, directory);
    }
  }

  /** Topics that were deleted while this broker was away have left their files behind. */
  async #sweep(): Promise<void> {
    this.#hasSwept = true;
    const { dataDirectory, metadata, host } = this.#options;
    for (const topic of await this.#namesIn(dataDirectory)) {
      if (metadata.topics.has(topic)) continue;
      for (const partition of await this.#namesIn(`${dataDirectory}/${topic}`)) {
        if (!/^partition-\d+$/.test(partition)) continue;
        host.telemetry.logger.info('files of a deleted topic go', { topic, partition });
        await this.#removeDirectory(anyGroup, `${dataDirectory}/${topic}/${partition}`);
      }
    }
  }

  async #namesIn(directory: string): Promise<readonly string[]> {
    try {
      return (await this.#options.host.disk.list(directory))
        .filter(({ kind }) => kind === 'directory')
        .map(({ name }) => name);
    } catch (error) {
      if (error instanceof DiskError && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return [];
      throw error;
    }
  }

  /** A topic of the same name may have been made anew meanwhile, or before the last start: its files are another group's. */
  async #removeDirectory(group: GroupId, directory: string): Promise<void> {
    for (const [other, used] of this.#directories) if (other !== group && used === directory) return;
    const { disk, telemetry } = this.#options.host;
    const { logger } = telemetry;
    try {
      const isGroups = group !== anyGroup;
      if (isGroups && isLaterThan(await readIdentity(disk, directory), { group, generation: anyGeneration })) return;
      const entries = await disk.list(directory);
      // What is no file comes last: it may have to stay.
      const inOrder = entries.toSorted((a, b) => Number(a.kind === 'directory') - Number(b.kind === 'directory'));
      for (const { name } of inOrder) await disk.remove(`${directory}/${name}`);
      await disk.remove(directory);
      await disk.syncDirectory(parentOf(directory));
      if ((await disk.list(parentOf(directory))).length === 0) await disk.remove(parentOf(directory));
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      // A directory that somebody has put there: its files are his.
      if (error.code === 'ENOTEMPTY') logger.warn('files of a deleted topic stay', { directory, error: error.message });
      else if (error.code !== 'ENOENT') throw error;
    }
  }
}
