import { RaftPanic } from './errors.ts';
import type { LogSink } from './events.ts';
import { noEntries } from './message.ts';
import type { Entry, Snapshot } from './types.ts';

/** What `term` answers for an index that it does not know. */
export const unknownTerm = -1;

/**
 * The end of a log that is not known to be stored: entries, and a snapshot that is to replace what was before. Part of it may
 * be in progress: handed out to be stored, but not reported as done, so that reading it from storage would be too early.
 */
export class Unstable {
  readonly #sink: LogSink | null;
  #snapshot: Snapshot | undefined;
  #snapshotInProgress = false;
  /** Entry `offset + i` is `entries[i]`. Storage may hold more than `offset - 1`: what is written next replaces that. */
  #entries: Entry[] = [];
  #offset: number;
  /** Entries below it are in progress. */
  #offsetInProgress: number;

  /** `offset`: index of the first entry that storage does not have. */
  constructor(offset: number, sink: LogSink | null) {
    this.#offset = offset;
    this.#offsetInProgress = offset;
    this.#sink = sink;
  }

  get offset(): number {
    return this.#offset;
  }

  get offsetInProgress(): number {
    return this.#offsetInProgress;
  }

  get length(): number {
    return this.#entries.length;
  }

  get snapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  /** The snapshot, unless it is being stored already. */
  get nextSnapshot(): Snapshot | undefined {
    return this.#snapshotInProgress ? undefined : this.#snapshot;
  }

  /** Known here only with a snapshot; undefined: storage knows. */
  get firstIndex(): number | undefined {
    return this.#snapshot === undefined ? undefined : this.#snapshot.metadata.index + 1;
  }

  /** Undefined: nothing is unstable, storage knows. */
  get lastIndex(): number | undefined {
    if (this.#entries.length > 0) return this.#offset + this.#entries.length - 1;
    return this.#snapshot?.metadata.index;
  }

  /** `unknownTerm`: not here. */
  term(index: number): number {
    if (index < this.#offset) {
      const metadata = this.#snapshot?.metadata;
      return metadata !== undefined && metadata.index === index ? metadata.term : unknownTerm;
    }
    return this.#entries[index - this.#offset]?.term ?? unknownTerm;
  }

  get hasNextEntries(): boolean {
    return this.#entries.length > this.#offsetInProgress - this.#offset;
  }

  /** Entries that are not being stored yet. */
  nextEntries(): readonly Entry[] {
    return this.hasNextEntries ? this.#entries.slice(this.#offsetInProgress - this.#offset) : noEntries;
  }

  /** All that is here is being stored from now on. */
  acceptInProgress(): void {
    if (this.#entries.length > 0) this.#offsetInProgress = this.#offset + this.#entries.length;
    if (this.#snapshot !== undefined) this.#snapshotInProgress = true;
  }

  /** Storage has all up to this entry, and no write under way will replace it. */
  stableTo(index: number, term: number): void {
    const known = this.term(index);
    if (known === unknownTerm) {
      this.#sink?.event({ kind: 'stable-missing', index });
      return;
    }
    if (index < this.#offset) {
      this.#sink?.event({ kind: 'stable-is-snapshot', index });
      return;
    }
    if (known !== term) {
      // Part of it was replaced between the write and its report.
      this.#sink?.event({ kind: 'stable-mismatch', index, term, ownTerm: known });
      return;
    }
    const stable = index + 1 - this.#offset;
    this.#entries = stable === this.#entries.length ? [] : this.#entries.slice(stable);
    this.#offset = index + 1;
    this.#offsetInProgress = Math.max(this.#offsetInProgress, this.#offset);
  }

  stableSnapshotTo(index: number): void {
    if (this.#snapshot === undefined || this.#snapshot.metadata.index !== index) return;
    this.#snapshot = undefined;
    this.#snapshotInProgress = false;
  }

  /** The snapshot replaces all there is. */
  restore(snapshot: Snapshot): void {
    this.#offset = snapshot.metadata.index + 1;
    this.#offsetInProgress = this.#offset;
    this.#entries = [];
    this.#snapshot = snapshot;
    this.#snapshotInProgress = false;
  }

  /** Not empty. What was at or behind the first of them is gone. */
  truncateAndAppend(entries: readonly Entry[]): void {
    const from = entries[0]?.index ?? 0;
    if (from === this.#offset + this.#entries.length) {
      for (const entry of entries) this.#entries.push(entry);
    } else if (from <= this.#offset) {
      this.#sink?.event({ kind: 'unstable-replaced', index: from });
      this.#entries = [...entries];
      this.#offset = from;
      this.#offsetInProgress = from;
    } else {
      this.#sink?.event({ kind: 'unstable-truncated', index: from });
      this.#entries = [...this.slice(this.#offset, from), ...entries];
      // What was replaced is not in progress any more, whatever storage is still doing.
      this.#offsetInProgress = Math.min(this.#offsetInProgress, from);
    }
  }

  /** Entries [lo, hi), all of which must be here. A copy. */
  slice(lo: number, hi: number): readonly Entry[] {
    if (lo > hi) throw new RaftPanic(`invalid unstable.slice ${lo} > ${hi}`);
    const upper = this.#offset + this.#entries.length;
    if (lo < this.#offset || hi > upper) {
      throw new RaftPanic(`unstable.slice[${lo},${hi}) out of bound [${this.#offset},${upper}]`);
    }
    return this.#entries.slice(lo - this.#offset, hi - this.#offset);
  }
}
