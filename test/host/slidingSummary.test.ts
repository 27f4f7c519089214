import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SlidingSummary } from '../../src/host/slidingSummary.ts';

/** The dumb twin: keeps every value and sorts. */
function twin(now: () => number, windows: number, windowMs: number) {
  const seen: { epoch: number; value: number }[] = [];
  return {
    observe: (value: number) => seen.push({ epoch: Math.floor(now() / windowMs), value }),
    quantile(q: number, inFlight: readonly number[]): number {
      const newest = Math.floor(now() / windowMs);
      const live = seen.filter((s) => s.epoch > newest - windows).map((s) => s.value);
      const sorted = [...live, ...inFlight].sort((a, b) => a - b);
      return sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1] ?? Number.NaN;
    },
  };
}

describe('SlidingSummary', () => {
  it('should be within 1 % of the sorted values of the last windows', () => {
    const value = fc.double({ min: 1e-6, max: 3600, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(fc.record({ wait: fc.integer({ min: 0, max: 25_000 }), value }), { maxLength: 60 }),
        fc.array(value, { maxLength: 3 }),
        (steps, inFlight) => {
          let now = 5;
          const summary = new SlidingSummary({ now: () => now });
          const dumb = twin(() => now, 6, 10_000);
          for (const step of steps) {
            now += step.wait;
            summary.observe(step.value);
            dumb.observe(step.value);
            const at = [0, 0.5, 0.9, 0.99, 1];
            summary.quantiles(at, inFlight).forEach((got, i) => {
              const expected = dumb.quantile(at[i] ?? 0, inFlight);
              expect(Math.abs(got - expected)).toBeLessThanOrEqual(expected * 0.01 + 1e-12);
            });
          }
        },
      ),
    );
  });

  it('should forget after six windows, and keep sum and count for ever', () => {
    let now = 0;
    const summary = new SlidingSummary({ now: () => now });
    summary.observe(2);
    now = 59_999;
    expect(summary.quantiles([0.5])[0]).toBeCloseTo(2, 1);
    now = 60_000;
    expect(summary.quantiles([0.5])[0]).toBeNaN();
    expect([summary.sum, summary.count]).toEqual([2, 1]);
  });

  it('should count a value in flight by its age', () => {
    const summary = new SlidingSummary({ now: () => 0 });
    summary.observe(0.001);
    expect(summary.quantiles([0.99], [30])[0]).toBeGreaterThan(29);
  });

  it('should keep zero at zero', () => {
    const summary = new SlidingSummary({ now: () => 0 });
    summary.observe(0);
    expect(summary.quantiles([0.5])).toEqual([0]);
  });
});
