import { putRightId, type ScenarioDocument } from '../definition.ts';
import { ddmin } from './ddmin.ts';
import type { Outcome, Search } from './search.ts';
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

/** A step that is left, and what the run comes to without it. */
export interface StepLeft {
  /** `disk.sync-error at 500ms`. */
  readonly text: string;
  readonly without: Exclude<Outcome, 'taken' | 'no smaller'>;
}

/** Whether it was shown that the failure is not there without the step. What could not be judged shows nothing. */
export function isNecessary({ without }: StepLeft): boolean {
  return without === 'holds' || without === 'fails otherwise';
}

/** Tries the run without each step that is left. A step without which the run fails all the same goes. */
export async function counterfactuals(search: Search): Promise<readonly StepLeft[]> {
  search.prove();
  let steps = ownSteps(search);
  const outcomes = new Map<Step, StepLeft['without']>();
  for (let index = 0; index < steps.length; ) {
    const step = steps[index];
    if (step === undefined) throw new Error('unreachable: the index is below the length');
    const before = search.document;
    const outcome = await search.tryOut(withOwnSteps(search, steps.toSpliced(index, 1)));
    if (search.document !== before) {
      // Others may have become dispensable by it.
      steps = ownSteps(search);
      outcomes.clear();
      index = 0;
      continue;
    }
    // Taken or refused as no smaller at an earlier time, and so not shown to be needed.
    outcomes.set(step, outcome === 'taken' || outcome === 'no smaller' ? 'untried' : outcome);
    index++;
  }
  return steps.map((step) => ({ text: textOf(step), without: outcomes.get(step) ?? 'untried' }));
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
