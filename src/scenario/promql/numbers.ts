/** A sum by Neumaier's variant of Kahan's algorithm, as Prometheus sums: the rounding error is carried along. */
export function kahanSum(values: Iterable<number>): number {
  let sum = 0;
  let carry = 0;
  for (const value of values) {
    const next = sum + value;
    if (!Number.isFinite(next)) carry = 0;
    else if (Math.abs(sum) >= Math.abs(value)) carry += sum - next + value;
    else carry += value - next + sum;
    sum = next;
  }
  return Number.isFinite(sum) ? sum + carry : sum;
}

/** The mean; by running means where the sum itself would overflow. NaN of nothing. */
export function mean(values: ArrayLike<number> & Iterable<number>): number {
  const sum = kahanSum(values);
  if (Number.isFinite(sum) || ![...values].every(Number.isFinite)) return sum / values.length;
  let average = 0;
  let count = 0;
  for (const value of values) {
    count += 1;
    average += value / count - average / count;
  }
  return average;
}

/** The largest value; NaN only if there is nothing else. */
export function maximum(values: Iterable<number>): number {
  let largest = Number.NaN;
  for (const value of values) if (value > largest || Number.isNaN(largest)) largest = value;
  return largest;
}

/** The smallest value; NaN only if there is nothing else. */
export function minimum(values: Iterable<number>): number {
  let smallest = Number.NaN;
  for (const value of values) if (value < smallest || Number.isNaN(smallest)) smallest = value;
  return smallest;
}

/** Prometheus' quantile: linear between the ranks; NaN sorts first; beyond 0 and 1 infinite. NaN of nothing. */
export function quantile(q: number, values: Iterable<number>): number {
  const sorted = [...values].sort(byValueNanFirst);
  if (sorted.length === 0 || Number.isNaN(q)) return Number.NaN;
  if (q < 0) return Number.NEGATIVE_INFINITY;
  if (q > 1) return Number.POSITIVE_INFINITY;
  const rank = q * (sorted.length - 1);
  const lower = Math.max(0, Math.floor(rank));
  const upper = Math.min(sorted.length - 1, lower + 1);
  const weight = rank - Math.floor(rank);
  return (sorted[lower] ?? Number.NaN) * (1 - weight) + (sorted[upper] ?? Number.NaN) * weight;
}

function byValueNanFirst(a: number, b: number): number {
  if (Number.isNaN(a)) return Number.isNaN(b) ? 0 : -1;
  if (Number.isNaN(b)) return 1;
  return a < b ? -1 : a > b ? 1 : 0;
}
