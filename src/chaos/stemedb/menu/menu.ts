import { finderIn } from '../../faultMenu.ts';
import { diskEntries } from './disk.ts';
import { diskErrorEntries } from './diskErrors.ts';
import type { FaultEntry } from './entry.ts';
import { mediaEntries } from './media.ts';
import { networkEntries } from './network.ts';
import { outsideEntries } from './outside.ts';
import { processEntries } from './process.ts';

/** Everything that may happen to a node of stemedb. What a step means for the demands on the run, `nature.ts` knows. */
export const faultMenu: readonly FaultEntry[] = [
  ...processEntries,
  ...diskEntries,
  ...diskErrorEntries,
  ...mediaEntries,
  ...networkEntries,
  ...outsideEntries,
];

/** The entry of this name. */
export const entryNamed = finderIn(faultMenu);
