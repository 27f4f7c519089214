import { type Labels, labelKey, METRIC_NAME } from './labels.ts';
import { type Matcher, matchesAll } from './matcher.ts';
import { Series } from './series.ts';

/**
 * All series of one run, in memory. Times are milliseconds on whatever clock the caller chose; one store, one clock.
 * It keeps everything: a run is bounded by its scenario.
 */
export class SeriesStore {
  readonly #byKey = new Map<string, Series>();
  readonly #byName = new Map<string, Series[]>();

  /**
   * Appends a sample. Times of one series ascend strictly; another order throws `RangeError`.
   * Labels with an empty value are dropped, as Prometheus drops them.
   */
  append(name: string, labels: Labels, tMs: number, value: number): void {
    this.series(name, labels).append(tMs, value);
  }

  /** Marks the end of a series: from `tMs` on it has no value, until it gets a new sample. Unknown series are left unknown. */
  markStale(name: string, labels: Labels, tMs: number): void {
    const series = this.#byKey.get(labelKey({ ...labels, [METRIC_NAME]: name }));
    if (series && series.length > 0 && !series.isStaleAt(series.length - 1)) series.append(tMs, Number.NaN, true);
  }

  /** The series of this name and these labels, made if there is none. For callers that append to it often. */
  series(name: string, labels: Labels): Series {
    const key = labelKey({ ...labels, [METRIC_NAME]: name });
    const known = this.#byKey.get(key);
    if (known) return known;
    const own: Record<string, string> = { [METRIC_NAME]: name };
    for (const label of Object.keys(labels).sort()) {
      const value = labels[label];
      if (value !== undefined && value !== '' && label !== METRIC_NAME) own[label] = value;
    }
    const made = new Series(own, key);
    this.#byKey.set(key, made);
    const siblings = this.#byName.get(name);
    if (siblings) siblings.push(made);
    else this.#byName.set(name, [made]);
    return made;
  }

  /** The series that pass every matcher, in the order in which they were first seen. */
  select(matchers: readonly Matcher[]): Series[] {
    const byName = matchers.find((matcher) => matcher.label === METRIC_NAME && matcher.operator === '=');
    const candidates = byName ? (this.#byName.get(byName.value) ?? []) : [...this.#byKey.values()];
    return candidates.filter((series) => matchesAll(series.labels, matchers));
  }

  /** Names of all metrics, in the order in which they were first seen. */
  metricNames(): string[] {
    return [...this.#byName.keys()];
  }

  /** Every series of a metric, in the order in which they were first seen. */
  seriesOf(name: string): readonly Series[] {
    return this.#byName.get(name) ?? [];
  }

  /** Number of series. */
  get size(): number {
    return this.#byKey.size;
  }
}
