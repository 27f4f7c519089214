import { describe, expect, it } from 'vitest';
import { indexbusMutants } from '../../../src/engines/indexbus/mutants.ts';
import { SceneDriver } from '../../../src/sim/interleaver/driver.ts';
import { exploreAll } from '../../../src/sim/interleaver/explore.ts';
import type { BusSceneName } from './support/busScenes.ts';
import { runWithCrash } from './support/crashing.ts';
import { drawRun } from './support/drawing.ts';
import { type PlanName, plans } from './support/plans.ts';
import { plantedBugRuns } from './support/plantedBugs.ts';
import { Stage } from './support/stage.ts';

const seedsMax = 200;

/** Each bug with the bus on which runs drawn from seeds show it, and checks of which one has to see it. */
const bySeeds: [string, PlanName, readonly string[]][] = [
  ['redo-skipped', 'broadcast', ['O2', 'A3', 'P1', 'A4', 'A1']],
  ['redo-unsealed', 'oldest', ['O2', 'A3', 'A4', 'P1', 'A1']],
  ['redo-head-blind', 'oldest', ['O2', 'A4']],
  ['return-before-seal', 'broadcast', ['P1', 'O3']],
  ['signed-compare', 'wrapped', ['L1', 'P1']],
  ['admit-while-placing', 'mixed', ['A3', 'O2', 'A4', 'A5']],
  ['credit-from-old-tail', 'credit', ['C1']],
  ['all-full-twice', 'broadcastToTwo', ['A3', 'A5']],
  ['requeue-last', 'keyed', ['O4']],
  ['bucket-jump', 'keyed', ['O4']],
  ['view-freed-at-head', 'view', ['O3', 'C1']],
  ['fence-reads-head', 'workqueue', ['O2', 'A4']],
  ['fence-in-memory', 'workqueue', ['F1', 'O2', 'A4']],
  ['seat-reuse-unacked', 'workqueue', ['F1']],
  ['accept-unwritten', 'broadcast', ['A1']],
  ['refuse-written', 'broadcast', ['A1']],
  ['claim-not-handed', 'workqueue', ['O5']],
];

/** Each bug with the scene of which an interleaving shows it. */
const byInterleaver: [string, BusSceneName, readonly string[]][] = [
  ['tail-before-payload', 'three', ['O3', 'A1']],
  ['head-by-store', 'evict', ['O2', 'O3', 'A4']],
  ['receive-before-claim', 'evict', ['O2']],
  ['take-over-forgets', 'takeOver', ['A5', 'A4']],
  ['freeze-skipped', 'evict', ['A4', 'O3']],
  ['sleep-without-look', 'sleepConsumer', ['L1']],
  ['doorbell-late-clear', 'sleepRouter', ['L1']],
];

/** Bugs of what judges the holder of a seat: liveness.test.ts shows them. */
const byJudgement = ['dead-by-timeout', 'start-time-ignored', 'lock-ignored'];

/** Names of the checks that see the bug in runs drawn from seeds. */
async function seenBySeeds(mutant: string, plan: PlanName): Promise<string[]> {
  const stage = await Stage.build(plans[plan], mutant);
  const memory = new SharedArrayBuffer(stage.bytes);
  for (let seed = 1; seed <= seedsMax; seed += 1) {
    const { operations, crashes } = drawRun(stage.plan, seed);
    const { violations } = runWithCrash(stage, memory, operations, crashes);
    if (violations.length > 0) return violations.map((violation) => violation.split(':')[0] ?? '');
  }
  return [];
}

/** The same over every interleaving up to three preemptions. */
async function seenByInterleaver(mutant: string, scene: BusSceneName): Promise<string[]> {
  const module = new URL('./support/busScenes.ts', import.meta.url).href;
  const driver = await SceneDriver.open(module, `${scene} ${mutant}`);
  try {
    // Somebody has to be gone before another takes over.
    const kills = scene === 'takeOver' ? [{ who: 0, atStep: 4 }] : [];
    const { failed } = exploreAll(driver, { preemptions: 3, runsMax: 2500, kills });
    if (failed === undefined) return [];
    return [
      ...failed.violations.map((violation) => violation.split(':')[0] ?? ''),
      ...(failed.stuck.length > 0 ? ['L1'] : []),
    ];
  } finally {
    await driver.close();
  }
}

describe('planted bugs are seen in runs drawn from seeds', () => {
  it.each(bySeeds)('%s, on %s', async (mutant, plan, checks) => {
    const seen = await seenBySeeds(mutant, plan);
    console.info(`${mutant}: ${[...new Set(seen)].join(' ')}`);
    expect(seen.some((check) => checks.includes(check))).toBe(true);
  });
});

describe('planted bugs are seen by the interleaver', () => {
  it.each(byInterleaver)('%s, in %s', async (mutant, scene, checks) => {
    const seen = await seenByInterleaver(mutant, scene);
    console.info(`${mutant}: ${[...new Set(seen)].join(' ')}`);
    expect(seen.some((check) => checks.includes(check))).toBe(true);
  });
});

describe('planted bugs are seen in a run made for them', () => {
  it.each(Object.entries(plantedBugRuns))('%s', (mutant, run) => {
    expect(run([])).toBeUndefined();
    const seen = run([mutant]);
    console.info(`${mutant}: ${seen}`);
    expect(seen).toMatch(/^(L1|C1|P1|A1|A4|A5|F1|O4|O6) /);
  });
});

it('no bug can be planted that nothing here sees', () => {
  const seen = [...bySeeds.map(([name]) => name), ...byInterleaver.map(([name]) => name), ...byJudgement];
  const all = new Set([...seen, ...Object.keys(plantedBugRuns)]);
  expect([...all].sort()).toEqual(indexbusMutants.map((it) => it.name).sort());
});
