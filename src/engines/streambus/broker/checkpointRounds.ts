import type { Millis, Timer } from '../../../host/clock.ts';
import { DiskError } from '../../../host/disk.ts';
import type { Host } from '../../../host/host.ts';
import type { Journal, Lsn, RecordIn } from '../../../storage/journal/index.ts';
import { type GroupId, metaGroup } from '../ids.ts';
import { MachineClosed } from './group.ts';
import type { GroupReplica } from './groupReplica.ts';
import { removedRecord } from './journalFormat.ts';
import type { Recovered } from './recovery.ts';

/** Entries of a small machine between two checkpoints. */
const snapshotEvery = 10_000;
/** Checkpoints made at the same time. */
const checkpointsAtOnce = 4;

/** What rounds work with. */
export interface RoundsOptions {
  readonly host: Host;
  readonly journal: Journal;
  readonly replicas: ReadonlyMap<GroupId, GroupReplica>;
  readonly recovered: Recovered;
  readonly record: (records: readonly RecordIn[], durable: (first: Lsn) => void) => void;
  readonly flushIntervalMs: () => Millis;
  /** The metadata is known here, and names no such group. */
  readonly isGone: (group: GroupId) => boolean;
  readonly onFatal: (error: unknown) => void;
}

/** What lets the journal stay short: checkpoints, what is carried forward, and how far files may go. */
export class CheckpointRounds {
  readonly #options: RoundsOptions;
  #timer: Timer | undefined;
  #round: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** Begins: a round each flush interval. */
  start(): void {
    const { host, flushIntervalMs } = this.#options;
    this.#timer = host.clock.timer(flushIntervalMs(), () => {
      if (this.#isStopped) return;
      this.#round = this.#checkpointDue()
        .catch((error: unknown) => this.#options.onFatal(error))
        .finally(() => {
          if (!this.#isStopped) this.start();
        });
    });
  }

  /** Checkpoints what is due, carries forward what keeps old files of the journal, and lets those go that nobody needs. */
  async #checkpointDue(): Promise<void> {
    const { journal, host } = this.#options;
    const segments = journal.segments();
    const active = segments.at(-1)?.baseLsn ?? 0;
    const carryBelow = segments.length >= 3 ? active : 0;
    const every = host.telemetry.buggify('snapshot every 10') ? 10 : snapshotEvery;
    await this.checkpointAll((replica) => {
      const behind = replica.appliedIndex - replica.checkpointIndex;
      if (behind === 0 || replica.isRestoring) return false;
      return replica.spec.kind === 'partition' || behind >= every || replica.neededLsn < carryBelow;
    });
    for (const replica of this.#options.replicas.values()) {
      if (replica.isOpen && replica.neededLsn < carryBelow) replica.carryForward();
    }
    this.#carryRemoved(carryBelow);
    journal.pin('streambus', this.#neededLsn());
  }

  /** Begins no further round; resolves when the present one is over. */
  stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    return this.#round;
  }

  /** Makes a checkpoint. A disk without room, or a file that cannot be written: the journal still has everything, the next round tries again. */
  async checkpoint(replica: GroupReplica): Promise<void> {
    try {
      await replica.checkpoint();
    } catch (error) {
      // Its replica goes, or was given another state meanwhile.
      if (error instanceof MachineClosed) return;
      if (!(error instanceof DiskError) || error.operation === 'sync') throw error;
      const { group } = replica;
      this.#options.host.telemetry.logger.warn('a checkpoint could not be made', { group, error: error.message });
    }
  }

  /** Checkpoints of all replicas that are due, a few at a time. */
  async checkpointAll(isDue: (replica: GroupReplica) => boolean): Promise<void> {
    const due = [...this.#options.replicas.values()].filter((replica) => replica.isOpen && isDue(replica));
    const work = async () => {
      for (let replica = due.shift(); replica !== undefined; replica = due.shift()) {
        if (replica.isOpen && !replica.isRestoring) await this.checkpoint(replica);
      }
    };
    await Promise.all(Array.from({ length: Math.min(checkpointsAtOnce, due.length) }, work));
  }

  /**
   * That a group was removed is remembered until the metadata, as it stands on disk, says so too: and while the group lives elsewhere,
   * for it may come back, and what this member has voted counts there as long.
   */
  #carryRemoved(carryBelow: Lsn): void {
    const known = this.#options.replicas.get(metaGroup)?.checkpointIndex ?? 0;
    for (const [group, removed] of this.#options.recovered.removed) {
      if (removed.isReturning === true) continue;
      if (removed.metaIndex <= known && this.#options.isGone(group)) {
        this.#options.recovered.removed.delete(group);
      } else if (removed.lsn < carryBelow) {
        this.#options.record([removedRecord(group, removed)], (lsn) => {
          this.#options.recovered.removed.set(group, { ...removed, lsn });
        });
      }
    }
  }

  #neededLsn(): Lsn {
    let needed = this.#options.journal.durableLsn + 1;
    for (const replica of this.#options.replicas.values()) needed = Math.min(needed, replica.neededLsn);
    for (const { lsn } of this.#options.recovered.removed.values()) needed = Math.min(needed, lsn);
    for (const { hardStateLsn, checkpointLsn, marks } of this.#options.recovered.groups.values()) {
      needed = Math.min(needed, hardStateLsn, checkpointLsn, marks[0]?.lsn ?? needed);
    }
    return needed;
  }
}
