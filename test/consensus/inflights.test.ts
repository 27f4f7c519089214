import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RaftPanic } from '../../src/consensus/errors.ts';
import { Inflights } from '../../src/consensus/inflights.ts';

type Move = { readonly add: number } | { readonly free: number } | { readonly reset: true };

const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ add: fc.integer({ min: 0, max: 50 }) }) },
  { weight: 4, arbitrary: fc.record({ free: fc.integer({ min: 0, max: 12 }) }) },
  { weight: 1, arbitrary: fc.record({ reset: fc.constant(true as const) }) },
);

test('should hold what a plain list holds', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 0, max: 200 }),
      fc.array(move),
      (count, bytes, moves) => {
        const inflights = new Inflights(count, bytes);
        let list: { index: number; bytes: number }[] = [];
        let last = 0;
        for (const next of moves) {
          const sum = list.reduce((total, one) => total + one.bytes, 0);
          const isFull = list.length === count || (bytes > 0 && sum >= bytes);
          expect([inflights.count, inflights.bytes, inflights.full]).toEqual([list.length, sum, isFull]);
          if ('reset' in next) {
            inflights.reset();
            list = [];
          } else if ('free' in next) {
            inflights.freeUpTo(last - next.free);
            list = list.filter(({ index }) => index > last - next.free);
          } else if (isFull) {
            expect(() => inflights.add(last + 1, next.add)).toThrow(RaftPanic);
          } else {
            last += 2;
            inflights.add(last, next.add);
            list.push({ index: last, bytes: next.add });
          }
        }
      },
    ),
    { numRuns: 3_000 },
  );
});
