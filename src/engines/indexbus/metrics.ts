import { Counter, Gauge, type Registry } from 'prom-client';
import type { DaemonServices } from '../engine.ts';
import type { BusNode } from './busNode.ts';
import { type RunbookCounter, runbookCounters } from './counters.ts';
import { bottleneckOf, sides } from './http/bottleneck.ts';
import { loopAgeMs } from './http/health.ts';
import { Header, subscriptionsMax } from './layout.ts';
import { batchBounds, LoopStat, waitBounds } from './loopStats.ts';
import { seatPlaces } from './seatPlaces.ts';
import type { Serving } from './serving.ts';
import { readSubscription } from './subscriptions.ts';
import { laneView, oldestMs, producerView, type SeatView, seatCounts, seatState } from './views.ts';

type Labels = Readonly<Record<string, string>>;
/** A value with its labels, of those that every metric has apart. */
type Reading = readonly [Labels, number];

/** Labels of every metric of a router. */
const common = ['region', 'router_id', 'segment'] as const;

/**
 * Registers every metric of a router. Nothing is counted here: each scrape reads the segment, the last cut, and the loop's numbers, while the
 * router goes on.
 */
export function registerMetrics(node: BusNode): void {
  const { registry } = node.host.telemetry;
  const services = askedOnce(node);
  const own: Labels = { region: node.config.region, router_id: node.routerId, segment: node.config.segment.name };
  const serving = (read: (serving: Serving) => readonly Reading[]) => (): readonly Reading[] =>
    node.serving === undefined ? [] : read(node.serving);

  function counter(name: string, help: string, labels: readonly string[], read: () => readonly Reading[]): void {
    new Counter({
      name: `indexbus_${name}`,
      help,
      labelNames: [...common, ...labels],
      registers: [registry],
      collect() {
        this.reset();
        for (const [more, value] of read()) this.inc({ ...own, ...more }, value);
      },
    });
  }
  function gauge(name: string, help: string, labels: readonly string[], read: () => readonly Reading[]): void {
    new Gauge({
      name: `indexbus_${name}`,
      help,
      labelNames: [...common, ...labels],
      registers: [registry],
      collect() {
        this.reset();
        for (const [more, value] of read()) this.set({ ...own, ...more }, value);
      },
    });
  }
  /** One number of the segment. */
  const one = (read: (serving: Serving) => number) => serving((it) => [[{}, read(it)]]);

  runbookMetrics(node, counter, gauge);

  const perLane = (read: (view: ReturnType<typeof laneView>, serving: Serving) => number) =>
    serving((it) => lanesOf(it).map((lane) => [{ lane: String(lane) }, read(laneView(it, lane, {}, now()), it)]));
  const perProducer = (read: (view: ReturnType<typeof producerView>) => number) =>
    serving((it) => producersOf(it).map((seat) => [{ producer: String(seat) }, read(producerView(it, seat, {}))]));
  const now = () => node.host.clock.now();

  counter('publish_refused_total', 'Publishes that were refused for lack of credit.', ['producer'], () =>
    everyProducer(node, (it, seat) => it.counters.producer(seat).refused),
  );
  for (const name of ['requeued', 'redelivered'] as const) {
    const help = name === 'requeued' ? 'Messages that went to another lane unread.' : 'Messages handed out once more.';
    counter(
      `${name}_total`,
      help,
      ['subscription'],
      serving((it) => perSubscription(it, name)),
    );
  }
  gauge(
    'lane_depth',
    'Messages in a lane.',
    ['lane'],
    perLane(({ depth }) => depth),
  );
  gauge(
    'lane_capacity',
    'Messages that a lane may have.',
    ['lane'],
    perLane(({ capacity }) => capacity),
  );
  gauge(
    'lane_credit_limit',
    'Messages under way that the consumer allows; its capacity where it has no limit of its own.',
    ['lane'],
    perLane(({ credit_limit: limit, capacity }) => (limit === 'none' ? capacity : limit)),
  );
  gauge(
    'source_depth',
    'Messages in a source.',
    ['producer'],
    perProducer(({ depth }) => depth),
  );
  gauge(
    'pool_free_slots',
    "A producer's slots at home.",
    ['producer'],
    perProducer((view) => view.free_slots),
  );
  gauge(
    'qdepth_limit',
    'Messages for which all queues have room.',
    [],
    one((it) => {
      const { producers, slots } = it.segment.layout.sizes;
      return lanesOf(it).reduce((sum, lane) => sum + laneView(it, lane, {}, 0).capacity, producers * slots);
    }),
  );
  gauge(
    'lane_oldest_seconds',
    'Age of the oldest unread message.',
    ['lane'],
    serving((it) => lanesOf(it).map((lane) => [{ lane: String(lane) }, oldestMs(it.segment, lane, now()) / 1_000])),
  );
  gauge(
    'lane_idle_ratio',
    'Share of samples at depth 0.',
    ['lane'],
    perLane((view) => view.idle_ratio),
  );
  gauge(
    'router_busy_ratio',
    'Share of polls with work.',
    [],
    one((it) => it.busyRatio),
  );
  gauge(
    'router_loop_age_seconds',
    'Time since the last poll.',
    [],
    one(() => (loopAgeMs(node) ?? 0) / 1_000),
  );
  gauge(
    'router_poll_interval_effective_seconds',
    'Real length of the last sleep that nobody ended.',
    [],
    one((it) => (it.runner.stats.values[LoopStat.lastFullSleepMs] ?? 0) / 1_000),
  );
  counter(
    'router_parks_total',
    'How often a source was made to wait.',
    ['reason'],
    serving((it) => [
      [{ reason: 'blocking' }, it.runner.stats.values[LoopStat.parksBlocking] ?? 0],
      [{ reason: 'credit' }, it.runner.stats.values[LoopStat.parksCredit] ?? 0],
      [{ reason: 'hold' }, it.runner.stats.values[LoopStat.parksHold] ?? 0],
    ]),
  );
  counter(
    'wakes_total',
    'Sleepers that the router woke.',
    ['peer'],
    serving((it) => [
      [{ peer: 'consumer' }, it.runner.stats.values[LoopStat.wakesConsumers] ?? 0],
      [{ peer: 'producer' }, it.runner.stats.values[LoopStat.wakesProducers] ?? 0],
    ]),
  );
  const header = (word: number) => (it: Serving) => Atomics.load(it.segment.words, word) >>> 0;
  gauge('router_epoch', 'Routers that this segment has had.', [], one(header(Header.routerEpoch)));
  gauge(
    'segment_generation',
    'Generation of the segment.',
    [],
    one((it) => it.segment.generation),
  );
  gauge(
    'segment_bytes',
    'Size of the segment.',
    ['backing'],
    serving((it) => [[{ backing: it.segment.region.backing }, it.segment.layout.bytes]]),
  );
  counter('recoveries_total', 'Segments taken over, by what became of their last commit.', ['redo'], () =>
    Object.entries(node.tallies.recoveries).map(([redo, count]) => [{ redo }, count]),
  );
  gauge(
    'recovery_seconds',
    'How long the last recovery took.',
    ['redo'],
    serving((it) => {
      const redo = it.runner.stats.values[LoopStat.redoFinished] === 1 ? 'finished' : 'none';
      return [[{ redo }, (it.runner.stats.values[LoopStat.recoveryMs] ?? 0) / 1_000]];
    }),
  );
  counter('segments_retired_total', 'Segments that were given up.', ['reason'], () =>
    Object.entries(node.tallies.retired).map(([reason, count]) => [{ reason }, count]),
  );
  gauge(
    'seats',
    'Seats by state; stopped and doubtful ones count in their state as well.',
    ['kind', 'state'],
    serving((it) => seatCounts(it, services).map(({ kind, state, count }) => [{ kind, state }, count])),
  );
  gauge(
    'seat_remote_node',
    'Seats whose process runs on another NUMA node than the segment.',
    ['kind', 'state'],
    serving((it) => remoteSeats(node, it, services)),
  );
  gauge(
    'bottleneck',
    '1 on the side that triage names.',
    ['side'],
    serving((it) => {
      const { side } = bottleneckOf(node, it);
      return sides.map((name) => [{ side: name }, name === side ? 1 : 0]);
    }),
  );
  gauge('control_plane_up', '1 while the control plane answers.', [], () => {
    const state = node.controlPlane();
    return state === undefined ? [] : [[{}, state.reachable ? 1 : 0]];
  });
  gauge('control_plane_last_contact_seconds', 'Time since the control plane answered last.', [], () => {
    const contact = node.controlPlane()?.last_contact_ms ?? null;
    return contact === null ? [] : [[{}, contact / 1_000]];
  });
  gauge(
    'tuning_applied',
    '0: asked of the machine and not given.',
    ['item'],
    serving((it) => it.tuning.map(({ name, reason }) => [{ item: name }, reason === '' ? 1 : 0])),
  );
  histograms(node, registry, own);
}

type Register = (name: string, help: string, labels: readonly string[], read: () => readonly Reading[]) => void;

/** The counters of the runbook, each as a counter and as a gauge a second. */
function runbookMetrics(node: BusNode, counter: Register, gauge: Register): void {
  const lane = (read: (counts: ReturnType<Serving['counters']['lane']>) => number) => () =>
    node.serving === undefined
      ? []
      : everyLane(node.serving).map(
          (at): Reading => [{ lane: String(at) }, read((node.serving as Serving).counters.lane(at))],
        ); // checked above
  const producer = (read: (counts: ReturnType<Serving['counters']['producer']>) => number) => () =>
    everyProducer(node, (it, seat) => read(it.counters.producer(seat)));
  const groups = (field: 'droppedNoCredit' | 'droppedAllFull' | 'droppedDetached') => (): readonly Reading[] =>
    node.serving === undefined ? [] : [[{ lane: 'group' }, sumOf(node.serving, field)]];

  counter(
    'sent_total',
    'Messages accepted from producers.',
    ['producer'],
    producer(({ sent }) => sent),
  );
  counter(
    'routed_total',
    'Messages that matched a lane.',
    ['producer'],
    producer(({ taken, noRoute }) => taken - noRoute),
  );
  counter(
    'delivered_total',
    'Deliveries placed in a lane.',
    ['lane'],
    lane(({ delivered }) => delivered),
  );
  counter(
    'recv_total',
    'Messages taken out of a lane by its consumer.',
    ['lane'],
    lane(({ recv }) => recv),
  );
  counter('drops_total', 'Deliveries that were lost: the sum of its causes.', [], () =>
    node.serving === undefined ? [] : [[{}, node.serving.counters.totals().drops]],
  );
  counter('drops_full_total', 'Deliveries lost since the lane was full.', ['lane', 'policy'], () => {
    const { serving } = node;
    if (serving === undefined) return [];
    return everyLane(serving).flatMap((at): Reading[] => {
      const { droppedNewest, droppedOldest, droppedPool } = serving.counters.lane(at);
      const name = String(at);
      return [
        [{ lane: name, policy: 'newest' }, droppedNewest],
        [{ lane: name, policy: 'oldest' }, droppedOldest],
        [{ lane: name, policy: 'pool' }, droppedPool],
      ];
    });
  });
  const withGroups = (name: string, field: 'droppedNoCredit' | 'droppedAllFull' | 'droppedDetached', help: string) =>
    counter(name, help, ['lane'], () => [...lane((counts) => counts[field])(), ...groups(field)()]);
  withGroups(
    'drops_no_credit_total',
    'droppedNoCredit',
    'Deliveries lost since the consumer had no credit left; lane "group": all lanes of a group.',
  );
  withGroups(
    'drops_all_full_total',
    'droppedAllFull',
    'Deliveries lost since all lanes that matched were full; lane "group": all lanes of a group.',
  );
  withGroups(
    'drops_detached_total',
    'droppedDetached',
    'Deliveries lost unread in a lane that ended; lane "group": no lane was left.',
  );
  counter(
    'drops_no_route_total',
    'Messages that nothing matched.',
    ['producer'],
    producer(({ noRoute }) => noRoute),
  );
  counter(
    'credit_waits_total',
    'How often a producer blocked for lack of credit.',
    ['producer'],
    producer((it) => it.creditWaits),
  );
  counter('detaches_total', 'Consumers that left.', ['reason'], () =>
    Object.entries(node.tallies.detaches).map(([reason, count]) => [{ reason }, count]),
  );
  gauge('qdepth', 'Messages in all sources and lanes.', [], () =>
    node.serving === undefined ? [] : [[{}, node.serving.counters.queueDepth]],
  );
  for (const name of runbookCounters) {
    gauge(`${name}_per_sec`, `indexbus_${name}_total a second, over the last second.`, [], () =>
      node.serving === undefined ? [] : [[{}, rateOf(node.serving, name)]],
    );
  }
}

function rateOf({ counters }: Serving, name: RunbookCounter): number {
  return counters.rates()[name];
}

function sumOf({ counters }: Serving, field: 'droppedNoCredit' | 'droppedAllFull' | 'droppedDetached'): number {
  let sum = 0;
  for (let record = 0; record < subscriptionsMax; record += 1) sum += counters.subscription(record)[field];
  return sum;
}

/** Lanes that somebody has. */
function lanesOf({ segment }: Serving): readonly number[] {
  return seatPlaces(segment.layout, 'consumer')
    .filter((place) => seatState(segment, place) !== 'free')
    .map(({ number }) => number);
}

function producersOf({ segment }: Serving): readonly number[] {
  return seatPlaces(segment.layout, 'producer')
    .filter((place) => seatState(segment, place) !== 'free')
    .map(({ number }) => number);
}

/** All lanes, those too that nobody has: a counter does not go away with its consumer. */
function everyLane({ segment }: Serving): readonly number[] {
  return Array.from({ length: segment.layout.sizes.lanes }, (_, lane) => lane);
}

function everyProducer(node: BusNode, read: (serving: Serving, seat: number) => number): readonly Reading[] {
  const { serving } = node;
  if (serving === undefined) return [];
  const { producers } = serving.segment.layout.sizes;
  return Array.from({ length: producers }, (_, seat): Reading => [{ producer: String(seat) }, read(serving, seat)]);
}

function perSubscription({ segment, counters }: Serving, field: 'requeued' | 'redelivered'): readonly Reading[] {
  const readings: Reading[] = [];
  for (let record = 0; record < subscriptionsMax; record += 1) {
    const stored = readSubscription(segment.region, segment.layout, record);
    if (stored === undefined) continue;
    readings.push([{ subscription: stored.subscription.name }, counters.subscription(record)[field]]);
  }
  return readings;
}

/** How long what the kernel has told of a process stands, in milliseconds: a scrape, in which several metrics ask for it. */
const usageStandsMs = 50;

/** The daemon's services, of which the look at a process is taken once a scrape: it opens, reads and closes a file. */
function askedOnce(node: BusNode): DaemonServices {
  const { processUsage } = node.services;
  if (processUsage === undefined) return node.services;
  const known = new Map<number, ReturnType<typeof processUsage>>();
  let askedAt = Number.NEGATIVE_INFINITY;
  return {
    ...node.services,
    processUsage(pid) {
      const now = node.host.clock.now();
      if (now - askedAt > usageStandsMs) {
        known.clear();
        askedAt = now;
      }
      if (!known.has(pid)) known.set(pid, processUsage(pid));
      return known.get(pid);
    },
  };
}

/** Seats whose process last ran on a processor of another node than the segment's memory; 0 where the machine does not tell. */
function remoteSeats(node: BusNode, serving: Serving, services: DaemonServices): readonly Reading[] {
  const { nodeOfCpu, processUsage } = services;
  const { numa_node: asked } = node.config;
  const own = serving.segment.region.numaNode?.() ?? (typeof asked === 'number' ? asked : undefined);
  const counts = new Map<string, number>([
    ['producer live', 0],
    ['consumer live', 0],
  ]);
  const add = (kind: 'producer' | 'consumer', { pid, state }: SeatView): void => {
    const cpu = pid === null ? undefined : processUsage?.(pid)?.cpu;
    const at = cpu === undefined ? undefined : nodeOfCpu?.(cpu);
    if (at === undefined || own === undefined || at === own) return;
    counts.set(`${kind} ${state}`, (counts.get(`${kind} ${state}`) ?? 0) + 1);
  };
  for (const seat of producersOf(serving)) add('producer', producerView(serving, seat, {}));
  for (const lane of lanesOf(serving)) add('consumer', laneView(serving, lane, {}, 0));
  return [...counts].map(([key, count]) => {
    const [kind = '', state = ''] = key.split(' ');
    return [{ kind, state }, count];
  });
}

/** Histograms that the loop has counted: prom-client has no way to set one, so they are given as they are scraped. */
function histograms(node: BusNode, registry: Registry, own: Labels): void {
  const define = (
    name: string,
    help: string,
    bounds: readonly number[],
    read: (serving: Serving) => { readonly counts: Float64Array; readonly sum: number },
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
          const { counts, sum } = read(serving);
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
  define('batch_messages', 'Messages that a commit took from sources.', batchBounds, ({ runner: { stats } }) => ({
    counts: stats.batches,
    sum: stats.values[LoopStat.batchSum] ?? 0,
  }));
  define(
    'source_wait_seconds',
    'From publish to routing, of the oldest message of each batch.',
    waitBounds,
    ({ runner: { stats } }) => ({ counts: stats.waits, sum: stats.values[LoopStat.waitSum] ?? 0 }),
  );
}
