import { AsyncLocalStorage } from 'node:async_hooks';
import type { EventOwner } from './eventHeap.ts';

/**
 * Whose code is running. The mark follows the code through promises: a continuation of a simulated process carries it,
 * a continuation of the stand does not, even where both run between the same two events.
 */
const marks = new AsyncLocalStorage<EventOwner>();

/** The simulated process whose code is running, or undefined in the stand and outside of runs. */
export function runningProcess(): EventOwner | undefined {
  return marks.getStore();
}

/** What runs from here on, up to the next event, is nobody's: Node's own handling of an error that was thrown. */
export function leaveProcess(): void {
  // The store's type has no room for "none", which Node has.
  marks.enterWith(undefined as unknown as EventOwner);
}

/** A function that runs others as code of this process. */
export function entrance(owner: EventOwner): (fn: () => void) => void {
  return marks.run(owner, () => AsyncLocalStorage.snapshot());
}

/** A function that runs others as code of no process, whoever calls it. */
export const asStand: <T>(fn: () => T) => T = AsyncLocalStorage.snapshot();
