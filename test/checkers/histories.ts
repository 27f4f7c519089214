import type { Operation } from '../../src/checkers/history.ts';
import type { Model } from '../../src/checkers/linearizability.ts';

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

/** Every order that respects real time, every subset of the unanswered: small histories only. */
export function bruteForce<State>(operations: readonly Operation[], model: Model<State>): boolean {
  const rest = operations.filter((operation) => operation.outcome !== 'fail');
  function extend(state: State, left: readonly Operation[]): boolean {
    if (left.every((operation) => operation.outcome === 'info')) return true;
    return left.some((operation) => {
      const blocked = left.some((other) => other.completedOrder < operation.invokedOrder);
      if (blocked) return false;
      const next = model.step(state, operation);
      return (
        next !== undefined &&
        extend(
          next,
          left.filter((other) => other !== operation),
        )
      );
    });
  }
  return extend(model.initial, rest);
}
