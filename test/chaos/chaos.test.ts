import { expect, test } from 'vitest';
import { plainPlan, runCampaign, seedsOf } from '../../src/chaos/campaign.ts';
import type { ChaosDefinition } from '../../src/chaos/definition.ts';
import { chaosDefinitions } from '../../src/chaos/registry.ts';
import { plainDraw } from '../../src/chaos/runId.ts';
import { type DrawOptions, runDraw } from '../../src/chaos/runSeed.ts';
import { createThreadExecutor } from '../../src/chaos/threadExecutor.ts';
import { faults } from '../../src/faults/registry.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { runScenario } from '../../src/scenario/runner.ts';
import { stands } from '../../src/scenario/stands/registry.ts';

const vocabulary = { stands, faults, rules: () => 'groups: []' };
const stemedb = chaosDefinitions.get('stemedb');
if (stemedb === undefined) throw new Error('chaos knows stemedb');

function runSeed(definition: ChaosDefinition, seed: number, options: DrawOptions) {
  return runDraw(definition, plainDraw(definition, seed), vocabulary, options);
}

test('should hold eight seeds, and come to the same fingerprints in one worker and in two', async () => {
  const campaign = (jobs: number) => {
    const executor = createThreadExecutor({ jobs, packageRoot: new URL('../../', import.meta.url).href });
    const plan = plainPlan(seedsOf(2, 8, { index: 1, of: 1 }));
    return runCampaign({ engine: 'stemedb', mutants: [], shrinkRunsMax: 0, executor, plan }).finally(() =>
      executor.close(),
    );
  };
  const one = await campaign(1);
  const two = await campaign(2);
  expect(one.results.map((result) => result.failure?.reasons ?? [])).toEqual(one.results.map(() => []));
  expect(two.results.map((result) => result.fingerprint)).toEqual(one.results.map((result) => result.fingerprint));
  expect(new Set(one.results.map((result) => result.fingerprint)).size).toBe(8);
});

test('should shrink a failure to a scenario file that fails the same check when it is replayed', async () => {
  const mutants = ['retry-sync'];
  let seed = 0;
  let failure: Awaited<ReturnType<typeof runDraw>>['failure'];
  for (seed = 1; failure === undefined && seed <= 60; seed++) {
    ({ failure } = await runSeed(stemedb, seed, { mutants, shrinkRunsMax: 12 }));
  }
  if (failure === undefined) throw new Error('no seed caught retry-sync');
  expect(failure.scenario).toContain('engine: stemedb');
  expect(failure.shrinkRuns).toBeLessThanOrEqual(12);
  expect(failure.withoutMutants).toBe('held');
  const replayed = await runScenario(loadScenario(failure.scenario, vocabulary), { mutants });
  expect([...new Set(replayed.violations.map((violation) => violation.check))]).toEqual(failure.checks);
  const healthy = await runScenario(loadScenario(failure.scenario, vocabulary));
  expect(healthy.violations).toEqual([]);
});

/** The quick ones, with the first seed that is tried; `hotfire mutants stemedb` hunts all of them. */
test.each([
  ['ack-on-write', 'C6 ack-after-sync', 1],
  ['ack-before-sync', 'C6 ack-after-sync', 1],
  ['skip-directory-sync', 'C6 ack-after-sync', 1],
  ['crc-without-lsn', 'C8 no-bad-byte', 1],
  ['split-append', 'C3 no-phantom', 1],
  ['ack-before-fold', 'C10 read-your-writes', 15],
  ['fixed-wait', 'C16 latency', 1],
  ['tie-by-arrival', 'C21 lens', 1],
])('should catch the planted bug %s by %s within a few seeds', async (mutant, check, first) => {
  const seen = new Set<string>();
  for (let seed = first; seed < first + 15 && !seen.has(check); seed++) {
    const { failure } = await runSeed(stemedb, seed, { mutants: [mutant], shrinkRunsMax: 0 });
    for (const name of failure?.checks ?? []) seen.add(name);
  }
  expect(seen).toContain(check);
});

test('should not pass over a scenario of chaos that does not load: that is a defect of chaos', async () => {
  const misspelt: ChaosDefinition = {
    ...stemedb,
    scenarioOf: (draw) => ({ ...stemedb.scenarioOf(draw), cluster: { config: { wal: { segment_byte: 262_144 } } } }),
  };
  await expect(runSeed(misspelt, 8, {})).rejects.toThrow(/segment_byte/);
});

test('should say of a failure that is there without the planted bug too what it is', async () => {
  const demanding: ChaosDefinition = {
    ...stemedb,
    scenarioOf: () => ({
      title: 'A demand that no engine meets',
      engine: 'stemedb',
      seed: 1,
      duration: '200ms',
      load: { writers: 1 },
      timeline: [],
      expect: { operations: { 'ok at least': 1_000_000 } },
    }),
    complete: (document) => document,
  };
  const { verdict, failure } = await runSeed(demanding, 1, { mutants: ['float-sum'], shrinkRunsMax: 6 });
  expect([verdict, failure?.withoutMutants]).toEqual(['violated', 'violated']);
  // It is made smaller all the same: no candidate would be if each had to hold without the bug.
  expect(failure?.explanation?.after.operations).toBeLessThan(failure?.explanation?.before.operations ?? 0);
});

test('should hold no list of the numbers of a long campaign', () => {
  const all = seedsOf(0, 2 ** 31, { index: 1, of: 1 });
  expect([all.length, all.slice(2 ** 31 - 2, 2 ** 31 + 5)]).toEqual([2 ** 31, [2 ** 31 - 2, 2 ** 31 - 1]]);
  expect(seedsOf(1, 2, { index: 3, of: 4 }).length).toBe(0);
});

test('should cut the seeds into shards without loss or overlap', () => {
  const shards = [1, 2, 3]
    .map((index) => seedsOf(10, 20, { index, of: 3 }))
    .map((all) => [...all.slice(0, 7), ...all.slice(7, 20)]);
  expect(shards.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => 10 + n));
});
