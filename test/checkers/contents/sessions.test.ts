import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkSetMonotonicReads, checkSetReadYourWrites } from '../../../src/checkers/contents/sessions.ts';
import type { Operation } from '../../../src/checkers/history.ts';
import { drawnHistories } from '../drawn.ts';
import { op } from '../histories.ts';

const read = (id: number, process: number, from: number, elements: readonly string[]) =>
  op(id, process, 'read', undefined, from, from + 1, elements);

describe('sessions on a set', () => {
  test('should find a session that no longer reads what it has read', () => {
    const history = [read(0, 1, 0, ['a']), read(1, 1, 2, [])];
    expect(checkSetMonotonicReads(history)).toMatchObject([
      {
        check: 'monotonic-reads',
        operations: [0, 1],
        evidence: { element: 'a', session: 1, knownFrom: 0, missingIn: 1 },
      },
    ]);
    expect(checkSetMonotonicReads([read(0, 1, 0, ['a']), read(1, 2, 2, [])])).toEqual([]);
    expect(checkSetMonotonicReads([read(0, 1, 0, ['a']), read(1, 2, 2, [])], { sessionOf: () => 'one' })).toHaveLength(
      1,
    );
    expect(checkSetMonotonicReads([...history, op(2, 5, 'remove', 'a', 1, 9, undefined, 'info')])).toEqual([]);
    expect(checkSetMonotonicReads([...history, op(2, 5, 'remove', 'a', 1, 9, undefined, 'fail')])).toHaveLength(1);
    expect(checkSetMonotonicReads([...history, op(2, 5, 'remove', 'a', 8, 9)])).toHaveLength(1);
  });

  test('should find a session that does not read what it wrote, and bind nobody by what is in doubt', () => {
    const wrote = (outcome: Operation['outcome']) => op(0, 1, 'add', 'a', 0, 1, true, outcome);
    expect(checkSetReadYourWrites([wrote('ok'), read(1, 1, 2, [])])).toMatchObject([
      { check: 'read-your-writes', operations: [0, 1] },
    ]);
    expect(checkSetReadYourWrites([wrote('ok'), read(1, 2, 2, [])])).toEqual([]);
    expect(checkSetReadYourWrites([wrote('info'), read(1, 1, 2, [])])).toEqual([]);
    expect(checkSetReadYourWrites([wrote('fail'), read(1, 1, 2, [])])).toEqual([]);
    const removed = (from: number, to: number) => op(2, 2, 'remove', 'a', from, to, true);
    expect(checkSetReadYourWrites([wrote('ok'), removed(0.5, 3.5), read(1, 1, 2, [])])).toEqual([]);
    expect(checkSetReadYourWrites([wrote('ok'), removed(-2, -1), read(1, 1, 2, [])])).toHaveLength(1);
  });
});

describe('a session whose operations run side by side', () => {
  const oneSession = { sessionOf: () => 'node' };
  test('should bind a read by what had been answered before it began', () => {
    const add = (to: number) => op(0, 1, 'add', 'a', 0, to, true);
    expect(checkSetReadYourWrites([add(10), read(1, 2, 1, [])], oneSession)).toEqual([]);
    expect(checkSetReadYourWrites([add(0.5), read(1, 2, 1, [])], oneSession)).toHaveLength(1);
    const seen = op(0, 1, 'read', undefined, 0, 10, ['a']);
    expect(checkSetMonotonicReads([seen, read(1, 2, 1, [])], oneSession)).toEqual([]);
  });

  test('should judge each of two reads by the removals that it can know of', () => {
    const long = op(1, 2, 'read', undefined, 2, 100, []);
    const removed = op(3, 9, 'remove', 'a', 50, 60, true);
    const history = [op(0, 1, 'add', 'a', 0, 1, true), long, read(2, 3, 3, []), removed];
    expect(checkSetReadYourWrites(history, oneSession)).toMatchObject([{ operations: [0, 2] }]);
  });
});

test('should find a session that reads what it removed, unless somebody can have added it again', () => {
  const removed = (outcome: Operation['outcome']) => op(1, 1, 'remove', 'a', 2, 3, true, outcome);
  const added = (from: number, to: number, outcome?: Operation['outcome']) =>
    op(0, 5, 'add', 'a', from, to, true, outcome);
  expect(checkSetReadYourWrites([added(0, 1), removed('ok'), read(2, 1, 4, ['a'])])).toMatchObject([
    { check: 'read-your-writes', operations: [1, 2], evidence: { element: 'a', removedBy: 1, seenIn: 2 } },
  ]);
  expect(checkSetReadYourWrites([added(0, 1), removed('info'), read(2, 1, 4, ['a'])])).toEqual([]);
  expect(checkSetReadYourWrites([added(0, 1), removed('ok'), read(2, 7, 4, ['a'])])).toEqual([]);
  expect(checkSetReadYourWrites([added(0, 2.5), removed('ok'), read(2, 1, 4, ['a'])])).toEqual([]);
  expect(checkSetReadYourWrites([added(0, 1, 'info'), removed('ok'), read(2, 1, 4, ['a'])])).toEqual([]);
  expect(checkSetReadYourWrites([added(6, 7), removed('ok'), read(2, 1, 4, ['a'])])).toHaveLength(1);
});

test('the dumb twin: should agree with comparing every read with everything that the session did before', () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const kinds = fc.oneof(
    { weight: 2, arbitrary: name.map((input) => ({ f: 'add', input, output: true })) },
    { weight: 1, arbitrary: name.map((input) => ({ f: 'remove', input, output: true })) },
    { weight: 3, arbitrary: fc.subarray(['a', 'b', 'c']).map((output) => ({ f: 'read', output })) },
  );
  const counts = { reads: 0, writes: 0, removals: 0 };
  fc.assert(
    fc.property(drawnHistories(kinds, 10), (operations) => {
      const sessionOf = ({ process }: Operation) => process % 2;
      for (const element of ['a', 'b', 'c']) {
        const misses = (
          isSource: (operation: Operation) => boolean,
          excuse: (remove: Operation, source: Operation) => boolean,
        ) =>
          operations.some((later) =>
            operations.some(
              (source) =>
                source.completedOrder < later.invokedOrder &&
                sessionOf(source) === sessionOf(later) &&
                source.outcome === 'ok' &&
                isSource(source) &&
                later.f === 'read' &&
                later.outcome === 'ok' &&
                !(later.output as string[]).includes(element) &&
                !operations.some(
                  (remove) =>
                    remove.f === 'remove' &&
                    remove.input === element &&
                    remove.outcome !== 'fail' &&
                    remove.invokedOrder < later.completedOrder &&
                    excuse(remove, source),
                ),
            ),
          );
        const about = ({ evidence }: { evidence?: unknown }) => (evidence as { element: unknown }).element === element;
        const reads = checkSetMonotonicReads(operations, { sessionOf }).some(about);
        const own = checkSetReadYourWrites(operations, { sessionOf }).filter(about);
        const writes = own.some(({ evidence }) => 'missingIn' in (evidence as object));
        const removals = own.some(({ evidence }) => 'removedBy' in (evidence as object));
        expect(removals).toBe(
          operations.some((later) =>
            operations.some(
              (source) =>
                sessionOf(source) === sessionOf(later) &&
                source.completedOrder < later.invokedOrder &&
                [source.outcome, later.outcome].every((outcome) => outcome === 'ok') &&
                source.f === 'remove' &&
                source.input === element &&
                later.f === 'read' &&
                (later.output as string[]).includes(element) &&
                !operations.some(
                  (add) =>
                    add.f === 'add' &&
                    add.input === element &&
                    add.outcome !== 'fail' &&
                    add.invokedOrder < later.completedOrder &&
                    (add.outcome === 'info' || add.completedOrder > source.invokedOrder),
                ),
            ),
          ),
        );
        expect(reads).toBe(
          misses(
            (source) => source.f === 'read' && (source.output as string[]).includes(element),
            () => true,
          ),
        );
        expect(writes).toBe(
          misses(
            (source) => source.f === 'add' && source.input === element,
            (remove, source) => remove.outcome === 'info' || remove.completedOrder > source.invokedOrder,
          ),
        );
        if (reads) counts.reads++;
        if (writes) counts.writes++;
        if (removals) counts.removals++;
      }
    }),
    { numRuns: 1_000 },
  );
  expect(counts.reads).toBeGreaterThan(10);
  expect(counts.writes).toBeGreaterThan(10);
  expect(counts.removals).toBeGreaterThan(10);
});
