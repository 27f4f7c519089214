import { type EntrySize, limitBytes } from './entries.ts';
import { Compacted, LogLost, RaftPanic, Unavailable } from './errors.ts';
import type { LogEnd, LogSink } from './events.ts';
import { noEntries } from './message.ts';
import type { Entry, RaftStorage, Snapshot } from './types.ts';
import { Unstable, unknownTerm } from './unstable.ts';

/** The log as a member sees it: what storage holds, and the unstable end. applied <= applying <= committed <= lastIndex. */
export class RaftLog {
  readonly unstable: Unstable;
  readonly #storage: RaftStorage;
  readonly #sink: LogSink | null;
  readonly #entryBytes: EntrySize;
  readonly #maxApplyingBytes: number;
  #committed: number;
  /** The driver has been told to apply up to here. */
  #applying: number;
  /** And has done so up to here. */
  #applied: number;
  #applyingBytes = 0;
  #applyingPaused = false;

  /** `maxApplyingBytes`: of committed entries that are handed out and not reported as applied. */
  constructor(storage: RaftStorage, maxApplyingBytes: number, entryBytes: EntrySize, sink: LogSink | null) {
    this.#storage = storage;
    this.#sink = sink;
    this.#entryBytes = entryBytes;
    this.#maxApplyingBytes = maxApplyingBytes;
    const first = storage.firstIndex();
    this.unstable = new Unstable(storage.lastIndex() + 1, sink);
    this.#committed = first - 1;
    this.#applying = first - 1;
    this.#applied = first - 1;
  }

  get committed(): number {
    return this.#committed;
  }

  get applied(): number {
    return this.#applied;
  }

  get maxApplyingBytes(): number {
    return this.#maxApplyingBytes;
  }

  get firstIndex(): number {
    return this.unstable.firstIndex ?? this.#storage.firstIndex();
  }

  get lastIndex(): number {
    return this.unstable.lastIndex ?? this.#storage.lastIndex();
  }

  /** `unknownTerm`: compacted, or beyond the end. The entry before the first one is known, too. */
  term(index: number): number {
    const unstable = this.unstable.term(index);
    if (unstable !== unknownTerm) return unstable;
    if (index + 1 < this.firstIndex || index > this.lastIndex) return unknownTerm;
    try {
      return this.#storage.term(index);
    } catch (error) {
      // Storage may have been compacted since it was asked for its first index.
      if (error instanceof Compacted || error instanceof Unavailable) return unknownTerm;
      throw error;
    }
  }

  /** As `term`, but 0 for what is not known. */
  termOrZero(index: number): number {
    return Math.max(this.term(index), 0);
  }

  last(): LogEnd {
    const index = this.lastIndex;
    const term = this.term(index);
    if (term === unknownTerm) throw new RaftPanic(`unexpected error when getting the last term of index ${index}`);
    return { index, term };
  }

  matches(index: number, term: number): boolean {
    return this.term(index) === term;
  }

  /** Would a log that ends there hold all that this one may have committed (Raft §5.4.1)? */
  isUpToDate(candidate: LogEnd): boolean {
    const own = this.last();
    return candidate.term > own.term || (candidate.term === own.term && candidate.index >= own.index);
  }

  /** Follower: entries behind (prevIndex, prevTerm). Undefined: no such entry here; else the index of the last of them. */
  maybeAppend(prevIndex: number, prevTerm: number, entries: readonly Entry[]): number | undefined {
    if (!this.matches(prevIndex, prevTerm)) return undefined;
    const conflict = this.#findConflict(entries);
    if (conflict !== 0) {
      if (conflict <= this.#committed) {
        throw new RaftPanic(`entry ${conflict} conflict with committed entry [committed(${this.#committed})]`);
      }
      this.append(conflict === prevIndex + 1 ? entries : entries.slice(conflict - prevIndex - 1));
    }
    return prevIndex + entries.length;
  }

  /** Replaces what was at or behind the first entry. Returns the last index. */
  append(entries: readonly Entry[]): number {
    const first = entries[0];
    if (first === undefined) return this.lastIndex;
    if (first.index - 1 < this.#committed) {
      throw new RaftPanic(`after(${first.index - 1}) is out of range [committed(${this.#committed})]`);
    }
    this.unstable.truncateAndAppend(entries);
    return this.lastIndex;
  }

  /** Index of the first entry that is not in this log with its term; 0: all are. */
  #findConflict(entries: readonly Entry[]): number {
    for (const { index, term } of entries) {
      if (this.matches(index, term)) continue;
      if (this.#sink !== null && index <= this.lastIndex) {
        this.#sink.event({ kind: 'log-conflict', index, existing: this.termOrZero(index), conflicting: term });
      }
      return index;
    }
    return 0;
  }

  /**
   * The best guess at where two logs still agree, when all that is known of the other is one entry: the highest index up to
   * `index` whose term is not above `term`. Skips whole terms where the paper goes back entry by entry (Raft §5.3).
   */
  findConflictByTerm(index: number, term: number): LogEnd {
    for (let guess = index; guess > 0; guess--) {
      const own = this.term(guess);
      if (own === unknownTerm) return { index: guess, term: 0 };
      if (own <= term) return { index: guess, term: own };
    }
    return { index: 0, term: 0 };
  }

  commitTo(index: number): void {
    if (index <= this.#committed) return;
    const last = this.lastIndex;
    if (last < index) throw new LogLost(index, last);
    this.#committed = index;
  }

  /** Leader: commits up to `index` if the entry there is of its own `term` (Raft §5.4.2). True: it was not before. */
  maybeCommit(index: number, term: number): boolean {
    if (index <= this.#committed || this.term(index) !== term) return false;
    this.commitTo(index);
    return true;
  }

  appliedTo(index: number, bytes: number): void {
    if (this.#committed < index || index < this.#applied) {
      throw new RaftPanic(
        `applied(${index}) is out of range [prevApplied(${this.#applied}), committed(${this.#committed})]`,
      );
    }
    this.#applied = index;
    this.#applying = Math.max(this.#applying, index);
    this.#applyingBytes = Math.max(0, this.#applyingBytes - bytes);
    this.#applyingPaused = this.#applyingBytes >= this.#maxApplyingBytes;
  }

  /** The driver has taken committed entries up to `index`. */
  acceptApplying(index: number, bytes: number, allowUnstable: boolean): void {
    if (this.#committed < index) {
      throw new RaftPanic(
        `applying(${index}) is out of range [prevApplying(${this.#applying}), committed(${this.#committed})]`,
      );
    }
    this.#applying = index;
    this.#applyingBytes += bytes;
    // Less was handed out than could have been: the next entry would have gone beyond the limit.
    this.#applyingPaused = this.#applyingBytes >= this.#maxApplyingBytes || index < this.#maxAppliable(allowUnstable);
  }

  hasNextCommitted(allowUnstable: boolean): boolean {
    // A snapshot has to be applied before anything behind it.
    if (this.#applyingPaused || this.unstable.snapshot !== undefined) return false;
    return this.#applying < this.#maxAppliable(allowUnstable);
  }

  /** Committed entries to apply. `allowUnstable`: also those that are not known to be stored here. */
  nextCommitted(allowUnstable: boolean): readonly Entry[] {
    if (!this.hasNextCommitted(allowUnstable)) return noEntries;
    const left = this.#maxApplyingBytes - this.#applyingBytes;
    const entries = this.#slice(this.#applying + 1, this.#maxAppliable(allowUnstable) + 1, left);
    if (entries === undefined) throw new RaftPanic('unexpected error when getting unapplied entries (compacted)');
    return entries;
  }

  #maxAppliable(allowUnstable: boolean): number {
    return allowUnstable ? this.#committed : Math.min(this.#committed, this.unstable.offset - 1);
  }

  /** Throws `SnapshotNotReady`. */
  snapshot(): Snapshot {
    return this.unstable.snapshot ?? this.#storage.snapshot();
  }

  /** The snapshot replaces the log. */
  restore(snapshot: Snapshot): void {
    const { index, term } = snapshot.metadata;
    this.#sink?.event({
      kind: 'log-restoring',
      committed: this.#committed,
      applied: this.#applied,
      applying: this.#applying,
      offset: this.unstable.offset,
      offsetInProgress: this.unstable.offsetInProgress,
      unstableEntries: this.unstable.length,
      snapshot: { index, term },
    });
    this.#committed = index;
    this.unstable.restore(snapshot);
  }

  /** Entries from `index` on. Undefined: compacted. */
  entriesFrom(index: number, maxBytes: number): readonly Entry[] | undefined {
    const last = this.lastIndex;
    return index > last ? noEntries : this.#slice(index, last + 1, maxBytes);
  }

  /** Is there a configuration change among the committed entries that are not applied? Read in pages: the tail may be long. */
  hasUnappliedConfChange(): boolean {
    let lo = this.#applied + 1;
    while (lo <= this.#committed) {
      const entries = this.#slice(lo, this.#committed + 1, this.#maxApplyingBytes);
      if (entries === undefined || entries.length === 0) {
        throw new RaftPanic(`error scanning unapplied entries [${lo}, ${this.#committed + 1})`);
      }
      if (entries.some(({ type }) => type !== 'normal')) return true;
      lo += entries.length;
    }
    return false;
  }

  /** Entries [lo, hi) within `maxBytes`, one at least. Undefined: compacted. */
  #slice(lo: number, hi: number, maxBytes: number): readonly Entry[] | undefined {
    if (lo > hi) throw new RaftPanic(`invalid slice ${lo} > ${hi}`);
    const offset = this.unstable.offset;
    if (lo >= offset) {
      return lo === hi ? noEntries : limitBytes(this.unstable.slice(lo, hi), maxBytes, this.#entryBytes);
    }
    if (lo < this.firstIndex) return undefined;
    if (hi > this.lastIndex + 1) {
      throw new RaftPanic(`slice[${lo},${hi}) out of bound [${this.firstIndex},${this.lastIndex}]`);
    }
    if (lo === hi) return noEntries;
    const stored = this.#stored(lo, Math.min(hi, offset), maxBytes);
    if (stored === undefined || hi <= offset || stored.length < offset - lo) return stored;
    return limitBytes([...stored, ...this.unstable.slice(offset, hi)], maxBytes, this.#entryBytes);
  }

  #stored(lo: number, hi: number, maxBytes: number): readonly Entry[] | undefined {
    try {
      return this.#storage.entries(lo, hi, maxBytes);
    } catch (error) {
      if (error instanceof Compacted) return undefined;
      if (error instanceof Unavailable) throw new RaftPanic(`entries[${lo}:${hi}) is unavailable from storage`);
      throw error;
    }
  }
}
