import { hardStateOf } from '../../../consensus/message.ts';
import type { Message, RaftId, Snapshot } from '../../../consensus/types.ts';
import type { Lsn, RecordIn } from '../../../storage/journal/index.ts';
import type { CommittedEnd } from './groupRequests.ts';
import { checkpointRecord, entriesRecords, hardStateRecord } from './journalFormat.ts';
import { againMs, type ReplicaBody } from './replicaBody.ts';

/** A storage append that has not been answered. */
interface Append {
  readonly message: Message;
  isDurable: boolean;
  firstLsn: Lsn;
}

/** What a replica's core gives to be stored, snapshots too: written, and answered in order as it becomes durable. */
export class ReplicaAppends {
  readonly #body: ReplicaBody;
  /** Given to the journal, or behind a snapshot that is being restored. */
  readonly #appends: Append[] = [];
  #restoresTo: CommittedEnd | undefined;
  readonly #behindRestore: Message[] = [];
  /** Term and vote as they were last given to the journal. */
  #written: { term: number; vote: RaftId };

  constructor(body: ReplicaBody) {
    this.#body = body;
    const { term, vote } = body.storage.hardState;
    this.#written = { term, vote };
  }

  get isRestoring(): boolean {
    return this.#restoresTo !== undefined;
  }

  /** Where the snapshot ends that is being restored. */
  get restoresTo(): CommittedEnd | undefined {
    return this.#restoresTo;
  }

  /** A snapshot is being restored, or its record is not durable yet. */
  get awaitsSnapshot(): boolean {
    return this.isRestoring || this.#appends.some(({ message }) => message.snapshot !== undefined);
  }

  /** Nothing is under way to the journal. */
  get isIdle(): boolean {
    return this.#appends.length === 0;
  }

  /** Term and vote as they were last given to the journal. */
  get written(): { readonly term: number; readonly vote: RaftId } {
    return this.#written;
  }

  /** Work that the core gave. */
  add(message: Message): void {
    if (this.isRestoring) {
      this.#behindRestore.push(message);
      return;
    }
    if (message.snapshot !== undefined) {
      const { index, term } = message.snapshot.metadata;
      this.#restoresTo = { index, term };
      const append: Append = { message, isDurable: false, firstLsn: 0 };
      this.#appends.push(append);
      this.#restore(append, message.snapshot).catch((error: unknown) => {
        if (!this.#body.signal.aborted) this.#body.context.fatal(error);
      });
      return;
    }
    this.#persist(message);
  }

  #persist(message: Message): void {
    const { mutant } = this.#body.context.host.telemetry;
    const append: Append = { message, isDurable: false, firstLsn: 0 };
    this.#appends.push(append);
    const records = this.#recordsOf(message);
    const isForgotten =
      message.entries.length === 0 &&
      ((mutant('vote-unsynced') && message.vote !== 0) || (mutant('term-unsynced') && message.term !== 0));
    // A commit index alone is not worth a write: the next one carries it. What answers such a message waits for those before it.
    if (records.length === 0 || isForgotten) {
      append.isDurable = true;
      if (this.#appends.length === 1) this.#completeAppends();
      return;
    }
    if (mutant('self-ack-early')) this.#answerOwn(message);
    const durable = (first: Lsn) => {
      append.isDurable = true;
      append.firstLsn = first;
      this.#completeAppends();
    };
    if (mutant('log-rewritten')) this.#rewrite(records, durable);
    else this.#body.context.record(records, durable);
  }

  /** Planted: the log is emptied first and written again whole, as if it were a file of its own. */
  #rewrite(records: readonly RecordIn[], durable: (first: Lsn) => void): void {
    const emptied = checkpointRecord(this.#body.group, { ...this.#body.checkpoints.current, replacesLog: true });
    this.#body.context.record([emptied], () => {
      const from = Math.max(this.#body.checkpoints.index + 1, this.#body.storage.firstIndex());
      const held = this.#body.storage.entries(from, this.#body.storage.lastIndex() + 1, Number.POSITIVE_INFINITY);
      this.#body.context.record(
        [...entriesRecords(this.#body.group, held, this.#body.storage.hardState.commit), ...records],
        durable,
      );
    });
  }

  #recordsOf(message: Message): RecordIn[] {
    const records: RecordIn[] = [];
    const hardState = hardStateOf(message);
    // The vote goes first: entries of a term stand behind it.
    if (hardState !== undefined && (hardState.term !== this.#written.term || hardState.vote !== this.#written.vote)) {
      this.#written = { term: hardState.term, vote: hardState.vote };
      records.push(hardStateRecord(this.#body.group, hardState));
    }
    const commit = hardState?.commit ?? this.#body.storage.hardState.commit;
    records.push(...entriesRecords(this.#body.group, message.entries, commit));
    return records;
  }

  #answerOwn(message: Message): void {
    for (const response of message.responses) {
      if (response.to === this.#body.member && response.type === 'MsgAppResp') this.#body.node.step(response);
    }
  }

  /** Takes over what is durable, in the order in which it was given, and lets go what waited for it. */
  #completeAppends(): void {
    if (!this.#body.isOpen) return;
    while (this.#appends[0]?.isDurable === true) {
      const append = this.#appends.shift();
      if (append !== undefined) this.#complete(append);
    }
    this.#body.schedule();
  }

  #complete({ message, firstLsn }: Append): void {
    const { snapshot, entries } = message;
    if (snapshot !== undefined) this.#takeSnapshot(snapshot);
    const hardState = hardStateOf(message);
    if (hardState !== undefined) {
      const { term, vote } = this.#body.storage.hardState;
      if (firstLsn > 0 && (hardState.term !== term || hardState.vote !== vote))
        this.#body.checkpoints.hardStateWritten(firstLsn);
      this.#body.storage.hardState = hardState;
    }
    const last = entries.at(-1);
    if (last !== undefined) {
      this.#body.storage.append(entries);
      this.#body.checkpoints.entriesWritten({ lsn: firstLsn, lastIndex: last.index });
      this.#body.proposals.durable(last.index, this.#body.context.host.clock.now());
    }
    this.#body.answer(message.responses);
  }

  // Snapshots.

  async #restore(append: Append, snapshot: Snapshot): Promise<void> {
    const { host } = this.#body.context;
    const { index, term, confState } = snapshot.metadata;
    const { signal } = this.#body;
    host.telemetry.logger.info('restoring a replica', { group: this.#body.group, index, term });
    // What was committed before goes in first: after the snapshot it would come too late.
    while (this.#body.applies.holding !== undefined) await this.#body.applies.holding;
    for (;;) {
      try {
        await this.#body.machine.restore({ index, term, data: snapshot.data }, this.#body.peers);
        break;
      } catch (error) {
        if (signal.aborted) return;
        const message = error instanceof Error ? error.message : String(error);
        host.telemetry.logger.warn('a replica could not be restored yet', {
          group: this.#body.group,
          error: message,
        });
        await host.clock.sleep(againMs, signal);
      }
    }
    const made = await this.#body.machine.checkpoint();
    if (made.index !== index) {
      throw new Error(`group ${this.#body.group}: restored to ${index}, its checkpoint says ${made.index}`);
    }
    const data = await this.#body.checkpoints.store(made);
    if (signal.aborted) return;
    const { generation } = this.#body.spec;
    const checkpoint = {
      generation,
      metadata: { index, term, confState },
      replacesLog: true,
      probation: this.#body.probation.isOn,
      data,
    };
    const hardState = hardStateOf(append.message) ?? this.#body.storage.hardState;
    this.#written = { term: hardState.term, vote: hardState.vote };
    const records = [
      hardStateRecord(this.#body.group, hardState),
      checkpointRecord(this.#body.group, checkpoint),
      ...entriesRecords(this.#body.group, append.message.entries, hardState.commit),
    ];
    this.#body.context.record(records, (first) => {
      append.isDurable = true;
      append.firstLsn = first;
      this.#body.checkpoints.replaced(checkpoint, first);
      this.#completeAppends();
      this.#body.machine.checkpointed?.(index);
      this.#body.checkpoints.removeOldFiles();
      this.#body.probation.end();
    });
    this.#restoresTo = undefined;
    for (const message of this.#behindRestore.splice(0)) this.add(message);
    this.#body.schedule();
  }

  #takeSnapshot(snapshot: Snapshot): void {
    const { index, term, confState } = snapshot.metadata;
    this.#body.storage.reset(snapshot.metadata);
    this.#body.applies.restored(index, term);
    this.#body.checkpoints.reconfigured(index, confState);
    this.#body.context.observer?.restored(this.#body.group, this.#body.member, snapshot.metadata);
    this.#body.context.observer?.configured(this.#body.group, this.#body.member, index, confState);
  }
}
