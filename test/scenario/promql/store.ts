import { SeriesStore } from '../../../src/scenario/promql/seriesStore.ts';
import type { InputSeries } from './promtool.ts';

/** A store with these series, one point every `intervalMs` from 0; `untilMs` (default: all) is the last time that is written. */
export function storeOf(series: readonly InputSeries[], intervalMs: number): SeriesStore {
  const store = new SeriesStore();
  for (const { name, labels, points } of series) {
    points.forEach((point, index) => {
      if (point === 'stale') store.markStale(name, labels, index * intervalMs);
      else if (point !== '_') store.append(name, labels, index * intervalMs, point);
    });
  }
  return store;
}
