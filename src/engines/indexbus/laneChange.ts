import { shareMin } from './admission.ts';
import type { LaneChange, Subscription } from './commands.ts';
import { StagedLane } from './commit.ts';
import { BusError } from './errors.ts';
import type { LaneTerms } from './laneTable.ts';
import { LaneMode } from './layout.ts';
import type { PoolShares } from './poolShares.ts';
import type { RouterParts } from './routerParts.ts';

/**
 * Changes a live lane, between commits: its next messages feel it, and lanes that have more than the new share are evicted down to it. The terms are the
 * first of what one commit changes, so whoever is killed in it leaves the old ones or the new ones. Throws `BusError` where the lane
 * or the segment does not allow it, and then nothing has changed.
 */
export function changeLane(parts: RouterParts, shares: PoolShares, lane: number, change: LaneChange): void {
  const { lanes, layout, routing, sources, commit } = parts;
  const stored = routing.subscription(lanes.subscription[lane] ?? -1)?.subscription;
  const isBlocking = (change.lane ?? (lanes.blocking[lane] ? 'blocking' : 'nonblocking')) === 'blocking';
  const dropsOldest = (change.drop ?? (lanes.dropOldest[lane] ? 'oldest' : 'newest')) === 'oldest';
  const terms: LaneTerms = {
    mode: (isBlocking ? LaneMode.blocking : 0) | (dropsOldest ? LaneMode.dropOldest : 0),
    capacity: change.capacity ?? lanes.capacity[lane] ?? 0,
    creditLimit: change.creditLimit ?? lanes.creditLimit[lane] ?? 0,
    detachAfterMs: change.detachAfterMs ?? lanes.detachAfterMs[lane] ?? 0,
  };
  checkTerms(lane, lanes.view[lane] === 1, terms, stored, layout.sizes.laneRing / 2);
  lanes.setTerms(lane, terms);
  if (!isBlocking && shares.shareWith(lane) < shareMin) {
    lanes.readSeat(lane);
    throw new BusError('IB_UNSAFE_CHANGE', `lane ${lane} would leave each lane less than ${shareMin} of a pool`);
  }
  for (const term of ['mode', 'capacity', 'creditLimit', 'detachAfterMs'] as const) {
    commit.stage(commit.lane(lane, StagedLane[term]), terms[term]);
  }
  shares.shareOutAndFit();
  sources.suspectAll();
}

function checkTerms(
  lane: number,
  isView: boolean,
  { mode, capacity, creditLimit }: LaneTerms,
  stored: Subscription | undefined,
  most: number,
): void {
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
  if ((mode & LaneMode.blocking) === 0 && stored?.delivery === 'at_least_once') {
    throw new BusError('IB_UNSAFE_CHANGE', `lane ${lane} is at_least_once: it has to block`);
  }
  if ((mode & LaneMode.dropOldest) !== 0 && isView) {
    throw new BusError('IB_BAD_CONFIG', `lane ${lane} is a view lane: its oldest messages cannot be taken back`);
  }
  if (isView && (stored?.viewMax ?? 0) > capacity) {
    throw new BusError('IB_BAD_CONFIG', `view_max ${stored?.viewMax} is above capacity ${capacity}`);
  }
}
