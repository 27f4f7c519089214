import type { ScenarioDocument } from '../definition.ts';
import { documentsWithoutOneNode } from './passNodes.ts';
import { documentsWithoutOneStep } from './passSteps.ts';
import type { Search } from './search.ts';

/** Other seeds that are tried for each smaller document. */
const seedsTried = 3;

/**
 * Takes away what the seed alone seems to need. A fault that goes shifts every random choice after it (which sectors a loss of
 * power tears), and a failure that hangs on one of them is gone though the fault had no part in it: under another seed the
 * smaller run may fail alike. Last of the passes, since a seed that changes explains less than one that stays.
 */
export async function shrinkWithOtherSeeds(search: Search): Promise<void> {
  for (let index = 0; ; ) {
    const smaller = [...documentsWithoutOneNode(search), ...documentsWithoutOneStep(search)];
    const document = smaller[index];
    if (document === undefined || search.ended !== undefined) return;
    if (await failsUnderAnotherSeed(search, document)) index = 0;
    else index++;
  }
}

async function failsUnderAnotherSeed(search: Search, document: ScenarioDocument): Promise<boolean> {
  const seed = Number(document.seed ?? 1);
  for (let other = 1; other <= seedsTried; other++) {
    // Small numbers, the same for every document: nothing is read out of the seed that is given up.
    if (other !== seed && (await search.attempt({ ...document, seed: other }))) return true;
  }
  return false;
}
