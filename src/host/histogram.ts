/** Counts of one combination of labels. */
export interface HistogramSeries {
  /** Counts a value. Throws `TypeError` when it is not finite. */
  observe(value: number): void;
}

interface Counted extends HistogramSeries {
  readonly labels: Readonly<Record<string, string>>;
  readonly buckets: Float64Array;
  sum: number;
  count: number;
}

/**
 * A Prometheus histogram for what is observed with every message: the series are found once, not by their labels each time, and a value
 * costs a search in its bounds. A registry takes any object with name and get(), and shows it as it shows its own.
 */
export class HistogramMetric implements HistogramSeries {
  readonly name: string;
  readonly help: string;
  readonly type = 'histogram';
  readonly aggregator = 'sum';
  readonly #bounds: readonly number[];
  readonly #label: string | undefined;
  readonly #series = new Map<string, Counted>();

  /** `bounds`: upper bounds of the buckets, ascending. `label`: the one that tells its series apart; without it there is one, from the start. */
  constructor(options: { name: string; help: string; bounds: readonly number[]; label?: string }) {
    this.name = options.name;
    this.help = options.help;
    this.#bounds = options.bounds;
    this.#label = options.label;
    if (this.#label === undefined) this.of('');
  }

  /** The series of this value of the label, which is shown from now on. */
  of(value: string): HistogramSeries {
    let series = this.#series.get(value);
    if (series === undefined) {
      series = counted(this.#bounds, this.#label === undefined ? {} : { [this.#label]: value });
      this.#series.set(value, series);
    }
    return series;
  }

  /** Counts a value in the series without a label. */
  observe(value: number): void {
    this.of('').observe(value);
  }

  async get() {
    const { name, help, type, aggregator } = this;
    const values = [...this.#series.values()].flatMap(({ labels, buckets, sum, count }) => {
      let below = 0;
      const shown = this.#bounds.map((le, at) => {
        below += buckets[at] ?? 0;
        return { labels: { le, ...labels }, value: below, metricName: `${name}_bucket` };
      });
      return [
        ...shown,
        { labels: { le: '+Inf', ...labels }, value: count, metricName: `${name}_bucket` },
        { labels, value: sum, metricName: `${name}_sum` },
        { labels, value: count, metricName: `${name}_count` },
      ];
    });
    return { name, help, type, aggregator, values };
  }

  /** Forgets what was observed. */
  reset(): void {
    for (const series of this.#series.values()) {
      series.buckets.fill(0);
      series.sum = 0;
      series.count = 0;
    }
  }
}

function counted(bounds: readonly number[], labels: Readonly<Record<string, string>>): Counted {
  const buckets = new Float64Array(bounds.length);
  return {
    labels,
    buckets,
    sum: 0,
    count: 0,
    observe(value) {
      if (!Number.isFinite(value)) throw new TypeError(`expected a finite value to observe, got ${value}`);
      this.sum += value;
      this.count += 1;
      let at = 0;
      while (at < bounds.length && value > (bounds[at] ?? 0)) at++;
      if (at < bounds.length) buckets[at] = (buckets[at] ?? 0) + 1;
    },
  };
}
