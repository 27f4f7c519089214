import type { ConfState } from '../../../consensus/types.ts';
import type { Lsn, RecordIn } from '../../../storage/journal/index.ts';
import { type MachineCheckpoint, MachineClosed, NotProposed } from './group.ts';
import { type CheckpointRecord, carriedRecords, checkpointRecord, hardStateRecord } from './journalFormat.ts';
import type { EntriesMark } from './recovery.ts';
import type { ReplicaBody, ReplicaStart } from './replicaBody.ts';

/** A replica's checkpoints, and which of the journal's records its recovery needs: from there its old files may not go. */
export class ReplicaCheckpoints {
  readonly #body: ReplicaBody;
  #current: CheckpointRecord;
  #lsn: Lsn;
  #hardStateLsn: Lsn;
  /** Where the entries behind the checkpoint stand. */
  #marks: EntriesMark[];
  /** The configurations since the checkpoint, each from its index on. */
  #confHistory: { index: number; confState: ConfState }[];
  #making: Promise<MachineCheckpoint> | undefined;
  /** Writes of state files under way; never rejects. */
  #storing: Promise<unknown> = Promise.resolve();

  constructor(body: ReplicaBody, start: ReplicaStart) {
    this.#body = body;
    this.#current = start.checkpoint;
    this.#lsn = start.checkpointLsn;
    this.#hardStateLsn = start.hardStateLsn;
    this.#marks = [...start.marks];
    const { index, confState } = start.checkpoint.metadata;
    this.#confHistory = [{ index, confState }];
  }

  /** The last that is durable. */
  get current(): CheckpointRecord {
    return this.#current;
  }

  get index(): number {
    return this.#current.metadata.index;
  }

  /** The oldest record of the journal that this group's recovery needs. */
  get neededLsn(): Lsn {
    const mark = this.#marks[0]?.lsn ?? Number.POSITIVE_INFINITY;
    return Math.min(this.#hardStateLsn, this.#lsn, mark);
  }

  // What it is told.

  hardStateWritten(lsn: Lsn): void {
    this.#hardStateLsn = lsn;
  }

  entriesWritten(mark: EntriesMark): void {
    this.#marks.push(mark);
  }

  /** A snapshot's record is durable, a hard state before it: nothing older is needed. */
  replaced(checkpoint: CheckpointRecord, lsn: Lsn): void {
    this.#current = checkpoint;
    this.#lsn = lsn;
    this.#hardStateLsn = lsn;
    this.#marks = [];
  }

  configured(index: number, confState: ConfState): void {
    this.#confHistory.push({ index, confState });
  }

  /** A snapshot brought this configuration: those before it are gone. */
  reconfigured(index: number, confState: ConfState): void {
    this.#confHistory = [{ index, confState }];
  }

  /** The configuration that a checkpoint or snapshot of `index` says. */
  confStateOf(index: number): ConfState {
    const { mutant } = this.#body.context.host.telemetry;
    return mutant('conf-state-only-in-snapshot') ? this.#current.metadata.confState : this.#confAt(index);
  }

  #confAt(index: number): ConfState {
    const found = this.#confHistory.findLast((known) => known.index <= index);
    return (found ?? { confState: this.#body.storage.confState }).confState;
  }

  // What it writes.

  /** Makes a checkpoint of what is applied; one at a time. Rejects with `NotProposed` (busy) while the replica is being restored. */
  make(): Promise<MachineCheckpoint> {
    this.#making ??= this.#make().finally(() => {
      this.#making = undefined;
    });
    return this.#making;
  }

  async #make(): Promise<MachineCheckpoint> {
    if (this.#body.appends.isRestoring) {
      throw new NotProposed('busy', `group ${this.#body.group} is being restored from a snapshot`);
    }
    const made = await this.#body.machine.checkpoint();
    const data = await this.store(made);
    // Behind the record of its removal it would bring the group back.
    this.#throwIfClosed();
    // A snapshot that came meanwhile stands for more than this, also while its record is under way: this one would stand behind it.
    if (this.#body.appends.awaitsSnapshot || made.index < this.index) return made;
    const confState = this.confStateOf(made.index);
    const metadata = { index: made.index, term: made.term, confState };
    const { generation } = this.#body.spec;
    await this.write({ generation, metadata, replacesLog: false, probation: this.#body.probation.isOn, data });
    this.#throwIfClosed();
    this.#body.machine.checkpointed?.(made.index);
    this.removeOldFiles();
    return made;
  }

  /** Resolves when no file is written any more; a record that is under way is the journal's. */
  async stored(): Promise<void> {
    await this.#storing;
  }

  #throwIfClosed(): void {
    if (!this.#body.signal.aborted) return;
    throw new MachineClosed(`group ${this.#body.group} was closed before its checkpoint was durable`);
  }

  /** Resolves when the record is durable. */
  write(checkpoint: CheckpointRecord): Promise<void> {
    return new Promise((resolve) => {
      this.#body.context.record([checkpointRecord(this.#body.group, checkpoint)], (first) => {
        const { index } = checkpoint.metadata;
        if (index >= this.index) {
          this.#current = checkpoint;
          this.#lsn = first;
          // All at once: there is one for each write since the last checkpoint, and each shift would move the rest.
          const kept = this.#marks.findIndex(({ lastIndex }) => lastIndex > index);
          this.#marks.splice(0, kept < 0 ? this.#marks.length : kept);
          while ((this.#confHistory[1]?.index ?? Number.POSITIVE_INFINITY) <= index) this.#confHistory.shift();
        }
        resolve();
      });
    });
  }

  /** A partition's checkpoint is a few bytes and stands in the journal; the state of a small machine has a file. */
  async store(made: MachineCheckpoint): Promise<Uint8Array | 'file'> {
    if (this.#body.spec.kind === 'partition') return made.data;
    this.#throwIfClosed();
    const written = this.#body.context.snapshots.write(this.#body.group, made.index, made.term, made.data);
    this.#storing = Promise.allSettled([this.#storing, written]);
    await written;
    return 'file';
  }

  removeOldFiles(): void {
    if (this.#body.spec.kind === 'partition') return;
    this.#body.context.snapshots.removeOthers(this.#body.group, this.index).catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      this.#body.context.host.telemetry.logger.warn('an old snapshot stays', {
        group: this.#body.group,
        error: message,
      });
    });
  }

  /**
   * Writes once more what recovery needs of this group, so that the journal's old files may go: after a checkpoint, so that little is
   * left behind it.
   */
  carryForward(): void {
    const base = this.index;
    // Entries that are under way stand in the journal already: written after them, these would replace them.
    if (this.#body.appends.isRestoring || !this.#body.appends.isIdle || this.#body.storage.firstIndex() > base + 1)
      return;
    const { mutant } = this.#body.context.host.telemetry;
    const entries = this.#body.storage.entries(base + 1, this.#body.storage.lastIndex() + 1, Number.POSITIVE_INFINITY);
    const hardState = { ...this.#body.appends.written, commit: this.#body.storage.hardState.commit };
    const records: RecordIn[] = [
      ...(mutant('hard-state-not-carried') ? [] : [hardStateRecord(this.#body.group, hardState)]),
      checkpointRecord(this.#body.group, { ...this.#current, replacesLog: false }),
      ...carriedRecords(this.#body.group, entries, hardState.commit),
    ];
    this.#body.context.record(records, (first) => {
      if (this.index === base) this.#lsn = Math.max(this.#lsn, first);
      this.#hardStateLsn = Math.max(this.#hardStateLsn, first);
      const last = entries.at(-1);
      if (this.index !== base) return;
      // By their place in the journal, not by number: another carrying may have been under way, and they have moved.
      this.#marks = this.#marks.filter(({ lsn }) => lsn > first);
      if (last !== undefined) this.#marks.unshift({ lsn: first, lastIndex: last.index });
    });
  }
}
