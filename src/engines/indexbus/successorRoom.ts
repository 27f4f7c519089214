import { poolShare, shareMin } from './admission.ts';
import { BusError } from './errors.ts';
import { Access, LaneMode, Seat, type SegmentSizes } from './layout.ts';
import { stateOf } from './seat.ts';
import { type SeatKindName, type SeatPlace, seatPlaces } from './seatPlaces.ts';
import type { Segment } from './segment.ts';
import { readSubscription } from './subscriptions.ts';

/** What a lane takes of every producer's pool: a share, or so many slots by view; undefined for none, since it blocks. */
type PoolNeed = { readonly viewCapacity: number } | 'share' | undefined;

/**
 * All who are there must have a seat in the next generation, and lanes that do not block their share of its pools: who has none is refused there, cannot
 * move, and is fenced by the roll. Throws IB_NEEDS_ROLL.
 */
export function checkRoomForAll(segment: Segment, sizes: SegmentSizes, batchSize: number): void {
  checkSeats('producers_max', sizes.producers, 'producers', present(segment, 'producer').length);
  const consumers = present(segment, 'consumer');
  checkSeats('lanes_max', sizes.lanes, 'consumers', consumers.length);
  const needs = consumers.map((place) => poolNeed(segment, place));
  checkPools(needs, sizes.slots, batchSize);
}

/** Seats that somebody has, or is about to have, who comes along. */
function present({ words, layout }: Segment, kind: SeatKindName): readonly SeatPlace[] {
  return seatPlaces(layout, kind).filter(({ at }) => {
    const state = stateOf(Atomics.load(words, at));
    return state === 'claimed' || state === 'ready' || state === 'live';
  });
}

function checkSeats(key: string, seats: number, who: string, there: number): void {
  if (there <= seats) return;
  throw new BusError('IB_NEEDS_ROLL', `${key} ${seats} is less than the ${there} ${who} that are there: ask for more`, {
    expected: `${key} of ${there} or more`,
    got: String(seats),
  });
}

/**
 * The most that a lane takes there at any time. It comes as its subscription is, and then is set as it is now; others come in between.
 */
function poolNeed({ words, region, layout }: Segment, { at }: SeatPlace): PoolNeed {
  // Who has not been let in yet may not have said what it wants.
  if (stateOf(Atomics.load(words, at)) === 'claimed') return undefined;
  const subscription = readSubscription(region, layout, words[at + Seat.subscription] ?? 0)?.subscription;
  const isLive = stateOf(Atomics.load(words, at)) === 'live';
  const blocksNow = ((words[at + Seat.mode] ?? 0) & LaneMode.blocking) !== 0;
  const asIs = isLive && !blocksNow ? (words[at + Seat.capacityOrRate] ?? 0) : undefined;
  const asCome = subscription?.lane === 'nonblocking' ? subscription.capacity : undefined;
  if (asIs === undefined && asCome === undefined) return undefined;
  const access = subscription?.access ?? (words[at + Seat.access] === Access.view ? 'view' : 'copy');
  return access === 'view' ? { viewCapacity: Math.max(asIs ?? 0, asCome ?? 0) } : 'share';
}

function checkPools(needs: readonly PoolNeed[], slots: number, batchSize: number): void {
  const taking = needs.filter((it) => it !== undefined);
  const shares = taking.filter((it) => it === 'share').length;
  const reserved = taking.reduce((sum, it) => sum + (it === 'share' ? 0 : it.viewCapacity), 0);
  const share = poolShare(slots, batchSize, reserved, shares);
  if (taking.length === 0 || share >= shareMin) return;
  const least = 2 * batchSize + reserved + shareMin * Math.max(1, shares);
  let fitting = slots;
  while (fitting < least) fitting *= 2;
  throw new BusError(
    'IB_NEEDS_ROLL',
    `slots_per_producer ${slots}: ${taking.length} lanes that do not block would have ${share} slots of each pool, at least ${shareMin}: ask for ${fitting}, or end some of them`,
    { expected: `slots_per_producer of ${fitting} or more`, got: String(slots) },
  );
}
