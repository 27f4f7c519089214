import { Compacted, Unavailable } from '../../../consensus/errors.ts';
import type { ConfState, Entry, HardState, RaftStorage, Snapshot, SnapshotMetadata } from '../../../consensus/types.ts';

/** What an entry counts for in windows, messages and limits: its data and what goes with it. */
export function entryBytes(entry: Entry): number {
  return entry.data.length + 24;
}

/** In the place of one that went. */
const goneEntry: Entry = { term: 0, index: 0, type: 'normal', data: new Uint8Array(0) };

/** Entries that went are cut out of the array once they are this many and half of it. */
const trimAt = 1_024;

/**
 * A group's log as its member reads it: what the journal has made durable, held in memory from some entry on. The entry before the
 * first is known by its term. Nothing here is I/O: the journal is written first, then this.
 */
export class GroupStorage implements RaftStorage {
  hardState: HardState;
  /** Of the last configuration that was applied. */
  confState: ConfState;
  /** Bytes of the entries held. */
  windowBytes = 0;
  #entries: Entry[] = [];
  /** Entries of the array's beginning that have gone. */
  #gone = 0;
  /** The entry before the first one held. */
  #before: { index: number; term: number };
  readonly #takeSnapshot: () => Snapshot;

  constructor(
    begin: { hardState: HardState; base: SnapshotMetadata; entries: readonly Entry[] },
    takeSnapshot: () => Snapshot,
  ) {
    this.hardState = begin.hardState;
    this.confState = begin.base.confState;
    this.#before = { index: begin.base.index, term: begin.base.term };
    this.#takeSnapshot = takeSnapshot;
    this.append(begin.entries);
  }

  initialState(): { hardState: HardState; confState: ConfState } {
    return { hardState: this.hardState, confState: this.confState };
  }

  firstIndex(): number {
    return this.#before.index + 1;
  }

  lastIndex(): number {
    return this.#before.index + this.#entries.length - this.#gone;
  }

  term(index: number): number {
    if (index === this.#before.index) return this.#before.term;
    if (index < this.#before.index) throw new Compacted();
    const entry = this.#at(index);
    if (entry === undefined) throw new Unavailable();
    return entry.term;
  }

  entries(lo: number, hi: number, maxBytes: number): readonly Entry[] {
    if (lo < this.firstIndex()) throw new Compacted();
    if (hi > this.lastIndex() + 1) throw new Unavailable();
    const from = this.#gone + lo - this.firstIndex();
    let to = from;
    let bytes = 0;
    for (const end = from + hi - lo; to < end; to++) {
      const entry = this.#entries[to];
      if (entry === undefined) throw new Unavailable();
      bytes += entryBytes(entry);
      if (bytes > maxBytes && to > from) break;
    }
    return this.#entries.slice(from, to);
  }

  snapshot(): Snapshot {
    return this.#takeSnapshot();
  }

  /** Appends entries, which may replace those at the end from the first one's index on. They follow what is held. */
  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    if (first.index > this.lastIndex() + 1) {
      throw new Error(`entry ${first.index} does not follow ${this.lastIndex()}`);
    }
    if (first.index < this.firstIndex()) {
      throw new Error(`entry ${first.index} would replace one before the window, which begins at ${this.firstIndex()}`);
    }
    this.#cutFrom(first.index);
    for (const entry of entries) {
      this.#entries.push(entry);
      this.windowBytes += entryBytes(entry);
    }
  }

  /** Another replica's state stands for everything up to its index: nothing of the log is kept. */
  reset(base: SnapshotMetadata): void {
    this.#entries = [];
    this.#gone = 0;
    this.windowBytes = 0;
    this.#before = { index: base.index, term: base.term };
    this.confState = base.confState;
  }

  /** Lets go of the entries up to `index`, which were applied. */
  compact(index: number): void {
    const to = Math.min(index, this.lastIndex());
    while (this.#before.index < to) {
      const entry = this.#entries[this.#gone];
      if (entry === undefined) break;
      this.windowBytes -= entryBytes(entry);
      this.#before = { index: entry.index, term: entry.term };
      // Its place in the array is cut out later; its data, up to a megabyte, goes now.
      this.#entries[this.#gone++] = goneEntry;
    }
    if (this.#gone >= trimAt && this.#gone * 2 >= this.#entries.length) {
      this.#entries.splice(0, this.#gone);
      this.#gone = 0;
    }
  }

  /** Lets go of the oldest entries, of those up to `index`, until the window has no more than `bytes`. */
  shrink(bytes: number, index: number): void {
    let to = this.#before.index;
    let left = this.windowBytes;
    for (let at = this.#gone; left > bytes; at++) {
      const entry = this.#entries[at];
      if (entry === undefined || entry.index > index) break;
      left -= entryBytes(entry);
      to = entry.index;
    }
    this.compact(to);
  }

  #at(index: number): Entry | undefined {
    return this.#entries[this.#gone + index - this.firstIndex()];
  }

  #cutFrom(index: number): void {
    for (let last = this.#entries.length; last > this.#gone; last--) {
      const entry = this.#entries[last - 1];
      if (entry === undefined || entry.index < index) return;
      this.windowBytes -= entryBytes(entry);
      this.#entries.pop();
    }
  }
}
