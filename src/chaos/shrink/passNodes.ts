import type { ScenarioDocument } from '../definition.ts';
import { isMap, valueAt, withoutValue, withValue } from './edit.ts';
import type { Search, StandFacts } from './search.ts';
import { type Step, stepsOf, withSteps } from './timeline.ts';

/** Fewer nodes: any one of them alone, else one less at a time. Who is left is numbered anew. */
export async function shrinkNodes(search: Search): Promise<void> {
  const { stand } = search;
  if (stand === undefined) return;
  const all = nodesOf(search.document, stand);
  if (all < 2) return;
  for (let only = 1; only <= all; only++) {
    if (await search.attempt(withNodes(search.document, [only], stand))) return;
  }
  for (let gone = all; gone >= 1 && all > 2; gone--) {
    const count = nodesOf(search.document, stand);
    if (gone > count || count < 3) continue;
    const kept = Array.from({ length: count }, (_, index) => index + 1).filter((node) => node !== gone);
    await search.attempt(withNodes(search.document, kept, stand));
  }
}

/** The smallest so far with one node less, in each way. */
export function documentsWithoutOneNode({ document, stand }: Search): ScenarioDocument[] {
  if (stand === undefined) return [];
  const all = Array.from({ length: nodesOf(document, stand) }, (_, index) => index + 1);
  if (all.length < 2) return [];
  return all.map((gone) =>
    withNodes(
      document,
      all.filter((node) => node !== gone),
      stand,
    ),
  );
}

function nodesOf(document: ScenarioDocument, { defaultNodes }: StandFacts): number {
  const nodes = valueAt(document, ['cluster', 'nodes']);
  return typeof nodes === 'number' ? nodes : defaultNodes;
}

/** The document with these nodes alone, by their numbers: steps about others go. */
function withNodes(document: ScenarioDocument, kept: readonly number[], stand: StandFacts): ScenarioDocument {
  const { nodeName } = stand;
  const all = Array.from({ length: nodesOf(document, stand) }, (_, index) => nodeName(index + 1));
  const names = kept.map(nodeName);
  const gone = all.filter((name) => !names.includes(name));
  const steps = stepsOf(document).flatMap((step) => withoutNodes(step, gone));
  const renamed = new Map(names.map((name, index) => [name, nodeName(index + 1)]));
  const fewer = rename(withSteps(document, steps), renamed);
  const cluster = isMap(fewer.cluster) ? fewer.cluster : {};
  return kept.length === stand.defaultNodes
    ? withoutValue({ ...fewer, cluster }, ['cluster', 'nodes'])
    : withValue({ ...fewer, cluster }, ['cluster', 'nodes'], kept.length);
}

/** The step about the nodes that are left; none when it was about others alone. */
function withoutNodes(step: Step, gone: readonly string[]): Step[] {
  if (step.nodes === undefined) return [step];
  const named = [step.nodes].flat();
  const left = named.filter((name) => !gone.includes(String(name)));
  if (left.length === named.length) return [step];
  return left.length === 0 ? [] : [{ ...step, nodes: left.length === 1 ? left[0] : left }];
}

/** Writes new names wherever the old ones stand: in steps, command lines, expectations. */
function rename(document: ScenarioDocument, names: ReadonlyMap<string, string>): ScenarioDocument {
  const text = JSON.stringify(document).replaceAll(/[A-Za-z][\w-]*-\d+/g, (word) => names.get(word) ?? word);
  return JSON.parse(text) as ScenarioDocument; // it was one, and names are all that changed
}
