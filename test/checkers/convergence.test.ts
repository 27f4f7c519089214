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

  test('should compare lists by what they hold: what shifts them is one difference', () => {
    const log = Array.from({ length: 1_000 }, (_, index) => `e${index}`);
    expect(differences({ n1: log, n2: log.slice(1), n3: log })).toEqual([
      { path: [0], versions: [{ replicas: ['n1', 'n3'], value: 'e0' }, { replicas: ['n2'] }] },
    ]);
    expect(differences({ n1: log, n2: log.toSpliced(500, 0, 'x') })).toEqual([
      { path: [500], versions: [{ replicas: ['n2'], value: 'x' }, { replicas: ['n1'] }] },
    ]);
    expect(differences({ n1: log, n2: ['x', ...log.slice(0, -1)] })).toMatchObject([{ path: [0] }, { path: [999] }]);
    expect(differences({ n1: [1, 1], n2: [1, 1, 1] })).toEqual([
      { path: [2], versions: [{ replicas: ['n2'], value: 1 }, { replicas: ['n1'] }] },
    ]);
  });

  test('should look into entries that stand in the same place, shifted or not', () => {
    const [a, b] = [
      { id: 1, v: 1 },
      { id: 1, v: 2 },
    ];
    expect(differences({ n1: { l: ['p', a, 'q'] }, n2: { l: ['x', 'p', b, 'q'] } })).toEqual([
      { path: ['l', 0], versions: [{ replicas: ['n2'], value: 'x' }, { replicas: ['n1'] }] },
      {
        path: ['l', 1, 'v'],
        versions: [
          { replicas: ['n1'], value: 1 },
          { replicas: ['n2'], value: 2 },
        ],
      },
    ]);
  });

  test('should stay quick where lists repeat themselves more often than can be compared', () => {
    const many = (text: string) => Array.from({ length: 3_000 }, () => text);
    expect(differences({ n1: [...many('a'), 'b'], n2: [...many('a'), 'c', 'b'] })).not.toEqual([]);
    expect(differences({ n1: many('a'), n2: many('a') })).toEqual([]);
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
      for (const { versions } of found) {
        expect(versions.length).toBeGreaterThan(1);
        expect(versions.flatMap((version) => version.replicas).sort()).toEqual(['a', 'b', 'c']);
      }
      // With each named place made the same, nothing is left to differ. Lists may shift: they have a twin of their own.
      if (JSON.stringify([a, b, c]).includes('[', 1)) {
        counts[found.length === 0 ? 'same' : 'different']++;
        return;
      }
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
  const record = state as Record<string, unknown>;
  return { ...record, [step]: put(record[step], rest) };
}

/** Length of a longest common subsequence, by the definition. */
function commonLength(left: readonly string[], right: readonly string[]): number {
  const [first, ...rest] = left;
  if (first === undefined) return 0;
  const place = right.indexOf(first);
  const without = commonLength(rest, right);
  return place === -1 ? without : Math.max(without, 1 + commonLength(rest, right.slice(place + 1)));
}

test('the dumb twin of lists: should leave the longest that they have in common alone, and name all of the rest', () => {
  const list = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 8 });
  const counts = { same: 0, different: 0, replaced: 0 };
  fc.assert(
    fc.property(list, list, (n1, n2) => {
      const found = differences({ n1, n2 });
      const common = commonLength(n1, n2);
      for (const [name, own] of Object.entries({ n1, n2 })) {
        const values = found.flatMap(({ versions }) =>
          versions.filter((one) => 'value' in one && one.replicas[0] === name),
        );
        expect(values).toHaveLength(own.length - common);
        const left = [...own];
        for (const { value } of values) left.splice((left as unknown[]).indexOf(value), 1);
        expect(left).toHaveLength(common);
      }
      for (const { path, versions } of found) {
        const [first] = versions.filter((one) => 'value' in one);
        const own = first?.replicas[0] === 'n1' ? n1 : n2;
        expect(own[Number(path[0])]).toBe(first?.value);
        if (versions.every((one) => 'value' in one)) counts.replaced++;
      }
      counts[found.length === 0 ? 'same' : 'different']++;
    }),
    { numRuns: 1_000 },
  );
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(5);
});
