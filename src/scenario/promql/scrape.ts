import { type Labels, labelKey } from './labels.ts';
import type { Series } from './series.ts';
import type { SeriesStore } from './seriesStore.ts';

/** One sample of a scraped page. */
export interface ScrapedSample {
  readonly name: string;
  readonly labels: Labels;
  readonly value: number;
}

/** One target of the scraper: writes its pages into the store as Prometheus does. */
export interface ScrapeTarget {
  /** A page came: its samples at `tMs`, staleness markers for series that were on the last page and are gone, `up` 1. */
  succeeded(tMs: number, samples: Iterable<ScrapedSample>): void;
  /** No page came: staleness markers for all of the last page, `up` 0. */
  failed(tMs: number): void;
}

/**
 * A target with the labels that Prometheus puts on each of its series, such as `{ job: 'stemedb', instance: 'node-1:18180' }`.
 * A label of the page that clashes with one of these is kept as `exported_<name>` (honor_labels is off, the default).
 */
export function createScrapeTarget(store: SeriesStore, targetLabels: Labels): ScrapeTarget {
  const series = new Map<string, Series>();
  let previous = new Set<Series>();

  function seriesOf(sample: ScrapedSample): Series {
    const pageKey = `${sample.name}{${labelKey(sample.labels)}`;
    const known = series.get(pageKey);
    if (known) return known;
    const labels: Record<string, string> = { ...targetLabels };
    for (const [name, value] of Object.entries(sample.labels)) {
      labels[name in targetLabels ? `exported_${name}` : name] = value;
    }
    const made = store.series(sample.name, labels);
    series.set(pageKey, made);
    return made;
  }

  function finish(tMs: number, present: Set<Series>, up: number): void {
    for (const gone of previous) if (!present.has(gone)) gone.append(tMs, Number.NaN, true);
    previous = present;
    store.append('up', targetLabels, tMs, up);
  }

  return {
    succeeded(tMs, samples) {
      const present = new Set<Series>();
      for (const sample of samples) {
        const target = seriesOf(sample);
        target.append(tMs, sample.value);
        present.add(target);
      }
      finish(tMs, present, 1);
    },
    failed(tMs) {
      finish(tMs, new Set(), 0);
    },
  };
}
