import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chaosDefinitions } from '../../src/chaos/registry.ts';
import { drawRun, lineageMax, nearRunId, parseRunId, runNumber, runNumberMax } from '../../src/chaos/runId.ts';

const stemedb = chaosDefinitions.get('stemedb');
if (stemedb === undefined) throw new Error('chaos knows stemedb');

test.each(['', '.', '17.', '.17', '017', '1..2', '-1', '1e3', ' 1', '2147483648', '1.2.3.4.5.6.7.8.9'])(
  'should take %j for no run',
  (text) => {
    expect(parseRunId(text)).toBeUndefined();
  },
);

test('should read what it writes, however long a lineage grows', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: runNumberMax }), { minLength: 1, maxLength: 20 }), ([first = 0, ...others]) => {
      const run = others.reduce(nearRunId, String(first));
      const numbers = parseRunId(run);
      expect(numbers?.[0]).toBe(first);
      expect(numbers?.length).toBeLessThanOrEqual(lineageMax);
      expect(runNumber(run)).toBe(others.at(-1) ?? first);
    }),
  );
});

test('should draw a run by its name alone: the same every time, near its parent, unlike its siblings', () => {
  const [parent, child, sibling, other] = ['17', '17.60', '17.61', '18.60'].map((run) => drawRun(stemedb, run));
  expect(drawRun(stemedb, '17.60')).toEqual(child);
  for (const different of [parent, sibling, other, drawRun(stemedb, '60')]) expect(child).not.toEqual(different);
  expect(drawRun(stemedb, '17.60.95')).not.toEqual(child);
  expect(stemedb.scenarioOf(drawRun(stemedb, '17.60.95'))).toMatchObject({ engine: 'stemedb' });
});

test('should refuse to draw what names no run', () => {
  expect(() => drawRun(stemedb, '17.')).toThrow('expected the name of a run such as 17 or 17.60, got 17.');
});

test('should draw another scenario than that of the parent, of whatever kind the parent is', () => {
  const kinds = new Map<unknown, number>();
  for (let number = 1; number <= 400; number++) {
    const parent = drawRun(stemedb, String(number));
    const kind = parent.kind;
    const seen = kinds.get(kind) ?? 0;
    // Many of the rare kinds, few of the usual one.
    if (seen >= 12) continue;
    kinds.set(kind, seen + 1);
    for (const near of [5_000, 5_001, 5_002]) {
      const child = drawRun(stemedb, `${number}.${near}`);
      expect(stemedb.scenarioOf(child), `${number}.${near}`).not.toEqual(stemedb.scenarioOf(parent));
    }
  }
  expect(Object.fromEntries(kinds)).toMatchObject({ gathering: 12, long: 12, faulty: 12 });
});
