import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Compacted, RaftPanic, SnapshotOutOfDate, Unavailable } from '../../src/consensus/errors.ts';
import { MemoryStorage } from '../../src/consensus/memoryStorage.ts';
import type { Entry } from '../../src/consensus/types.ts';
import { confStateOf, entry } from './support/network.ts';
import { bytes, entryBytes } from './support/settings.ts';

/** Entries 4 to 6, behind a compacted 3. */
function storage(): MemoryStorage {
  const made = new MemoryStorage(entryBytes);
  made.append([1, 2, 3, 4, 5, 6].map((index) => entry(index, index)));
  made.compact(3);
  return made;
}

describe('a log in memory', () => {
  test('should begin empty', () => {
    const empty = new MemoryStorage(entryBytes);
    expect([empty.firstIndex(), empty.lastIndex(), empty.term(0)]).toEqual([1, 0, 0]);
    expect(empty.initialState().hardState).toEqual({ term: 0, vote: 0, commit: 0 });
  });

  test('should know the terms from the last compacted entry on', () => {
    const { term } = { term: (index: number) => storage().term(index) };
    expect([3, 4, 5, 6].map(term)).toEqual([3, 4, 5, 6]);
    expect(() => term(2)).toThrow(Compacted);
    expect(() => term(7)).toThrow(Unavailable);
  });

  test('should hand out entries within a size, one at least', () => {
    const made = storage();
    const indexes = (lo: number, hi: number, size: number): number[] =>
      made.entries(lo, hi, size).map(({ index }) => index);
    const all = Number.POSITIVE_INFINITY;
    expect(indexes(4, 7, all)).toEqual([4, 5, 6]);
    expect(indexes(4, 6, all)).toEqual([4, 5]);
    expect(indexes(4, 7, 0)).toEqual([4]);
    expect(indexes(4, 7, 32)).toEqual([4, 5]);
    expect(indexes(4, 7, 47)).toEqual([4, 5]);
    expect(indexes(4, 7, 48)).toEqual([4, 5, 6]);
    expect(() => made.entries(3, 5, all)).toThrow(Compacted);
    expect(() => made.entries(4, 8, all)).toThrow(Unavailable);
  });

  test('should make a snapshot of what it holds, and none that is older', () => {
    const made = storage();
    const snapshot = made.createSnapshot(5, confStateOf([1, 2]), bytes('five'));
    expect(snapshot.metadata).toEqual({ index: 5, term: 5, confState: confStateOf([1, 2]) });
    expect(made.snapshot()).toBe(snapshot);
    expect(made.initialState().confState.voters).toEqual([1, 2]);
    expect(() => made.createSnapshot(5, undefined, bytes(''))).toThrow(SnapshotOutOfDate);
    expect(() => made.createSnapshot(9, undefined, bytes(''))).toThrow(RaftPanic);
  });

  test('should be replaced by a snapshot, but not by one as old', () => {
    const made = storage();
    const snapshot = { metadata: { index: 9, term: 8, confState: confStateOf([1]) }, data: bytes('nine') };
    made.applySnapshot(snapshot);
    expect([made.firstIndex(), made.lastIndex(), made.term(9)]).toEqual([10, 9, 8]);
    expect(() => made.applySnapshot(snapshot)).toThrow(SnapshotOutOfDate);
  });

  test('should compact once, and not beyond its end', () => {
    const made = storage();
    expect(() => made.compact(3)).toThrow(Compacted);
    expect(() => made.compact(7)).toThrow(RaftPanic);
    made.compact(6);
    expect([made.firstIndex(), made.lastIndex(), made.term(6)]).toEqual([7, 6, 6]);
  });

  test('should not take entries behind a gap', () => {
    expect(() => storage().append([entry(8, 8)])).toThrow(RaftPanic);
  });

  test('should not change what it has handed out', () => {
    const made = storage();
    const before = made.entries(4, 7, Number.POSITIVE_INFINITY);
    made.append([entry(5, 9)]);
    expect(before.map(({ term }) => term)).toEqual([4, 5, 6]);
  });

  test('should append and cut as a plain list does', () => {
    const appends = fc.array(fc.record({ from: fc.nat(12), count: fc.integer({ min: 0, max: 5 }) }), { maxLength: 20 });
    fc.assert(
      fc.property(appends, fc.nat(6), (moves, compacted) => {
        const made = new MemoryStorage(entryBytes);
        made.append([1, 2, 3, 4, 5, 6].map((index) => entry(index, 1)));
        if (compacted > 0) made.compact(compacted);
        let list: Entry[] = made.entries(compacted + 1, 7, Number.POSITIVE_INFINITY).slice();
        for (const [term, { from, count }] of moves.entries()) {
          const first = Math.min(Math.max(from, 1), compacted + list.length + 1);
          const entries = Array.from({ length: count }, (_, at) => entry(first + at, term + 2));
          made.append(entries);
          const kept = entries.filter(({ index }) => index > compacted);
          if (kept.length > 0) list = [...list.filter(({ index }) => index < (kept[0]?.index ?? 0)), ...kept];
          expect(made.lastIndex()).toBe(compacted + list.length);
          if (list.length > 0) {
            expect(made.entries(compacted + 1, made.lastIndex() + 1, Number.POSITIVE_INFINITY)).toEqual(list);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});
