/** A line of the Prometheus text format. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Reads the Prometheus text format, as the brokers write it; what is no sample is skipped. */
export function readExposition(text: string): readonly Sample[] {
  return text.split('\n').flatMap((line): Sample[] => {
    const [, name, , labels, value] = /^([a-zA-Z_:][\w:]*)(\{(.*)\})?\s+(\S+)/.exec(line) ?? [];
    if (name === undefined || value === undefined) return [];
    const pairs = [...(labels ?? '').matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)];
    return [
      {
        name,
        labels: Object.fromEntries(pairs.map(([, label = '', text = '']) => [label, text.replaceAll(/\\(.)/g, '$1')])),
        value: value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value),
      },
    ];
  });
}

/** A quantile from the buckets of one histogram, as Prometheus' histogram_quantile has it: linear within a bucket. */
export function quantileOf(buckets: readonly Sample[], quantile: number): number {
  const sorted = buckets
    .map(({ labels, value }) => ({
      bound: labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels.le),
      count: value,
    }))
    .sort((left, right) => left.bound - right.bound);
  const total = sorted.at(-1)?.count ?? 0;
  if (total === 0) return Number.NaN;
  const rank = quantile * total;
  const at = sorted.findIndex(({ count }) => count >= rank);
  const bucket = sorted[at];
  const before = sorted[at - 1] ?? { bound: 0, count: 0 };
  if (bucket === undefined) return Number.NaN;
  if (bucket.bound === Number.POSITIVE_INFINITY) return before.bound;
  const within = bucket.count - before.count;
  return before.bound + (bucket.bound - before.bound) * (within === 0 ? 1 : (rank - before.count) / within);
}
