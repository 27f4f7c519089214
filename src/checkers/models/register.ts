import type { Operation } from '../history.ts';
import type { Model } from '../linearizability.ts';

/** What a register holds; undefined before the first write. */
export type RegisterValue = number | string | undefined;

/** Input of a compare-and-set. */
export interface CompareAndSet {
  readonly expected: RegisterValue;
  readonly value: RegisterValue;
}

/**
 * A register with `read` (output: the value) and `write` (input: the value); one for each `input.key` is not meant, see
 * the key-value model.
 */
export function registerModel(initial?: RegisterValue): Model<{ readonly value: RegisterValue }> {
  return {
    name: 'register',
    initial: { value: initial },
    key: (state) => keyOf(state.value),
    isRead: (operation) => operation.f === 'read',
    effect: ({ f, input }) => `${f} ${keyOf(input as RegisterValue)}`, // a write: what did not answer and reads is left out
    describe: ({ value }) => (value === undefined ? 'empty' : JSON.stringify(value)),
    step: readOrWrite,
  };
}

/**
 * A register that also knows `cas` (input: CompareAndSet, output: true if it was set, false if the value differed). A
 * client that was told "the value differed" made an observation: record that as `ok` with false, not as `fail`.
 */
export function casRegisterModel(initial?: RegisterValue): Model<{ readonly value: RegisterValue }> {
  return {
    ...registerModel(initial),
    name: 'cas-register',
    isRead: ({ f, outcome, output }) => f === 'read' || (f === 'cas' && outcome === 'ok' && output === false),
    effect({ f, input }) {
      if (f !== 'cas') return `${f} ${keyOf(input as RegisterValue)}`; // a write, by the contract of this model
      const { expected, value } = input as CompareAndSet; // by the contract of this model
      return `cas ${keyOf(expected)} ${keyOf(value)}`;
    },
    step(state, operation) {
      if (operation.f !== 'cas') return readOrWrite(state, operation);
      const { expected, value } = operation.input as CompareAndSet; // by the contract of this model
      const matches = state.value === expected;
      if (operation.outcome === 'ok' && operation.output !== matches) return undefined;
      return matches ? { value } : state;
    },
  };
}

function readOrWrite(
  state: { readonly value: RegisterValue },
  operation: Operation,
): { readonly value: RegisterValue } | undefined {
  switch (operation.f) {
    case 'read':
      return operation.outcome === 'info' || operation.output === state.value ? state : undefined;
    case 'write':
      return { value: operation.input as RegisterValue }; // by the contract of this model
    default:
      throw new Error(`a register knows read, write and cas, not ${operation.f}`);
  }
}

function keyOf(value: RegisterValue): string {
  return `${typeof value} ${value}`;
}
