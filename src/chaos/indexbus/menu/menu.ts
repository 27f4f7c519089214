import { finderIn } from '../../faultMenu.ts';
import type { FaultEntry } from './entry.ts';
import { groupEntries } from './groups.ts';
import { memoryEntries } from './memory.ts';
import { operatorEntries } from './operators.ts';
import { processEntries } from './processes.ts';
import { reshapingEntries } from './reshaping.ts';
import { ringEntries } from './rings.ts';

/** Everything that may happen to a bus and those on it. */
export const faultMenu: readonly FaultEntry[] = [
  ...processEntries,
  ...memoryEntries,
  ...operatorEntries,
  ...groupEntries,
  ...ringEntries,
  ...reshapingEntries,
];

/** The entry of this name. */
export const entryNamed = finderIn(faultMenu);
