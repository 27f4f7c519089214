import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CommitPolicy } from '../../../src/storage/journal/commit.ts';

type Step =
  | { readonly kind: 'append'; readonly wait: number; readonly bytes: number }
  | { readonly kind: 'tick'; readonly wait: number }
  | { readonly kind: 'complete'; readonly ms: number };

/** The dumb twin: the rule, with everything it has seen kept in lists and counted again at each question. */
function twin(maxWaitMs: number, maxBatchBytes: number) {
  const durations: number[] = [];
  /** One entry a finished gather: how it ended. */
  const gathers: ('met' | 'missed')[] = [];
  let flushesSinceMiss = 0;
  let expected = 0;
  let gatherStart: number | undefined;
  const average = () => durations.reduce((l, d, i) => (i === 0 ? d : l + (d - l) / 8), 0);
  const lastMisses = () => Math.min(6, gathers.length - 1 - gathers.lastIndexOf('met'));
  const backingOff = () =>
    gathers.at(-1) === 'missed' && flushesSinceMiss < ([0, 1, 3, 7, 15, 31, 63][lastMisses()] ?? 0);
  return {
    completed(ms: number, appends: number, queued: number) {
      durations.push(ms);
      expected = appends + queued;
    },
    flushes(now: number, queued: readonly number[]): boolean {
      if (gatherStart === undefined) {
        if (expected <= 1) return true;
        if (backingOff()) {
          flushesSinceMiss += 1;
          return true;
        }
        gatherStart = now;
      }
      const done = (how: 'met' | 'missed' | 'full') => {
        gatherStart = undefined;
        if (how !== 'full') gathers.push(how);
        if (how === 'missed') flushesSinceMiss = 0;
        return true;
      };
      if (queued.length * 32 >= expected * 31) return done('met');
      if (queued.reduce((a, b) => a + b, 0) >= maxBatchBytes) return done('full');
      if (now - gatherStart >= Math.min(maxWaitMs, average() / 2)) return done('missed');
      return false;
    },
  };
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('append' as const), wait: fc.nat(3), bytes: fc.nat(300) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('tick' as const), wait: fc.nat(12) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('complete' as const), ms: fc.integer({ min: 1, max: 64 }) }) },
);

describe('CommitPolicy', () => {
  it('should decide as its dumb twin does', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), fc.integer({ min: 0, max: 20 }), (steps, maxWaitMs) => {
        const policy = new CommitPolicy({ maxWaitMs, maxBatchBytes: 2000 });
        const dumb = twin(maxWaitMs, 2000);
        let now = 0;
        let queued: number[] = [];
        let inFlight: number[] | undefined;
        const ask = () => {
          if (inFlight !== undefined || queued.length === 0) return;
          const bytes = queued.reduce((a, b) => a + b, 0);
          const flush = policy.decide(now, queued.length, bytes) <= now;
          expect(flush).toBe(dumb.flushes(now, queued));
          if (flush) {
            inFlight = queued;
            queued = [];
          }
        };
        for (const s of steps) {
          if (s.kind === 'append') {
            now += s.wait;
            ask();
            queued.push(s.bytes);
          } else if (s.kind === 'tick') {
            now += s.wait;
          } else if (inFlight !== undefined) {
            now += s.ms;
            policy.completed(s.ms, inFlight.length, queued.length);
            dumb.completed(s.ms, inFlight.length, queued.length);
            inFlight = undefined;
          }
          ask();
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('should never make a lone writer wait', () => {
    const policy = new CommitPolicy({ maxWaitMs: 10, maxBatchBytes: 1 << 20 });
    let now = 0;
    for (let i = 0; i < 100; i++) {
      expect(policy.decide(now, 1, 300)).toBeLessThanOrEqual(now);
      now += 5;
      policy.completed(5, 1, 0);
    }
  });

  it('should gather closed-loop writers that came in halves into one batch', () => {
    const policy = new CommitPolicy({ maxWaitMs: 50, maxBatchBytes: 1 << 20 });
    policy.completed(100, 32, 32);
    expect(policy.decide(0, 32, 32 * 300)).toBe(50);
    expect(policy.decide(1, 61, 61 * 300)).toBe(50);
    expect(policy.decide(1, 62, 62 * 300)).toBeLessThanOrEqual(1);
    expect(policy.lastGather).toBe('met');
  });
});
