import type { Operation } from '../history.ts';
import type { Model } from '../linearizability.ts';

/** Input of `get` (key alone), `put` and `append` (key and value). The output of `get` is the value. */
export interface KeyValueInput {
  readonly key: string;
  readonly value?: string;
}

/** A map of strings: `get`, `put`, `append`; a missing key reads as the empty string. Keys do not touch each other. */
export const keyValueModel: Model<string> = {
  name: 'key-value',
  initial: '',
  key: (state) => state,
  partition: (operation) => inputOf(operation).key,
  isRead: (operation) => operation.f === 'get',
  effect: (operation) => `${operation.f} ${inputOf(operation).value ?? ''}`,
  describe: (state) => JSON.stringify(state),
  step(state, operation) {
    const { value = '' } = inputOf(operation);
    switch (operation.f) {
      case 'get':
        return operation.outcome === 'info' || operation.output === state ? state : undefined;
      case 'put':
        return value;
      case 'append':
        return state + value;
      default:
        throw new Error(`the key-value model knows get, put and append, not ${operation.f}`);
    }
  },
};

function inputOf(operation: Operation): KeyValueInput {
  return operation.input as KeyValueInput; // by the contract of this model
}
