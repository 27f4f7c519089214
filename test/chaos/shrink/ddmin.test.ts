import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ddmin } from '../../../src/chaos/shrink/ddmin.ts';

const all = Array.from({ length: 24 }, (_, index) => index);
const part = fc.uniqueArray(fc.nat({ max: 23 }), { minLength: 0, maxLength: 5 });

test('should come to one of the smallest sets when what fails goes on failing with more', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 4 }), async (causes) => {
      const fails = (kept: readonly number[]) => causes.some((cause) => cause.every((each) => kept.includes(each)));
      const left = await ddmin(all, async (kept) => fails(kept));
      // By brute force: those causes of which no other is a part.
      const minimal = causes.filter(
        (cause) => !causes.some((other) => other.length < cause.length && other.every((each) => cause.includes(each))),
      );
      expect(minimal.map((cause) => cause.toSorted((a, b) => a - b))).toContainEqual([...left]);
    }),
  );
});

test('should leave nothing that can be left out alone, whatever the test', async () => {
  await fc.assert(
    fc.asyncProperty(part, fc.func(fc.boolean()), async (cause, whim) => {
      const fails = (kept: readonly number[]) =>
        kept.length === all.length || (cause.every((each) => kept.includes(each)) && whim(kept.length, kept[0]));
      const left = await ddmin(all, async (kept) => fails(kept));
      expect(fails(left)).toBe(true);
      for (const [index] of left.entries()) expect(fails(left.toSpliced(index, 1))).toBe(false);
    }),
  );
});

test('should find one cause of a thousand elements in about its logarithm', async () => {
  let runs = 0;
  const many = Array.from({ length: 1_000 }, (_, index) => index);
  const left = await ddmin(many, async (kept) => {
    runs++;
    return kept.includes(777);
  });
  expect(left).toEqual([777]);
  expect(runs).toBeLessThan(30);
});
