import { effectBefore, lastInvoked, mayHaveHappened } from '../effect.ts';
import type { Operation, Violation } from '../history.ts';
import { type Element, type ElementStory, type Observation, storiesOf } from './operations.ts';

/** Evidence of `no-resurrection`. */
export interface RisenElement {
  readonly element: Element;
  readonly seenIn: string;
  /** The answered removal that nobody can have undone. */
  readonly removedBy?: number;
  /** Or: name of the earlier observation in which it was missing. */
  readonly missingIn?: string;
}

/**
 * What is gone stays gone, unless somebody can have added it again: nothing is seen after its removal was answered, nor after an
 * observation without it, when every `add` of it had been answered before. An `add` in doubt may still come. What was never
 * added, or failed, is a phantom and not looked at here.
 */
export function checkNoResurrection(
  operations: readonly Operation[],
  observations: readonly Observation[],
): Violation[] {
  const stories = storiesOf(operations);
  const absences = new Absences(observations);
  const found: Violation[] = [];
  const reported = new Set<Element>();
  for (const observation of observations) {
    for (const element of new Set(observation.elements)) {
      const story = stories.get(element);
      if (story === undefined || reported.has(element)) continue;
      const adds = story.adds.filter((add) => mayHaveHappened(add) && add.invokedOrder < observation.toOrder);
      if (adds.length === 0) continue;
      // From this moment on nothing can have brought it back.
      const settled = adds.reduce((latest, add) => Math.max(latest, effectBefore(add)), 0);
      const violation =
        afterRemoval(story, observation, settled, adds) ?? afterAbsence(element, observation, settled, adds, absences);
      if (violation === undefined) continue;
      reported.add(element);
      found.push(violation);
    }
  }
  return found;
}

function afterRemoval(
  { element, removes }: ElementStory,
  observation: Observation,
  settled: number,
  adds: readonly Operation[],
): Violation | undefined {
  const removed = lastInvoked(
    removes.filter(({ outcome, completedOrder }) => outcome === 'ok' && completedOrder < observation.fromOrder),
  );
  if (removed === undefined || removed.invokedOrder <= settled) return undefined;
  const evidence: RisenElement = { element, seenIn: observation.name, removedBy: removed.id };
  return risen(`${element} was removed and not added again, but it is in ${observation.name}`, observation, evidence, [
    ...adds,
    removed,
  ]);
}

function afterAbsence(
  element: Element,
  observation: Observation,
  settled: number,
  adds: readonly Operation[],
  absences: Absences,
): Violation | undefined {
  const earlier = absences.first(element, settled, observation.fromOrder);
  if (earlier === undefined) return undefined;
  const evidence: RisenElement = { element, seenIn: observation.name, missingIn: earlier.name };
  const message = `${element} was missing in ${earlier.name} and not added again, but it is in ${observation.name}`;
  return risen(message, observation, evidence, [
    ...adds,
    ...(earlier.operation === undefined ? [] : [earlier.operation]),
  ]);
}

function risen(
  message: string,
  { operation }: Observation,
  evidence: RisenElement,
  operations: readonly Operation[],
): Violation {
  return {
    check: 'no-resurrection',
    message,
    ...(operation === undefined ? {} : { atMs: operation.completedAt }),
    operations: [...operations, ...(operation === undefined ? [] : [operation])].map(({ id }) => id),
    evidence,
  };
}

/** Which looks did not show an element. Asked for each element of each look, answered from the one before where nothing has changed. */
class Absences {
  readonly #looks: readonly { readonly observation: Observation; readonly present: ReadonlySet<Element> }[];
  readonly #known = new Map<Element, { readonly settled: number; readonly first: Observation | undefined }>();

  constructor(observations: readonly Observation[]) {
    this.#looks = observations
      .map((observation) => ({ observation, present: new Set(observation.elements) }))
      .sort(({ observation: { toOrder: a } }, { observation: { toOrder: b } }) => (a < b ? -1 : a > b ? 1 : 0)); // two may be Infinity
  }
  /** The first look without the element that began after `settled` and ended before `before`. */
  first(element: Element, settled: number, before: number): Observation | undefined {
    let known = this.#known.get(element);
    if (known?.settled !== settled) {
      const look = this.#looks.find(
        ({ observation, present }) => observation.fromOrder > settled && !present.has(element),
      );
      known = { settled, first: look?.observation };
      this.#known.set(element, known);
    }
    return known.first !== undefined && known.first.toOrder < before ? known.first : undefined;
  }
}
