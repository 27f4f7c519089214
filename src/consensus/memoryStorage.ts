import { type EntrySize, limitBytes } from './entries.ts';
import { Compacted, RaftPanic, SnapshotOutOfDate, Unavailable } from './errors.ts';
import { noBytes } from './message.ts';
import type { ConfState, Entry, HardState, RaftStorage, Snapshot } from './types.ts';

const emptyConfState: ConfState = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };

/** A log in memory: for tests, and as the window of a log whose older part lies elsewhere. */
export class MemoryStorage implements RaftStorage {
  readonly #entryBytes: EntrySize;
  #hardState: HardState = { term: 0, vote: 0, commit: 0 };
  #snapshot: Snapshot = { metadata: { confState: emptyConfState, index: 0, term: 0 }, data: noBytes };
  /** Index and term of the entry before the first one that is here. */
  #before = { index: 0, term: 0 };
  #entries: Entry[] = [];

  constructor(entryBytes: EntrySize) {
    this.#entryBytes = entryBytes;
  }

  initialState(): { readonly hardState: HardState; readonly confState: ConfState } {
    return { hardState: this.#hardState, confState: this.#snapshot.metadata.confState };
  }

  firstIndex(): number {
    return this.#before.index + 1;
  }

  lastIndex(): number {
    return this.#before.index + this.#entries.length;
  }

  term(index: number): number {
    if (index === this.#before.index) return this.#before.term;
    if (index < this.#before.index) throw new Compacted();
    const entry = this.#entries[index - this.#before.index - 1];
    if (entry === undefined) throw new Unavailable();
    return entry.term;
  }

  entries(lo: number, hi: number, maxBytes: number): readonly Entry[] {
    if (lo <= this.#before.index) throw new Compacted();
    if (hi > this.lastIndex() + 1) throw new Unavailable();
    const first = this.firstIndex();
    return limitBytes(this.#entries.slice(lo - first, hi - first), maxBytes, this.#entryBytes);
  }

  snapshot(): Snapshot {
    return this.#snapshot;
  }

  setHardState(hardState: HardState): void {
    this.#hardState = hardState;
  }

  /** The snapshot replaces all entries. Throws `SnapshotOutOfDate` when there is one as new. */
  applySnapshot(snapshot: Snapshot): void {
    const { index, term } = snapshot.metadata;
    const present = this.#snapshot.metadata.index;
    // A bootstrap may store a configuration at index 0.
    if (present !== 0 && present >= index) throw new SnapshotOutOfDate();
    this.#snapshot = snapshot;
    this.#before = { index, term };
    this.#entries = [];
  }

  /** The state up to `index`; `confState` undefined: as in the snapshot before. Throws `SnapshotOutOfDate`. */
  createSnapshot(index: number, confState: ConfState | undefined, data: Uint8Array): Snapshot {
    if (index <= this.#snapshot.metadata.index) throw new SnapshotOutOfDate();
    if (index > this.lastIndex()) {
      throw new RaftPanic(`snapshot ${index} is out of bound lastindex(${this.lastIndex()})`);
    }
    const metadata = { confState: confState ?? this.#snapshot.metadata.confState, index, term: this.term(index) };
    this.#snapshot = { metadata, data };
    return this.#snapshot;
  }

  /** Forgets the entries up to `index`, but for the term of the last. Throws `Compacted` when that was done before. */
  compact(index: number): void {
    if (index <= this.#before.index) throw new Compacted();
    if (index > this.lastIndex()) {
      throw new RaftPanic(`compact ${index} is out of bound lastindex(${this.lastIndex()})`);
    }
    const term = this.term(index);
    this.#entries = this.#entries.slice(index - this.#before.index);
    this.#before = { index, term };
  }

  /** Consecutive entries. What was at or behind the first of them is gone; what is compacted already is left out. */
  append(entries: readonly Entry[]): void {
    const first = this.firstIndex();
    const given = entries[0]?.index ?? first;
    const added = given < first ? entries.slice(first - given) : entries;
    const at = added[0]?.index;
    if (at === undefined) return;
    if (at > this.lastIndex() + 1) {
      throw new RaftPanic(`missing log entry [last: ${this.lastIndex()}, append at: ${at}]`);
    }
    // Nobody else holds this array: `entries` hands out copies.
    this.#entries.length = at - first;
    for (const entry of added) this.#entries.push(entry);
  }
}
