import { unreadIn } from './laneUnread.ts';
import { Access, LaneCursor, LaneMode, Seat } from './layout.ts';
import { stateOf } from './seat.ts';
import { type SeatPlace, seatPlaces } from './seatPlaces.ts';
import type { Segment } from './segment.ts';
import { readSubscription } from './subscriptions.ts';

/**
 * Whether no consumer of a group can get anything more in a retired segment, where nothing is routed: none that lives has anything that its death would
 * leave to the others, and what those who ended had is given away. So it stays then. A consumer that went before would be missed by the mate
 * that dies after it. True for a broadcast: what one of its lanes has is nobody else's.
 */
export function isGroupThrough(segment: Segment, record: number): boolean {
  const { region, layout, words } = segment;
  const subscription = readSubscription(region, layout, record)?.subscription;
  if ((subscription?.mode ?? 'broadcast') === 'broadcast') return true;
  const isAtLeastOnce = subscription?.delivery === 'at_least_once';
  return seatPlaces(layout, 'consumer').every(
    (place) => recordOf(segment, place) !== record || owesNothing(words, place, isAtLeastOnce),
  );
}

function recordOf({ words }: Segment, { at }: SeatPlace): number {
  return Atomics.load(words, at + Seat.subscription);
}

/** Whether nothing of the lane can come to others. */
function owesNothing(words: Int32Array, place: SeatPlace, isAtLeastOnce: boolean): boolean {
  const state = stateOf(Atomics.load(words, place.at));
  // Who joins gets no seat any more; but a lane that waits for its group is behind this state, too.
  const isJoined = state === 'claimed' || state === 'ready';
  if (state === 'free' || isJoined) return Atomics.load(words, place.cursors + LaneCursor.backlog) === 0;
  // Its router gives away what it has, and frees the seat then.
  if (state === 'draining' || state === 'acked') return false;
  if (unreadIn(words, place) > 0) return false;
  // What was taken by copy is its consumer's own: its subscription may have become at_least_once since that one joined.
  const comesAgain = isAtLeastOnce && words[place.at + Seat.access] === Access.view;
  return !comesAgain || state === 'fenced' || isEnded(words, place);
}

/** Whether the consumer of a lane has ended all that was ever in it. */
export function isEnded(words: Int32Array, { cursors }: SeatPlace): boolean {
  return Atomics.load(words, cursors + LaneCursor.done) === Atomics.load(words, cursors + LaneCursor.tail);
}

/**
 * Whether it matters that a consumer says that it is through with what it has received: where it reads in place, or its lane blocks, so that
 * nothing may be taken for done before it is, or the messages of a key wait for it. In a lane that drops what it received by copy is its own.
 */
export function endCounts(segment: Segment, { at }: SeatPlace): boolean {
  const { region, layout, words } = segment;
  if (((words[at + Seat.mode] ?? 0) & LaneMode.blocking) !== 0 || words[at + Seat.access] === Access.view) return true;
  const record = words[at + Seat.subscription] ?? 0;
  return readSubscription(region, layout, record)?.subscription.mode === 'keyed';
}
