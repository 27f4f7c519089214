import type { Operation } from './history.ts';

/**
 * The last moment at which an operation can have taken effect, in the order of the history: its answer, if that was `ok`.
 * Without an answer that counts (`info`) it may do so at any time from then on: a request may lie in a queue for hours.
 */
export function effectBefore({ outcome, completedOrder }: Operation): number {
  return outcome === 'ok' ? completedOrder : Number.POSITIVE_INFINITY;
}

/** Whether it took effect or may have: everything but `fail`. */
export function mayHaveHappened({ outcome }: Operation): boolean {
  return outcome !== 'fail';
}

/** The one with the highest invocation; undefined of none. */
export function lastInvoked(operations: readonly Operation[]): Operation | undefined {
  return operations.reduce<Operation | undefined>(
    (last, operation) => (last === undefined || operation.invokedOrder > last.invokedOrder ? operation : last),
    undefined,
  );
}
