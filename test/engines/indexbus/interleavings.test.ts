import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { SceneDriver } from '../../../src/sim/interleaver/driver.ts';
import { exploreAll, exploreSeeded } from '../../../src/sim/interleaver/explore.ts';
import { SimRandom } from '../../../src/sim/random.ts';
import { Trace } from '../../../src/sim/trace.ts';
import type { BusSceneName } from './support/busScenes.ts';
import { ExhaustiveStore, exploreSet } from './support/exhaustive.ts';

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
    ['fenceLeaver', 2],
    ['fenceLeaverByView', 2],
    ['stalledLeaver', 2],
    ['fenceLeavingProducer', 2],
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

describe('one that leaves while its seat is taken from it, either of both killed at each step', () => {
  it.each<[BusSceneName, string, number]>(
    (['fenceLeaver', 'fenceLeaverByView', 'stalledLeaver', 'fenceLeavingProducer'] as const).flatMap(
      (name): [BusSceneName, string, number][] => [
        [name, 'the router', 0],
        [name, 'the leaver', 1],
      ],
    ),
  )(
    '%s: %s',
    async (name, whom, who) => {
      const it = await open(name);
      let killed = 0;
      let runs = 0;
      for (let atStep = 0; ; atStep += 1) {
        const kills = [{ who, atStep }];
        // Whoever is first finds the seat live, the other one what has become of it: both ways are gone to their end.
        const reaches = [0, 1].some(
          (first) => it.play({ departures: [{ at: 0, to: first }], kills }).killed.length > 0,
        );
        if (!reaches) break;
        killed += 1;
        const explored = exploreAll(it, { preemptions: long ? 3 : 2, runsMax: 1e6, kills });
        runs += explored.runs;
        expect(explored.failed, `killed at step ${atStep}`).toBeUndefined();
        expect(explored.complete).toBe(true);
      }
      console.info(`${name}, ${whom}: ${killed} kills, ${runs} interleavings`);
      expect(killed).toBeGreaterThan(1);
    },
    60_000,
  );
});

describe('a consumer killed at each of its last steps, the next one taking its lane over', () => {
  it.each<[BusSceneName, number]>([
    ['takeOver', 2],
    ['takeOverView', 1],
    ['takeOverGivenUp', 2],
  ])(
    '%s, up to %i preemptions of three participants',
    async (name, preemptions) => {
      const it = await open(name);
      let kills = 0;
      let runs = 0;
      for (let atStep = 0; ; atStep += 1) {
        const kill = { who: 0, atStep };
        if (it.play({ departures: [], kills: [kill] }).killed.length === 0) break;
        kills += 1;
        const explored = exploreAll(it, { preemptions: long ? 3 : preemptions, runsMax: 1e7, kills: [kill] });
        runs += explored.runs;
        expect(explored.failed, `killed at step ${atStep}`).toBeUndefined();
        expect(explored.complete).toBe(true);
      }
      console.info(`${name}: ${kills} kills, ${runs} interleavings`);
      expect(kills).toBeGreaterThan(4);
    },
    60_000,
  );

  it('and the router killed at each of its steps, its successor at once at work', async () => {
    const it = await open('takeOver');
    // The holder dies after it has taken a message.
    const holder = { who: 0, atStep: 4 };
    let kills = 0;
    let runs = 0;
    for (let atStep = 0; ; atStep += 1) {
      const both = [holder, { who: 1, atStep }];
      const explored = exploreAll(it, { preemptions: 1, runsMax: 1e6, kills: both });
      runs += explored.runs;
      expect(explored.failed, `killed at step ${atStep}`).toBeUndefined();
      if (it.play({ departures: [], kills: both }).killed.length < 2) break;
      kills += 1;
    }
    console.info(`takeOver: ${kills} kills of the router, ${runs} interleavings`);
    expect(kills).toBeGreaterThan(10);
  }, 60_000);
});

describe('a set that is played in parts, as npm run interleave does', () => {
  const set = { scene: 'fenceBroadcast', preemptions: 2 };
  const whole = { index: 1, of: 1 };

  it('goes on where it was ended, and counts what was played before', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'hotfire-interleave-'));
    try {
      const path = join(directory, 'state.json');
      const all = await exploreSet(set, new ExhaustiveStore(undefined), whole, () => false);
      expect(all).toMatchObject({ partsDone: all.parts, failed: undefined });
      let looks = 0;
      const begun = await exploreSet(set, new ExhaustiveStore(path), whole, () => {
        looks += 1;
        return looks > 3;
      });
      expect(begun.partsDone).toBe(3);
      const ended = await exploreSet(set, new ExhaustiveStore(path), whole, () => false);
      expect(ended).toEqual(all);
      expect(await exploreSet(set, new ExhaustiveStore(path), whole, () => true)).toEqual(all);
      // What was kept of other sources counts for nothing.
      writeFileSync(path, JSON.stringify({ sources: 'other', sets: {} }));
      expect((await exploreSet(set, new ExhaustiveStore(path), whole, () => true)).partsDone).toBe(0);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it('is the same in shards', async () => {
    const all = await exploreSet(set, new ExhaustiveStore(undefined), whole, () => false);
    const shards = [];
    for (const index of [1, 2, 3]) {
      shards.push(await exploreSet(set, new ExhaustiveStore(undefined), { index, of: 3 }, () => false));
    }
    expect(shards.reduce((sum, it) => sum + it.runs, 0)).toBe(all.runs);
  });

  it('ends with the schedule that shows a bug', async () => {
    const planted = { scene: 'evict head-by-store', preemptions: 3 };
    const { failed } = await exploreSet(planted, new ExhaustiveStore(undefined), whole, () => false);
    expect(failed?.violations.length).toBeGreaterThan(0);
    expect(failed?.schedule.departures.length).toBeGreaterThan(0);
  });
});
