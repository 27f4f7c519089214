import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jointCommitted, jointVote, majorityCommitted, majorityVote } from '../../src/consensus/quorum.ts';
import { dumbCommitted, dumbVote } from './dumbQuorum.ts';

const ids = fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: 7 });
const indexes = fc.dictionary(fc.integer({ min: 1, max: 12 }).map(String), fc.integer({ min: 0, max: 20 }));
const votes = fc.dictionary(fc.integer({ min: 1, max: 12 }).map(String), fc.boolean());

test('should commit what its dumb twin commits', () => {
  fc.assert(
    fc.property(ids, ids, indexes, (incoming, outgoing, acked) => {
      const lookup = { ackedIndex: (id: number) => acked[id] };
      expect(majorityCommitted(incoming, lookup)).toBe(dumbCommitted(incoming, lookup));
      expect(jointCommitted(incoming, outgoing, lookup)).toBe(
        Math.min(dumbCommitted(incoming, lookup), dumbCommitted(outgoing, lookup)),
      );
    }),
    { numRuns: 20_000 },
  );
});

test('should decide a vote as its dumb twin, who plays out all that could still come', () => {
  fc.assert(
    fc.property(ids, ids, votes, (incoming, outgoing, given) => {
      const lookup = { vote: (id: number) => given[id] };
      expect(majorityVote(incoming, lookup)).toBe(dumbVote([incoming], lookup));
      const joint = jointVote(incoming, outgoing, lookup);
      const twin = dumbVote([incoming, outgoing], lookup);
      // Halves that need opposite votes of one member can be lost before either half is: the quorum does not look so far.
      if (joint === 'pending') expect(['pending', 'lost']).toContain(twin);
      else expect(joint).toBe(twin);
    }),
    { numRuns: 2_000 },
  );
});
