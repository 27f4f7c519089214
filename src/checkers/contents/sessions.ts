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

/** Evidence of `read-your-writes` on a set or list, for what a session removed. */
export interface ReturnedElement {
  readonly element: Element;
  readonly session: number | string;
  /** The session's own `remove`, and the read that shows the element all the same. */
  readonly removedBy: number;
  readonly seenIn: number;
}

/**
 * Read your writes: what a session's own `add` was acknowledged for, its later reads show; what its own `remove` was acknowledged for,
 * they do not. A removal excuses as for monotonic reads, but not one that had been answered before the `add` began; an `add` of
 * anybody that had not been answered when the `remove` began excuses its sight. What is in doubt binds nobody.
 */
export function checkSetReadYourWrites(operations: readonly Operation[], options: SessionOptions = {}): Violation[] {
  const lost = forgotten(operations, options, 'read-your-writes', (operation) =>
    operation.f === 'add' || operation.f === 'append' ? [elementOf(operation)] : [],
  );
  return [...lost, ...returned(operations, options)];
}

function forgotten(
  operations: readonly Operation[],
  options: SessionOptions,
  check: 'monotonic-reads' | 'read-your-writes',
  learnedFrom: (operation: Operation) => readonly Element[],
): Violation[] {
  const stories = storiesOf(operations);
  const found: Violation[] = [];
  forEachRead(operations, options, learnedFrom, (session, read, known) => {
    const present = new Set(elementsOf(read));
    for (const [element, source] of known) {
      if (present.has(element)) continue;
      const excuses = (stories.get(element)?.removes ?? []).filter(
        (remove) =>
          mayHaveHappened(remove) &&
          remove.invokedOrder < read.completedOrder &&
          (check === 'monotonic-reads' || effectBefore(remove) > source.invokedOrder),
      );
      if (excuses.length === 0) found.push(forgot(check, session, element, source, read));
      // Told once, or excused for all later reads; it may be learned again.
      if (excuses.length === 0 || excuses.some(({ invokedOrder }) => invokedOrder < read.invokedOrder))
        known.delete(element);
    }
  });
  return found;
}

/** What a session removed, and read afterwards although nobody can have added it again. */
function returned(operations: readonly Operation[], options: SessionOptions): Violation[] {
  const stories = storiesOf(operations);
  const found: Violation[] = [];
  const removedBy = (operation: Operation) => (operation.f === 'remove' ? [elementOf(operation)] : []);
  forEachRead(operations, options, removedBy, (session, read, gone) => {
    for (const element of new Set(elementsOf(read))) {
      const source = gone.get(element);
      if (source === undefined) continue;
      const isExcused = (stories.get(element)?.adds ?? []).some(
        (add) =>
          mayHaveHappened(add) && add.invokedOrder < read.completedOrder && effectBefore(add) > source.invokedOrder,
      );
      if (isExcused) continue;
      gone.delete(element); // told once
      const evidence: ReturnedElement = { element, session, removedBy: source.id, seenIn: read.id };
      found.push({
        check: 'read-your-writes',
        message: `session ${session} had removed ${element}, nobody added it again, but its later read shows it`,
        atMs: read.completedAt,
        operations: [source.id, read.id],
        evidence,
      });
    }
  });
  return found;
}

/** Calls back for each answered read of each session, with what the session had learned before it began, and from which operation. */
function forEachRead(
  operations: readonly Operation[],
  options: SessionOptions,
  learnedFrom: (operation: Operation) => readonly Element[],
  look: (session: number | string, read: Operation, known: Map<Element, Operation>) => void,
): void {
  for (const [session, own] of sessionsOf(operations, options)) {
    const answered = byInvocation(own).filter(({ outcome }) => outcome === 'ok');
    const told = [...answered].sort((a, b) => a.completedOrder - b.completedOrder);
    const known = new Map<Element, Operation>();
    let next = 0;
    for (const operation of answered) {
      // Operations of one session may run side by side: only what it had been told by then binds it.
      for (let one = told[next]; one !== undefined && one.completedOrder < operation.invokedOrder; one = told[++next]) {
        for (const element of learnedFrom(one)) {
          if (one.invokedOrder > (known.get(element)?.invokedOrder ?? Number.NEGATIVE_INFINITY))
            known.set(element, one);
        }
      }
      if (operation.f === 'read') look(session, operation, known);
    }
  }
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
