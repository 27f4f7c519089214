import { putRightId, type ScenarioDocument } from '../definition.ts';
import { leavesBelow, type Path, valueAt, withoutValue, withValue } from './edit.ts';
import { lower, quantityOf } from './lower.ts';
import type { Search } from './search.ts';
import { type Step, stepsOf } from './timeline.ts';

/** Keys of a step that say when it happens and what it is. */
const ownKeys = ['id', 'at', 'when', 'after', 'within', 'fault', 'operator', 'on', 'answer', 'load', 'heal', 'expect'];

/** Simpler steps: fewer nodes, parameters at their defaults or as small as they may be, shorter durations. */
export async function shrinkParameters(search: Search): Promise<void> {
  const count = stepsOf(search.document).length;
  for (let index = 0; index < count; index++) {
    const step = stepsOf(search.document)[index];
    if (step === undefined || step.id === putRightId) continue;
    if (step.nodes !== undefined) await shrinkTargets(search, index);
    for (const path of leavesBelow(step)) {
      if (ownKeys.includes(String(path[0])) || path[0] === 'nodes') continue;
      await shrinkParameter(search, index, path);
    }
  }
}

/** One node instead of several. */
async function shrinkTargets(search: Search, index: number): Promise<void> {
  const names = search.nodeNames();
  const now = [valueAt(stepsOf(search.document)[index], ['nodes'])].flat().map(String);
  if (now.length === 1 && names.includes(String(now[0]))) return;
  const candidates = now.length > 1 ? now : names;
  for (const name of candidates) if (await attempt(search, index, (step) => ({ ...step, nodes: name }))) return;
}

async function shrinkParameter(search: Search, index: number, path: Path): Promise<void> {
  const isDuration = path.length === 1 && path[0] === 'duration';
  // Without its duration a fault lasts until the end: that is no simpler.
  if (!isDuration && (await attempt(search, index, (step) => withoutValue(step, path)))) return;
  const value = valueAt(stepsOf(search.document)[index], path);
  const quantity = isDuration && typeof value === 'number' ? quantityOf(`${value}ms`) : quantityOf(value);
  if (quantity === undefined) return;
  await lower(quantity.value, (next) => attempt(search, index, (step) => withValue(step, path, quantity.write(next))));
}

function attempt(search: Search, index: number, change: (step: Step) => Step): Promise<boolean> {
  const steps = stepsOf(search.document);
  const step = steps[index];
  if (step === undefined) throw new Error('unreachable: no step is taken away by this pass');
  const document: ScenarioDocument = { ...search.document, timeline: steps.with(index, change(step)) };
  return search.attempt(document);
}
