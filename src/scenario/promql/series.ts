import type { Labels } from './labels.ts';

/** One series: its samples in two typed arrays that grow by doubling, 16 bytes a sample. Times ascend strictly. */
export class Series {
  readonly labels: Labels;
  /** Canonical key of the labels: see `labelKey`. */
  readonly key: string;
  #times = new Float64Array(16);
  #values = new Float64Array(16);
  #length = 0;
  /** Indices of staleness markers. Rare, so a set beside the arrays; JavaScript does not keep the payload of a NaN. */
  #stale: Set<number> | undefined;

  constructor(labels: Labels, key: string) {
    this.labels = labels;
    this.key = key;
  }

  /** Number of samples, staleness markers included. */
  get length(): number {
    return this.#length;
  }

  /** Time of the last sample in milliseconds; undefined if there is none. */
  get lastMs(): number | undefined {
    return this.#length === 0 ? undefined : this.#times[this.#length - 1];
  }

  /** Appends a sample, or with `stale` a marker that the series ended. A time that does not ascend is an error of the caller. */
  append(tMs: number, value: number, stale = false): void {
    const last = this.lastMs;
    if (last !== undefined && !(tMs > last)) {
      throw new RangeError(`series ${this.key}: samples must ascend in time: last at ${last} ms, got ${tMs} ms`);
    }
    if (this.#length === this.#times.length) this.#grow();
    this.#times[this.#length] = tMs;
    this.#values[this.#length] = value;
    if (stale) {
      this.#stale ??= new Set();
      this.#stale.add(this.#length);
    }
    this.#length += 1;
  }

  /** Time of the sample at this index, in milliseconds. */
  timeAt(index: number): number {
    return this.#times[index] ?? Number.NaN;
  }

  /** Value of the sample at this index; of a staleness marker, NaN. */
  valueAt(index: number): number {
    return this.isStaleAt(index) ? Number.NaN : (this.#values[index] ?? Number.NaN);
  }

  /** Whether the sample at this index is a staleness marker. */
  isStaleAt(index: number): boolean {
    return this.#stale?.has(index) ?? false;
  }

  /** Number of samples at or before this time: the index just behind the last of them. */
  countUntil(tMs: number): number {
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.timeAt(middle) <= tMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * The samples with indices from `begin` up to but without `end`, staleness markers left out. The arrays may be views
   * on this series: read them before the next append.
   */
  samplesBetween(begin: number, end: number): { readonly times: Float64Array; readonly values: Float64Array } {
    if (this.#stale === undefined) {
      return { times: this.#times.subarray(begin, end), values: this.#values.subarray(begin, end) };
    }
    const indices: number[] = [];
    for (let index = begin; index < end; index += 1) if (!this.isStaleAt(index)) indices.push(index);
    return {
      times: Float64Array.from(indices, (index) => this.timeAt(index)),
      values: Float64Array.from(indices, (index) => this.valueAt(index)),
    };
  }

  #grow(): void {
    const times = new Float64Array(this.#times.length * 2);
    const values = new Float64Array(times.length);
    times.set(this.#times);
    values.set(this.#values);
    this.#times = times;
    this.#values = values;
  }
}
