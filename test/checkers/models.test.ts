import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Operation } from '../../src/checkers/history.ts';
import { checkLinearizability, type Model } from '../../src/checkers/linearizability.ts';
import { keyValueModel } from '../../src/checkers/models/keyValue.ts';
import { lockModel } from '../../src/checkers/models/lock.ts';
import { queueModel } from '../../src/checkers/models/queue.ts';
import { casRegisterModel } from '../../src/checkers/models/register.ts';
import { bruteForce, op } from './histories.ts';

const never = Number.POSITIVE_INFINITY;

function verdictOf<State>(model: Model<State>, ...operations: Operation[]): string {
  return checkLinearizability(operations, model).verdict;
}

describe('a queue', () => {
  const one = op(0, 0, 'enqueue', 1, 0, 1);
  const two = op(1, 0, 'enqueue', 2, 2, 3);

  test('should give what came first, first', () => {
    expect(verdictOf(queueModel, one, two, op(2, 1, 'dequeue', undefined, 4, 5, 1))).toBe('linearizable');
    expect(verdictOf(queueModel, one, two, op(2, 1, 'dequeue', undefined, 4, 5, 2))).toBe('illegal');
  });

  test('should give nothing twice, and say that it is empty only when it is', () => {
    const first = op(2, 1, 'dequeue', undefined, 4, 5, 1);
    expect(verdictOf(queueModel, one, two, first, op(3, 1, 'dequeue', undefined, 6, 7, 1))).toBe('illegal');
    expect(verdictOf(queueModel, one, two, first, op(3, 1, 'dequeue', undefined, 6, 7, null))).toBe('illegal');
    expect(verdictOf(queueModel, op(0, 1, 'dequeue', undefined, 0, 5, null), op(1, 0, 'enqueue', 1, 2, 3))).toBe(
      'linearizable',
    );
  });

  test('should let a dequeue without an answer have taken the head, or not', () => {
    const lost = op(2, 1, 'dequeue', undefined, 4, never, undefined, 'info');
    for (const value of [1, 2]) {
      expect(verdictOf(queueModel, one, two, lost, op(3, 2, 'dequeue', undefined, 6, 7, value))).toBe('linearizable');
    }
  });

  test('should refuse a value that no number or string is, by name', () => {
    expect(() => verdictOf(queueModel, op(0, 0, 'enqueue', { a: 1 }, 0, 1))).toThrow('operation 0: expected a number');
  });
});

describe('a lock with fencing', () => {
  const first = op(0, 0, 'acquire', undefined, 0, 1, 1);

  test('should be held by one', () => {
    expect(verdictOf(lockModel, first, op(1, 1, 'acquire', undefined, 2, 3, null))).toBe('linearizable');
    expect(verdictOf(lockModel, first, op(1, 1, 'acquire', undefined, 2, 3, 2))).toBe('illegal');
    const released = op(1, 0, 'release', { token: 1 }, 2, 3, true);
    expect(verdictOf(lockModel, first, released, op(2, 1, 'acquire', undefined, 4, 5, 2))).toBe('linearizable');
    expect(verdictOf(lockModel, first, released, op(2, 1, 'acquire', undefined, 4, 5, null))).toBe('illegal');
  });

  test('should give every holder a higher token', () => {
    const released = op(1, 0, 'release', { token: 1 }, 2, 3, true);
    expect(verdictOf(lockModel, first, released, op(2, 1, 'acquire', undefined, 4, 5, 1))).toBe('illegal');
    expect(verdictOf(lockModel, first, released, op(2, 1, 'acquire', undefined, 4, 5, 9))).toBe('linearizable');
  });

  test('should fence a holder that was overtaken: once a higher token was taken, and not before', () => {
    const lost = op(1, 9, 'expire', undefined, 2, 3, true);
    const second = op(2, 1, 'acquire', undefined, 4, 5, 2);
    const used = (id: number, token: number, at: number, output: boolean) =>
      op(id, token, 'use', { token }, at, at + 1, output);
    const overtaken = [first, lost, second];
    expect(verdictOf(lockModel, ...overtaken, used(3, 1, 6, true), used(4, 2, 8, true))).toBe('linearizable');
    expect(verdictOf(lockModel, ...overtaken, used(3, 2, 6, true), used(4, 1, 8, true))).toBe('illegal');
    expect(verdictOf(lockModel, ...overtaken, used(3, 2, 6, true), used(4, 1, 8, false))).toBe('linearizable');
    expect(verdictOf(lockModel, ...overtaken, used(3, 1, 6, false))).toBe('illegal');
    const doubt = op(3, 5, 'use', { token: 2 }, 6, never, undefined, 'info');
    for (const output of [true, false])
      expect(verdictOf(lockModel, ...overtaken, doubt, used(4, 1, 8, output))).toBe('linearizable');
    expect(verdictOf(lockModel, ...overtaken, op(3, 0, 'release', { token: 1 }, 6, 7, true))).toBe('illegal');
  });

  test('should keep locks of different keys apart', () => {
    const of = (key: string, operation: Operation): Operation => ({ ...operation, input: { key } });
    const second = op(1, 1, 'acquire', undefined, 2, 3, 1);
    expect(verdictOf(lockModel, of('x', first), of('y', second))).toBe('linearizable');
    expect(verdictOf(lockModel, of('x', first), of('x', second))).toBe('illegal');
  });

  test('should leave a number for a holder that got no answer', () => {
    const unknown = op(0, 0, 'acquire', undefined, 0, never, undefined, 'info');
    const lost = op(1, 9, 'expire', undefined, 2, 3, true);
    expect(verdictOf(lockModel, unknown, lost, op(2, 1, 'acquire', undefined, 4, 5, 2))).toBe('linearizable');
    expect(verdictOf(lockModel, unknown, op(2, 1, 'acquire', undefined, 4, 5, null))).toBe('linearizable');
  });
});

/** Operations at random places in time, of clients that do one thing each. */
function histories(
  kinds: fc.Arbitrary<{ readonly f: string; readonly input?: unknown; readonly output: unknown }>,
): fc.Arbitrary<Operation[]> {
  const outcome = fc.constantFrom('ok' as const, 'ok' as const, 'ok' as const, 'info' as const, 'fail' as const);
  const place = fc.tuple(fc.integer({ min: 0, max: 999 }), fc.integer({ min: 0, max: 999 }));
  return fc.array(fc.tuple(kinds, outcome, place), { minLength: 2, maxLength: 6 }).map((drawn) =>
    drawn.map(([{ f, input, output }, how, [a, b]], id) => {
      // Two digits behind the point keep every moment its own.
      const from = Math.min(a, b) + id / 100;
      const to = how === 'info' ? never : Math.max(a, b) + id / 100 + 0.5;
      return op(id, id, f, input, from, to, how === 'ok' ? output : undefined, how);
    }),
  );
}

const small = fc.integer({ min: 1, max: 3 });
const queueOperations = fc.oneof(
  small.map((input) => ({ f: 'enqueue', input, output: true })),
  fc.option(small, { nil: null }).map((output) => ({ f: 'dequeue', output })),
);
const lockOperations = fc.oneof(
  fc.option(small, { nil: null }).map((output) => ({ f: 'acquire', output })),
  fc.tuple(small, fc.boolean()).map(([token, output]) => ({ f: 'release', input: { token }, output })),
  fc.tuple(small, fc.boolean()).map(([token, output]) => ({ f: 'use', input: { token }, output })),
  fc.constant({ f: 'expire', output: true }),
);

const key = fc.constantFrom('x', 'y');
const text = fc.constantFrom('', 'a', 'b', 'ab');
const keyValueOperations = fc.oneof(
  fc.tuple(key, text).map(([of, output]) => ({ f: 'get', input: { key: of }, output })),
  fc
    .tuple(fc.constantFrom('put', 'append'), key, text)
    .map(([f, of, value]) => ({ f, input: { key: of, value }, output: true })),
);
const casOperations = fc.oneof(
  fc.option(small, { nil: undefined }).map((output) => ({ f: 'read', output })),
  small.map((input) => ({ f: 'write', input, output: true })),
  fc
    .tuple(small, small, fc.boolean())
    .map(([expected, value, output]) => ({ f: 'cas', input: { expected, value }, output })),
);

/** The map of the key-value model as a whole, without its partitions. */
const wholeMap: Model<string> = {
  name: 'map',
  initial: '{}',
  key: (state) => state,
  step(state, operation) {
    const map = JSON.parse(state) as Record<string, string>;
    const { key: of, value = '' } = operation.input as { key: string; value?: string };
    if (operation.f === 'get')
      return operation.outcome === 'info' || (map[of] ?? '') === operation.output ? state : undefined;
    return JSON.stringify({ x: '', y: '', ...map, [of]: (operation.f === 'append' ? (map[of] ?? '') : '') + value });
  },
};

describe('the dumb twin', () => {
  test('should agree with trying every order on histories of a key-value store as a whole', () => {
    const verdicts = { linearizable: 0, illegal: 0, unknown: 0 };
    fc.assert(
      fc.property(histories(keyValueOperations), (operations) => {
        const { verdict } = checkLinearizability(operations, keyValueModel);
        expect(verdict).toBe(bruteForce(operations, wholeMap) ? 'linearizable' : 'illegal');
        verdicts[verdict]++;
      }),
      { numRuns: 1500 },
    );
    expect(verdicts.linearizable).toBeGreaterThan(100);
    expect(verdicts.illegal).toBeGreaterThan(100);
  });

  test.each([
    ['register', casRegisterModel() as Model<unknown>, histories(casOperations)],
    ['queue', queueModel as Model<unknown>, histories(queueOperations)],
    ['lock', lockModel as Model<unknown>, histories(lockOperations)],
  ])('should agree with trying every order on histories of a %s', (_, model, drawn) => {
    const verdicts = { linearizable: 0, illegal: 0, unknown: 0 };
    fc.assert(
      fc.property(drawn, (operations) => {
        const { verdict } = checkLinearizability(operations, model);
        expect(verdict).toBe(bruteForce(operations, model) ? 'linearizable' : 'illegal');
        verdicts[verdict]++;
      }),
      { numRuns: 1500 },
    );
    expect(verdicts.linearizable).toBeGreaterThan(100);
    expect(verdicts.illegal).toBeGreaterThan(100);
  });
});
