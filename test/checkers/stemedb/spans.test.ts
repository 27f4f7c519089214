import fc from 'fast-check';
import { expect, test } from 'vitest';
import { firstIndex, RunningSum, Spans } from '../../../src/checkers/stemedb/spans.ts';

const moment = fc.integer({ min: 0, max: 30 });
const span = fc
  .record({ from: moment, length: fc.oneof(moment, fc.constant(Number.POSITIVE_INFINITY)) })
  .map(({ from, length }) => ({ from, to: from + length }));
const list = fc.array(span, { maxLength: 20 });

test('spans answer as a look at every one of them does', () => {
  fc.assert(
    fc.property(list, moment, moment, (items, at, length) => {
      const sorted = items.toSorted((a, b) => a.from - b.from);
      const spans = new Spans(items, (item) => item);
      const begun = sorted.filter((item) => item.from < at);

      expect(spans.begunBefore(at)).toBe(begun.length);
      expect(spans.latestEndOf(begun.length)).toBe(Math.max(...begun.map((item) => item.to)));
      expect(spans.endingFrom(length, begun.length)).toEqual(begun.filter((item) => item.to >= length));
      expect(spans.overlapping({ from: at, to: at + length })).toEqual(
        sorted.filter((item) => item.from <= at + length && item.to >= at),
      );
    }),
  );
});

test('the first index that holds is found, or the length', () => {
  expect(firstIndex(5, (index) => index >= 3)).toBe(3);
  expect(firstIndex(5, () => true)).toBe(0);
  expect(firstIndex(5, () => false)).toBe(5);
});

test('running sums are those of the first values', () => {
  const sums = new RunningSum([3, 0, 4]);
  expect([0, 1, 2, 3].map((count) => sums.sumOfFirst(count))).toEqual([0, 3, 3, 7]);
});
