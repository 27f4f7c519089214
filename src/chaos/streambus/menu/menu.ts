import { finderIn } from '../../faultMenu.ts';
import { diskEntries } from './disk.ts';
import type { FaultEntry } from './entry.ts';
import { networkEntries } from './network.ts';
import { outsideEntries } from './outside.ts';
import { processEntries } from './process.ts';

/** Everything that may happen to a cluster of streambus. What a step means for the demands on the run, `complete.ts` knows. */
export const faultMenu: readonly FaultEntry[] = [
  ...processEntries,
  ...diskEntries,
  ...networkEntries,
  ...outsideEntries,
];

/** The entry of this name. */
export const entryNamed = finderIn(faultMenu);
