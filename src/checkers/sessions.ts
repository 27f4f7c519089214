import type { Operation } from './history.ts';

/** Who belongs together. */
export interface SessionOptions {
  /**
   * The session of an operation. Default: its process. Operations of one session may run side by side: one is bound by what had been
   * answered before it began. After an `info` a client goes
   * on under a new process number; one that keeps its session across that says so here, by `node` or by its input.
   */
  readonly sessionOf?: (operation: Operation) => number | string;
}

/** The operations, session by session. */
export function sessionsOf(
  operations: readonly Operation[],
  { sessionOf = (operation) => operation.process }: SessionOptions,
): Map<number | string, Operation[]> {
  const sessions = new Map<number | string, Operation[]>();
  for (const operation of operations) {
    const name = sessionOf(operation);
    const session = sessions.get(name);
    if (session === undefined) sessions.set(name, [operation]);
    else session.push(operation);
  }
  return sessions;
}

/** In the order in which they were invoked. */
export function byInvocation(operations: readonly Operation[]): Operation[] {
  return [...operations].sort((a, b) => a.invokedOrder - b.invokedOrder);
}
