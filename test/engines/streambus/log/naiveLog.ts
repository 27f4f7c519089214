/** A partition as a list of batches: everything is computed anew from the list, nothing is kept beside it. */
export interface NaiveBatch {
  readonly base: number;
  readonly count: number;
  /** -1: none. */
  readonly producer: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly transactional: boolean;
  readonly marker: 'commit' | 'abort' | undefined;
}

export type NaiveVerdict =
  | { readonly kind: 'append' }
  | { readonly kind: 'repeat'; readonly base: number }
  | { readonly kind: 'refused'; readonly code: number };

const wrap = 2 ** 31;

export class NaiveLog {
  committed: NaiveBatch[] = [];
  /** Appended and not committed. */
  tail: NaiveBatch[] = [];
  start = 0;

  get all(): NaiveBatch[] {
    return [...this.committed, ...this.tail];
  }

  get end(): number {
    return endOf(this.committed);
  }

  get tailEnd(): number {
    return endOf(this.all);
  }

  /** What must become of a batch of an idempotent producer. */
  judge(producer: number, epoch: number, sequence: number, count: number): NaiveVerdict {
    const own = this.all.filter((batch) => batch.producer === producer);
    const last = own.at(-1);
    if (last === undefined) return { kind: 'append' };
    if (epoch < last.epoch) return { kind: 'refused', code: 47 };
    const sameEpoch = own.filter((batch) => batch.epoch === epoch && batch.marker === undefined);
    // After a marker of a newer epoch, and in a new epoch, sequences begin at 0.
    if (sameEpoch.length === 0) return sequence === 0 ? { kind: 'append' } : { kind: 'refused', code: 45 };
    const original = sameEpoch.slice(-5).find((batch) => batch.sequence === sequence && batch.count === count);
    if (original !== undefined) return { kind: 'repeat', base: original.base };
    const newest = sameEpoch.at(-1);
    const expected = newest === undefined ? 0 : (newest.sequence + newest.count) % wrap;
    return sequence === expected ? { kind: 'append' } : { kind: 'refused', code: 45 };
  }

  /** Where the open transaction of a producer begins, in these batches. */
  openSince(producer: number, batches: readonly NaiveBatch[] = this.committed): number | undefined {
    let open: number | undefined;
    for (const batch of batches) {
      if (batch.producer !== producer) continue;
      if (batch.marker !== undefined) open = undefined;
      else if (batch.transactional && open === undefined) open = batch.base;
    }
    return open;
  }

  get stable(): number {
    const producers = new Set(this.committed.map((batch) => batch.producer));
    const open = [...producers].map((producer) => this.openSince(producer) ?? this.end);
    return Math.max(this.start, Math.min(this.end, ...open));
  }

  /** Transactions that were aborted, by their first offset and the offset of their marker. */
  get aborted(): { readonly producerId: number; readonly first: number; readonly last: number }[] {
    return this.committed.flatMap((batch, n) => {
      const first = this.openSince(batch.producer, this.committed.slice(0, n));
      return batch.marker === 'abort' && first !== undefined
        ? [{ producerId: batch.producer, first, last: batch.base }]
        : [];
    });
  }
}

function endOf(batches: readonly NaiveBatch[]): number {
  const last = batches.at(-1);
  return last === undefined ? 0 : last.base + last.count;
}
