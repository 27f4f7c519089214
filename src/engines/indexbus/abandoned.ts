import { unpackBacklog } from './backlog.ts';
import { distance } from './cursor.ts';
import { BusError } from './errors.ts';
import { headOf, unreadIn } from './laneUnread.ts';
import { DetachReason, LaneCursor, Seat } from './layout.ts';
import { stateOf } from './seat.ts';
import { type SeatPlace, seatPlaces } from './seatPlaces.ts';
import type { Segment } from './segment.ts';
import { readSubscription } from './subscriptions.ts';

/** A lane whose consumer is gone, with messages that nobody else has been given. */
export interface AbandonedLane {
  readonly lane: number;
  /** Record of its subscription. */
  readonly record: number;
  readonly unread: number;
  /** Of a consumer that is dead, at least once: received, not ended, and nobody else has been given them. */
  readonly unended: number;
  /** Whether they wait for the next consumer of the subscription, since it has no other. */
  readonly waits: boolean;
}

/** The lanes of a segment that have ended and are not empty, in the order of their seats. What the router hands on is on its way out. */
export function abandonedLanes(segment: Pick<Segment, 'words' | 'layout'>): readonly AbandonedLane[] {
  const { words, layout } = segment;
  const found: AbandonedLane[] = [];
  for (const place of seatPlaces(layout, 'consumer')) {
    const { number, at, cursors } = place;
    const state = stateOf(Atomics.load(words, at));
    const backlog = unpackBacklog(Atomics.load(words, cursors + LaneCursor.backlog));
    const isJoined = state === 'claimed' || state === 'ready';
    const hasEnded = state === 'draining' || state === 'fenced' || state === 'acked' || isJoined;
    if (!hasEnded || (isJoined && backlog === undefined)) continue;
    const unread = unreadIn(words, place);
    const record = backlog?.record ?? words[at + Seat.subscription] ?? 0;
    const isDead =
      backlog?.dead ?? (state === 'draining' && Atomics.load(words, at + Seat.reason) === DetachReason.dead);
    const unended = isDead ? unendedIn(words, place) : 0;
    if (unread > 0 || unended > 0) found.push({ lane: number, record, unread, unended, waits: backlog !== undefined });
  }
  return found;
}

/** What the consumer of an ended lane has received and not ended, but for what was handed out again already, or is not to be. */
function unendedIn(words: Int32Array, place: SeatPlace): number {
  const word = (field: number): number => Atomics.load(words, place.cursors + field);
  const stoppedAt = word(LaneCursor.endingOrder) === 0 ? headOf(words, place) : word(LaneCursor.stoppedAt);
  const [done, again] = [word(LaneCursor.done), word(LaneCursor.redelivery)];
  return Math.max(0, distance(stoppedAt, distance(done, again) > 0 ? done : again));
}

/** A roll would lose what lanes keep for the next consumer of their group, who comes to the next generation. Throws IB_UNSAFE_CHANGE. */
export function checkNothingWaits(segment: Segment): void {
  const waiting = abandonedLanes(segment).find((it) => it.waits);
  if (waiting === undefined) return;
  const { lane, record } = waiting;
  const unread = waiting.unread + waiting.unended;
  const name = readSubscription(segment.region, segment.layout, record)?.subscription.name ?? '';
  throw new BusError(
    'IB_UNSAFE_CHANGE',
    `lane ${lane} has ${unread} messages of subscription ${name} and no consumer: start one, or delete the subscription to lose them`,
    { expected: 'no messages that wait for a next consumer', got: `${unread} in lane ${lane}` },
  );
}
