import { loopAgeMs } from '../http/health.ts';
import { Header } from '../layout.ts';
import { LoopStat } from '../loopStats.ts';
import type { Serving } from '../serving.ts';
import type { Reading, Register } from './register.ts';

/** The router's loop, the segment that it serves, and those that it took over or gave up. */
export function routingMetrics({ node, counter, gauge, serving, one }: Register): void {
  const looped = (read: (values: Float64Array) => readonly Reading[]) => serving((it) => read(it.loops().values));
  gauge(
    'router_busy_ratio',
    'Share of polls with work.',
    one((it) => it.busyRatio),
  );
  gauge(
    'router_loop_age_seconds',
    'Time since the last poll.',
    one(() => (loopAgeMs(node) ?? 0) / 1_000),
  );
  gauge(
    'router_poll_interval_effective_seconds',
    'Real length of the last sleep that nobody ended.',
    one((it) => (it.runner.stats.values[LoopStat.lastFullSleepMs] ?? 0) / 1_000),
  );
  counter(
    'router_parks_total',
    'How often a source was made to wait.',
    looped((values) => [
      [{ reason: 'blocking' }, values[LoopStat.parksBlocking] ?? 0],
      [{ reason: 'credit' }, values[LoopStat.parksCredit] ?? 0],
      [{ reason: 'hold' }, values[LoopStat.parksHold] ?? 0],
    ]),
  );
  counter(
    'wakes_total',
    'Sleepers that the router woke.',
    looped((values) => [
      [{ peer: 'consumer' }, values[LoopStat.wakesConsumers] ?? 0],
      [{ peer: 'producer' }, values[LoopStat.wakesProducers] ?? 0],
    ]),
  );
  const header = (word: number) => (it: Serving) => Atomics.load(it.segment.words, word) >>> 0;
  gauge('router_epoch', 'Routers that this segment has had.', one(header(Header.routerEpoch)));
  gauge(
    'segment_generation',
    'Generation of the segment.',
    one((it) => it.segment.generation),
  );
  gauge(
    'segment_bytes',
    'Size of the segment.',
    serving((it) => [[{ backing: it.segment.region.backing }, it.segment.layout.bytes]]),
  );
  counter('recoveries_total', 'Segments taken over, by what became of their last commit.', () =>
    Object.entries(node.tallies.recoveries).map(([redo, count]) => [{ redo }, count]),
  );
  gauge(
    'recovery_seconds',
    'How long the last recovery took.',
    serving((it) => {
      const redo = it.runner.stats.values[LoopStat.redoFinished] === 1 ? 'finished' : 'none';
      return [[{ redo }, (it.runner.stats.values[LoopStat.recoveryMs] ?? 0) / 1_000]];
    }),
  );
  counter('segments_retired_total', 'Segments that were given up.', () =>
    Object.entries(node.tallies.retired).map(([reason, count]) => [{ reason }, count]),
  );
}
