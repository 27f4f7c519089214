import type { Millis } from '../../host/clock.ts';
import type { LaneMoves } from './laneMoves.ts';
import { unreadIn } from './laneUnread.ts';
import { Seat, seatNameBytes } from './layout.ts';
import { stateOf } from './seat.ts';
import { holderOf, type SeatKindName, type SeatPlace, seatPlaces } from './seatPlaces.ts';
import type { Segment } from './segment.ts';
import { sourceLeft } from './sourceLeft.ts';
import { readSubscription } from './subscriptions.ts';
import { readText } from './texts.ts';

/** Whom a roll waits for. */
export interface WaitedFor {
  readonly kind: SeatKindName;
  readonly seat: number;
  /** That the roll empties. */
  readonly generation: number;
  readonly name: string;
  readonly pid: number;
  readonly state: string;
  /** Of a consumer; empty for a producer. */
  readonly subscription: string;
  /** Messages that a consumer has not received, or that are in a producer's source. */
  readonly left: number;
  /** Since when it is waited for. */
  readonly waited_ms: Millis;
  /** Of a consumer: since when it has taken and ended nothing. */
  readonly still_ms: Millis;
}

/**
 * Whom a segment waits for that is emptied of its participants of one kind: those, producers also after their end as long as their sources have something,
 * and while sources are emptied the consumers whose full lanes these wait for. Who only stays for what its group may leave is not waited for.
 */
export function waitedFor(segment: Segment, kind: SeatKindName, moves: LaneMoves, now: Millis): readonly WaitedFor[] {
  const { words, layout } = segment;
  const about = (place: SeatPlace, left: number, since: Millis, last: Millis): WaitedFor => ({
    kind: place.kind,
    seat: place.number,
    generation: segment.generation,
    name: readText(segment.bytes, place.at + Seat.name, seatNameBytes),
    pid: holderOf(words, place.at).pid,
    state: stateOf(Atomics.load(words, place.at)) ?? 'damaged',
    subscription: place.kind === 'consumer' ? subscriptionOf(segment, place) : '',
    left,
    waited_ms: now - since,
    still_ms: now - last,
  });
  const consumers = seatPlaces(layout, 'consumer').flatMap((place) => {
    const state = stateOf(Atomics.load(words, place.at));
    const left = unreadIn(words, place);
    const isGone = state === 'free' || state === 'claimed' || state === 'ready' || (state === 'fenced' && left === 0);
    if (isGone || (kind === 'producer' || state === 'live' ? !moves.isWaitedFor(place) : false)) return [];
    return [about(place, left, moves.since(place.number), moves.last(place.number))];
  });
  if (kind === 'consumer') return consumers;
  const producers = seatPlaces(layout, 'producer').flatMap((place) => {
    const state = stateOf(Atomics.load(words, place.at));
    const left = sourceLeft(words, place) ?? 0;
    const isGone = state !== 'live' && state !== 'leaving' && left === 0;
    return isGone ? [] : [about(place, left, moves.began, moves.began)];
  });
  return [...producers, ...consumers];
}

function subscriptionOf({ region, layout, words }: Segment, { at }: SeatPlace): string {
  return readSubscription(region, layout, words[at + Seat.subscription] ?? 0)?.subscription.name ?? '';
}
