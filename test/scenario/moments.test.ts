import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { momentsOf, nearestGroups, nearestTo } from '../../src/scenario/moments.ts';

const ascending = (max: number) =>
  fc.array(fc.integer({ min: 0, max: 1000 }), { maxLength: max }).map((times) => times.sort((a, b) => a - b));

describe('what is kept of too much', () => {
  it('should be so many, in order, and nothing nearer to a moment should be left out', () => {
    fc.assert(
      fc.property(ascending(200), ascending(8), fc.integer({ min: 1, max: 100 }), (times, others, max) => {
        const moments = [0, ...others];
        const values = times.map((atMs, index) => ({ atMs, index }));
        const kept = nearestTo(moments, values, ({ atMs }) => atMs, max);
        expect(kept).toHaveLength(Math.min(max, values.length));
        expect(kept.map(({ index }) => index)).toEqual(kept.map(({ index }) => index).toSorted((a, b) => a - b));
        // The dumb twin: the distance to every moment, for every value.
        const distance = (atMs: number) => Math.min(...moments.map((moment) => Math.abs(moment - atMs)));
        const farthest = Math.max(0, ...kept.map(({ atMs }) => distance(atMs)));
        for (const value of values) {
          if (!kept.includes(value)) expect(distance(value.atMs)).toBeGreaterThanOrEqual(farthest);
        }
      }),
    );
  });

  it('should be all of it when there is not too much', () => {
    const values = [1, 2, 3];
    expect(nearestTo([0], values, (value) => value, 3)).toBe(values);
  });
});

describe('what is kept of too many groups', () => {
  it('should be whole groups, none farther from the moments than one that there was room for', () => {
    const drafts = fc.array(fc.tuple(fc.integer({ min: 0, max: 1000 }), fc.constantFrom(...'abcdefghij')), {
      maxLength: 80,
    });
    fc.assert(
      fc.property(drafts, ascending(4), fc.integer({ min: 1, max: 40 }), (pairs, others, max) => {
        const moments = [0, ...others];
        const values = pairs.map(([atMs, group]) => ({ atMs, group })).sort((a, b) => a.atMs - b.atMs);
        const kept = nearestGroups(
          moments,
          values,
          ({ atMs }) => atMs,
          ({ group }) => group,
          max,
        );
        expect(kept.length).toBeLessThanOrEqual(max);
        if (values.length <= max) {
          expect(kept).toBe(values);
          return;
        }
        const all = Map.groupBy(values, ({ group }) => group);
        if ([...all.values()].every(({ length }) => length > max)) {
          expect(kept).toHaveLength(max);
          return;
        }
        const whole = new Set(kept.map(({ group }) => group));
        expect(kept).toEqual(values.filter(({ group }) => whole.has(group)));
        const distance = (group: string) =>
          Math.min(...(all.get(group) ?? []).flatMap(({ atMs }) => moments.map((moment) => Math.abs(moment - atMs))));
        const farthest = Math.max(...[...whole].map(distance));
        for (const [group, { length }] of all) {
          if (!whole.has(group) && length <= max) expect(distance(group)).toBeGreaterThanOrEqual(farthest);
        }
      }),
    );
  });
});

describe('the moments of a run', () => {
  it('should be its beginning, and every time at which something happened that people ask about', () => {
    const fault = { id: 0, name: 'f', nodes: [], parameters: {}, text: '' };
    const alert = { name: 'a', labels: {}, annotations: {}, expr: '', forMs: 0, severity: 'page' };
    const operation = { process: 0, f: 'w', input: 1, outcome: 'info' as const, invokedOrder: 0, completedOrder: 1 };
    expect(
      momentsOf({
        faults: [
          { ...fault, startMs: 30, endMs: 40 },
          { ...fault, startMs: 20 },
        ],
        alerts: [{ ...alert, pendingMs: 50, firingMs: 60 }],
        states: [{ atMs: 20, node: 'n', state: 'crashed' }],
        violations: [
          { check: 'c', message: 'm', atMs: 90, operations: [7] },
          { check: 'c', message: 'm', atMs: Number.POSITIVE_INFINITY },
        ],
        operations: [
          { ...operation, id: 6, invokedAt: 1, completedAt: 2 },
          { ...operation, id: 7, invokedAt: 70, completedAt: Number.POSITIVE_INFINITY },
        ],
      }),
    ).toEqual([0, 20, 30, 40, 50, 60, 70, 90]);
  });
});
