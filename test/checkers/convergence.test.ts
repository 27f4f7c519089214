import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkConvergence, type Difference } from '../../src/checkers/convergence.ts';
import { op } from './histories.ts';

const differences = (replicas: Readonly<Record<string, unknown>>) =>
  checkConvergence(replicas).map(({ evidence }) => evidence as Difference);

describe('convergence', () => {
  test('should accept replicas that hold the same, in whatever order their keys stand', () => {
    expect(checkConvergence({ n1: { a: 1, b: [1, { c: null }] }, n2: { b: [1, { c: null }], a: 1 } })).toEqual([]);
  });

  test('should name the part that differs, who says what, and who touched it', () => {
    const replicas = { n1: { x: { value: 1 }, y: 5 }, n2: { x: { value: 2 }, y: 5 }, n3: { x: { value: 2 }, y: 5 } };
    const operations = [
      op(0, 0, 'write', { key: 'x', value: 2 }, 0, 1),
      op(1, 0, 'write', { key: 'y', value: 5 }, 2, 3),
      op(2, 0, 'add', 'x', 4, 5),
    ];
    expect(checkConvergence(replicas, { operations })).toEqual([
      {
        check: 'converged',
        message: 'replicas differ at x › value: 2 on n2, n3; 1 on n1',
        operations: [0, 2],
        evidence: {
          path: ['x', 'value'],
          versions: [
            { replicas: ['n2', 'n3'], value: 2 },
            { replicas: ['n1'], value: 1 },
          ],
        },
      },
    ]);
  });

  test('should tell nothing from null, a list from an object, and what is there from what is inherited', () => {
    expect(differences({ n1: { a: null }, n2: {} })).toEqual([
      { path: ['a'], versions: [{ replicas: ['n1'], value: null }, { replicas: ['n2'] }] },
    ]);
    expect(differences({ n1: [], n2: {} })).toMatchObject([{ path: [] }]);
    expect(differences({ n1: { constructor: 1 }, n2: {} })).toMatchObject([{ path: ['constructor'] }]);
    expect(differences({ n1: [1, 2], n2: [1] })).toMatchObject([{ path: [1] }]);
  });

  test('should name the places in one order, whoever held them first', () => {
    const paths = differences({ n1: { b: 1, a: 1 }, n2: { a: 2, b: 2, c: 3 } }).map(({ path }) => path[0]);
    expect(paths).toEqual(['a', 'b', 'c']);
  });

  test('should want two replicas at least', () => {
    expect(() => checkConvergence({ n1: {} })).toThrow('expected two replicas or more to compare, got 1');
  });
});

test('the dumb twin: should agree with equality, name only what differs, and all of it', () => {
  const leaf = fc.constantFrom<unknown>(0, 1, 'a', null);
  const state = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      leaf,
      fc.dictionary(fc.constantFrom('k', 'l'), tie('value')),
      fc.array(tie('value'), { maxLength: 2 }),
    ),
  })).value;
  const counts = { same: 0, different: 0 };
  const at = (value: unknown, path: Difference['path']): unknown =>
    path.reduce<unknown>((part, step) => (part as Record<string | number, unknown> | undefined)?.[step], value);
  fc.assert(
    fc.property(state, state, state, fc.boolean(), (a, b, c, equal) => {
      const replicas: Record<string, unknown> = equal
        ? { a, b: structuredClone(a), c: structuredClone(a) }
        : { a, b, c };
      const found = differences(replicas);
      const isEqual = (x: unknown, y: unknown) =>
        isDeepStrictEqual(JSON.parse(JSON.stringify(x ?? 'none')), JSON.parse(JSON.stringify(y ?? 'none')));
      const all = (values: readonly unknown[]) =>
        values.every((value) => isEqual(value, values[0]) && (value === undefined) === (values[0] === undefined));
      expect(found.length === 0).toBe(all(Object.values(replicas)));
      for (const { path } of found) expect(all(Object.values(replicas).map((value) => at(value, path)))).toBe(false);
      // With each named place made the same, nothing is left to differ.
      const healed = Object.values(replicas).map((value) =>
        found.reduce((whole, { path }) => put(whole, path), structuredClone(value)),
      );
      expect(all(healed)).toBe(true);
      counts[found.length === 0 ? 'same' : 'different']++;
    }),
    { numRuns: 1_000 },
  );
  expect(counts.same).toBeGreaterThan(10);
  expect(counts.different).toBeGreaterThan(10);
});

/** The same state with a mark at this place. */
function put(state: unknown, path: Difference['path']): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return 'healed';
  if (Array.isArray(state)) {
    const list: unknown[] = [...state];
    list[Number(step)] = put(state[Number(step)], rest);
    return Array.from(list, (entry) => entry ?? null);
  }
  const record = state as Record<string, unknown>;
  return { ...record, [step]: put(record[step], rest) };
}
