import { effectBefore, lastInvoked, mayHaveHappened } from '../effect.ts';
import type { Operation, Violation } from '../history.ts';
import { type Element, type ElementStory, type Observation, storiesOf } from './operations.ts';

/** Evidence of `durable`. */
export interface LostElement {
  readonly element: Element;
  /** Name of the first observation in which it is missing. */
  readonly missingIn: string;
}

/**
 * What was acknowledged before somebody looked is there, unless a removal can have come after it: one that is in doubt, or
 * that had not been answered when the last acknowledged `add` began. One violation for each lost element, at the first
 * observation in which it is missing; its operations are the acknowledged adds and the read.
 */
export function checkDurability(operations: readonly Operation[], observations: readonly Observation[]): Violation[] {
  const stories = storiesOf(operations);
  const found: Violation[] = [];
  const reported = new Set<Element>();
  for (const observation of observations) {
    const present = new Set(observation.elements);
    for (const story of stories.values()) {
      if (present.has(story.element) || reported.has(story.element)) continue;
      const acknowledged = lossOf(story, observation);
      if (acknowledged.length === 0) continue;
      reported.add(story.element);
      found.push(lost(story.element, acknowledged, observation));
    }
  }
  return found;
}

/** The acknowledged adds of an element that should be seen here; none if its absence has an explanation. */
function lossOf({ adds, removes }: ElementStory, { fromOrder, toOrder }: Observation): Operation[] {
  const acknowledged = adds.filter(({ outcome, completedOrder }) => outcome === 'ok' && completedOrder < fromOrder);
  const last = lastInvoked(acknowledged);
  if (last === undefined) return [];
  const isExplained = removes.some(
    (remove) => mayHaveHappened(remove) && remove.invokedOrder < toOrder && effectBefore(remove) > last.invokedOrder,
  );
  return isExplained ? [] : acknowledged;
}

function lost(element: Element, acknowledged: readonly Operation[], { name, operation }: Observation): Violation {
  const evidence: LostElement = { element, missingIn: name };
  return {
    check: 'durable',
    message: `${element} was acknowledged and nobody removed it, but it is not in ${name}`,
    ...(operation === undefined ? {} : { atMs: operation.completedAt }),
    operations: [...acknowledged.map(({ id }) => id), ...(operation === undefined ? [] : [operation.id])],
    evidence,
  };
}
