/** A transaction that was aborted, as the log has it. */
export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
  /** Of its marker. */
  readonly lastOffset: number;
  /** Last stable offset after the marker: no transaction that is aborted later begins below it. */
  readonly stableOffset: number;
}

/**
 * Aborted transactions by the offset of their markers. All of what is retained is in memory, 32 bytes each: what a reader of
 * committed records must skip. Beside each segment they stand in its `.txn`.
 */
export class AbortedIndex {
  #list: AbortedTransaction[];

  constructor(list: readonly AbortedTransaction[] = []) {
    this.#list = [...list];
  }

  get all(): readonly AbortedTransaction[] {
    return this.#list;
  }

  add(transaction: AbortedTransaction): void {
    this.#list.push(transaction);
  }

  /** Forgets those that ended below `start`. */
  trim(start: number): void {
    const first = this.#list.findIndex((transaction) => transaction.lastOffset >= start);
    this.#list = first < 0 ? [] : this.#list.slice(first);
  }

  /** Those with markers in [from, to). */
  endingIn(from: number, to: number): AbortedTransaction[] {
    const first = this.#firstFrom(from);
    const last = this.#firstFrom(to);
    return this.#list.slice(first, last);
  }

  /** Those whose records or marker reach into [from, to), by ascending first offset. */
  overlapping(from: number, to: number): { readonly producerId: number; readonly firstOffset: number }[] {
    const found: AbortedTransaction[] = [];
    for (let n = this.#firstFrom(from); n < this.#list.length; n++) {
      const transaction = this.#list[n];
      if (transaction === undefined) break;
      if (transaction.firstOffset < to) found.push(transaction);
      if (transaction.stableOffset >= to) break;
    }
    return found
      .sort((a, b) => a.firstOffset - b.firstOffset)
      .map(({ producerId, firstOffset }) => ({ producerId, firstOffset }));
  }

  /** Index of the first whose marker is at or after `offset`. */
  #firstFrom(offset: number): number {
    let low = 0;
    let high = this.#list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#list[middle]?.lastOffset ?? offset) >= offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
