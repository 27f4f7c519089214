import { nearFaults, oneOf } from '../nearFaults.ts';
import { faultCounts, type StemeDraw } from './draw.ts';

/**
 * A run near `parent`: its faults moved a little, one of them added, removed, replaced or drawn anew in its parameters, and
 * now and then the configuration, the disks or the load of `fresh`. Half the time the seed stays, so that what comes before
 * the first change is as it was.
 */
export function near(parent: StemeDraw, fresh: StemeDraw, random: () => number): StemeDraw {
  const chance = (share: number) => random() < share;
  const taken = oneOf(fresh.faults, random);
  return {
    ...parent,
    seed: chance(0.5) ? parent.seed : fresh.seed,
    nodes: chance(0.05) ? fresh.nodes : parent.nodes,
    buggify: chance(0.1) ? fresh.buggify : parent.buggify,
    config: chance(0.2) ? fresh.config : parent.config,
    devices: chance(0.1) ? fresh.devices : parent.devices,
    load: chance(0.2) ? fresh.load : parent.load,
    faults: nearFaults(parent.faults, taken, faultCounts.bigRunMost, random),
  };
}
