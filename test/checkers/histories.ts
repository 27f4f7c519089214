import type { Operation } from '../../src/checkers/history.ts';

/** Shorthand of a completed operation: `[process, f, input, invoked, completed, output]` at whole orders. */
export function op(
  id: number,
  process: number,
  f: string,
  input: unknown,
  invoked: number,
  completed: number,
  output?: unknown,
  outcome: Operation['outcome'] = 'ok',
): Operation {
  return {
    id,
    process,
    f,
    input,
    invokedAt: invoked,
    invokedOrder: invoked,
    outcome,
    completedAt: completed,
    completedOrder: completed,
    ...(output === undefined ? {} : { output }),
  };
}
