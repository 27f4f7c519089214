import type { Millis, Timer } from '../../../host/clock.ts';
import type { Host } from '../../../host/host.ts';
import { payloadBytes } from '../../../storage/journal/batch.ts';
import type { Lsn, RecordIn } from '../../../storage/journal/index.ts';
import type { JournalWriter } from './journalWriter.ts';

/** Bytes given to the journal and not yet durable, beyond which nothing more is proposed. */
const congestedBytes = 48 * 1024 * 1024;

/** Somebody who has a part in turns. */
export interface TurnMember {
  readonly isOpen: boolean;
  /** Does what there is to do; true: there is more. */
  run(): boolean;
}

/**
 * The broker's turns: every group that has something to do does it, what they want written goes to the journal as one append, what they
 * want sent leaves. A turn begins when something is to do, on the next turn of the event loop, and does not wait for the write: several
 * may be under way, each group's in order.
 */
export class Turns {
  readonly #host: Host;
  readonly #journal: () => JournalWriter | undefined;
  readonly #flush: () => void;
  readonly #onSynced: (ms: Millis) => void;
  readonly #onDefect: (error: unknown) => void;
  #dirty = new Set<TurnMember>();
  #timer: Timer | undefined;
  #stopped = false;
  /** A turn is being taken: what comes up is looked at when it ends. */
  #isTurning = false;
  #records: RecordIn[] = [];
  #durables: { readonly offset: number; readonly durable: (first: Lsn) => void }[] = [];
  #pendingBytes = 0;

  /** `flush` sends what the turn has for other brokers. */
  constructor(
    host: Host,
    hooks: {
      readonly journal: () => JournalWriter | undefined;
      readonly flush: () => void;
      readonly onSynced: (ms: Millis) => void;
      readonly onDefect: (error: unknown) => void;
    },
  ) {
    this.#host = host;
    this.#journal = hooks.journal;
    this.#flush = hooks.flush;
    this.#onSynced = hooks.onSynced;
    this.#onDefect = hooks.onDefect;
  }

  get isCongested(): boolean {
    return this.#pendingBytes > congestedBytes;
  }

  /** A member has something to do. */
  schedule(member: TurnMember): void {
    this.#dirty.add(member);
    this.wake();
  }

  /** There is something to do, if only to send. */
  wake(): void {
    if (this.#timer !== undefined || this.#stopped || this.#isTurning) return;
    this.#timer = this.#host.clock.timer(0, () => {
      this.#timer = undefined;
      this.#guarded();
    });
  }

  #guarded(): void {
    this.#isTurning = true;
    try {
      this.#turn();
    } catch (error) {
      this.#onDefect(error);
    } finally {
      this.#isTurning = false;
    }
    const isHeld = this.#journal()?.isHeld === true;
    if (!isHeld && (this.#dirty.size > 0 || this.#durables.length > 0)) this.wake();
  }

  /**
   * A turn now, when there is something to do: for the end of an event that brought it (a read of a connection, a write of the journal),
   * where waiting for the next turn of the event loop would gather nothing more.
   */
  runNow(): void {
    if (this.#timer === undefined || this.#stopped) return;
    this.#timer.cancel();
    this.#timer = undefined;
    this.#guarded();
  }

  /** Adds records to this turn's append. */
  record(records: readonly RecordIn[], durable: (first: Lsn) => void): void {
    this.#durables.push({ offset: this.#records.length, durable });
    for (const record of records) this.#records.push(record);
    this.wake();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #turn(): void {
    const journal = this.#journal();
    // The journal has no room: who has something to write must not have more. Its word wakes the turn.
    if (journal?.isHeld === true) {
      this.#flush();
      return;
    }
    const members = this.#dirty;
    const isNarrow = members.size > 1 && this.#host.telemetry.buggify('one group a turn');
    if (isNarrow) this.#runOne(members);
    else this.#runAll(members);
    this.#write(journal);
    this.#flush();
  }

  #runAll(members: Set<TurnMember>): void {
    this.#dirty = new Set();
    for (const member of members) {
      let more = member.isOpen && member.run();
      // What its own run brought up is nearly always done by then, and never worth a turn of the event loop.
      if (this.#dirty.delete(member)) more = member.isOpen && member.run();
      if (more) this.#dirty.add(member);
    }
  }

  #runOne(members: Set<TurnMember>): void {
    const [first] = members;
    if (first === undefined) return;
    members.delete(first);
    if (first.isOpen && first.run()) members.add(first);
  }

  #write(journal: JournalWriter | undefined): void {
    if (this.#durables.length === 0 || journal === undefined) return;
    const records = this.#records;
    const durables = this.#durables;
    this.#records = [];
    this.#durables = [];
    if (this.#host.telemetry.buggify('one-record journal batch')) {
      for (const [at, { offset, durable }] of durables.entries()) {
        this.#give(journal, records.slice(offset, durables[at + 1]?.offset ?? records.length), durable);
      }
      return;
    }
    this.#give(journal, records, (first) => {
      for (const { offset, durable } of durables) durable(first + offset);
    });
  }

  #give(journal: JournalWriter, records: readonly RecordIn[], durable: (first: Lsn) => void): void {
    let bytes = 0;
    for (const { payload } of records) bytes += payloadBytes(payload);
    this.#pendingBytes += bytes;
    const { clock } = this.#host;
    const begunMs = clock.now();
    journal.append(records, (first) => {
      this.#pendingBytes -= bytes;
      this.#onSynced(clock.now() - begunMs);
      durable(first);
    });
  }
}
