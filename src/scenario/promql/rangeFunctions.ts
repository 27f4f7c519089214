import { dropMetricName } from './labels.ts';
import { kahanSum, maximum, mean, minimum, quantile } from './numbers.ts';
import type { PromqlValue, RangeSeries, Sample } from './value.ts';

/** A range vector with its bounds, which the extrapolation needs. */
export type Matrix = Extract<PromqlValue, { type: 'matrix' }>;

type RangeFunction = (matrix: Matrix, isVersion3: boolean) => Sample[];

/** The functions that take one range vector. */
export const RANGE_FUNCTIONS: ReadonlyMap<string, RangeFunction> = new Map<string, RangeFunction>([
  [
    'rate',
    (matrix, v3) => perSeries(matrix, (series) => extrapolated(series, matrix, { counter: true, perSecond: true, v3 })),
  ],
  [
    'increase',
    (matrix, v3) =>
      perSeries(matrix, (series) => extrapolated(series, matrix, { counter: true, perSecond: false, v3 })),
  ],
  [
    'delta',
    (matrix, v3) =>
      perSeries(matrix, (series) => extrapolated(series, matrix, { counter: false, perSecond: false, v3 })),
  ],
  ['deriv', (matrix) => perSeries(matrix, slope)],
  ['irate', (matrix) => perSeries(matrix, instantRate)],
  [
    'changes',
    (matrix) =>
      perSeries(matrix, (series) =>
        countSteps(series, (before, now) => now !== before && !(Number.isNaN(now) && Number.isNaN(before))),
      ),
  ],
  ['resets', (matrix) => perSeries(matrix, (series) => countSteps(series, (before, now) => now < before))],
  ['avg_over_time', (matrix) => perSeries(matrix, (series) => mean(series.values))],
  ['min_over_time', (matrix) => perSeries(matrix, (series) => minimum(series.values))],
  ['max_over_time', (matrix) => perSeries(matrix, (series) => maximum(series.values))],
  ['sum_over_time', (matrix) => perSeries(matrix, (series) => kahanSum(series.values))],
  ['count_over_time', (matrix) => perSeries(matrix, (series) => series.values.length)],
  [
    'last_over_time',
    // The value is still that metric: the name stays.
    ({ series }) => series.map(({ labels, values }) => ({ labels, value: values.at(-1) ?? Number.NaN })),
  ],
]);

/** `quantile_over_time`. */
export function quantileOverTime(q: number, series: readonly RangeSeries[]): Sample[] {
  return series.map(({ labels, values }) => ({ labels: dropMetricName(labels), value: quantile(q, values) }));
}

function perSeries(matrix: Matrix, fn: (series: RangeSeries) => number | undefined): Sample[] {
  const samples: Sample[] = [];
  for (const series of matrix.series) {
    const value = fn(series);
    if (value !== undefined) samples.push({ labels: dropMetricName(series.labels), value });
  }
  return samples;
}

function countSteps({ values }: RangeSeries, differs: (before: number, now: number) => boolean): number {
  let count = 0;
  let before: number | undefined;
  for (const now of values) {
    if (before !== undefined && differs(before, now)) count += 1;
    before = now;
  }
  return count;
}

/**
 * `deriv` (Prometheus: promql.linearRegression): slope of the line that fits all samples best, a second; 0 for a constant. Undefined with fewer
 * than two samples.
 */
function slope({ times, values }: RangeSeries): number | undefined {
  const first = values[0];
  const firstMs = times[0];
  if (values.length < 2 || first === undefined || firstMs === undefined) return undefined;
  if (values.every((value) => value === first)) return Number.isFinite(first) ? 0 : Number.NaN;
  const seconds = times.map((ms) => (ms - firstMs) / 1_000);
  const count = values.length;
  const sumX = kahanSum(seconds);
  const sumY = kahanSum(values);
  const sumXY = kahanSum(seconds.map((x, index) => x * (values[index] ?? 0)));
  const sumX2 = kahanSum(seconds.map((x) => x * x));
  return (sumXY - (sumX * sumY) / count) / (sumX2 - (sumX * sumX) / count);
}

/** `irate`: from the last two samples alone; a counter that fell was reset and counts from zero. */
function instantRate({ times, values }: RangeSeries): number | undefined {
  const [beforeMs, nowMs] = times.slice(-2);
  const [before, now] = values.slice(-2);
  if (beforeMs === undefined || nowMs === undefined || before === undefined || now === undefined) return undefined;
  const difference = now < before ? now : now - before;
  return nowMs === beforeMs ? undefined : difference / ((nowMs - beforeMs) / 1_000);
}

/**
 * `rate`, `increase` and `delta` (Prometheus: promql.extrapolatedRate): the difference between the last and the first
 * sample, resets added, stretched to the ends of the range where the samples come close to them, by half a sample
 * interval otherwise, and for a counter never below zero at its beginning. Undefined with fewer than two samples.
 */
function extrapolated(
  { times, values }: RangeSeries,
  { startMs, endMs }: Matrix,
  { counter, perSecond, v3 }: { counter: boolean; perSecond: boolean; v3: boolean },
): number | undefined {
  const first = values[0];
  const last = values.at(-1);
  const firstMs = times[0];
  const lastMs = times.at(-1);
  if (values.length < 2 || first === undefined || last === undefined || firstMs === undefined || lastMs === undefined) {
    return undefined;
  }
  let difference = last - first;
  if (counter) {
    let before = first;
    for (const now of values) {
      if (now < before) difference += before;
      before = now;
    }
  }
  const sampled = (lastMs - firstMs) / 1_000;
  const average = sampled / (values.length - 1);
  const threshold = average * 1.1;
  let toStart = (firstMs - startMs) / 1_000;
  let toEnd = (endMs - lastMs) / 1_000;
  const toZero = counter && difference > 0 && first >= 0 ? sampled * (first / difference) : Number.POSITIVE_INFINITY;
  // Prometheus 2 asks for the zero before it asks whether the first sample is near the beginning, Prometheus 3 after.
  if (!v3) toStart = Math.min(toStart, toZero);
  if (toStart >= threshold) toStart = average / 2;
  if (v3) toStart = Math.min(toStart, toZero);
  if (toEnd >= threshold) toEnd = average / 2;
  const factor = (sampled + toStart + toEnd) / sampled;
  return difference * (perSecond ? factor / ((endMs - startMs) / 1_000) : factor);
}
