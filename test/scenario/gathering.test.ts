import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createGathering } from '../../src/scenario/gathering.ts';

describe('what is gathered while a run goes on', () => {
  it('should always hold the latest half of its bound, never more than the bound, and count what went', () => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 40 }), fc.integer({ min: 0, max: 400 }), (max, count) => {
        const gathering = createGathering<number>(
          max,
          (value) => value,
          () => [0],
        );
        for (let value = 0; value < count; value++) {
          gathering.add(value);
          const latest = Array.from({ length: Math.min(value + 1, Math.floor(max / 2)) }, (_, back) => value - back);
          expect(gathering.values).toEqual(expect.arrayContaining(latest));
          expect(gathering.values.length).toBeLessThanOrEqual(max);
        }
        expect(gathering.values.length + gathering.dropped).toBe(count);
        expect(gathering.values).toEqual(gathering.values.toSorted((a, b) => a - b));
      }),
    );
  });

  it('should keep what is around a moment that was known, long after', () => {
    const moments = [0];
    const gathering = createGathering<number>(
      100,
      (value) => value,
      () => moments,
    );
    for (let value = 0; value < 10_000; value++) {
      if (value === 3_000) moments.push(value);
      gathering.add(value);
    }
    const around = gathering.values.filter((value) => Math.abs(value - 3_000) <= 5);
    expect(around).toHaveLength(11);
    expect(gathering.values.at(-1)).toBe(9_999);
  });
});
