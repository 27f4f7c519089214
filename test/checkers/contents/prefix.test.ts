import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Element, finalState, type Observation, readsOf } from '../../../src/checkers/contents/operations.ts';
import { checkPrefix, type PrefixBreak } from '../../../src/checkers/contents/prefix.ts';
import type { Operation } from '../../../src/checkers/history.ts';
import { drawnHistories } from '../drawn.ts';
import { op } from '../histories.ts';

const append = (
  id: number,
  element: Element,
  from: number,
  to: number,
  position?: number,
  outcome?: Operation['outcome'],
) => op(id, id, 'append', element, from, to, position, outcome);
const breaksOf = (operations: readonly Operation[], observations: readonly Observation[]) =>
  checkPrefix(operations, observations).map(({ operations: ids, evidence }) => ({ ids, ...(evidence as PrefixBreak) }));

describe('the prefix of a log', () => {
  const three = [append(0, 'a', 0, 1), append(1, 'b', 2, 3), append(2, 'c', 4, 5)];

  test('should let the end be lost, not the middle', () => {
    for (const kept of [['a', 'b', 'c'], ['a', 'b'], ['a'], []])
      expect(checkPrefix(three, [finalState(kept)])).toEqual([]);
    expect(breaksOf(three, [finalState(['a', 'c'])])).toEqual([
      { ids: [1, 2], kind: 'hole', element: 'b', other: 'c', seenIn: 'the final state', knownBy: 'time' },
    ]);
  });

  test('should not call it a hole when the missing one is in doubt, failed, or ran beside the others', () => {
    for (const outcome of ['info', 'fail'] as const) {
      expect(
        checkPrefix([append(0, 'a', 0, 1, undefined, outcome), append(1, 'b', 2, 3)], [finalState(['b'])]),
      ).toEqual([]);
    }
    expect(checkPrefix([append(0, 'a', 0, 9), append(1, 'b', 2, 3)], [finalState(['b'])])).toEqual([]);
  });

  test('should know the order from positions and from an earlier look, where time does not tell', () => {
    const side = [append(0, 'a', 0, 8, 10), append(1, 'b', 1, 9, 11)];
    expect(breaksOf(side, [finalState(['b'])])).toMatchObject([
      { kind: 'hole', element: 'a', other: 'b', knownBy: 'position' },
    ]);
    expect(breaksOf(side, [finalState(['b', 'a'])])).toMatchObject([
      { kind: 'order', element: 'b', other: 'a', knownBy: 'position' },
    ]);
    const doubt = [append(0, 'a', 0, 8, undefined, 'info'), append(1, 'b', 1, 9)];
    const read = op(2, 9, 'read', undefined, 10, 11, ['a', 'b']);
    const looks = [...readsOf([read]), finalState(['b'])];
    expect(breaksOf(doubt, looks)).toMatchObject([
      { ids: [0, 1], kind: 'hole', element: 'a', other: 'b', knownBy: 'observation' },
    ]);
    expect(breaksOf(doubt, [...readsOf([read]), finalState(['b', 'a'])])).toMatchObject([
      { kind: 'order', element: 'b', other: 'a', knownBy: 'observation' },
    ]);
  });

  test('should not call it a hole when somebody may have removed it', () => {
    const removed = (outcome: Operation['outcome']) => op(3, 5, 'remove', 'b', 6, 7, true, outcome);
    expect(checkPrefix([...three, removed('ok')], [finalState(['a', 'c'])])).toEqual([]);
    expect(checkPrefix([...three, removed('info')], [finalState(['a', 'c'])])).toEqual([]);
    expect(checkPrefix([...three, removed('fail')], [finalState(['a', 'c'])])).toHaveLength(1);
  });

  test('should find two that stand the wrong way round', () => {
    expect(breaksOf(three, [finalState(['a', 'c', 'b'])])).toEqual([
      { ids: [1, 2], kind: 'order', element: 'c', other: 'b', seenIn: 'the final state', knownBy: 'time' },
    ]);
  });
});

test('the dumb twin: should agree with asking of every pair which comes first', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const kinds = fc.record({ f: fc.constant('append'), output: fc.option(fc.nat(9), { nil: null }) });
  const list = fc.shuffledSubarray(names);
  const counts = { hole: 0, order: 0, fine: 0 };
  fc.assert(
    fc.property(drawnHistories(kinds, names.length), list, list, (drawn, first, second) => {
      // Positions are unique, as a log gives them.
      const operations = drawn.map((operation, index): Operation => {
        const position = typeof operation.output === 'number' ? 10 * operation.output + index : null;
        return { ...operation, input: names[index], ...(operation.outcome === 'ok' ? { output: position } : {}) };
      });
      const known = names.slice(0, operations.length);
      const looks: Observation[] = [
        { name: 'first', elements: first, fromOrder: 60.5, toOrder: 90.5 },
        { ...finalState(second), name: 'second' },
      ];
      for (const [index, look] of looks.entries()) {
        const of = (element: Element) =>
          operations.find(({ input, outcome }) => input === element && outcome !== 'fail');
        const isFirst = (x: Element, y: Element): boolean => {
          const [a, b] = [of(x), of(y)];
          if (a === undefined || b === undefined || x === y) return false;
          if (typeof a.output === 'number' && typeof b.output === 'number' && a.output < b.output) return true;
          return a.outcome === 'ok' && a.completedOrder < b.invokedOrder;
        };
        const before = index === 1 ? first : [];
        const expected = new Set<string>();
        for (const x of known) {
          if (look.elements.includes(x) || of(x) === undefined) continue;
          const acked = of(x)?.outcome === 'ok' && (of(x)?.completedOrder ?? 0) < look.fromOrder;
          const isBehind = (y: Element) =>
            look.elements.includes(y) &&
            of(y) !== undefined &&
            ((acked && isFirst(x, y)) || (before.includes(x) && before.indexOf(String(y)) > before.indexOf(x)));
          if (known.some(isBehind)) expected.add(`hole ${x}`);
        }
        look.elements.forEach((x, at) => {
          if (look.elements.slice(at + 1).some((y) => isFirst(y, x))) expected.add(`order ${x}`);
        });
        const all = breaksOf(operations, looks).filter(({ seenIn }) => seenIn === look.name);
        const byLook = (entry: PrefixBreak) => entry.kind === 'order' && entry.knownBy === 'observation';
        expect(new Set(all.filter((entry) => !byLook(entry)).map(({ kind, element }) => `${kind} ${element}`))).toEqual(
          expected,
        );
        const common = look.elements.filter((element) => before.includes(String(element)) && of(element) !== undefined);
        const isTurned = common.some((x, at) =>
          common.slice(at + 1).some((y) => before.indexOf(String(y)) < before.indexOf(String(x))),
        );
        expect(all.some(byLook)).toBe(isTurned);
        for (const kind of ['hole', 'order'] as const) if (all.some((entry) => entry.kind === kind)) counts[kind]++;
        if (all.length === 0) counts.fine++;
      }
    }),
    { numRuns: 2_000 },
  );
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(10);
});
