import { putRightId, type ScenarioDocument } from '../definition.ts';
import { ddmin } from './ddmin.ts';
import type { Search } from './search.ts';
import { type Step, stepsOf, withSteps } from './timeline.ts';

/** Fewer steps: delta debugging over the timeline. What is derived from the steps comes and goes by itself. */
export async function shrinkSteps(search: Search): Promise<void> {
  await ddmin(ownSteps(search), (kept) => search.attempt(withOwnSteps(search, kept)));
}

/** The smallest so far with one step less, in each way. */
export function documentsWithoutOneStep(search: Search): ScenarioDocument[] {
  const steps = ownSteps(search);
  return steps.map((_, index) => withOwnSteps(search, steps.toSpliced(index, 1)));
}

/**
 * Tries the run without each step that is left. A step without which the run fails all the same goes; the others are shown
 * to be necessary.
 */
export async function counterfactuals(
  search: Search,
): Promise<{ readonly text: string; readonly necessary: boolean | undefined }[]> {
  search.begin('necessity');
  let steps = ownSteps(search);
  const outcomes = new Map<Step, boolean | undefined>();
  for (let index = 0; index < steps.length; ) {
    const step = steps[index];
    if (step === undefined) throw new Error('unreachable: the index is below the length');
    if (await search.attempt(withOwnSteps(search, steps.toSpliced(index, 1)))) {
      // Others may have become dispensable by it.
      steps = ownSteps(search);
      outcomes.clear();
      index = 0;
      continue;
    }
    // A refusal for want of budget shows nothing.
    outcomes.set(step, search.ended === undefined ? true : undefined);
    index++;
  }
  return steps.map((step) => ({ text: textOf(step), necessary: outcomes.get(step) }));
}

function ownSteps(search: Search): readonly Step[] {
  return stepsOf(search.document).filter((step) => step.id !== putRightId);
}

/** What puts right in the end stays in a file of chaos whose demands are no longer derived: they count on it. */
function withOwnSteps(search: Search, kept: readonly Step[]): ScenarioDocument {
  const puttingRight = stepsOf(search.document).filter((step) => step.id === putRightId);
  return withSteps(search.document, search.isCompleted ? kept : [...kept, ...puttingRight]);
}

function textOf(step: Step): string {
  const what = ['fault', 'operator', 'load', 'heal', 'expect'].find((kind) => kind in step) ?? 'step';
  const value = step[what];
  const name =
    what === 'fault' ? String(value) : `${what} ${typeof value === 'string' ? value : JSON.stringify(value)}`;
  const when = step.at ?? step.after ?? step.when;
  return `${name} ${step.at === undefined ? 'after' : 'at'} ${String(when)}`;
}
