import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RaftEvent } from '../../src/consensus/events.ts';
import type { Entry } from '../../src/consensus/types.ts';
import { Unstable } from '../../src/consensus/unstable.ts';
import { confStateOf, entry } from './support/network.ts';
import { bytes } from './support/settings.ts';

function indexes(entries: readonly Entry[]): string[] {
  return entries.map(({ index, term }) => `${term}/${index}`);
}

test('should hand out again what takes the place of entries that are being stored', () => {
  const unstable = new Unstable(3, null);
  unstable.truncateAndAppend([entry(3, 1), entry(4, 1), entry(5, 1)]);
  expect(indexes(unstable.nextEntries())).toEqual(['1/3', '1/4', '1/5']);
  unstable.acceptInProgress();
  expect(unstable.hasNextEntries).toBe(false);
  unstable.truncateAndAppend([entry(4, 2)]);
  expect(indexes(unstable.nextEntries())).toEqual(['2/4']);
  unstable.acceptInProgress();
  // Behind what storage has: it is asked to write the whole of it anew.
  unstable.truncateAndAppend([entry(2, 3)]);
  expect(unstable.offset).toBe(2);
  expect(indexes(unstable.nextEntries())).toEqual(['3/2']);
});

test('should not give up what a report does not mean', () => {
  const events: RaftEvent[] = [];
  const unstable = new Unstable(3, { event: (event) => events.push(event) });
  unstable.restore({ metadata: { confState: confStateOf([1]), index: 5, term: 2 }, data: bytes('') });
  unstable.truncateAndAppend([entry(6, 2), entry(7, 2)]);
  unstable.stableTo(5, 2);
  unstable.stableTo(7, 1);
  unstable.stableTo(8, 2);
  unstable.stableTo(3, 1);
  expect(events.map(({ kind }) => kind)).toEqual([
    'stable-is-snapshot',
    'stable-mismatch',
    'stable-missing',
    'stable-missing',
  ]);
  expect([unstable.offset, unstable.length]).toEqual([6, 2]);
  unstable.stableSnapshotTo(4);
  expect(unstable.snapshot?.metadata.index).toBe(5);
  unstable.stableSnapshotTo(5);
  expect(unstable.snapshot).toBeUndefined();
});

test('should know what a plain list knows, whatever is appended, stored and reported', () => {
  const move = fc.record({
    kind: fc.constantFrom('append', 'accept', 'stable'),
    back: fc.nat(4),
    count: fc.integer({ min: 1, max: 4 }),
  });
  fc.assert(
    fc.property(fc.array(move, { maxLength: 40 }), (moves) => {
      const unstable = new Unstable(10, null);
      let list: Entry[] = [];
      let first = 10;
      for (const [at, { kind, back, count }] of moves.entries()) {
        const end = first + list.length;
        if (kind === 'append') {
          const from = Math.max(end - back, 5);
          const added = Array.from({ length: count }, (_, offset) => entry(from + offset, at + 1));
          unstable.truncateAndAppend(added);
          list = [...list.filter(({ index }) => index < from), ...added];
          first = Math.min(first, from);
        } else if (kind === 'accept') {
          unstable.acceptInProgress();
          expect(unstable.hasNextEntries).toBe(false);
        } else {
          const done = list[back];
          if (done === undefined) continue;
          unstable.stableTo(done.index, done.term);
          list = list.filter(({ index }) => index > done.index);
          first = done.index + 1;
        }
        expect(unstable.offset).toBe(first);
        expect(unstable.slice(first, first + list.length)).toEqual(list);
        expect(unstable.lastIndex).toBe(list.at(-1)?.index);
        for (const known of list) expect(unstable.term(known.index)).toBe(known.term);
        expect(unstable.nextEntries()).toEqual(list.filter(({ index }) => index >= unstable.offsetInProgress));
      }
    }),
    { numRuns: 2_000 },
  );
});
