import { subscriptionsMax } from '../layout.ts';
import type { Serving } from '../serving.ts';
import { readSubscription } from '../subscriptions.ts';
import { laneView, producerView } from '../views.ts';
import type { Reading, Register } from './register.ts';
import { everyProducer, heldSeats } from './seatReadings.ts';

/** What is in the lanes, the sources and the pools, and what became of messages that were not simply handed on. */
export function queueMetrics({ node, counter, gauge, serving, one }: Register): void {
  const perLane = (read: (view: ReturnType<typeof laneView>, serving: Serving) => number) =>
    serving((it) =>
      heldSeats(it, 'consumer').map((lane) => [{ lane: String(lane) }, read(laneView(it, lane, {}, now()), it)]),
    );
  const perProducer = (read: (view: ReturnType<typeof producerView>) => number) =>
    serving((it) =>
      heldSeats(it, 'producer').map((seat) => [{ producer: String(seat) }, read(producerView(it, seat, {}))]),
    );
  const now = () => node.host.clock.now();

  counter(
    'publish_refused_total',
    'Publishes that were refused for lack of credit.',
    serving((it) => everyProducer(it, (seat) => it.counters.producer(seat).refused)),
  );
  for (const name of ['requeued', 'redelivered'] as const) {
    const help = name === 'requeued' ? 'Messages that went to another lane unread.' : 'Messages handed out once more.';
    counter(
      `${name}_total`,
      help,
      serving((it) => perSubscription(it, name)),
    );
  }
  gauge(
    'lane_depth',
    'Messages in a lane.',
    perLane(({ depth }) => depth),
  );
  gauge(
    'lane_capacity',
    'Messages that a lane may have.',
    perLane(({ capacity }) => capacity),
  );
  gauge(
    'lane_credit_limit',
    'Messages under way that the consumer allows; its capacity where it has no limit of its own.',
    perLane(({ credit_limit: limit, capacity }) => (limit === 'none' ? capacity : limit)),
  );
  gauge(
    'source_depth',
    'Messages in a source.',
    perProducer(({ depth }) => depth),
  );
  gauge(
    'pool_free_slots',
    "A producer's slots at home.",
    perProducer((view) => view.free_slots),
  );
  gauge(
    'qdepth_limit',
    'Messages for which all queues have room.',
    one((it) => {
      const { producers, slots } = it.segment.layout.sizes;
      return heldSeats(it, 'consumer').reduce(
        (sum, lane) => sum + laneView(it, lane, {}, 0).capacity,
        producers * slots,
      );
    }),
  );
  gauge(
    'lane_oldest_seconds',
    'Age of the oldest unread message.',
    serving((it) =>
      heldSeats(it, 'consumer').map((lane) => [{ lane: String(lane) }, it.ages.oldestMs(lane, now()) / 1_000]),
    ),
  );
  gauge(
    'lane_idle_ratio',
    'Share of samples at depth 0.',
    perLane((view) => view.idle_ratio),
  );
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
