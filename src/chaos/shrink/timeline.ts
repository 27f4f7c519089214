import type { ScenarioDocument } from '../definition.ts';
import { isMap, type Plain } from './edit.ts';

/** A step as the document has it. */
export type Step = Plain;

/** The steps of a document's timeline. */
export function stepsOf(document: ScenarioDocument): readonly Step[] {
  return Array.isArray(document.timeline) ? document.timeline.filter(isMap) : [];
}

/** The same document with these steps. Steps that refer to one that is gone go too, as do expectations of it. */
export function withSteps(document: ScenarioDocument, steps: readonly Step[]): ScenarioDocument {
  const kept = consistent(steps);
  const ids = new Set(kept.map(idOf));
  const gone = stepsOf(document)
    .map(idOf)
    .filter((id): id is string => id !== undefined && !ids.has(id));
  return {
    ...document,
    timeline: kept,
    ...(isMap(document.expect) && gone.length > 0 ? { expect: withoutMentions(document.expect, gone) } : {}),
  };
}

/** Each step that has no name gets the one that it would be given: `step-3`. So it keeps it when others go. */
export function withNamedSteps(document: ScenarioDocument): ScenarioDocument {
  return { ...document, timeline: stepsOf(document).map((step, index) => ({ id: `step-${index + 1}`, ...step })) };
}

/** Takes such names away again from the steps that nothing refers to. */
export function withoutGivenNames(document: ScenarioDocument): ScenarioDocument {
  const referred = new Set(stepsOf(document).flatMap(refersTo));
  const expect = JSON.stringify(document.expect ?? {});
  const isGiven = (id: unknown) =>
    typeof id === 'string' && /^step-\d+$/.test(id) && !referred.has(id) && !mentions(expect, id);
  return {
    ...document,
    timeline: stepsOf(document).map(({ id, ...step }) => (id === undefined || isGiven(id) ? step : { id, ...step })),
  };
}

function idOf(step: Step): string | undefined {
  return typeof step.id === 'string' ? step.id : undefined;
}

/** Ids of the steps without which this one cannot be. */
function refersTo(step: Step): string[] {
  const after = typeof step.after === 'string' ? [step.after.replace(/^end of /, '')] : [];
  return [...after, ...healed(step)];
}

function healed(step: Step): string[] {
  return step.heal === undefined
    ? []
    : [step.heal]
        .flat()
        .map(String)
        .filter((id) => id !== 'all');
}

/** Without what refers to nothing, however long the chain. */
function consistent(steps: readonly Step[]): readonly Step[] {
  const ids = new Set(steps.map(idOf));
  const kept = steps.flatMap((step) => {
    const after = typeof step.after === 'string' ? step.after.replace(/^end of /, '') : undefined;
    if (after !== undefined && !ids.has(after)) return [];
    const wanted = healed(step);
    if (wanted.length === 0) return [step];
    const left = wanted.filter((id) => ids.has(id));
    return left.length === 0 ? [] : [left.length === wanted.length ? step : { ...step, heal: left }];
  });
  return kept.length === steps.length ? kept : consistent(kept);
}

/** Drops the entries of each list of expectations that mention a step. */
function withoutMentions(expect: Plain, ids: readonly string[]): Plain {
  return Object.fromEntries(
    Object.entries(expect).map(([key, value]) => [
      key,
      Array.isArray(value) && key !== 'checks' && key !== 'exits'
        ? value.filter((entry) => !ids.some((id) => mentions(JSON.stringify(entry), id)))
        : value,
    ]),
  );
}

/** As expectations speak of steps: `2m of slow`, `EXPR during slow`. A bare word may be the name of a metric. */
function mentions(text: string, id: string): boolean {
  return new RegExp(`\\b(?:of|at|during|from|to|after) ${id}(?![\\w-])`).test(text);
}
