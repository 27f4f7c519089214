import type { Gauge } from 'prom-client';
import { batchBounds, LoopStat, type LoopStats, waitBounds } from '../loopStats.ts';
import type { Labels, Register } from './register.ts';

/** Histograms that the loop has counted: prom-client has no way to set one, so they are given as they are scraped. */
export function histograms({ node, registry, own }: Register): void {
  const define = (
    name: string,
    help: string,
    bounds: readonly number[],
    read: (stats: LoopStats) => { readonly counts: Float64Array; readonly sum: number },
  ): void => {
    const metric = {
      name: `indexbus_${name}`,
      help,
      type: 'histogram',
      aggregator: 'sum',
      async get() {
        const values: { labels: Labels; value: number; metricName: string }[] = [];
        const { serving } = node;
        if (serving !== undefined) {
          const { counts, sum } = read(serving.loops());
          let upTo = 0;
          for (const [at, bound] of [...bounds, '+Inf'].entries()) {
            upTo += counts[at] ?? 0;
            values.push({ labels: { ...own, le: String(bound) }, value: upTo, metricName: `indexbus_${name}_bucket` });
          }
          values.push({ labels: own, value: sum, metricName: `indexbus_${name}_sum` });
          values.push({ labels: own, value: upTo, metricName: `indexbus_${name}_count` });
        }
        return { name: this.name, help, type: 'histogram', aggregator: 'sum', values };
      },
      reset() {},
    };
    // What prom-client asks of a metric is `get` and its name; its types know its own classes only.
    registry.registerMetric(metric as unknown as Gauge);
  };
  define('batch_messages', 'Messages that a commit took from sources.', batchBounds, (stats) => ({
    counts: stats.batches,
    sum: stats.values[LoopStat.batchSum] ?? 0,
  }));
  define(
    'source_wait_seconds',
    'From publish to routing, of the oldest message of each batch.',
    waitBounds,
    (stats) => ({ counts: stats.waits, sum: stats.values[LoopStat.waitSum] ?? 0 }),
  );
}
