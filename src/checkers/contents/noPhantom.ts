import { mayHaveHappened } from '../effect.ts';
import type { Operation, Violation } from '../history.ts';
import { type Element, type ElementStory, type Observation, storiesOf } from './operations.ts';

/** Evidence of `no-phantom`. */
export interface PhantomElement {
  readonly element: Element;
  readonly seenIn: string;
  /** Nobody had asked for it yet; everybody who asked was told that it failed; it is there more often than it was added. */
  readonly reason: 'never-added' | 'failed' | 'too-often';
}

/**
 * What is there was put there: somebody had begun to add it, not everybody who did was told `fail`, and it is there at most as
 * often as it was added. An `add` in doubt may be there or not. One violation for each element, at its first observation.
 */
export function checkNoPhantom(operations: readonly Operation[], observations: readonly Observation[]): Violation[] {
  const stories = storiesOf(operations);
  const found: Violation[] = [];
  const reported = new Set<Element>();
  for (const observation of observations) {
    for (const [element, times] of countsOf(observation.elements)) {
      if (reported.has(element)) continue;
      const story = stories.get(element) ?? { element, adds: [], removes: [] };
      const reason = reasonOf(story, times, observation);
      if (reason === undefined) continue;
      reported.add(element);
      found.push(phantom(story, times, observation, reason));
    }
  }
  return found;
}

function reasonOf(
  { adds }: ElementStory,
  times: number,
  { toOrder }: Observation,
): PhantomElement['reason'] | undefined {
  const asked = adds.filter(({ invokedOrder }) => invokedOrder < toOrder);
  const possible = asked.filter(mayHaveHappened);
  if (possible.length >= times) return undefined;
  if (possible.length > 0) return 'too-often';
  return asked.length === 0 ? 'never-added' : 'failed';
}

function phantom(
  { element, adds }: ElementStory,
  times: number,
  { name, operation }: Observation,
  reason: PhantomElement['reason'],
): Violation {
  const why = {
    'never-added': 'nobody had added it',
    failed: 'every add of it was told that it failed',
    'too-often': `it stands there ${times} times, more often than it was added`,
  }[reason];
  const evidence: PhantomElement = { element, seenIn: name, reason };
  return {
    check: 'no-phantom',
    message: `${element} is in ${name}, but ${why}`,
    ...(operation === undefined ? {} : { atMs: operation.completedAt }),
    operations: [...adds.map(({ id }) => id), ...(operation === undefined ? [] : [operation.id])],
    evidence,
  };
}

function countsOf(elements: readonly Element[]): Map<Element, number> {
  const counts = new Map<Element, number>();
  for (const element of elements) counts.set(element, (counts.get(element) ?? 0) + 1);
  return counts;
}
