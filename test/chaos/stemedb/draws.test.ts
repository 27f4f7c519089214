import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { eraseDraw, type ScenarioDocument } from '../../../src/chaos/definition.ts';
import { plainDraw } from '../../../src/chaos/runId.ts';
import { textOf } from '../../../src/chaos/shrink/search.ts';
import { stemedbChaos } from '../../../src/chaos/stemedb/chaos.ts';
import type { StemeDraw } from '../../../src/chaos/stemedb/draw.ts';
import { families } from '../../../src/chaos/stemedb/menu/entry.ts';
import { faultMenu } from '../../../src/chaos/stemedb/menu/menu.ts';
import { faults } from '../../../src/faults/registry.ts';
import { loadScenario } from '../../../src/scenario/load.ts';
import { stands } from '../../../src/scenario/stands/registry.ts';

const vocabulary = { stands, faults, rules: () => 'groups: []' };
const { draws, near, scenarioOf, complete } = stemedbChaos;

/** Uniform in [0, 1), from a number. */
function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state / 2 ** 32;
  };
}

test('should draw plain data that becomes a scenario which loads, and is complete', () => {
  fc.assert(
    fc.property(draws, (draw) => {
      expect(JSON.parse(JSON.stringify(draw))).toEqual(draw);
      const document = scenarioOf(draw);
      const scenario = loadScenario(textOf(document), vocabulary);
      expect(scenario.nodes.length).toBe(draw.kind === 'faulty' ? draw.nodes : 1);
      expect(complete(document)).toEqual(document);
    }),
    { numRuns: 60 },
  );
});

test('should draw small and big runs, of one node and of several', () => {
  const many = fc.sample(draws, { seed: 1, numRuns: 400 });
  expect(Math.max(...many.map((draw) => draw.faults.length))).toBeGreaterThan(25);
  expect(many.filter((draw) => draw.faults.length > 8).length).toBeLessThan(40);
  expect([...new Set(many.map((draw) => draw.nodes))].toSorted()).toEqual([1, 2, 3, 4, 5]);
});

test('should draw the faults of the menu by their weights, and a seed of its own for every run', () => {
  const many = Array.from({ length: 4_000 }, (_, number) => plainDraw(eraseDraw(stemedbChaos), number) as StemeDraw); // drawn by this definition
  expect(new Set(many.map(({ seed }) => seed)).size).toBeGreaterThan(3_990);
  // Half of the seeds are in the upper half: none of them is drawn towards the edges.
  const upper = many.filter(({ seed }) => seed >= 2 ** 30).length / many.length;
  expect(Math.abs(upper - 0.5)).toBeLessThan(0.04);
  const drawn = many.flatMap(({ faults: list }) => list.map(({ entry }) => entry));
  // Families are left out at random, all alike: within one, the entries of a run come by their weights.
  for (const family of families) {
    const menu = faultMenu.filter((entry) => entry.family === family);
    const total = menu.reduce((sum, { weight }) => sum + weight, 0);
    const names = drawn.filter((name) => menu.some((entry) => entry.name === name));
    for (const { name, weight } of menu) {
      const expected = weight / total;
      const deviation = Math.sqrt((expected * (1 - expected)) / names.length);
      const share = names.filter((each) => each === name).length / names.length;
      expect(Math.abs(share - expected), `${name}: ${share} of ${names.length}`).toBeLessThanOrEqual(5 * deviation);
    }
  }
});

test('should draw runs near a parent that load, keep most of it, and come again from the same numbers', () => {
  fc.assert(
    fc.property(draws, draws, fc.nat(), (parent, fresh, seed) => {
      const child = near(parent, fresh, uniform(seed));
      expect(near(parent, fresh, uniform(seed))).toEqual(child);
      expect(child.kind).toBe(parent.kind);
      expect(Math.abs(child.faults.length - parent.faults.length)).toBeLessThanOrEqual(1);
      const entries = child.faults.map(({ entry }) => entry);
      const lost = parent.faults.filter(({ entry }, index) => entries[index] !== entry && !entries.includes(entry));
      expect(lost.length).toBeLessThanOrEqual(1);
      loadScenario(textOf(scenarioOf(child)), vocabulary);
    }),
    { numRuns: 60 },
  );
});

describe('what may be demanded', () => {
  const draft = (...timeline: Record<string, unknown>[]): ScenarioDocument => ({
    title: '',
    engine: 'stemedb',
    seed: 1,
    duration: '14s',
    timeline,
  });
  const syncError = { at: '1s', fault: 'disk.sync-error', nodes: 'stemedb-1', duration: '1s' };
  const powerLoss = { at: '2s', fault: 'process.power-loss', nodes: 'stemedb-1' };

  test('should be recovery by itself where nothing needs a restart', () => {
    expect(complete(draft(powerLoss))).toMatchObject({
      title: 'Chaos: recovery is demanded',
      timeline: [powerLoss],
      expect: { checks: 'all', exits: [] },
      finally: { within: '60s' },
    });
  });

  test('should be recovery after a restart where a journal may stay failed, as long as there is such a fault', () => {
    const completed = complete(draft(syncError));
    expect(completed?.timeline).toEqual([
      syncError,
      { id: 'put-right', at: '11500ms', fault: 'operator.restart', nodes: 'all' },
    ]);
    expect(completed?.expect).toMatchObject({ exits: [{ code: 65 }, { code: 74 }] });
    const shorter = complete({ ...draft(), ...completed, duration: '5s' });
    expect(shorter?.timeline).toMatchObject([syncError, { id: 'put-right', at: '2500ms' }]);
    expect(complete({ ...draft(), ...completed, timeline: [] })?.timeline).toEqual([]);
    // The operator would come while the fault lasts.
    expect(complete({ ...draft(), ...completed, duration: '4s' })).toBeUndefined();
  });

  test.each([
    ['rot', [{ at: 0, fault: 'disk.bit-rot', bits: 3 }], true],
    ['a sync that lies, then a loss of power', [{ ...syncError, with: { variant: 'late' } }, powerLoss], true],
    ['a sync that lies on the disk of the store', [{ ...syncError, device: 'sdc', variant: 'lost' }, powerLoss], false],
    ['a loss of power before it', [{ ...syncError, at: '3s', variant: 'lost' }, powerLoss], false],
    [
      'a loss of power elsewhere',
      [
        { ...syncError, variant: 'lost' },
        { ...powerLoss, nodes: ['stemedb-2'] },
      ],
      false,
    ],
    [
      'a loss of power anywhere',
      [
        { ...syncError, variant: 'lost' },
        { ...powerLoss, nodes: 'minority' },
      ],
      true,
    ],
  ])('should be detection alone with %s: %#', (_, timeline, isMedia) => {
    expect(complete(draft(...timeline))?.finally).toEqual(isMedia ? 'leave' : { within: '60s' });
  });

  test('should be nothing at all where nothing may be left to detect damage by', () => {
    const witness = { at: '1s', fault: 'operator.delete-file', nodes: 'stemedb-1', name: 'stemedb.ring' };
    const segment = { at: '2s', fault: 'operator.delete-file', nodes: 'stemedb-1', name: 'segment-' };
    const sectors = { at: '2s', fault: 'disk.sector-error', nodes: 'stemedb-1' };
    expect(complete(draft(witness))).toBeDefined();
    expect(complete(draft(witness, segment))).toBeUndefined();
    expect(complete(draft(witness, { ...segment, nodes: 'stemedb-2' }))).toBeDefined();
    expect(complete(draft(witness, { ...sectors, with: { range: { from: 4_096 } } }))).toBeDefined();
    expect(complete(draft(witness, sectors))).toBeUndefined();
  });

  test('should be nothing of steps after the end', () => {
    expect(complete({ ...draft(powerLoss), duration: '1s' })).toBeUndefined();
    expect(complete({ ...draft(powerLoss), duration: '2s' })).toBeUndefined();
    expect(complete({ ...draft(powerLoss), duration: '2001ms' })).toBeDefined();
    expect(complete({ ...draft(), duration: '0ms' })).toBeDefined();
  });
});
