import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RateLimiter } from '../../../src/engines/stemedb/rateLimit.ts';

describe('rate limiter', () => {
  test('lets in at most the limit and one burst in any second', () => {
    const arrivals = fc.array(
      fc.record({ gapMs: fc.double({ min: 0, max: 400, noNaN: true }), units: fc.integer({ min: 1, max: 60 }) }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), arrivals, fc.boolean(), (perSecond, requests, whole) => {
        const limiter = new RateLimiter(perSecond);
        const passed: { at: number; units: number }[] = [];
        let now = 0;
        for (const { gapMs, units } of requests) {
          now += gapMs;
          passed.push({ at: now, units: limiter.admit(now, units, whole).admitted });
        }
        for (const { at } of passed) {
          const inSecond = passed.filter((other) => other.at >= at && other.at < at + 1_000);
          expect(inSecond.reduce((sum, { units }) => sum + units, 0)).toBeLessThanOrEqual(2 * perSecond);
        }
      }),
      { numRuns: 300 },
    );
  });

  test.each([1, 3, 7, 500, 1_000_000])('refuses nothing that comes at its rate of %d a second', (perSecond) => {
    const limiter = new RateLimiter(perSecond);
    for (let i = 0; i < 2_000; i++) {
      expect(limiter.admit((i * 1_000) / perSecond, 1, true)).toEqual({ admitted: 1, retryAfterMs: 0 });
    }
  });

  test('says when to come back, and lets in who does', () => {
    const limiter = new RateLimiter(4);
    expect(limiter.admit(0, 4, true).admitted).toBe(4);
    const { admitted, retryAfterMs } = limiter.admit(0, 1, true);
    expect([admitted, retryAfterMs]).toEqual([0, 250]);
    expect(limiter.admit(249, 1, true).admitted).toBe(0);
    expect(limiter.admit(250, 1, true).admitted).toBe(1);
  });

  test('lets in a part of a batch, or with whole none of it', () => {
    expect(new RateLimiter(10).admit(0, 25, false).admitted).toBe(10);
    expect(new RateLimiter(10).admit(0, 25, true).admitted).toBe(0);
  });
});
