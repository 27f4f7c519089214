import { nearFaults, oneOf } from '../nearFaults.ts';
import { faultCounts, type StreamBusDraw } from './draw.ts';

/**
 * A run near `parent`: its faults moved a little, one of them added, removed, replaced or drawn anew in its parameters, and now and then the
 * brokers, the configuration, the disks or the load of `fresh`. Half the time the seed stays, so that what comes before the first change
 * is as it was.
 */
export function near(parent: StreamBusDraw, fresh: StreamBusDraw, random: () => number): StreamBusDraw {
  const chance = (share: number) => random() < share;
  const taken = oneOf(fresh.faults, random);
  return {
    ...parent,
    seed: chance(0.5) ? parent.seed : fresh.seed,
    brokers: chance(0.05) ? fresh.brokers : parent.brokers,
    config: chance(0.2) ? fresh.config : parent.config,
    flushTenths: chance(0.1) ? fresh.flushTenths : parent.flushTenths,
    load: chance(0.2) ? fresh.load : parent.load,
    faults: nearFaults(parent.faults, taken, faultCounts.bigRunMost, random),
  };
}
