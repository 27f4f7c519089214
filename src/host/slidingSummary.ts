import type { Millis } from './clock.ts';

/** Shape of a sliding summary. */
export interface SlidingSummaryOptions {
  /** Monotonic milliseconds: `() => host.clock.now()`. */
  readonly now: () => Millis;
  /** Windows kept, the present one among them. Default 6. */
  readonly windows?: number;
  /** Length of a window, milliseconds. Default 10,000. */
  readonly windowMs?: Millis;
}

/** Smallest value told apart from 0, and the growth of a bucket: an estimate is within 1 % (DDSketch, VLDB 2019, §2). */
const smallest = 1e-7;
const accuracy = 0.01;
const growth = (1 + accuracy) / (1 - accuracy);
const upperBounds = makeBounds();

function makeBounds(): Float64Array {
  const bounds: number[] = [];
  // By multiplication, not by logarithms: those may differ in the last bit between versions of the engine.
  for (let bound = smallest; bound < 1e7; bound *= growth) bounds.push(bound);
  return Float64Array.from(bounds);
}

/** The bucket of a value: the first whose upper bound is not below it. */
function bucketOf(value: number): number {
  let low = 0;
  let high = upperBounds.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((upperBounds[middle] ?? Number.POSITIVE_INFINITY) >= value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The value that stands for a bucket: at most 1 % from everything in it. 0 for what is below the smallest. */
function estimate(bucket: number): number {
  if (bucket === 0) return 0;
  return (2 * (upperBounds[bucket] ?? 0)) / (growth + 1);
}

interface Window {
  /** Number of the window since the clock's zero; −1: never used. */
  epoch: number;
  count: number;
  /** Lowest and highest bucket in use: an exposition need not look at the others. */
  low: number;
  high: number;
  readonly buckets: Uint32Array;
}

/**
 * Quantiles of what was observed lately: a ring of windows, each a histogram of logarithmic buckets. Values are
 * non-negative, 0.1 µs to 115 days when they are seconds; an estimate is within 1 % of the value at that rank. Pure:
 * it knows the time from `now` alone, so it is the same on every replay.
 */
export class SlidingSummary {
  readonly #now: () => Millis;
  readonly #windowMs: Millis;
  readonly #windows: Window[];
  #sum = 0;
  #count = 0;

  constructor(options: SlidingSummaryOptions) {
    this.#now = options.now;
    this.#windowMs = options.windowMs ?? 10_000;
    this.#windows = Array.from({ length: options.windows ?? 6 }, () => ({
      epoch: -1,
      count: 0,
      low: upperBounds.length,
      high: -1,
      buckets: new Uint32Array(upperBounds.length),
    }));
  }

  /** Sum of everything ever observed. */
  get sum(): number {
    return this.#sum;
  }

  /** Number of everything ever observed. */
  get count(): number {
    return this.#count;
  }

  observe(value: number): void {
    this.#sum += value;
    this.#count += 1;
    const epoch = Math.floor(this.#now() / this.#windowMs);
    const window = this.#windows[epoch % this.#windows.length];
    if (window === undefined) throw new Error('a sliding summary needs at least one window');
    if (window.epoch !== epoch) {
      window.epoch = epoch;
      window.count = 0;
      window.low = upperBounds.length;
      window.high = -1;
      window.buckets.fill(0);
    }
    window.count += 1;
    const bucket = bucketOf(value);
    window.buckets[bucket] = (window.buckets[bucket] ?? 0) + 1;
    window.low = Math.min(window.low, bucket);
    window.high = Math.max(window.high, bucket);
  }

  /**
   * Estimates at the given quantiles (0..1, ascending or not) over the windows and `inFlight`: ages of what has begun and
   * not ended, which count as values, so that a hang shows before it ends. NaN when there is nothing.
   */
  quantiles(at: readonly number[], inFlight: readonly number[] = []): number[] {
    const newest = Math.floor(this.#now() / this.#windowMs);
    const live = this.#windows.filter((window) => window.epoch > newest - this.#windows.length && window.epoch >= 0);
    const total = live.reduce((sum, window) => sum + window.count, inFlight.length);
    if (total === 0) return at.map(() => Number.NaN);
    const ages = inFlight.map(bucketOf);
    // Not by spreading into min and max: very many may be in flight.
    const lowest = live.reduce((least, window) => Math.min(least, window.low), upperBounds.length);
    const highest = live.reduce((most, window) => Math.max(most, window.high), -1);
    const low = ages.reduce((least, bucket) => Math.min(least, bucket), lowest);
    const high = ages.reduce((most, bucket) => Math.max(most, bucket), highest);
    // What is at or above `low`, from 0 on.
    const merged = new Uint32Array(high - low + 1);
    for (const window of live) {
      for (let bucket = window.low; bucket <= window.high; bucket++) {
        merged[bucket - low] = (merged[bucket - low] ?? 0) + (window.buckets[bucket] ?? 0);
      }
    }
    for (const bucket of ages) merged[bucket - low] = (merged[bucket - low] ?? 0) + 1;
    return at.map((quantile) => {
      const rank = Math.max(1, Math.ceil(quantile * total));
      let seen = 0;
      for (let n = 0; n < merged.length; n++) {
        seen += merged[n] ?? 0;
        if (seen >= rank) return estimate(low + n);
      }
      throw new Error(`rank ${rank} of ${total} is not in the buckets`);
    });
  }
}
