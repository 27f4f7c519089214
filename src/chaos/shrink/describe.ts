import { formatDuration } from '../../faults/units.ts';
import type { ScenarioDocument } from '../definition.ts';
import type { StepLeft } from './passSteps.ts';
import type { RunSize } from './search.ts';
import type { ShrinkExplanation } from './shrink.ts';

/** What shrinking came to, in a few sentences: for a scenario's description and the comment above it. */
export function describeShrinking(explanation: ShrinkExplanation): string {
  const { before, after, runs, oneMinimal, endedBy } = explanation;
  const left = explanation.steps.length;
  const why =
    left === 0
      ? 'It fails without any fault.'
      : oneMinimal
        ? `Without ${left === 1 ? 'the one step that is left' : `any one of the ${left} steps that are left`} it does not fail so.`
        : unshownText(explanation);
  const end = { minimal: '', runs: ' The budget of runs ended the search.', stopped: ' The search was ended early.' };
  return `Shrunk from ${sizeText(before)} to ${sizeText(after)} in ${runs} runs. ${why}${end[endedBy]}`;
}

/** What became of the run without a step, in words. */
export function withoutStepText({ without }: StepLeft): string {
  switch (without) {
    case 'holds':
      return 'necessary: without it the run holds';
    case 'fails otherwise':
      return 'necessary: without it another check fails';
    case 'unjudged':
      return 'not shown to be necessary: the run without it cannot be judged';
    case 'fails without the bug':
      return 'not shown to be necessary: without it the run fails without the planted bug too';
    case 'untried':
      return 'not tried without';
  }
}

function unshownText({ steps }: ShrinkExplanation): string {
  const count = (without: StepLeft['without']) => steps.filter((step) => step.without === without).length;
  const causes = [
    [count('untried'), 'not tried'],
    [count('unjudged'), 'not judgeable without the step'],
    [count('fails without the bug'), 'failing without the planted bug too'],
  ] as const;
  const text = causes.flatMap(([number, cause]) => (number === 0 ? [] : [`${number} ${cause}`])).join(', ');
  return `That each of the ${steps.length} steps that are left is needed was not shown (${text}).`;
}

/** `40 faults, 5 nodes, 2000 operations, 14s`. */
export function sizeText({ faults, nodes, operations, virtualMs }: RunSize): string {
  const count = (number: number, word: string) => `${number} ${word}${number === 1 ? '' : 's'}`;
  return [
    count(faults, 'fault'),
    count(nodes, 'node'),
    count(operations, 'operation'),
    formatDuration(Math.round(virtualMs)),
  ].join(', ');
}

/** The document with this at the end of its description, so that reports show it. */
export function describedBy(document: ScenarioDocument, explanation: ShrinkExplanation): ScenarioDocument {
  const { title, source, description, ...rest } = document;
  const told = typeof description === 'string' ? `${description.trimEnd()} ` : '';
  return {
    title,
    ...(source === undefined ? {} : { source }),
    description: `${told}${describeShrinking(explanation)}`,
    ...rest,
  };
}
