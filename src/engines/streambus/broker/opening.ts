import type { HardState, RaftId } from '../../../consensus/types.ts';
import type { Host } from '../../../host/host.ts';
import type { Lsn, RecordIn } from '../../../storage/journal/index.ts';
import type { GroupId } from '../ids.ts';
import type { MachineCheckpoint } from './group.ts';
import { GroupReplica } from './groupReplica.ts';
import { GroupStorage } from './groupStorage.ts';
import { type CheckpointRecord, checkpointRecord, hardStateRecord } from './journalFormat.ts';
import type { Recovered } from './recovery.ts';
import type { ReplicaContext, ReplicaStart } from './replicaBody.ts';
import type { GroupSpec } from './runtime.ts';
import { type SnapshotFiles, SnapshotLost } from './snapshotFiles.ts';

/** A replica's beginning, before its storage is made. */
type FirstStart = Omit<ReplicaStart, 'storage'> & { readonly storage: ConstructorParameters<typeof GroupStorage>[0] };

/** What a replica begins with that has nothing. */
const emptyCheckpoint: CheckpointRecord = {
  generation: 0,
  metadata: {
    index: 0,
    term: 0,
    confState: { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false },
  },
  replacesLog: true,
  probation: false,
  data: undefined,
};

/** What opening works with. */
export interface OpenerOptions {
  readonly host: Host;
  readonly member: RaftId;
  readonly snapshots: SnapshotFiles;
  readonly recovered: Recovered;
  /** Where a replica is entered as soon as it is made. */
  readonly replicas: Map<GroupId, GroupReplica>;
  readonly context: ReplicaContext;
  /** Resolves when the records are durable, to the number of the first. */
  readonly record: (records: readonly RecordIn[]) => Promise<Lsn>;
}

/** How replicas come to be: from the journal, from their founders, empty, or on probation. */
export class Opener {
  readonly #options: OpenerOptions;

  constructor(options: OpenerOptions) {
    this.#options = options;
  }

  /** Rejects when the machine cannot be opened; nothing of the replica stays then. */
  async open(spec: GroupSpec): Promise<GroupReplica> {
    return (await this.#openRecovered(spec)) ?? (await this.#openWith(await this.#firstStart(spec), spec, undefined));
  }

  /** Opens a group from what the journal has of it; on probation when its machine has lost what it had applied. */
  async #openRecovered(spec: GroupSpec): Promise<GroupReplica | undefined> {
    const recovered = this.#options.recovered.groups.get(spec.group);
    if (recovered === undefined || recovered.checkpoint.generation !== spec.generation) return undefined;
    const { hardState, entries, checkpoint } = recovered;
    const start = { ...recovered, storage: { hardState, base: checkpoint.metadata, entries } };
    try {
      const replica = await this.#openWith(start, spec, await this.#storedCheckpoint(spec.group, checkpoint));
      this.#options.recovered.groups.delete(spec.group);
      return replica;
    } catch (error) {
      const isLost = error instanceof SnapshotLost || spec.isRegressed?.(error) === true;
      if (!isLost) throw error;
      const message = error instanceof Error ? error.message : String(error);
      const of = spec.label ?? spec.kind;
      this.#options.host.telemetry.logger.error('a replica has lost its state', {
        group: spec.group,
        of,
        error: message,
      });
      const probation = await this.#probationStart(spec, hardState);
      // Should its files not open now, the next try begins from what the journal says from here on.
      this.#options.recovered.groups.set(spec.group, {
        ...probation,
        hardState: probation.storage.hardState,
        entries: [],
        marks: [],
      });
      const replica = await this.#openWith(probation, spec, undefined);
      this.#options.recovered.groups.delete(spec.group);
      return replica;
    }
  }

  async #storedCheckpoint(
    group: GroupId,
    { data: stored, metadata: { index, term } }: CheckpointRecord,
  ): Promise<MachineCheckpoint | undefined> {
    const data = stored === 'file' ? await this.#options.snapshots.read(group, index, term) : stored;
    return data === undefined ? undefined : { index, term, data };
  }

  /** What it voted is known, what it held is not: it begins with an empty log, and without a vote. Durable before it takes part. */
  async #probationStart(spec: GroupSpec, { term, vote }: Omit<HardState, 'commit'>): Promise<FirstStart> {
    const hardState = { term, vote, commit: 0 };
    const checkpoint = { ...emptyCheckpoint, generation: spec.generation, probation: true };
    return this.#recordStart(spec, checkpoint, hardState);
  }

  async #recordStart(spec: GroupSpec, checkpoint: CheckpointRecord, hardState: HardState): Promise<FirstStart> {
    const lsn = await this.#options.record([
      checkpointRecord(spec.group, checkpoint),
      hardStateRecord(spec.group, hardState),
    ]);
    return {
      storage: { hardState, base: checkpoint.metadata, entries: [] },
      checkpoint,
      checkpointLsn: lsn,
      hardStateLsn: lsn,
      marks: [],
    };
  }

  async #openWith(
    start: FirstStart,
    spec: GroupSpec,
    checkpoint: MachineCheckpoint | undefined,
  ): Promise<GroupReplica> {
    const replica = this.#replica(spec, start);
    try {
      await replica.open(checkpoint);
      return replica;
    } catch (error) {
      this.#options.replicas.delete(spec.group);
      throw error;
    }
  }

  /**
   * Nothing is known of it here: it begins with its founders, or waits for a snapshot. Durable before it takes part. Where it was a
   * member already and was removed, messages may be under way that speak of what it held then: it is on probation.
   */
  async #firstStart(spec: GroupSpec): Promise<FirstStart> {
    this.#options.recovered.groups.delete(spec.group);
    const removed = this.#options.recovered.removed.get(spec.group);
    if (removed !== undefined && removed.generation >= spec.generation) {
      this.#options.recovered.removed.set(spec.group, { ...removed, isReturning: true });
      const start = await this.#probationStart(spec, removed);
      this.#options.recovered.removed.delete(spec.group);
      return start;
    }
    const isFounder = spec.founders.includes(this.#options.member);
    const begin = isFounder ? 1 : 0;
    const voters = isFounder ? [...spec.founders].sort((left, right) => left - right) : [];
    const metadata = { index: begin, term: begin, confState: { ...emptyCheckpoint.metadata.confState, voters } };
    const checkpoint = { ...emptyCheckpoint, generation: spec.generation, metadata };
    const start = await this.#recordStart(spec, checkpoint, { term: begin, vote: 0, commit: begin });
    this.#options.recovered.removed.delete(spec.group);
    return start;
  }

  #replica(spec: GroupSpec, start: FirstStart): GroupReplica {
    const storage: GroupStorage = new GroupStorage(start.storage, () => replica.takeSnapshot());
    const replica: GroupReplica = new GroupReplica(this.#options.context, spec, { ...start, storage });
    this.#options.replicas.set(spec.group, replica);
    return replica;
  }
}
