import type { Operation } from '../checkers/history.ts';

/** How an operation ended, as its client saw it. */
export type Completion =
  | { readonly outcome: 'ok'; readonly output: unknown }
  | {
      readonly outcome: 'fail' | 'info';
      readonly error: { readonly code: string; readonly message: string; readonly status?: number };
      readonly output?: unknown;
    };

/** Writes down what the clients of a run did, in one global order. */
export interface Recorder {
  /** All operations so far, by id. Those without a completion have the outcome `info`. */
  readonly operations: readonly Operation[];
  /** A client sends `f(input)` to `node`. Returns the operation's id. A process has one operation at a time. */
  invoke(process: number, f: string, input: unknown, node?: string): number;
  /** The client got its answer, or gave up. Each operation completes at most once. */
  complete(id: number, completion: Completion): void;
  /** A process number that nobody has used: for a client that goes on after an `info`. */
  newProcess(): number;
}

/** A recorder whose times come from `now`, virtual milliseconds. */
export function createRecorder(now: () => number): Recorder {
  const operations: Operation[] = [];
  const busy = new Set<number>();
  let order = 0;
  let processes = 0;
  return {
    operations,
    invoke(process, f, input, node) {
      if (busy.has(process)) throw new Error(`process ${process} invoked ${f} while its last operation is open`);
      busy.add(process);
      const id = operations.length;
      operations.push({
        id,
        process,
        f,
        input,
        invokedAt: now(),
        outcome: 'info',
        completedAt: Number.POSITIVE_INFINITY,
        invokedOrder: order++,
        completedOrder: Number.POSITIVE_INFINITY,
        ...(node === undefined ? {} : { node }),
      });
      return id;
    },
    complete(id, completion) {
      const operation = operations[id];
      if (operation === undefined) throw new Error(`operation ${id} was never invoked`);
      if (operation.completedOrder !== Number.POSITIVE_INFINITY) throw new Error(`operation ${id} completed twice`);
      operation.outcome = completion.outcome;
      operation.completedAt = now();
      operation.completedOrder = order++;
      if (completion.output !== undefined) operation.output = completion.output;
      if (completion.outcome !== 'ok') operation.error = completion.error;
      // After an `info` the process may still have its operation in flight: Jepsen retires its number.
      if (completion.outcome !== 'info') busy.delete(operation.process);
    },
    newProcess: () => processes++,
  };
}
