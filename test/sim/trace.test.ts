import { expect, test } from 'vitest';
import { checkDeterminism, describeDifference } from '../../src/sim/checkDeterminism.ts';
import { chooseCore } from '../../src/sim/healedCore.ts';
import type { Trace } from '../../src/sim/trace.ts';
import { World } from '../../src/sim/world.ts';

/** A world in which three processes talk and draw; `disturb` may do something that only one of two runs does. */
async function busy(seed: number, record: boolean, disturb?: (world: World) => void): Promise<World> {
  const world = new World({ seed, record, buggify: true });
  for (const name of ['a', 'b', 'c']) {
    world.addMachine(name).start('main', async (host) => {
      const peers = ['a', 'b', 'c'].filter((peer) => peer !== name);
      await host.network.listen({ host: name, port: 80 }, async (connection) => {
        for (let bytes = await connection.read(); bytes !== undefined; bytes = await connection.read()) {
          await connection.write(bytes);
        }
        await connection.end();
      });
      await host.clock.sleep(5);
      for (let round = 0; round < 20; round++) {
        const connection = await host.network.connect({ host: host.random.stream('peer').pick(peers), port: 80 });
        await connection.write(host.random.stream('bytes').bytes(host.random.stream('size').integer(1, 2000)));
        await connection.end();
        while ((await connection.read()) !== undefined) host.telemetry.buggify('read again');
        host.telemetry.logger.info('round done', { round });
      }
    });
  }
  disturb?.(world);
  await world.run({ toMs: 1000 });
  return world;
}

test('a seed gives one fingerprint, recorded or not, and another seed another', async () => {
  const first = await busy(7, false);
  expect((await busy(7, true)).trace.fingerprint).toBe(first.trace.fingerprint);
  expect((await busy(8, false)).trace.fingerprint).not.toBe(first.trace.fingerprint);
  expect(first.logs.lines.filter((line) => line.message === 'round done')).toHaveLength(60);
});

test('the fingerprint of a known run stays what it was on every machine and Node version', async () => {
  const { trace } = await busy(1, false);
  expect([trace.fingerprint, trace.count]).toMatchInlineSnapshot(`
    [
      "e93b0bcbcde0ae64",
      16619,
    ]
  `);
});

test('two equal runs are equal', async () => {
  const report = await checkDeterminism(async (record) => (await busy(3, record)).trace);
  expect(report.equal).toBe(true);
  expect(report.firstDifference).toBeUndefined();
});

test('a run that draws once more than the other is caught at that draw, by name', async () => {
  let run = 0;
  const report = await checkDeterminism(async (record): Promise<Trace> => {
    run++;
    const odd = run % 2 === 1;
    const world = await busy(3, record, (made) => {
      if (odd) made.scheduler.at(10, 'leak', undefined, () => made.random.stream('leaky').uint32());
      else made.scheduler.at(10, 'leak', undefined, () => {});
    });
    return world.trace;
  });
  expect(report.equal).toBe(false);
  expect(report.firstDifference?.first).toMatchObject({ atMs: 10, kind: 'draw', label: 'leaky' });
  if (report.firstDifference === undefined) throw new Error('expected a difference');
  expect(describeDifference(report.firstDifference)).toContain('draw "leaky"');
});

test('a draw from one stream moves no draw of another', () => {
  const draws = (disturbed: boolean): number[] => {
    const world = new World({ seed: 5 });
    if (disturbed) for (let index = 0; index < 100; index++) world.random.stream('other').float();
    return Array.from({ length: 10 }, () => world.random.stream('mine').uint32());
  };
  expect(draws(true)).toEqual(draws(false));
});

test('a fault point is live in about a quarter of the runs and fires then a quarter of the time', () => {
  let live = 0;
  let asked = 0;
  let fired = 0;
  for (let seed = 0; seed < 800; seed++) {
    const { probes } = new World({ seed, buggify: true });
    const hits = Array.from({ length: 100 }, () => probes.buggify('flush-early')).filter(Boolean).length;
    expect(probes.buggifyFired.get('flush-early')).toBe(hits);
    if (hits === 0) continue;
    live++;
    asked += 100;
    fired += hits;
  }
  expect(live / 800).toBeGreaterThan(0.2);
  expect(live / 800).toBeLessThan(0.3);
  expect(fired / asked).toBeGreaterThan(0.23);
  expect(fired / asked).toBeLessThan(0.27);
});

test('a fault point that loses what was sent fires no more once the faults have ended, another one does', () => {
  const points = { probes: [], faultPoints: ['packet lost', 'flush-early'], losses: ['packet lost'] };
  const hits = { before: [0, 0], after: [0, 0] };
  for (let seed = 0; seed < 40; seed++) {
    const { probes } = new World({ seed, buggify: true, points });
    for (const when of ['before', 'after'] as const) {
      if (when === 'after') probes.endLosses();
      for (let index = 0; index < 100; index++) {
        for (const [at, name] of points.faultPoints.entries()) {
          if (probes.buggify(name)) hits[when][at] = (hits[when][at] ?? 0) + 1;
        }
      }
    }
  }
  expect(hits.before.every((count) => count > 0)).toBe(true);
  expect(hits.after).toEqual([0, expect.any(Number)]);
  expect(hits.after[1]).toBeGreaterThan(0);
});

test('without buggify no fault point fires or draws; mutants are those that were planted', () => {
  const world = new World({ seed: 1, mutants: ['ack-early'] });
  const before = world.trace.fingerprint;
  for (let index = 0; index < 100; index++) expect(world.probes.buggify('flush-early')).toBe(false);
  expect(world.trace.fingerprint).toBe(before);
  expect([world.probes.mutant('ack-early'), world.probes.mutant('ack-late')]).toEqual([true, false]);
});

test('probes are registered when asked and reached when their condition held', () => {
  const { probes } = new World({ seed: 1 });
  probes.sometimes('rolled while full', false);
  probes.sometimes('two in a batch', true);
  probes.sometimes('two in a batch', false);
  expect(probes.sometimesReached).toEqual([
    { name: 'rolled while full', reached: false },
    { name: 'two in a batch', reached: true },
  ]);
});

test('the core of the liveness phase is a quorum, in order, and different ones come up', () => {
  const nodes = ['a', 'b', 'c', 'd', 'e'];
  const seen = new Set<string>();
  for (let seed = 0; seed < 200; seed++) {
    const core = chooseCore(nodes, new World({ seed }).random.stream('core'));
    expect(core).toHaveLength(3);
    expect(core).toEqual(nodes.filter((node) => core.includes(node)));
    seen.add(core.join(''));
  }
  expect(seen.size).toBe(10);
  expect(chooseCore(['only'], new World({ seed: 1 }).random.stream('core'))).toEqual(['only']);
});
