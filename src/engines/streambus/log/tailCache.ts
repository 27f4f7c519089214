import type { CacheOwner, LogShared } from './shared.ts';

/** A batch in memory. */
export interface CachedBatch {
  readonly base: number;
  readonly last: number;
  readonly bytes: Uint8Array;
}

/** In the place of one that went. */
const goneBatch: CachedBatch = { base: -1, last: -1, bytes: new Uint8Array(0) };

/** The youngest batches of one partition: those that are not yet written always, others while the broker's memory has room. */
export class TailCache implements CacheOwner {
  readonly #shared: LogShared;
  #batches: CachedBatch[] = [];
  #head = 0;
  #bytes = 0;
  #closed = false;
  /** Offset up to which batches are in files: older ones may go. */
  #writtenTo = 0;

  constructor(shared: LogShared) {
    this.#shared = shared;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** First offset in memory; undefined when nothing is. */
  get first(): number | undefined {
    return this.#batches[this.#head]?.base;
  }

  push(batch: CachedBatch): void {
    this.#batches.push(batch);
    this.#bytes += batch.bytes.length;
    this.#shared.cached(this, batch.bytes.length);
  }

  /** Everything below `offset` is in files. */
  wrote(offset: number): void {
    this.#writtenTo = offset;
    this.#shared.evict();
  }

  evictOldest(): number | undefined {
    if (this.#closed) return undefined;
    const oldest = this.#batches[this.#head];
    if (oldest === undefined || oldest.last >= this.#writtenTo) return 0;
    // Its place in the array is cut out later; its bytes, up to a megabyte, go now.
    this.#batches[this.#head++] = goneBatch;
    this.#bytes -= oldest.bytes.length;
    if (this.#head > 256 && this.#head * 2 > this.#batches.length) {
      this.#batches = this.#batches.slice(this.#head);
      this.#head = 0;
    }
    return oldest.bytes.length;
  }

  /** Batches from the one that holds `offset` on, of those that end below `end`: at most `maxBytes`, or one if `minOne`. */
  read(offset: number, end: number, maxBytes: number, minOne: boolean): CachedBatch[] {
    const found: CachedBatch[] = [];
    let bytes = 0;
    for (let n = this.#indexOf(offset); n < this.#batches.length; n++) {
      const batch = this.#batches[n];
      if (batch === undefined || batch.last >= end) break;
      bytes += batch.bytes.length;
      if (bytes > maxBytes && !(minOne && found.length === 0)) break;
      found.push(batch);
    }
    return found;
  }

  /** Index of the first batch that ends at or after `offset`. */
  #indexOf(offset: number): number {
    let low = this.#head;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#batches[middle]?.last ?? offset) >= offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Gives all memory back; nothing may be pushed any more. */
  close(): void {
    this.#closed = true;
    this.#shared.uncached(this.#bytes);
    this.#batches = [];
    this.#bytes = 0;
  }
}
