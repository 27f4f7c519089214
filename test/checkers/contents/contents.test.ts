import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkDurability } from '../../../src/checkers/contents/durability.ts';
import { checkNoPhantom } from '../../../src/checkers/contents/noPhantom.ts';
import { checkNoResurrection } from '../../../src/checkers/contents/noResurrection.ts';
import { finalState, type Observation, readsOf } from '../../../src/checkers/contents/operations.ts';
import type { Operation, Violation } from '../../../src/checkers/history.ts';
import type { Model } from '../../../src/checkers/linearizability.ts';
import { drawnHistories } from '../drawn.ts';
import { bruteForce, op } from '../histories.ts';

const never = Number.POSITIVE_INFINITY;
const added = op(0, 0, 'add', 'a', 0, 1, true);
const shown = (violations: readonly Violation[]) =>
  violations.map(({ operations, evidence }) => ({ operations, evidence }));

describe('durability', () => {
  test('should find what was acknowledged and is gone, with the add that proves it', () => {
    const other = op(1, 0, 'add', 'b', 2, 3, true);
    expect(checkDurability([added, other], [finalState(['a', 'b'])])).toEqual([]);
    const violations = checkDurability([added, other], [finalState(['b'])]);
    expect(shown(violations)).toEqual([{ operations: [0], evidence: { element: 'a', missingIn: 'the final state' } }]);
    expect(violations[0]?.message).toBe('a was acknowledged and nobody removed it, but it is not in the final state');
  });

  test('should promise nothing for what failed or is in doubt', () => {
    const history = [op(0, 0, 'add', 'a', 0, 1, undefined, 'fail'), op(1, 1, 'add', 'b', 2, 9, undefined, 'info')];
    expect(checkDurability(history, [finalState([])])).toEqual([]);
  });

  test('should let a removal explain an absence, also one in doubt, but not one that was over before the add began', () => {
    const removal = (from: number, to: number, outcome?: Operation['outcome']) =>
      op(1, 1, 'remove', 'a', from, to, true, outcome);
    const add = op(0, 0, 'add', 'a', 10, 20, true);
    expect(checkDurability([add, removal(30, 31)], [finalState([])])).toEqual([]);
    expect(checkDurability([add, removal(5, 12)], [finalState([])])).toEqual([]);
    expect(checkDurability([add, removal(1, 2, 'info')], [finalState([])])).toEqual([]);
    expect(checkDurability([add, removal(1, 2)], [finalState([])])).toHaveLength(1);
    expect(checkDurability([add, removal(30, 31, 'fail')], [finalState([])])).toHaveLength(1);
  });

  test('should judge a read by what was acknowledged before it began, and tell each loss once', () => {
    const early = op(1, 1, 'read', undefined, 0.5, 3, []);
    const late = [op(2, 1, 'read', undefined, 4, 5, []), op(3, 1, 'read', undefined, 6, 7, [])];
    expect(checkDurability([added, early], readsOf([added, early]))).toEqual([]);
    const history = [added, ...late];
    expect(shown(checkDurability(history, readsOf(history)))).toEqual([
      { operations: [0, 2], evidence: { element: 'a', missingIn: 'read 2' } },
    ]);
  });
});

describe('no phantom', () => {
  test('should find what nobody added, what failed, and what stands there too often', () => {
    const failed = op(1, 1, 'add', 'b', 2, 3, undefined, 'fail');
    expect(checkNoPhantom([added, failed], [finalState(['a'])])).toEqual([]);
    expect(shown(checkNoPhantom([added, failed], [finalState(['a', 'a', 'b', 'c'])]))).toEqual([
      { operations: [0], evidence: { element: 'a', seenIn: 'the final state', reason: 'too-often' } },
      { operations: [1], evidence: { element: 'b', seenIn: 'the final state', reason: 'failed' } },
      { operations: [], evidence: { element: 'c', seenIn: 'the final state', reason: 'never-added' } },
    ]);
  });

  test('should accept an add in doubt, and one that is under way while somebody looks, but none that begins later', () => {
    const doubt = op(0, 0, 'add', 'a', 0, never, undefined, 'info');
    expect(checkNoPhantom([doubt], [finalState(['a'])])).toEqual([]);
    const read = op(1, 1, 'read', undefined, 3, 4, ['a']);
    expect(checkNoPhantom([op(0, 0, 'add', 'a', 2, 9), read], readsOf([read]))).toEqual([]);
    expect(checkNoPhantom([op(0, 0, 'add', 'a', 5, 9), read], readsOf([read]))).toHaveLength(1);
  });
});

describe('no resurrection', () => {
  const removed = op(1, 0, 'remove', 'a', 2, 3, true);

  test('should find what was removed and is there again', () => {
    expect(checkNoResurrection([added, removed], [finalState([])])).toEqual([]);
    expect(shown(checkNoResurrection([added, removed], [finalState(['a'])]))).toEqual([
      { operations: [0, 1], evidence: { element: 'a', seenIn: 'the final state', removedBy: 1 } },
    ]);
  });

  test('should let it come back when somebody added it again, or may have', () => {
    const again = (outcome: Operation['outcome']) => op(2, 1, 'add', 'a', 4, 5, true, outcome);
    expect(checkNoResurrection([added, removed, again('ok')], [finalState(['a'])])).toEqual([]);
    expect(checkNoResurrection([added, removed, again('info')], [finalState(['a'])])).toEqual([]);
    expect(checkNoResurrection([added, removed, again('fail')], [finalState(['a'])])).toHaveLength(1);
    const late = op(0, 0, 'add', 'a', 0, 1, undefined, 'info');
    expect(checkNoResurrection([late, removed], [finalState(['a'])])).toEqual([]);
  });

  test('should find what was missing when somebody looked and is there when somebody looks again', () => {
    const reads = [op(1, 1, 'read', undefined, 2, 3, []), op(2, 1, 'read', undefined, 4, 5, ['a'])];
    expect(shown(checkNoResurrection([added, ...reads], readsOf(reads)))).toEqual([
      { operations: [0, 1, 2], evidence: { element: 'a', seenIn: 'read 2', missingIn: 'read 1' } },
    ]);
    const doubt = op(0, 0, 'add', 'a', 0, 1, undefined, 'info');
    expect(checkNoResurrection([doubt, ...reads], readsOf(reads))).toEqual([]);
  });
});

test('should name an operation that is none of a set', () => {
  expect(() => checkDurability([op(7, 0, 'write', 1, 0, 1)], [])).toThrow('operation 7: a set or list knows add');
  expect(() => checkDurability([op(7, 0, 'add', { a: 1 }, 0, 1)], [])).toThrow(
    'operation 7: expected the input of add',
  );
  expect(() => readsOf([op(7, 0, 'read', undefined, 0, 1, 'a')])).toThrow('operation 7: expected the output of read');
});

const element = fc.constantFrom('a', 'b');
const kinds = fc.oneof(
  element.map((input) => ({ f: 'add', input, output: true })),
  element.map((input) => ({ f: 'remove', input, output: true })),
);
const subset = fc.subarray(['a', 'b']);
const verdictsOf = (operations: readonly Operation[], observations: readonly Observation[], name: unknown) => ({
  lost: checkDurability(operations, observations).some(
    ({ evidence }) => (evidence as { element: unknown }).element === name,
  ),
  phantom: checkNoPhantom(operations, observations).some(
    ({ evidence }) => (evidence as { element: unknown }).element === name,
  ),
  risen: checkNoResurrection(operations, observations).some(
    ({ evidence }) => (evidence as { element: unknown }).element === name,
  ),
});

/** One element: there or not. */
const presence: Model<boolean> = {
  name: 'presence',
  initial: false,
  key: String,
  step: (state, { f, input }) => (f === 'look' ? (state === input ? state : undefined) : f === 'add'),
};

describe('the dumb twin', () => {
  test('should agree with trying every order of what was done to an element and one look at it', () => {
    const counts = { lost: 0, phantom: 0, risen: 0, fine: 0 };
    fc.assert(
      fc.property(
        drawnHistories(kinds, 6),
        subset,
        fc.option(fc.tuple(fc.nat(200), fc.nat(60)), { nil: undefined }),
        (operations, elements, place) => {
          const looked =
            place === undefined
              ? finalState(elements)
              : { name: 'a look', elements, fromOrder: place[0] + 0.5, toOrder: place[0] + place[1] + 0.6 };
          for (const name of ['a', 'b']) {
            const present = elements.includes(name);
            const own = operations.filter(({ input }) => input === name);
            // An `info` never returns, for the twin; a look at the end comes after all that was answered.
            const all = [
              ...own,
              op(99, 99, 'look', present, Math.min(looked.fromOrder, 9_998), Math.min(looked.toOrder, 9_999)),
            ].map((operation) => (operation.outcome === 'info' ? { ...operation, completedOrder: never } : operation));
            const isPossible = bruteForce(all, presence);
            const { lost, phantom, risen } = verdictsOf(operations, [looked], name);
            const nobody = !own.some(
              ({ f, outcome, invokedOrder }) => f === 'add' && outcome !== 'fail' && invokedOrder < looked.toOrder,
            );
            expect({ lost, phantom, risen }).toEqual({
              lost: !isPossible && !present,
              phantom: present && nobody,
              risen: !isPossible && present && !nobody,
            });
            for (const [verdict, is] of Object.entries({ lost, phantom, risen, fine: isPossible }))
              if (is) counts[verdict as keyof typeof counts]++;
          }
        },
      ),
      { numRuns: 3_000 },
    );
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(10);
  });

  test('should agree about what comes back between looks', () => {
    const looks = fc.array(subset, { minLength: 2, maxLength: 4 });
    let risenCount = 0;
    fc.assert(
      fc.property(drawnHistories(kinds, 6), looks, (operations, seen) => {
        const observations = seen.map((elements, index) => ({
          name: `${index}`,
          elements,
          fromOrder: 40 * index + 0.5,
          toOrder: 40 * index + (index % 2 === 0 ? 60.5 : 20.5), // some overlap the next
        }));
        for (const name of ['a', 'b']) {
          const adds = operations.filter(
            ({ f, input, outcome }) => f === 'add' && input === name && outcome !== 'fail',
          );
          /** Everything before which it was certainly gone: an answered removal, a look without it. */
          const goneAt = (before: number) => [
            ...operations
              .filter(
                ({ f, input, outcome, completedOrder }) =>
                  f === 'remove' && input === name && outcome === 'ok' && completedOrder < before,
              )
              .map(({ invokedOrder }) => invokedOrder),
            ...observations
              .filter(({ toOrder, elements }) => toOrder < before && !elements.includes(name))
              .map(({ fromOrder }) => fromOrder),
          ];
          const expected = observations.some(({ elements, fromOrder, toOrder }) => {
            const possible = adds.filter(({ invokedOrder }) => invokedOrder < toOrder);
            return (
              elements.includes(name) &&
              possible.length > 0 &&
              goneAt(fromOrder).some((gone) =>
                possible.every((add) => add.outcome === 'ok' && add.completedOrder < gone),
              )
            );
          });
          const { risen } = verdictsOf(operations, observations, name);
          expect(risen).toBe(expected);
          if (risen) risenCount++;
        }
      }),
      { numRuns: 1_000 },
    );
    expect(risenCount).toBeGreaterThan(10);
  });
});
