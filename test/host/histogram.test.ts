import { type Gauge, Histogram, Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { HistogramMetric } from '../../src/host/histogram.ts';

const bounds = [0.001, 0.01, 0.1];
const values = [0, 0.001, 0.0011, 0.05, 0.1, 7];

test('shows what a histogram of Prometheus shows, with a label and without', async () => {
  const theirs = new Registry();
  const ours = new Registry();
  for (const [name, label] of [
    ['plain', undefined],
    ['labelled', 'stage'],
  ] as const) {
    const named = { name, help: 'Time of it.' };
    const labelNames = label === undefined ? [] : [label];
    const their = new Histogram<string>({ ...named, labelNames, buckets: bounds, registers: [theirs] });
    const our = new HistogramMetric({ ...named, bounds, ...(label !== undefined && { label }) });
    ours.registerMetric(our as unknown as Gauge);
    expect(await ours.metrics()).toBe(await theirs.metrics());
    for (const value of values) {
      for (const stage of ['total', 'journal']) {
        if (label === undefined) {
          their.observe(value);
          our.observe(value);
        } else {
          their.observe({ stage }, value);
          our.of(stage).observe(value);
        }
      }
    }
    expect(await ours.metrics()).toBe(await theirs.metrics());
  }
});

test('a value that is no number is refused, as it would make the sum one', () => {
  const metric = new HistogramMetric({ name: 'a', help: 'b', bounds });
  expect(() => metric.observe(Number.NaN)).toThrow('expected a finite value');
});
