import fc from 'fast-check';
import { expect, test } from 'vitest';
import { eraseDraw } from '../../../src/chaos/definition.ts';
import { plainDraw } from '../../../src/chaos/runId.ts';
import { textOf } from '../../../src/chaos/shrink/search.ts';
import { streamBusChaos } from '../../../src/chaos/streambus/chaos.ts';
import type { StreamBusDraw } from '../../../src/chaos/streambus/draw.ts';
import { faultMenu } from '../../../src/chaos/streambus/menu/menu.ts';
import { streamBusMutants } from '../../../src/engines/streambus/mutants.ts';
import { faults } from '../../../src/faults/registry.ts';
import { loadScenario } from '../../../src/scenario/load.ts';
import { stands } from '../../../src/scenario/stands/registry.ts';

const vocabulary = { stands, faults, rules: () => 'groups: []' };
const { draws, near, scenarioOf, complete } = streamBusChaos;

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
      expect(loadScenario(textOf(document), vocabulary).nodes).toHaveLength(draw.brokers);
      expect(complete(document)).toEqual(document);
    }),
    { numRuns: 40 },
  );
});

test('should draw every entry of the menu, one, three and five brokers, and runs near a parent', () => {
  const many = Array.from(
    { length: 600 },
    (_, number) => plainDraw(eraseDraw(streamBusChaos), number) as StreamBusDraw,
  ); // drawn by this definition
  expect([...new Set(many.map(({ brokers }) => brokers))].toSorted()).toEqual([1, 3, 5]);
  const drawn = new Set(many.flatMap(({ faults: list }) => list.map(({ entry }) => entry)));
  expect([...drawn].toSorted()).toEqual(faultMenu.map(({ name }) => name).toSorted());
  const [parent, fresh] = many;
  if (parent === undefined || fresh === undefined) throw new Error('expected draws');
  const child = near(parent, fresh, uniform(7));
  expect(near(parent, fresh, uniform(7))).toEqual(child);
  expect(Math.abs(child.faults.length - parent.faults.length)).toBeLessThanOrEqual(1);
  loadScenario(textOf(scenarioOf(child)), vocabulary);
});

test('should damage one disk of a run at most, and none where there is no other copy', () => {
  const damage = /process\.(wipe|old-disk)|rm -rf/;
  fc.assert(
    fc.property(draws, (draw) => {
      const steps = (scenarioOf(draw).timeline as readonly Record<string, unknown>[]).filter((step) =>
        damage.test(`${step.fault} ${step.operator}`),
      );
      const hit = new Set(steps.map((step) => String(step.nodes ?? step.on)));
      expect(hit.size).toBeLessThanOrEqual(draw.brokers === 1 ? 0 : 1);
    }),
    { numRuns: 200 },
  );
});

test('should delete only partitions that the load writes to, and each of them in some run', () => {
  const deleted = (draw: StreamBusDraw): string[] =>
    (scenarioOf(draw).timeline as readonly Record<string, unknown>[])
      .map((step) => String(step.operator ?? ''))
      .filter((operator) => operator.includes('/data/'))
      .flatMap((operator) => operator.split(' ').slice(2))
      .map((path) => path.replace('/var/lib/streambus/data/', ''));
  const found = new Set<string>();
  fc.assert(
    fc.property(draws, (draw) => {
      const { topics, partitions, transactional } = draw.load;
      for (const path of deleted(draw)) {
        found.add(path);
        const [, topic, partition] = /^t(\d|x)\/partition-(\d)$/.exec(path) ?? [];
        if (topic === 'x') expect(transactional).toBeGreaterThan(0);
        else expect(Number(topic)).toBeLessThan(topics);
        expect(Number(partition)).toBeLessThan(topic === 'x' ? 2 : partitions);
      }
    }),
    { numRuns: 400, seed: 1 },
  );
  const topics = ['t0', 't1', 'tx'];
  expect([...found].toSorted()).toEqual(topics.flatMap((topic) => [`${topic}/partition-0`, `${topic}/partition-1`]));
});

test('a broker may end by itself only where its disk refuses a write', () => {
  const base = { engine: 'streambus', duration: '20s' };
  const exits = (fault: string) => complete({ ...base, timeline: [{ at: '5s', fault, nodes: 'all' }] })?.expect;
  const ends = { exits: [70, 74].map((code) => ({ code, optional: true })) };
  expect(exits('disk.sync-error')).toMatchObject(ends);
  expect(exits('process.old-disk')).toMatchObject(ends);
  expect(exits('process.kill')).toMatchObject({ exits: [] });
  const one = complete({ ...base, timeline: [{ at: '5s', fault: 'process.old-disk', nodes: 'streambus-2' }] })?.expect;
  expect(one).toMatchObject({ exits: [70, 74].map((code) => ({ node: 'streambus-2', code, optional: true })) });
  const cleared = complete({ ...base, timeline: [{ at: '5s', operator: 'rm -rf /x', on: 'streambus-3' }] })?.expect;
  expect(cleared).toMatchObject({ exits: [70, 74].map((code) => ({ node: 'streambus-3', code, optional: true })) });
  expect(complete({ ...base, timeline: [{ at: '30s', fault: 'process.kill' }] })).toBeUndefined();
});

test('the mutants are those that the engine can be told to have', () => {
  expect(streamBusChaos.mutants).toBe(streamBusMutants);
  expect(new Set(streamBusMutants.map(({ name }) => name)).size).toBe(streamBusMutants.length);
});

test('should draw only elections that fit three times into the ten seconds after which a leader must be found', () => {
  const timeouts = new Set<number>();
  fc.assert(
    fc.property(draws, ({ config }) => {
      const { tickMs, electionTicks } = config;
      timeouts.add(tickMs * electionTicks);
      expect(Number.isInteger(electionTicks)).toBe(true);
      expect(3 * 2 * tickMs * electionTicks).toBeLessThanOrEqual(10_000);
    }),
    { numRuns: 300 },
  );
  expect(Math.min(...timeouts)).toBeLessThan(1_000);
  expect(Math.max(...timeouts)).toBeGreaterThan(1_000);
});
