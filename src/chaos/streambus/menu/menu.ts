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

const byName = new Map(faultMenu.map((entry) => [entry.name, entry]));

/** The entry of this name. */
export function entryNamed(name: string): FaultEntry {
  const entry = byName.get(name);
  if (entry === undefined) throw new Error(`the menu has no ${name}`);
  return entry;
}
