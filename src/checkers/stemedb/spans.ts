/** A stretch of time or order: where it begins and where it ends; Infinity: it never did. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/**
 * Things with a beginning and an end, sorted by the beginning once and for all: a check that asks for every request what
 * went on meanwhile would otherwise look at everything for each.
 */
export class Spans<T> {
  readonly #items: readonly T[];
  readonly #spans: readonly Span[];
  /** Highest end of the items up to and with each: it only grows, so it can be searched. */
  readonly #latestEnd: Float64Array;

  constructor(items: readonly T[], spanOf: (item: T) => Span) {
    const sorted = items.map((item) => ({ item, span: spanOf(item) })).sort((a, b) => a.span.from - b.span.from);
    this.#items = sorted.map(({ item }) => item);
    this.#spans = sorted.map(({ span }) => span);
    this.#latestEnd = new Float64Array(sorted.length);
    let latest = Number.NEGATIVE_INFINITY;
    this.#spans.forEach((span, index) => {
      latest = Math.max(latest, span.to);
      this.#latestEnd[index] = latest;
    });
  }

  /** How many begin before `at`. */
  begunBefore(at: number): number {
    return firstIndex(this.#spans.length, (index) => (this.#spans[index]?.from ?? 0) >= at);
  }

  /** The highest end of the first `count`; -Infinity of none. */
  latestEndOf(count: number): number {
    return count === 0 ? Number.NEGATIVE_INFINITY : (this.#latestEnd[count - 1] ?? Number.POSITIVE_INFINITY);
  }

  /** Those of the first `count` that end at `at` or later, in order of their beginnings. */
  endingFrom(at: number, count: number = this.#items.length): T[] {
    const first = firstIndex(count, (index) => (this.#latestEnd[index] ?? 0) >= at);
    return this.#items.slice(first, count).filter((_, index) => (this.#spans[first + index]?.to ?? 0) >= at);
  }

  /** Those that share a moment with `from` to `to`, both ends included, in order of their beginnings. */
  overlapping({ from, to }: Span): T[] {
    const count = firstIndex(this.#spans.length, (index) => (this.#spans[index]?.from ?? 0) > to);
    return this.endingFrom(from, count);
  }
}

/** The first index for which `holds`, which once true stays true; `length` if there is none. */
export function firstIndex(length: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Running sums: `sumOfFirst(n)` is that of the first n values. */
export class RunningSum {
  readonly #sums: Float64Array;

  constructor(values: readonly number[]) {
    this.#sums = new Float64Array(values.length + 1);
    values.forEach((value, index) => {
      this.#sums[index + 1] = (this.#sums[index] ?? 0) + value;
    });
  }
  sumOfFirst(count: number): number {
    return this.#sums[count] ?? 0;
  }
}
