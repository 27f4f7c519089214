import { shareMin } from './admission.ts';
import type { LaneChange, Subscription } from './commands.ts';
import { BusError } from './errors.ts';
import { LaneMode, Seat, seatWords } from './layout.ts';
import type { PoolShares } from './poolShares.ts';
import type { RouterParts } from './routerParts.ts';

/** What a lane would be after a change. */
interface LaneTerms {
  readonly lane: number;
  readonly view: boolean;
  readonly capacity: number;
  readonly creditLimit: number;
  readonly mode: 'nonblocking' | 'blocking';
  readonly drop: 'newest' | 'oldest';
}

/**
 * Changes a live lane, between commits: its next messages feel it, and lanes that have more than the new share are evicted down to it. Throws
 * `BusError` where the lane or the segment does not allow it, and then nothing has changed.
 */
export function changeLane(parts: RouterParts, shares: PoolShares, lane: number, change: LaneChange): void {
  const { lanes, layout, routing, sources } = parts;
  const words = parts.region.words;
  const stored = routing.subscription(lanes.subscription[lane] ?? -1)?.subscription;
  const terms: LaneTerms = {
    lane,
    view: lanes.view[lane] === 1,
    capacity: change.capacity ?? lanes.capacity[lane] ?? 0,
    creditLimit: change.creditLimit ?? lanes.creditLimit[lane] ?? 0,
    mode: change.lane ?? (lanes.blocking[lane] ? 'blocking' : 'nonblocking'),
    drop: change.drop ?? (lanes.dropOldest[lane] ? 'oldest' : 'newest'),
  };
  checkTerms(terms, stored, layout.sizes.laneRing / 2);
  const at = layout.laneSeats + lane * seatWords;
  const before = [Seat.mode, Seat.capacityOrRate, Seat.creditLimit, Seat.detachAfterMs].map(
    (word) => [word, words[at + word] ?? 0] as const,
  );
  words[at + Seat.mode] =
    (terms.mode === 'blocking' ? LaneMode.blocking : 0) | (terms.drop === 'oldest' ? LaneMode.dropOldest : 0);
  words[at + Seat.capacityOrRate] = terms.capacity;
  words[at + Seat.creditLimit] = terms.creditLimit;
  if (change.detachAfterMs !== undefined) words[at + Seat.detachAfterMs] = change.detachAfterMs;
  lanes.readSeat(lane);
  if (terms.mode === 'nonblocking' && shares.shareWith(lane) < shareMin) {
    for (const [word, value] of before) words[at + word] = value;
    lanes.readSeat(lane);
    throw new BusError('IB_UNSAFE_CHANGE', `lane ${lane} would leave each lane less than ${shareMin} of a pool`);
  }
  shares.shareOutAndFit();
  sources.suspectAll();
}

function checkTerms(terms: LaneTerms, stored: Subscription | undefined, most: number): void {
  const { lane, capacity, creditLimit } = terms;
  if (capacity > most) {
    throw new BusError('IB_NEEDS_ROLL', `capacity ${capacity} is above half of lane_ring: roll the segment`, {
      expected: `1 to ${most}`,
      got: String(capacity),
    });
  }
  if (capacity < 1 || creditLimit < 0 || creditLimit > capacity) {
    throw new BusError('IB_BAD_CONFIG', `lane ${lane}: a capacity and a credit limit that do not go together`, {
      expected: `capacity 1 to ${most}, credit_limit 0 to capacity`,
      got: `${capacity}, ${creditLimit}`,
    });
  }
  if (terms.mode === 'nonblocking' && stored?.delivery === 'at_least_once') {
    throw new BusError('IB_UNSAFE_CHANGE', `lane ${lane} is at_least_once: it has to block`);
  }
  if (terms.drop === 'oldest' && terms.view) {
    throw new BusError('IB_BAD_CONFIG', `lane ${lane} is a view lane: its oldest messages cannot be taken back`);
  }
  if (terms.view && (stored?.viewMax ?? 0) > capacity) {
    throw new BusError('IB_BAD_CONFIG', `view_max ${stored?.viewMax} is above capacity ${capacity}`);
  }
}
