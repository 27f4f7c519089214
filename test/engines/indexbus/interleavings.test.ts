import { afterEach, describe, expect, it } from 'vitest';
import { SceneDriver } from '../../../src/sim/interleaver/driver.ts';
import { exploreAll, exploreSeeded } from '../../../src/sim/interleaver/explore.ts';
import { SimRandom } from '../../../src/sim/random.ts';
import { Trace } from '../../../src/sim/trace.ts';
import type { BusSceneName } from './support/busScenes.ts';

/** More of the same, for a run by hand: preemptions of the exhaustive sets, and how many times as many seeded runs. */
const long = process.env.INTERLEAVE_LONG !== undefined;

let driver: SceneDriver | undefined;

async function open(scene: BusSceneName): Promise<SceneDriver> {
  driver = await SceneDriver.open(new URL('./support/busScenes.ts', import.meta.url).href, scene);
  return driver;
}

afterEach(async () => {
  await driver?.close();
  driver = undefined;
});

describe('every interleaving of two participants', () => {
  it.each<[BusSceneName, number]>([
    ['evict', 2],
    ['evictWrapped', 2],
    ['fence', 2],
    ['fenceBroadcast', 2],
    ['publish', 2],
    ['join', 2],
    ['sleepRouter', 2],
    ['sleepConsumer', 2],
  ])('%s, up to %i preemptions', async (name, preemptions) => {
    const explored = exploreAll(await open(name), { preemptions: long ? 3 : preemptions, runsMax: 1e7 });
    console.info(`${name}: ${explored.runs} interleavings, up to ${explored.longest} decisions`);
    expect(explored.failed).toBeUndefined();
    expect(explored.complete).toBe(true);
  });
});

describe('interleavings of three participants, by random priorities', () => {
  it.each<BusSceneName>(['three', 'sleep'])('%s', async (name) => {
    const random = new SimRandom(1, new Trace({ record: false })).stream(name);
    const explored = exploreSeeded(await open(name), random, { runs: long ? 100_000 : 1500, depth: 3 });
    expect(explored.failed).toBeUndefined();
  });
});

describe('the router killed at each point, its successor at once at work, with a live consumer', () => {
  it.each<BusSceneName>(['evict', 'fence'])('%s', async (name) => {
    const it = await open(name);
    let kills = 0;
    let runs = 0;
    for (let atStep = 0; ; atStep += 1) {
      const kill = { who: 0, atStep };
      const first = it.play({ departures: [], kills: [kill] });
      if (first.killed.length === 0) break;
      kills += 1;
      const explored = exploreAll(it, { preemptions: long ? 2 : 1, runsMax: 1e6, kills: [kill] });
      runs += explored.runs;
      expect(explored.failed, `killed at step ${atStep}`).toBeUndefined();
    }
    console.info(`${name}: ${kills} kills, ${runs} interleavings`);
    expect(kills).toBeGreaterThan(10);
  });
});
