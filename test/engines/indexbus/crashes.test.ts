import { describe, expect, it } from 'vitest';
import { type Crash, type Operation, runWithCrash } from './support/crashing.ts';
import { drawRun } from './support/drawing.ts';
import { type PlanName, plans } from './support/plans.ts';
import { Stage, type StagePlan } from './support/stage.ts';

/** Far above what any participant does here. */
const stepsMax = 400;

/** One message (three where a lane has to overflow) through a bus, every participant twice. */
function oneMessage(name: PlanName): Operation[] {
  const plan: StagePlan = plans[name];
  const publish: Operation = { who: 'producer', seat: 0, key: 7 };
  const messages = name === 'oldest' || name === 'wrapped' || name === 'newest' || name === 'blocking' ? 3 : 1;
  const receive = plan.lanes.map((_, seat): Operation => ({ who: 'consumer', seat }));
  const router: Operation = { who: 'router' };
  return [
    ...Array.from({ length: messages }, () => [publish, router]).flat(),
    ...receive,
    router,
    ...receive,
    router,
    publish,
    router,
  ];
}

describe('a crash at every step of every operation, for one message', () => {
  it.each(Object.keys(plans) as PlanName[])('%s', async (name) => {
    const stage = await Stage.build(plans[name]);
    const memory = new SharedArrayBuffer(stage.bytes);
    const operations = oneMessage(name);
    expect(runWithCrash(stage, memory, operations, []).violations).toEqual([]);
    let crashes = 0;
    const victims: Pick<Crash, 'who' | 'seat'>[] = [
      { who: 'producer', seat: 0 },
      { who: 'router', seat: 0 },
      ...stage.plan.lanes.map((_, seat) => ({ who: 'consumer' as const, seat })),
    ];
    for (const victim of victims) {
      for (let atStep = 0; ; atStep += 1) {
        expect(atStep).toBeLessThan(stepsMax);
        const { crashed, violations } = runWithCrash(stage, memory, operations, [{ ...victim, atStep }]);
        if (!crashed) break;
        crashes += 1;
        expect(violations, `${victim.who} ${victim.seat} killed at step ${atStep}`).toEqual([]);
      }
    }
    expect(crashes).toBeGreaterThan(20);
  });

  it('of a router and of the one that recovers after it', async () => {
    const stage = await Stage.build(plans.oldest);
    const memory = new SharedArrayBuffer(stage.bytes);
    const operations = oneMessage('oldest');
    let pairs = 0;
    for (let first = 0; ; first += 1) {
      const one: Crash = { who: 'router', seat: 0, atStep: first };
      if (!runWithCrash(stage, memory, operations, [one]).crashed) break;
      // The successor's steps count on; its recovery and first poll are within these.
      for (let second = first + 1; second < first + 24; second += 3) {
        const { violations } = runWithCrash(stage, memory, operations, [one, { ...one, atStep: second }]);
        pairs += 1;
        expect(violations, `killed at step ${first}, its successor at step ${second}`).toEqual([]);
      }
    }
    expect(pairs).toBeGreaterThan(200);
  });
});

describe('crashes of many, drawn from a seed', () => {
  it.each(Object.keys(plans) as PlanName[])('%s', async (name) => {
    const stage = await Stage.build(plans[name]);
    const memory = new SharedArrayBuffer(stage.bytes);
    for (let seed = 1; seed <= 60; seed += 1) {
      const { operations, crashes } = drawRun(stage.plan, seed);
      const { violations } = runWithCrash(stage, memory, operations, crashes);
      expect(violations, `seed ${seed}`).toEqual([]);
    }
  });
});
