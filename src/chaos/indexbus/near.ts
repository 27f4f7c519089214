import { nearFaults, oneOf } from '../nearFaults.ts';
import { faultCounts, type IndexBusDraw } from './draw.ts';

/**
 * A run near `parent`: its faults moved a little, one of them added, removed, replaced or drawn anew in its parameters, and now and then the
 * sizes, the subscriptions or the load of `fresh`. Half the time the seed stays, so that what comes before the first change is as it was.
 */
export function near(parent: IndexBusDraw, fresh: IndexBusDraw, random: () => number): IndexBusDraw {
  const chance = (share: number) => random() < share;
  const taken = oneOf(fresh.faults, random);
  return {
    ...parent,
    seed: chance(0.5) ? parent.seed : fresh.seed,
    sizes: chance(0.1) ? fresh.sizes : parent.sizes,
    subscriptions: chance(0.2) ? fresh.subscriptions : parent.subscriptions,
    load: chance(0.2) ? fresh.load : parent.load,
    faults: nearFaults(parent.faults, taken, faultCounts.bigRunMost, random),
    accesses: chance(0.2) ? fresh.accesses : parent.accesses,
    lateFlush: chance(0.2) ? fresh.lateFlush : parent.lateFlush,
  };
}
