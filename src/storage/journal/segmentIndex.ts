import type { Lsn } from './types.ts';

/** Where one intact batch lies. */
export interface BatchPlace {
  readonly first: Lsn;
  readonly count: number;
  readonly offset: number;
  /** Header and records, without padding. */
  readonly bytes: number;
  readonly wallMs: number;
}

/** An object with five numbers and its place in an array, about. */
const batchPlaceBytes = 80;

/**
 * Offsets of the batches and records of one segment: four bytes a record and eighty a batch. Records may have gaps
 * where damage was found.
 */
export class SegmentIndex {
  readonly baseLsn: Lsn;
  #offsets: Uint32Array;
  #records = 0;
  readonly #batches: BatchPlace[] = [];

  constructor(baseLsn: Lsn) {
    this.baseLsn = baseLsn;
    this.#offsets = new Uint32Array(1024);
  }

  get batches(): readonly BatchPlace[] {
    return this.#batches;
  }

  /** What it holds in memory, about. */
  get memoryBytes(): number {
    return this.#offsets.byteLength + this.#batches.length * batchPlaceBytes;
  }

  /** Highest LSN in it, `baseLsn − 1` when empty. */
  get lastLsn(): Lsn {
    return this.baseLsn + this.#records - 1;
  }

  /** Adds a batch behind all others; `recordOffset(i)` is from the start of the batch. */
  add(place: BatchPlace, recordOffset: (index: number) => number): void {
    if (place.first <= this.lastLsn) throw new Error(`batch at LSN ${place.first} is not behind ${this.lastLsn}`);
    const from = place.first - this.baseLsn;
    const needed = from + place.count;
    if (needed > this.#offsets.length) {
      const grown = new Uint32Array(Math.max(needed, this.#offsets.length * 2));
      grown.set(this.#offsets.subarray(0, this.#records));
      this.#offsets = grown;
    }
    for (let i = 0; i < place.count; i++) this.#offsets[from + i] = place.offset + recordOffset(i);
    this.#records = Math.max(this.#records, needed);
    if (place.count > 0) this.#batches.push(place);
  }

  /** Forgets every batch from this LSN on. */
  cut(from: Lsn): void {
    this.#batches.splice(this.position(from));
    this.#records = Math.min(this.#records, Math.max(0, from - this.baseLsn));
  }

  /** Position in `batches` of the batch that holds `lsn`, or of the first one behind it. */
  position(lsn: Lsn): number {
    let low = 0;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const batch = this.#batches[middle];
      if (batch !== undefined && batch.first + batch.count <= lsn) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Where the record lies: its offset, the end of what may be its bytes, and its batch. Undefined in a gap. */
  find(lsn: Lsn): { offset: number; end: number; batch: BatchPlace } | undefined {
    const batch = this.#batches[this.position(lsn)];
    if (batch === undefined || lsn < batch.first) return undefined;
    const index = lsn - this.baseLsn;
    const offset = this.#offsets[index] ?? 0;
    const isLast = lsn === batch.first + batch.count - 1;
    const end = isLast ? batch.offset + batch.bytes : (this.#offsets[index + 1] ?? 0);
    return { offset, end, batch };
  }
}
