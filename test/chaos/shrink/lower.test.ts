import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lower, quantityOf } from '../../../src/chaos/shrink/lower.ts';

test('should come near the smallest number that fails, and never above where it began', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 100_000 }), fc.nat({ max: 100_000 }), async (value, limit) => {
      const tried: number[] = [];
      const found = await lower(value, async (candidate) => {
        tried.push(candidate);
        return candidate >= limit;
      });
      expect(found).toBeLessThanOrEqual(value);
      expect(found === value || found >= limit).toBe(true);
      if (limit <= 1) expect(found).toBeLessThanOrEqual(1);
      if (limit > 1 && limit <= value) expect(found).toBeLessThanOrEqual(Math.min(value, limit * 1.6 + 1));
      expect(tried.length).toBeLessThanOrEqual(8);
    }),
  );
});

test('should keep the sign, and prefer round numbers', async () => {
  expect(await lower(-345_678, async (candidate) => candidate <= -2_345)).toBeLessThanOrEqual(-2_345);
  expect(await lower(719, async (candidate) => candidate >= 25)).toBe(30);
  expect(await lower(719, async () => false)).toBe(719);
});

test.each([
  ['250ms', 250, 100, '100ms'],
  ['1m30s', 90_000, 2_000, '2s'],
  ['4KiB', 4_096, 1_024, '1KiB'],
  ['500/s', 500, 20, '20/s'],
  ['30%', 30, 5, '5%'],
  [7, 7, 3, 3],
])('should read %s and write another in its place', (text, value, next, written) => {
  const quantity = quantityOf(text);
  expect(quantity?.value).toBe(value);
  expect(quantity?.write(next)).toBe(written);
});

test('should not take a word for a number', () => {
  expect(['drop', 'stemedb-1', true, undefined, '/v1/x'].map(quantityOf)).toEqual(Array(5).fill(undefined));
});
