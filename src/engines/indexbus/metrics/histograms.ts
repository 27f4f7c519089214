import { batchBounds, LoopStat, type LoopStats, waitBounds } from '../loopStats.ts';
import type { Register, Sample } from './register.ts';

/** Histograms that the loop has counted. */
export function histograms({ node, histogram }: Register): void {
  const define = (
    name: string,
    help: string,
    bounds: readonly number[],
    read: (stats: LoopStats) => { readonly counts: Float64Array; readonly sum: number },
  ): void => {
    const samples = (counts: Float64Array, sum: number): readonly Sample[] => {
      let upTo = 0;
      const buckets = [...bounds, '+Inf'].map((bound, at): Sample => {
        upTo += counts[at] ?? 0;
        return { labels: { le: String(bound) }, value: upTo, metricName: `indexbus_${name}_bucket` };
      });
      return [
        ...buckets,
        { labels: {}, value: sum, metricName: `indexbus_${name}_sum` },
        { labels: {}, value: upTo, metricName: `indexbus_${name}_count` },
      ];
    };
    histogram(name, help, () => {
      const { serving } = node;
      if (serving === undefined) return [];
      const { counts, sum } = read(serving.loops());
      return samples(counts, sum);
    });
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
