import { effectBefore, mayHaveHappened } from '../effect.ts';
import type { Operation, Violation } from '../history.ts';
import { byInvocation, type SessionOptions, sessionsOf } from '../sessions.ts';
import { type Element, elementOf, elementsOf, storiesOf } from './operations.ts';

/** Evidence of `monotonic-reads` and `read-your-writes` on a set or list. */
export interface ForgottenElement {
  readonly element: Element;
  readonly session: number | string;
  /** The read that saw it, or the session's own `add`. */
  readonly knownFrom: number;
  /** The read that did not. */
  readonly missingIn: number;
}

/**
 * Monotonic reads (Terry et al., "Session guarantees for weakly consistent replicated data", 1994): what a session has read,
 * it reads again, unless somebody can have removed it: any removal that began before the later read was answered and did not fail,
 * since a replica may learn of an old removal late. One violation for each element and session.
 */
export function checkSetMonotonicReads(operations: readonly Operation[], options: SessionOptions = {}): Violation[] {
  return forgotten(operations, options, 'monotonic-reads', (operation) =>
    operation.f === 'read' ? elementsOf(operation) : [],
  );
}

/**
 * Read your writes: what a session's own `add` was acknowledged for, its later reads show. A removal excuses as for monotonic
 * reads, but not one that had been answered before the `add` began. An `add` in doubt binds nobody.
 */
export function checkSetReadYourWrites(operations: readonly Operation[], options: SessionOptions = {}): Violation[] {
  return forgotten(operations, options, 'read-your-writes', (operation) =>
    operation.f === 'add' || operation.f === 'append' ? [elementOf(operation)] : [],
  );
}

function forgotten(
  operations: readonly Operation[],
  options: SessionOptions,
  check: 'monotonic-reads' | 'read-your-writes',
  learnedFrom: (operation: Operation) => readonly Element[],
): Violation[] {
  const stories = storiesOf(operations);
  const found: Violation[] = [];
  for (const [session, own] of sessionsOf(operations, options)) {
    const known = new Map<Element, Operation>();
    for (const operation of byInvocation(own)) {
      if (operation.outcome !== 'ok') continue;
      if (operation.f === 'read') {
        const present = new Set(elementsOf(operation));
        for (const [element, source] of known) {
          if (present.has(element)) continue;
          known.delete(element); // told once; it may be learned again
          const isExcused = (stories.get(element)?.removes ?? []).some(
            (remove) =>
              mayHaveHappened(remove) &&
              remove.invokedOrder < operation.completedOrder &&
              (check === 'monotonic-reads' || effectBefore(remove) > source.invokedOrder),
          );
          if (!isExcused) found.push(forgot(check, session, element, source, operation));
        }
      }
      for (const element of learnedFrom(operation)) known.set(element, operation);
    }
  }
  return found;
}

function forgot(
  check: 'monotonic-reads' | 'read-your-writes',
  session: number | string,
  element: Element,
  source: Operation,
  read: Operation,
): Violation {
  const evidence: ForgottenElement = { element, session, knownFrom: source.id, missingIn: read.id };
  const verb = check === 'monotonic-reads' ? 'read' : 'added';
  return {
    check,
    message: `session ${session} had ${verb} ${element}, nobody removed it, but its later read does not show it`,
    atMs: read.completedAt,
    operations: [source.id, read.id],
    evidence,
  };
}
