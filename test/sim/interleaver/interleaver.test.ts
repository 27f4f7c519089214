import { afterEach, describe, expect, it } from 'vitest';
import { SceneDriver } from '../../../src/sim/interleaver/driver.ts';
import { exploreAll, exploreSeeded, partsOf } from '../../../src/sim/interleaver/explore.ts';
import { SimRandom } from '../../../src/sim/random.ts';
import { Trace } from '../../../src/sim/trace.ts';

let driver: SceneDriver | undefined;

async function open(scene: string): Promise<SceneDriver> {
  driver = await SceneDriver.open(new URL('./scenes.ts', import.meta.url).href, scene);
  return driver;
}

afterEach(async () => {
  await driver?.close();
  driver = undefined;
});

describe('the interleaver', () => {
  it('finds an update that is lost, and plays it again from its schedule', async () => {
    const it = await open('adders');
    expect(it.play({ departures: [] }).violations).toEqual([]);
    const { failed } = exploreAll(it, { preemptions: 1, runsMax: 100 });
    expect(failed?.violations).toEqual(['two added, the sum is 1']);
    const again = it.play(failed?.schedule ?? { departures: [] });
    expect(again.violations).toEqual(['two added, the sum is 1']);
  });

  it('plays every order of steps: as many as there are words of three letters each of two', async () => {
    const it = await open('letters');
    const seen = new Set<string>();
    const play = it.play.bind(it);
    it.play = (schedule) => {
      const run = play(schedule);
      seen.add(run.violations.join());
      return { ...run, violations: [] };
    };
    const all = exploreAll(it, { preemptions: 9, runsMax: 10_000 });
    expect(all.complete).toBe(true);
    // Three steps of each: as many orders as there are ways to choose 3 places of 6.
    expect(seen.size).toBe(20);
  });

  it('needs the preemptions that a bug needs', async () => {
    const it = await open('twoPreemptions');
    const one = exploreAll(it, { preemptions: 1, runsMax: 1000 });
    expect(one).toMatchObject({ complete: true, failed: undefined });
    const more = exploreAll(it, { preemptions: 3, runsMax: 1000 });
    expect(more.failed?.violations).toEqual(['a, b, a, b']);
  });

  it('plays the same in parts: with the first run they are the whole set, each schedule once', async () => {
    const it = await open('letters');
    const played: string[] = [];
    const play = it.play.bind(it);
    it.play = (schedule) => {
      played.push(JSON.stringify(schedule.departures));
      return { ...play(schedule), violations: [] };
    };
    const whole = exploreAll(it, { preemptions: 3, runsMax: 10_000 });
    const all = played.splice(0).sort();
    const { parts } = partsOf(it, { preemptions: 3 });
    for (const under of parts) expect(exploreAll(it, { preemptions: 3, runsMax: 10_000, under }).complete).toBe(true);
    expect(played.sort()).toEqual(all);
    expect(new Set(all).size).toBe(whole.runs);
    expect(parts.length).toBeGreaterThan(2);
  });

  it('finds it by random priorities too, the same for the same seed', async () => {
    const it = await open('twoPreemptions');
    const found = (): number =>
      exploreSeeded(it, new SimRandom(5, new Trace({ record: false })).stream('pct'), { runs: 2000, depth: 4 }).runs;
    const first = found();
    expect(first).toBeLessThan(2000);
    expect(found()).toBe(first);
  });

  it('tells a wake that was lost, and that a look prevents it', async () => {
    const lost = exploreAll(await open('sleepers'), { preemptions: 2, runsMax: 1000 });
    expect(lost.failed?.stuck).toEqual(['sleeper']);
    await driver?.close();
    const kept = exploreAll(await open('sleepersThatLook'), { preemptions: 3, runsMax: 10_000 });
    expect(kept).toMatchObject({ complete: true, failed: undefined });
  });

  it('kills a participant at a step, and lets the others go on', async () => {
    const it = await open('walkers');
    const run = it.play({ departures: [], kills: [{ who: 1, atStep: 2 }] });
    expect(run.violations).toEqual(['4 2 4']);
    expect(run.killed).toEqual(['b']);
    expect(it.steps()).toEqual([4, 3, 4]);
  });

  it('tells what a participant throws, and ends one that turns in circles', async () => {
    const it = await open('faulty');
    const { violations } = it.play({ departures: [] });
    expect(violations[0]).toContain('a is broken');
    expect(violations[1]).toContain('more than 2000 decisions');
  });
});
