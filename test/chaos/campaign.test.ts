import { expect, test } from 'vitest';
import { type CampaignOptions, plainPlan, runCampaign } from '../../src/chaos/campaign.ts';
import { type Executor, ExecutorError } from '../../src/chaos/executor.ts';
import { guidedPlan, untilProbes } from '../../src/chaos/guidance/guide.ts';
import type { RunResult } from '../../src/chaos/runSeed.ts';
import { createThreadExecutor } from '../../src/chaos/threadExecutor.ts';
import { hashText } from '../../src/sim/hash.ts';

/** What a run of this name comes to in a world that nobody plays: the same every time, and rare things are rare. */
function resultOf(run: string): RunResult {
  const digest = hashText(run) >>> 0;
  const failed = digest % 17 === 0;
  return {
    verdict: failed ? 'violated' : 'held',
    fingerprint: digest.toString(16),
    events: 1,
    virtualMs: 1,
    probes: [{ name: 'rare', reached: digest % 101 === 0 }],
    coverage: [`item ${digest % 7}`, ...(digest % 31 === 0 ? [`rare ${digest % 5}`] : [])],
    faults: [],
    ...(failed ? { failure: { checks: ['a check'], reasons: [], scenario: 'timeline: []', shrinkRuns: 0 } } : {}),
  };
}

/** Ends its runs in an order of its own: the later ones of those under way often first. */
function unrulyExecutor(width: number, fails: (run: string) => boolean = () => false): Executor & { played: string[] } {
  const played: string[] = [];
  return {
    width,
    played,
    async run({ run }) {
      played.push(run);
      const turns = 1 + ((hashText(run, 7) >>> 0) % 9);
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      if (fails(run)) throw new ExecutorError(run, 'its worker died');
      return resultOf(run);
    },
    close: async () => {},
  };
}

const numbers = Array.from({ length: 400 }, (_, at) => 1 + at);

function campaignOf(executor: Executor, more: Partial<CampaignOptions> = {}) {
  return runCampaign({ engine: 'none', mutants: [], shrinkRunsMax: 0, executor, plan: guidedPlan(numbers), ...more });
}

test('should play the same runs in the same order for every number of workers', async () => {
  const campaigns = await Promise.all([1, 2, 3, 16].map((width) => campaignOf(unrulyExecutor(width))));
  const [one, ...others] = campaigns.map(({ results }) =>
    results.map(({ run, fingerprint }) => `${run} ${fingerprint}`),
  );
  expect(one).toHaveLength(400);
  expect(one?.some((run) => run.includes('.'))).toBe(true);
  for (const other of others) expect(other).toEqual(one);
});

test('should stop after the same failure for every number of workers, and drop what was begun beyond it', async () => {
  const isEnough: CampaignOptions['isEnough'] = (results) =>
    results.filter(({ failure }) => failure !== undefined).length === 5;
  const executors = [1, 2, 7].map((width) => unrulyExecutor(width));
  const campaigns = await Promise.all(executors.map((executor) => campaignOf(executor, { isEnough })));
  const [one, ...others] = campaigns.map(({ results, left }) => ({ runs: results.map(({ run }) => run), left }));
  expect(one?.runs.length).toBeLessThan(400);
  expect(one?.left).toBe(400 - (one?.runs.length ?? 0));
  for (const other of others) expect(other).toEqual(one);
  // One at a time has begun nothing in vain.
  expect(executors[0]?.played).toEqual(one?.runs);
});

test('should tell results in the order of runs, whichever ended first', async () => {
  const told: string[] = [];
  const { results } = await campaignOf(unrulyExecutor(7), {
    plan: plainPlan(numbers.slice(0, 60)),
    onResult: ({ run }) => told.push(run),
  });
  expect(told).toEqual(numbers.slice(0, 60).map(String));
  expect(results.map(({ run }) => run)).toEqual(told);
});

test('should end after the runs under way when it is told to stop, and count those that were not begun', async () => {
  let asked = 0;
  const executor = unrulyExecutor(3);
  const { results, left } = await campaignOf(executor, { mayStop: () => ++asked > 10 });
  expect(results).toHaveLength(10);
  expect(executor.played).toHaveLength(10);
  expect(left).toBe(390);
});

test('should keep what the other runs came to when one could not be played', async () => {
  const executor = unrulyExecutor(2, (run) => run === '7');
  const { results, left } = await campaignOf(executor);
  expect(results.filter(({ verdict }) => verdict === 'broken')).toMatchObject([
    { run: '7', reason: 'run 7: its worker died', fingerprint: '' },
  ]);
  expect([results.length, left]).toEqual([400, 0]);
});

test('should end after five runs that could not be played, in the same place for every number of workers', async () => {
  for (const width of [1, 2, 7]) {
    const { results, left } = await campaignOf(unrulyExecutor(width, (run) => Number(run) % 3 === 0));
    expect(results.map(({ run }) => run)).toEqual(numbers.slice(0, 15).map(String));
    expect(left).toBe(385);
  }
});

test('should fail when whoever plays fails otherwise than it may, and begin no other run', async () => {
  const executor = { ...unrulyExecutor(2), played: [] as string[] };
  const run = executor.run;
  executor.run = async (task) => {
    executor.played.push(task.run);
    if (task.run === '7') throw new TypeError('a defect');
    return run(task);
  };
  await expect(campaignOf(executor)).rejects.toThrow('a defect');
  const begun = executor.played.length;
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(executor.played).toHaveLength(begun);
});

test('should end with the generation in which the last probe fired', async () => {
  const { results } = await campaignOf(unrulyExecutor(2), { plan: untilProbes(guidedPlan(numbers), ['rare']) });
  const first = results.findIndex(({ probes }) => probes.some(({ reached }) => reached));
  expect(first).toBeGreaterThan(-1);
  expect(results).toHaveLength(Math.min(400, (Math.floor(first / 50) + 1) * 50));
  const never = await campaignOf(unrulyExecutor(2), {
    plan: untilProbes(guidedPlan(numbers.slice(0, first)), ['rare']),
  });
  expect(never.results).toHaveLength(first);
  // A probe whose line no run came to is in no result; of no probe at all nothing can be said.
  for (const probes of [['rare', 'on a line that never ran'], []]) {
    const plan = untilProbes(plainPlan(numbers, 50), probes);
    expect((await campaignOf(unrulyExecutor(2), { plan })).results).toHaveLength(400);
  }
});

test('should find the same failures of a planted bug in one and in three worker threads, guided', async () => {
  const campaigns = [];
  for (const jobs of [1, 3]) {
    const executor = createThreadExecutor({ jobs, packageRoot: new URL('../../', import.meta.url).href });
    const campaign = await runCampaign({
      engine: 'stemedb',
      mutants: ['ack-on-write'],
      shrinkRunsMax: 2,
      executor,
      // Short runs; generations that are wider than the executor.
      plan: guidedPlan([13, 14, 36, 38, 13, 36], 4),
    }).finally(() => executor.close());
    campaigns.push(campaign.results);
  }
  const [one = [], three] = campaigns;
  expect(one.filter(({ run }) => run.includes('.'))).toHaveLength(1);
  expect(one.some(({ failure }) => failure !== undefined)).toBe(true);
  expect(three).toEqual(one);
}, 240_000);
