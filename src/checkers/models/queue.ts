import type { Operation } from '../history.ts';
import type { Model } from '../linearizability.ts';

/** What a queue carries. */
export type QueueValue = number | string;

/**
 * A queue, first in, first out: `enqueue` (input: the value), `dequeue` (output: the value, or null when it was empty). A
 * `dequeue` without an answer may have taken the head away.
 */
export const queueModel: Model<readonly QueueValue[]> = {
  name: 'queue',
  initial: [],
  key: (state) => JSON.stringify(state),
  effect: ({ f, input }) => `${f} ${JSON.stringify(input)}`,
  step(state, operation) {
    switch (operation.f) {
      case 'enqueue':
        return [...state, enqueued(operation)];
      case 'dequeue': {
        const [head, ...rest] = state;
        if (operation.outcome === 'ok' && operation.output !== (head ?? null)) return undefined;
        return rest;
      }
      default:
        throw new Error(`a queue knows enqueue and dequeue, not ${operation.f}`);
    }
  },
};

function enqueued({ id, input }: Operation): QueueValue {
  if (typeof input === 'number' || typeof input === 'string') return input;
  throw new Error(`operation ${id}: expected a number or a string to enqueue, got ${JSON.stringify(input)}`);
}
