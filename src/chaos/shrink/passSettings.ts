import type { ScenarioDocument } from '../definition.ts';
import { ddmin } from './ddmin.ts';
import { leavesBelow, type Path, withoutValue } from './edit.ts';
import type { Search } from './search.ts';

/** Without the rare paths that are taken at random. */
export async function shrinkBuggify(search: Search): Promise<void> {
  await search.attempt(withoutValue(search.document, ['buggify']));
}

/** Configuration and disks: every key that need not be there goes, and what counts then is the default. */
export async function shrinkSettings(search: Search): Promise<void> {
  const roots: readonly Path[] = [
    ['cluster', 'config'],
    ['cluster', 'devices'],
  ];
  const keys = roots.flatMap((root) => leavesBelow(search.document, root));
  const base = search.document;
  await ddmin(keys, (kept) => search.attempt(without(base, keys, kept)));
}

function without(document: ScenarioDocument, all: readonly Path[], kept: readonly Path[]): ScenarioDocument {
  return all.filter((path) => !kept.includes(path)).reduce((left, path) => withoutValue(left, path), document);
}
