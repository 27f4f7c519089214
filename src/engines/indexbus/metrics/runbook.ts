import { runbookCounters } from '../counters.ts';
import { subscriptionsMax } from '../layout.ts';
import type { Serving } from '../serving.ts';
import type { Reading, Register } from './register.ts';
import { everyLane, everyProducer } from './seatReadings.ts';

/** Losses of a group of which no lane of it can be named. */
type GroupDrops = 'droppedNoCredit' | 'droppedAllFull';

/** The counters of the runbook, each as a counter and as a gauge a second. */
export function runbookMetrics({ node, counter, gauge, serving, one }: Register): void {
  const lane = (read: (counts: ReturnType<Serving['counters']['lane']>) => number) =>
    serving((it) => everyLane(it, (at) => read(it.counters.lane(at))));
  const producer = (read: (counts: ReturnType<Serving['counters']['producer']>) => number) =>
    serving((it) => everyProducer(it, (seat) => read(it.counters.producer(seat))));

  counter(
    'sent_total',
    'Messages accepted from producers.',
    producer(({ sent }) => sent),
  );
  counter(
    'routed_total',
    'Messages that matched a lane.',
    producer(({ taken, noRoute }) => taken - noRoute),
  );
  counter(
    'delivered_total',
    'Deliveries placed in a lane.',
    lane(({ delivered }) => delivered),
  );
  counter(
    'recv_total',
    'Messages taken out of a lane by its consumer.',
    lane(({ recv }) => recv),
  );
  counter(
    'drops_total',
    'Deliveries that were lost: the sum of its causes.',
    one(({ counters }) => counters.totals().drops),
  );
  const full = { newest: 'droppedNewest', oldest: 'droppedOldest', pool: 'droppedPool' } as const;
  counter(
    'drops_full_total',
    'Deliveries lost since the lane was full.',
    serving((it) =>
      Array.from({ length: it.counters.lanes }, (_, at) => {
        const counts = it.counters.lane(at);
        return Object.entries(full).map(([policy, field]): Reading => [{ lane: String(at), policy }, counts[field]]);
      }).flat(),
    ),
  );
  const withGroups = (name: string, field: GroupDrops, help: string) =>
    counter(
      name,
      help,
      serving((it) => [...everyLane(it, (at) => it.counters.lane(at)[field]), [{ lane: 'group' }, sumOf(it, field)]]),
    );
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
  counter(
    'drops_detached_total',
    'Deliveries lost unread in a lane that ended; reason "roll": a roll did not wait for it any more; lane "group": no lane was left.',
    serving((it) => [
      ...Array.from({ length: it.counters.lanes }, (_, at): readonly Reading[] => {
        const { droppedDetached, droppedByRoll } = it.counters.lane(at);
        const lane = String(at);
        return [
          [{ lane, reason: 'ended' }, droppedDetached - droppedByRoll],
          [{ lane, reason: 'roll' }, droppedByRoll],
        ];
      }).flat(),
      [{ lane: 'group', reason: 'ended' }, sumOf(it, 'droppedDetached')],
    ]),
  );
  counter(
    'drops_no_route_total',
    'Messages that nothing matched.',
    producer(({ noRoute }) => noRoute),
  );
  counter(
    'credit_waits_total',
    'How often a producer blocked for lack of credit.',
    producer((it) => it.creditWaits),
  );
  counter('detaches_total', 'Consumers that left.', () =>
    Object.entries(node.tallies.detaches).map(([reason, count]) => [{ reason }, count]),
  );
  gauge(
    'qdepth',
    'Messages in all sources and lanes.',
    one(() => node.queueDepth),
  );
  for (const name of runbookCounters) {
    gauge(
      `${name}_per_sec`,
      `indexbus_${name}_total a second, over the last second.`,
      one(({ counters }) => counters.rates()[name]),
    );
  }
}

function sumOf({ counters }: Serving, field: GroupDrops | 'droppedDetached'): number {
  let sum = 0;
  for (let record = 0; record < subscriptionsMax; record += 1) sum += counters.subscription(record)[field];
  return sum;
}
