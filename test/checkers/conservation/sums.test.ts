import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkSumsConserved, type SumImbalance, type SumOptions } from '../../../src/checkers/conservation/sums.ts';
import type { Operation } from '../../../src/checkers/history.ts';
import { drawnHistories } from '../drawn.ts';
import { op } from '../histories.ts';

const open = op(0, 0, 'open', { a: 10, b: 5 }, 0, 1, true);
const transfer = (id: number, from: string, to: string, amount: number, outcome: Operation['outcome'] = 'ok') =>
  op(id, 0, 'transfer', { from, to, amount }, 10 * id, 10 * id + 1, true, outcome);
const read = (id: number, balances: unknown) => op(id, 1, 'read', undefined, 10 * id, 10 * id + 1, balances);
const unbalanced = (operations: readonly Operation[], options?: SumOptions) =>
  checkSumsConserved(operations, options).map(({ operations: ids, evidence }) => ({
    ids,
    ...(evidence as SumImbalance),
  }));

describe('conservation of sums', () => {
  test('should accept money that moves', () => {
    const history = [open, transfer(1, 'a', 'b', 4), read(2, { a: 6, b: 9 })];
    expect(unbalanced(history, { final: { a: 6, b: 9 } })).toEqual([]);
  });

  test('should find a read that sees half of a transfer, by the read', () => {
    expect(unbalanced([open, transfer(1, 'a', 'b', 4), read(2, { a: 6, b: 5 })])).toEqual([
      { ids: [2], kind: 'wrong-total', seenIn: 'read 2', expectedTotal: 15, total: 11 },
    ]);
  });

  test('should find accounts that are overdrawn, missing, or of nobody', () => {
    expect(unbalanced([open, read(1, { a: -1, b: 16 })])).toMatchObject([
      { kind: 'negative', account: 'a', balance: -1 },
    ]);
    expect(unbalanced([open, read(1, { a: -1, b: 16 })], { negativeAllowed: true })).toEqual([]);
    expect(unbalanced([open, read(1, { a: 15, c: 0 })])).toMatchObject([
      { kind: 'wrong-accounts', account: 'b' },
      { kind: 'wrong-accounts', account: 'c' },
    ]);
  });

  test('should find an acknowledged transfer that is not in the end, though the total is right', () => {
    const unexplained = unbalanced([open, transfer(1, 'a', 'b', 4)], { final: { a: 10, b: 5 } });
    expect(unexplained).toEqual([
      { ids: [1], kind: 'unexplained', seenIn: 'the final state', account: 'a', balance: 10, least: 6, most: 6 },
      { ids: [1], kind: 'unexplained', seenIn: 'the final state', account: 'b', balance: 5, least: 9, most: 9 },
    ]);
    for (const final of [
      { a: 10, b: 5 },
      { a: 6, b: 9 },
    ]) {
      expect(unbalanced([open, transfer(1, 'a', 'b', 4, 'info')], { final })).toEqual([]);
    }
    expect(unbalanced([open, transfer(1, 'a', 'b', 4, 'fail')], { final: { a: 6, b: 9 } })).toHaveLength(2);
  });

  test('should want the balances of the beginning, once', () => {
    expect(() => unbalanced([read(1, { a: 1 })])).toThrow('expected one answered operation open');
    expect(() => unbalanced([open, read(1, [1])])).toThrow('operation 1: expected balances by account');
    expect(() => unbalanced([open, { ...open, id: 7, outcome: 'info' }])).toThrow(
      'got operation 0 (ok), operation 7 (info)',
    );
    const late = op(3, 0, 'open', { a: 1 }, 5, 30, true);
    expect(() => unbalanced([late, read(1, { a: 1 })])).toThrow(
      'operation 1: expected open (operation 3) to be answered before anything else',
    );
  });

  test('should take whole numbers only', () => {
    expect(() => unbalanced([open, transfer(1, 'a', 'b', 0.5)])).toThrow('operation 1: expected a transfer with from');
    expect(() => unbalanced([op(0, 0, 'open', { a: 0.1 }, 0, 1, true)])).toThrow('operation 0: expected balances');
    expect(() => unbalanced([open, read(1, { a: 7.5, b: 7.5 })])).toThrow('whole numbers, got {"a":7.5,"b":7.5}');
    expect(() => unbalanced([open], { final: { a: 7.5, b: 7.5 } })).toThrow('the final state: expected balances');
  });
});

test('the dumb twin: should agree with trying every choice of the transfers in doubt', () => {
  const account = fc.constantFrom('a', 'b', 'c');
  const kinds = fc.oneof(
    {
      weight: 3,
      arbitrary: fc
        .tuple(account, account, fc.constantFrom(1, 1, 2, 5))
        .map(([from, to, amount]) => ({ f: 'transfer', input: { from, to, amount }, output: true })),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: -1, max: 3 }))
        .map(([a, b]) => ({ f: 'read', output: { a, b, c: 3 - a - (b === 3 ? 2 : b) } })),
    },
  );
  const drawnBalance = fc.integer({ min: -1, max: 3 });
  const counts = { 'wrong-total': 0, negative: 0, unexplained: 0, fine: 0, between: 0 };
  fc.assert(
    fc.property(
      drawnHistories(kinds, 6),
      drawnBalance,
      drawnBalance,
      drawnBalance,
      fc.boolean(),
      (drawn, a, b, c, right) => {
        const start: Readonly<Record<string, number>> = { a: 1, b: 1, c: 1 };
        const opening = op(100, 50, 'open', start, -2, -1, true);
        const transfers = drawn.filter(({ f, outcome }) => f === 'transfer' && outcome !== 'fail');
        const play = (chosen: readonly Operation[]) => {
          const balances: Record<string, number> = { ...start };
          for (const { input } of chosen) {
            const { from, to, amount } = input as { from: string; to: string; amount: number };
            balances[from] = (balances[from] ?? 0) - amount;
            balances[to] = (balances[to] ?? 0) + amount;
          }
          return balances;
        };
        const doubt = transfers.filter(({ outcome }) => outcome === 'info');
        const outcomes = Array.from({ length: 2 ** doubt.length }, (_, bits) =>
          play(transfers.filter((one) => one.outcome === 'ok' || (bits >> doubt.indexOf(one)) % 2 === 1)),
        );
        const final: Readonly<Record<string, number>> = right ? (outcomes.at(-1) ?? {}) : { a, b, c };
        const expected = new Set<string>();
        const look = (balances: Readonly<Record<string, number>>, name: string) => {
          let total = 0;
          for (const [key, value] of Object.entries(balances)) {
            total += value;
            if (value < 0) expected.add(`negative ${name} ${key}`);
          }
          if (total !== 3) expected.add(`wrong-total ${name}`);
        };
        for (const { id, f, outcome, output } of drawn)
          if (f === 'read' && outcome === 'ok') look(output as Record<string, number>, `read ${id}`);
        look(final, 'the final state');
        for (const key of ['a', 'b', 'c']) {
          // Amounts differ: what lies between the least and the most of all choices is not held against anybody.
          const possible = outcomes.map((balances) => balances[key] ?? Number.NaN);
          const balance = final[key] ?? Number.NaN;
          const isBetween = balance >= Math.min(...possible) && balance <= Math.max(...possible);
          if (!isBetween) expected.add(`unexplained the final state ${key}`);
          if (isBetween && !possible.includes(balance)) counts.between++;
        }
        const own = unbalanced([opening, ...drawn], { final });
        expect(
          new Set(
            own.map(({ kind, seenIn, account: of }) =>
              [kind, seenIn, of].filter((part) => part !== undefined).join(' '),
            ),
          ),
        ).toEqual(expected);
        for (const { kind } of own) if (kind !== 'wrong-accounts') counts[kind]++;
        if (own.length === 0) counts.fine++;
      },
    ),
    { numRuns: 1_500 },
  );
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(10);
});
