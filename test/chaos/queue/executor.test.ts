import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { plainPlan, runCampaign } from '../../../src/chaos/campaign.ts';
import { type Executor, ExecutorError, type HurryReason, RunLeft } from '../../../src/chaos/executor.ts';
import { keptMs, keysOf, writeCard } from '../../../src/chaos/queue/card.ts';
import { parseRedisUrl } from '../../../src/chaos/queue/connection.ts';
import { createQueueExecutor, type QueueExecutorOptions } from '../../../src/chaos/queue/coordinator.ts';
import { type CampaignWorkerOptions, workOnCampaign } from '../../../src/chaos/queue/worker.ts';
import type { RunResult } from '../../../src/chaos/runSeed.ts';
import { hasRedisServer, type RedisServer, startRedisServer } from '../../support/redisServer.ts';

// Coordinator and workers of one process over a real Redis, with runs that do what the test wants.

const build = { commit: 'under-test', nodeMajor: 24 };
const queue = 'hotfire:{c}:under-test-node24';
const silenceMs = 1_000;

/** Nobody is taken for dead within a test, however busy the machine is. */
const patient = { silenceMs: 60_000 };

const held: RunResult = {
  verdict: 'held',
  fingerprint: 'f',
  events: 1,
  virtualMs: 1,
  probes: [],
  coverage: [],
  faults: [],
};
const task = (run: string) => ({ engine: 'stemedb', run, mutants: [], shrinkRunsMax: 0 });

let redis: RedisServer;
let said: string[];
let ends: (() => Promise<unknown>)[];
const say = (line: string) => said.push(line);

function coordinator(options: Partial<QueueExecutorOptions> = {}) {
  return createQueueExecutor({
    address: parseRedisUrl(redis.url),
    campaign: 'c',
    build,
    ahead: 8,
    silenceMs,
    say,
    ...options,
  }).then((executor) => {
    ends.push(() => executor.close());
    return executor;
  });
}

/** Works until the test ends. */
function worker(run: Executor['run'], width = 8, options: Partial<CampaignWorkerOptions> = {}) {
  const stop = new AbortController();
  const giveBack = new AbortController();
  const executor: Executor = { width, run, close: async () => {} };
  const address = parseRedisUrl(redis.url);
  const signals = { stop: stop.signal, giveBack: giveBack.signal };
  const done = workOnCampaign({
    address,
    campaign: 'c',
    build,
    executor,
    silenceMs,
    untilDone: false,
    ...signals,
    say,
    ...options,
  });
  const end = (): Promise<number> => {
    stop.abort();
    giveBack.abort();
    return done;
  };
  ends.push(end);
  return { stop, done };
}

/** A run that never ends by itself. */
const never: Executor['run'] = () => new Promise(() => {});

async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe.skipIf(!hasRedisServer)('runs in a queue (skipped without redis-server)', () => {
  beforeEach(async () => {
    redis = await startRedisServer();
    said = [];
    ends = [];
  });
  afterEach(async () => {
    await Promise.all(ends.map((end) => end()));
    await redis.close();
  });

  it('should leave what nobody has begun when the time is over, hurry what is under way, and take its result', async () => {
    const executor = await coordinator(patient);
    const hurry = new AbortController();
    const over: HurryReason = 'time budget';
    const runs = ['1', '2', '3'].map((run) => executor.run(task(run), undefined, hurry.signal));
    const settled = Promise.allSettled(runs);
    let begun = '';
    worker(
      (given, _, hurried) => {
        begun = given.run;
        return new Promise((resolve) => {
          hurried?.addEventListener('abort', () => resolve({ ...held, fingerprint: `hurried ${given.run}` }));
        });
      },
      1,
      patient,
    );
    await until(() => begun !== '');
    hurry.abort(over);
    const results = await settled;
    for (const [index, result] of results.entries()) {
      if (`${index + 1}` === begun) expect(result).toMatchObject({ value: { fingerprint: `hurried ${begun}` } });
      else expect(result).toMatchObject({ reason: new RunLeft(`${index + 1}`) });
    }
    expect(await redis.client.llen(`${queue}:wait`)).toBe(0);
  });

  it('should take no further run while the time is over, and go on when the campaign does', async () => {
    const executor = await coordinator(patient);
    const client = redis.client;
    const tell = (hurried: boolean) => writeCard(client, keysOf('c'), { ...build, hurried });
    const first = executor.run(task('1'));
    await until(async () => (await client.llen(`${queue}:wait`)) === 1);
    const second = executor.run(task('2'));
    const begun: string[] = [];
    worker(
      ({ run }, _, hurried) => {
        begun.push(run);
        if (run === '2') return Promise.resolve(held);
        return new Promise((resolve) => hurried?.addEventListener('abort', () => resolve(held)));
      },
      1,
      patient,
    );
    await until(async () => begun.length === 1 && (await client.llen(`${queue}:wait`)) === 1);
    // The coordinator itself is not told: nobody takes the second one back.
    await tell(true);
    await first;
    expect(await client.llen(`${queue}:wait`)).toBe(1);
    expect(begun).toEqual(['1']);
    await tell(false);
    expect(await second).toEqual(held);
  });

  it('should leave everything when the time is over and Redis is away, and end all the same', async () => {
    const executor = await coordinator();
    const hurry = new AbortController();
    const run = executor.run(task('1'), undefined, hurry.signal);
    const outcome = expect(run).rejects.toThrow(new RunLeft('1'));
    await until(async () => (await redis.client.llen(`${queue}:wait`)) === 1);
    await redis.close();
    hurry.abort('time budget' satisfies HurryReason);
    await outcome;
    await executor.finish();
    expect(said.join('\n')).toContain('Redis is away; what lies there stays until it is begun again, or runs out');
  });

  it('should end a campaign that is told to leave with what had been merged, and keep the rest', async () => {
    const leave = new AbortController();
    const executor = await coordinator({ leave: leave.signal });
    worker((given) => (given.run === '1' ? Promise.resolve(held) : never(given)));
    const options = { engine: 'stemedb', mutants: [], shrinkRunsMax: 0, executor, plan: plainPlan([1, 2, 3]) };
    const campaign = runCampaign({ ...options, onResult: () => leave.abort() });
    expect(await campaign).toEqual({ results: [{ ...held, run: '1' }], left: 2 });
    await executor.close();
    expect(await redis.client.zcard(`${queue}:completed`)).toBe(1);
    const next = await coordinator();
    expect(said).toContain('campaign c goes on: 1 runs are done already');
    expect(await next.run(task('1'))).toEqual(held);
  });

  it('should leave a campaign that another has taken over alone', async () => {
    const executor = await coordinator({ silenceMs: 60_000 });
    worker(async () => held);
    await executor.run(task('1'));
    await redis.client.set('hotfire:{c}:coordinator', 'another pid 1 x');
    await executor.finish();
    expect(await redis.client.zcard(`${queue}:completed`)).toBe(1);
    expect(await redis.client.exists('hotfire:{c}:card')).toBe(1);
    expect(said).toContain('another coordinator has taken over campaign c: what lies in Redis is left to it');
  });

  it('should remove a campaign of its own that has ended', async () => {
    const executor = await coordinator();
    const { stop, done } = worker(async () => held);
    await executor.run(task('1'));
    stop.abort();
    await done;
    await executor.finish();
    expect(await redis.client.dbsize()).toBe(0);
  });

  it('should try a run three times whose executor fails, and name it', async () => {
    const executor = await coordinator();
    let tries = 0;
    worker(async ({ run }) => {
      tries++;
      throw new ExecutorError(run, 'its worker thread ended with exit code 7');
    });
    await expect(executor.run(task('17.60'))).rejects.toThrow('run 17.60: its worker thread ended with exit code 7');
    expect(tries).toBe(3);
    expect(said).toContain('run 17.60: its worker thread ended with exit code 7');
  });

  it('should name a run with which one worker after another falls silent, on both sides', async () => {
    const executor = await coordinator();
    worker(never);
    const why = 'one worker after another fell silent with it; most likely it takes more memory than they have';
    let ended = false;
    const outcome = expect(executor.run(task('17')))
      .rejects.toThrow(new ExecutorError('17', why))
      .finally(() => {
        ended = true;
      });
    // A worker is silent when nobody renews its lock.
    await until(async () => {
      for (const lock of await redis.client.keys(`${queue}:17-*:lock`)) await redis.client.del(lock);
      return ended;
    });
    await outcome;
    expect(said).toContain(`run 17: ${why}`);
  });

  it('should give results that lie there their time to live anew', async () => {
    const first = await coordinator();
    worker(async () => held);
    await first.run(task('1'));
    await first.close();
    const [id = ''] = await redis.client.zrange(`${queue}:completed`, '0', '-1');
    await redis.client.pexpire(`${queue}:${id}`, 60_000);
    await coordinator();
    await until(async () => (await redis.client.pttl(`${queue}:${id}`)) > keptMs - 60_000);
  });

  it('should give up a campaign that is not begun yet when Redis goes away', async () => {
    await redis.client.set('hotfire:{c}:coordinator', 'another pid 1 x');
    const opening = expect(coordinator()).rejects.toThrow('was lost while campaign c was begun');
    await until(() => said.some((line) => line.includes('waiting whether it lives')));
    await redis.close();
    await opening;
  });

  it('should end an idle worker that is told to when Redis is away, in a campaign and before one', async () => {
    const before = worker(never);
    await until(() => said.includes('waiting for a campaign c'));
    const executor = await coordinator();
    const idle = worker(never);
    await until(() => said.filter((line) => line.endsWith('8 runs at a time')).length === 2);
    await executor.close();
    await redis.close();
    for (const { stop } of [before, idle]) stop.abort();
    expect(await Promise.all([before.done, idle.done])).toEqual([0, 0]);
  });
});
