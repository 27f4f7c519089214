import { unpackBacklog } from './backlog.ts';
import { distance, frozen, isFrozen } from './cursor.ts';
import { BusError } from './errors.ts';
import { LaneCursor, Seat } from './layout.ts';
import { stateOf } from './seat.ts';
import { seatPlaces } from './seatPlaces.ts';
import type { Segment } from './segment.ts';
import { readSubscription } from './subscriptions.ts';

/** A lane whose consumer is gone, with messages that nobody else has been given. */
export interface AbandonedLane {
  readonly lane: number;
  /** Record of its subscription. */
  readonly record: number;
  readonly unread: number;
  /** Whether they wait for the next consumer of the subscription, since it has no other. */
  readonly waits: boolean;
}

/** The lanes of a segment that have ended and are not empty, in the order of their seats. What the router hands on is on its way out. */
export function abandonedLanes({ words, layout }: Segment): readonly AbandonedLane[] {
  const found: AbandonedLane[] = [];
  for (const { number, at, cursors } of seatPlaces(layout, 'consumer')) {
    const state = stateOf(Atomics.load(words, at));
    const backlog = unpackBacklog(Atomics.load(words, cursors + LaneCursor.backlog));
    const isJoined = state === 'claimed' || state === 'ready';
    const hasEnded = state === 'draining' || state === 'fenced' || state === 'acked' || isJoined;
    if (!hasEnded || (isJoined && backlog === undefined)) continue;
    const tail = Atomics.load(words, cursors + LaneCursor.tail);
    const head = Atomics.load(words, cursors + LaneCursor.head);
    const unread = distance(tail, isFrozen(head, tail) ? frozen(head) : head);
    const record = backlog?.record ?? words[at + Seat.subscription] ?? 0;
    if (unread > 0) found.push({ lane: number, record, unread, waits: backlog !== undefined });
  }
  return found;
}

/** A roll would lose what lanes keep for the next consumer of their group, who comes to the next generation. Throws IB_UNSAFE_CHANGE. */
export function checkNothingWaits(segment: Segment): void {
  const waiting = abandonedLanes(segment).find((it) => it.waits);
  if (waiting === undefined) return;
  const { lane, record, unread } = waiting;
  const name = readSubscription(segment.region, segment.layout, record)?.subscription.name ?? '';
  throw new BusError(
    'IB_UNSAFE_CHANGE',
    `lane ${lane} has ${unread} messages of subscription ${name} and no consumer: start one, or delete the subscription to lose them`,
    { expected: 'no messages that wait for a next consumer', got: `${unread} in lane ${lane}` },
  );
}
