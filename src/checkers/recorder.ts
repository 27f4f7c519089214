import type { Operation } from './history.ts';

/** How an operation ended. `ok` takes the output; `fail` and `info` may take the error that the client saw. */
export interface PendingOperation<Input = unknown, Output = unknown> {
  readonly operation: Operation<Input, Output>;
  /** It took effect, and this is what the client was told. */
  ok(output: Output): void;
  /** It did not take effect and never will. With an output: how far it came, where a checker has a use for that. */
  fail(error?: Operation['error'], output?: Output): void;
  /** Nobody knows whether it took effect. With an output: how far it came, as for `fail`. */
  info(error?: Operation['error'], output?: Output): void;
}

/** What an operation is, at its invocation. */
export interface Invocation<Input> {
  readonly process: number;
  readonly f: string;
  readonly input: Input;
  readonly node?: string;
}

/** A history while it is being recorded. */
export interface History<Input = unknown, Output = unknown> {
  /** Every operation invoked so far, in order of invocation. One without an answer stands as `info`, never completed. */
  readonly operations: readonly Operation<Input, Output>[];
  /** Throws when the process has an operation under way: a client does one thing at a time. */
  invoke(invocation: Invocation<Input>): PendingOperation<Input, Output>;
}

/**
 * Starts a history. `now` reads virtual time in milliseconds; `order` gives a number that grows with every call, over all
 * that is compared with this history (pass one counter to several recorders to merge them later); default its own.
 */
export function createHistory<Input = unknown, Output = unknown>(
  now: () => number,
  order: () => number = counter(),
): History<Input, Output> {
  const operations: Operation<Input, Output>[] = [];
  const busy = new Set<number>();

  function invoke(invocation: Invocation<Input>): PendingOperation<Input, Output> {
    if (busy.has(invocation.process)) {
      throw new Error(`process ${invocation.process} invoked ${invocation.f} while its last operation is under way`);
    }
    busy.add(invocation.process);
    const operation: Operation<Input, Output> = {
      id: operations.length,
      process: invocation.process,
      f: invocation.f,
      input: invocation.input,
      invokedAt: now(),
      outcome: 'info',
      completedAt: Number.POSITIVE_INFINITY,
      invokedOrder: order(),
      completedOrder: Number.POSITIVE_INFINITY,
      ...(invocation.node === undefined ? {} : { node: invocation.node }),
    };
    operations.push(operation);

    function complete(outcome: Operation['outcome'], output?: Output, error?: Operation['error']): void {
      if (operation.completedOrder !== Number.POSITIVE_INFINITY) {
        throw new Error(`operation ${operation.id} (${operation.f}) completed twice: ${operation.outcome}, ${outcome}`);
      }
      operation.outcome = outcome;
      operation.completedAt = now();
      operation.completedOrder = order();
      if (outcome === 'ok' || output !== undefined) operation.output = output as Output; // `ok` has one by its type
      if (error !== undefined) operation.error = error;
      busy.delete(operation.process);
    }
    return {
      operation,
      ok: (output) => complete('ok', output),
      fail: (error, output) => complete('fail', output, error),
      info: (error, output) => complete('info', output, error),
    };
  }
  return { operations, invoke };
}

/** A function that returns 0, 1, 2 … */
export function counter(): () => number {
  let next = 0;
  return () => next++;
}

/** One operation a line, as JSON. An unanswered operation leaves its completion out, since JSON has no infinity. */
export function historyToNdjson(operations: readonly Operation[]): string {
  return operations.map((operation) => `${JSON.stringify(finite(operation))}\n`).join('');
}

/** Reads what `historyToNdjson` wrote. Throws with the line number when a line is not an operation. */
export function historyFromNdjson(text: string): Operation[] {
  return text
    .split('\n')
    .map((line, index) => ({ line, number: index + 1 }))
    .filter(({ line }) => line.trim() !== '')
    .map(({ line, number }) => operationFromLine(line, number));
}

function finite(operation: Operation): Record<string, unknown> {
  const { completedAt, completedOrder, ...rest } = operation;
  return completedOrder === Number.POSITIVE_INFINITY ? rest : { ...rest, completedAt, completedOrder };
}

/** One line of `historyToNdjson`. Throws with the number of the line when it is not an operation. */
export function operationFromLine(line: string, number: number): Operation {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new Error(`history line ${number}: not JSON`, { cause });
  }
  if (!isOperation(value)) {
    throw new Error(
      `history line ${number}: expected an operation with id, process, f, invokedAt, invokedOrder and outcome, and numbers for its completion, got ${line.slice(0, 120)}`,
    );
  }
  const completedAt = value.completedAt ?? Number.POSITIVE_INFINITY;
  const completedOrder = value.completedOrder ?? Number.POSITIVE_INFINITY;
  if (completedOrder <= value.invokedOrder) {
    throw new Error(
      `history line ${number}: operation ${value.id} has its answer (order ${completedOrder}) before its call (order ${value.invokedOrder})`,
    );
  }
  if (value.outcome === 'ok' && Math.max(completedAt, completedOrder) === Number.POSITIVE_INFINITY) {
    const missing = completedOrder === Number.POSITIVE_INFINITY ? 'completedOrder' : 'completedAt';
    throw new Error(`history line ${number}: operation ${value.id} is ok, but has no ${missing}`);
  }
  return { ...value, completedAt, completedOrder };
}

function isOperation(value: unknown): value is Operation {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Record<string, unknown>; // every field is tested below
  return (
    ['id', 'process'].every((name) => Number.isSafeInteger(fields[name])) &&
    ['invokedAt', 'invokedOrder'].every((name) => typeof fields[name] === 'number') &&
    ['completedAt', 'completedOrder'].every((name) => typeof (fields[name] ?? 0) === 'number') &&
    typeof fields.f === 'string' &&
    (fields.outcome === 'ok' || fields.outcome === 'fail' || fields.outcome === 'info')
  );
}
