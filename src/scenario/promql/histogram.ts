import { dropLabels, type Labels, labelKey, METRIC_NAME } from './labels.ts';
import type { Sample } from './value.ts';

interface Bucket {
  readonly upperBound: number;
  count: number;
}

/** Counts that differ by less than this part of themselves are equal: rounding, not a histogram that falls. */
const SMALL_DELTA = 1e-12;

/** `histogram_quantile` over classic histograms: series with a label `le`, one result for each set of the other labels. */
export function histogramQuantile(q: number, samples: readonly Sample[]): Sample[] {
  const histograms = new Map<string, { labels: Labels; buckets: Bucket[] }>();
  for (const sample of samples) {
    const upperBound = parseBound(sample.labels.le);
    if (Number.isNaN(upperBound)) continue;
    const labels = dropLabels(sample.labels, ['le', METRIC_NAME]);
    const key = labelKey(labels);
    const bucket = { upperBound, count: sample.value };
    const known = histograms.get(key);
    if (known) known.buckets.push(bucket);
    else histograms.set(key, { labels, buckets: [bucket] });
  }
  return [...histograms.values()].map(({ labels, buckets }) => ({ labels, value: bucketQuantile(q, buckets) }));
}

function parseBound(le: string | undefined): number {
  if (le === undefined || le.trim() === '') return Number.NaN;
  if (/^\+?inf$/i.test(le)) return Number.POSITIVE_INFINITY;
  if (/^-inf$/i.test(le)) return Number.NEGATIVE_INFINITY;
  return Number(le);
}

/** Prometheus: promql.bucketQuantile. Linear within a bucket; the first one begins at 0 when its bound is positive. */
function bucketQuantile(q: number, unsorted: readonly Bucket[]): number {
  if (Number.isNaN(q)) return Number.NaN;
  if (q < 0) return Number.NEGATIVE_INFINITY;
  if (q > 1) return Number.POSITIVE_INFINITY;
  const buckets = coalesce(
    [...unsorted].sort((a, b) => (a.upperBound < b.upperBound ? -1 : a.upperBound > b.upperBound ? 1 : 0)),
  );
  const last = buckets.at(-1);
  const highestFinite = buckets.at(-2);
  if (last?.upperBound !== Number.POSITIVE_INFINITY) return Number.NaN;
  makeMonotonic(buckets);
  if (!highestFinite || last.count === 0 || Number.isNaN(last.count)) return Number.NaN;
  let rank = q * last.count;
  let index = buckets.findIndex((bucket) => bucket.count >= rank);
  if (index === -1) index = buckets.length - 1;
  const bucket = buckets[index];
  if (!bucket || index === buckets.length - 1) return highestFinite.upperBound;
  if (index === 0 && bucket.upperBound <= 0) return bucket.upperBound;
  let start = 0;
  let count = bucket.count;
  const previous = buckets[index - 1];
  if (previous) {
    start = previous.upperBound;
    count -= previous.count;
    rank -= previous.count;
  }
  return start + (bucket.upperBound - start) * (rank / count);
}

/** Adds up buckets of one bound: `le="1"` and `le="1.0"` are the same. */
function coalesce(sorted: readonly Bucket[]): Bucket[] {
  const merged: Bucket[] = [];
  for (const bucket of sorted) {
    const last = merged.at(-1);
    if (last && last.upperBound === bucket.upperBound) last.count += bucket.count;
    else merged.push({ ...bucket });
  }
  return merged;
}

/** Buckets are cumulative, but they may be scraped or computed with small errors: a falling count takes its predecessor's. */
function makeMonotonic(buckets: readonly Bucket[]): void {
  let highest = buckets[0]?.count ?? 0;
  for (const bucket of buckets) {
    const isRounding =
      Math.abs(bucket.count - highest) <= SMALL_DELTA * Math.min(Math.abs(bucket.count), Math.abs(highest));
    if (bucket.count > highest && !isRounding) highest = bucket.count;
    else if (bucket.count < highest || isRounding) bucket.count = highest;
  }
}
