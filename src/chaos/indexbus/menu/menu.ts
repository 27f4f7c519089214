import { finderIn } from '../../faultMenu.ts';
import type { FaultEntry } from './entry.ts';
import { groupEntries } from './groups.ts';
import { memoryEntries } from './memory.ts';
import { operatorEntries } from './operators.ts';
import { processEntries } from './processes.ts';

/** Everything that may happen to a bus and those on it. */
export const faultMenu: readonly FaultEntry[] = [
  ...processEntries,
  ...memoryEntries,
  ...operatorEntries,
  ...groupEntries,
];

/** The entry of this name. */
export const entryNamed = finderIn(faultMenu);
