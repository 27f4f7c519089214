import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hasRedisServer, type RedisServer, startRedisServer } from '../../support/redisServer.ts';

// Campaigns over a real Redis with real processes: what `hotfire chaos --jobs 1` finds is what they must find.

const main = resolve(import.meta.dirname, '../../../src/cli/main.ts');

interface Process {
  readonly child: ChildProcess;
  /** Standard output and error so far. */
  readonly said: () => string;
  /** Exit code, or the signal that ended it. */
  readonly exit: Promise<number | NodeJS.Signals | null>;
}

let folder: string;
let redis: RedisServer;
const running: Process[] = [];

function hotfire(words: readonly string[], environment: NodeJS.ProcessEnv = {}): Process {
  const child = spawn(process.execPath, [main, ...words], {
    cwd: folder,
    // The commit is pinned: the work tree may be worked in while this runs.
    env: { ...process.env, HOTFIRE_COMMIT: 'under-test', HOTFIRE_REDIS_URL: redis.url, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  child.stdout?.on('data', (data) => {
    text += String(data);
  });
  child.stderr?.on('data', (data) => {
    text += String(data);
  });
  const exit = new Promise<number | NodeJS.Signals | null>((done) =>
    child.once('close', (code, signal) => done(code ?? signal)),
  );
  const started = { child, said: () => text, exit };
  running.push(started);
  return started;
}

const work = (...words: string[]) =>
  hotfire(['campaign', 'work', '--jobs', '1', '--silence', '1s', '--until-done', ...words]);
/** One that is not taken for dead, however long a busy machine keeps it from working: its runs are not given out twice. */
const patientWork = () => work('--silence', '60s');
const coordinate = (...words: string[]) =>
  hotfire(['campaign', 'run', 'stemedb', '--silence', '1s', '--json', 'campaign.json', ...words]);

async function until(what: string, holds: () => Promise<boolean> | boolean, limitMs = 200_000): Promise<void> {
  const end = Date.now() + limitMs;
  while (!(await holds())) {
    if (Date.now() > end)
      throw new Error(`${what} did not come: ${running.map((each) => each.said()).join('\n---\n')}`);
    await pause(20);
  }
}

/** How the process ended, within the time that a run of it may take here. */
async function exitOf(process: Process): Promise<number | NodeJS.Signals | null | undefined> {
  let exit: number | NodeJS.Signals | null | undefined;
  void process.exit.then((code) => {
    exit = code;
  });
  await until('the end of a process', () => exit !== undefined);
  return exit;
}

/** Runs that the worker process holds at this moment. */
async function heldBy(worker: Process): Promise<string[]> {
  const queue = 'hotfire:{chaos}:under-test-node24';
  const held: string[] = [];
  for (const id of await redis.client.lrange(`${queue}:active`, 0, -1)) {
    const [by, finished] = await redis.client.hmget(`${queue}:${id}`, 'pb', 'finishedOn');
    if (by?.endsWith(` pid ${worker.child.pid}`) && finished === null) held.push(id);
  }
  return held;
}

/** What a campaign came to, without what time and place it took. */
function summary(file: string): Record<string, unknown> {
  const { realMs, ...rest } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Record<string, unknown>;
  expect(realMs).toBeGreaterThan(0);
  return rest;
}

async function inThreads(...words: string[]): Promise<Record<string, unknown>> {
  await hotfire(['chaos', 'stemedb', '--jobs', '1', '--json', 'threads.json', ...words]).exit;
  return summary('threads.json');
}

let six: Record<string, unknown> | undefined;
async function sixInThreads(): Promise<Record<string, unknown>> {
  six ??= await inThreads('--seeds', '6');
  return six;
}

/** How many runs a worker says that it has played. */
const playedBy = (worker: Process) => Number(/(\d+) runs were played here/.exec(worker.said())?.[1]);

// Seconds on a machine of its own; the limits are for one that others use too.
describe.skipIf(!hasRedisServer)('a campaign over redis-server (skipped without it)', { timeout: 240_000 }, () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'hotfire-campaign-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  beforeEach(async () => {
    redis = await startRedisServer();
  });
  afterEach(async () => {
    for (const { child, exit } of running.splice(0)) {
      child.kill('SIGKILL');
      await exit;
    }
    await redis.close();
  });

  it('should find a planted bug as threads do, with one of three workers killed in the middle of a run', async () => {
    // It ends with the fifth failure, wherever the sixth run is by then.
    const words = ['--seeds', '6', '--mutant', 'ack-on-write', '--shrink', '1'];
    const coordinator = coordinate(...words);
    const [victim, ...others] = [work(), work(), work()];
    if (victim === undefined) throw new Error('unreachable: three were started');
    await until('three workers', () => running.slice(1).every((each) => each.said().includes('at a time')));
    await until('a run of the victim', async () => {
      victim.child.kill('SIGSTOP');
      if ((await heldBy(victim)).length > 0) return true;
      victim.child.kill('SIGCONT');
      return false;
    });
    const [orphan = ''] = await heldBy(victim);
    victim.child.kill('SIGKILL');
    expect(await exitOf(victim)).toBe('SIGKILL');

    expect(await exitOf(coordinator), coordinator.said()).toBe(1);
    for (const other of others) expect(await exitOf(other), other.said()).toBe(0);
    const told = `run ${orphan.replace(/-.*/, '')}: its worker fell silent; it is given out again`;
    expect(others.map((other) => other.said()).join('')).toContain(told);
    const found = summary('campaign.json');
    expect(found).toEqual(await inThreads(...words));
    expect(found).toMatchObject({ seeds: 5, violated: 5, mutant: 'ack-on-write' });
    // What a worker leaves behind it when the campaign is over is short-lived.
    await until('an empty Redis', async () => (await redis.client.dbsize()) === 0, 10_000);
  });

  it('should go on where a killed coordinator was, and play no run again', async () => {
    const worker = patientWork();
    const first = coordinate('--seeds', '6', '--ahead', '3');
    const queue = 'hotfire:{chaos}:under-test-node24';
    await until('two finished runs', async () => (await redis.client.zcard(`${queue}:completed`)) >= 2);
    // No more than was said lies there, and nothing lies there for ever.
    const unfinished = (await redis.client.llen(`${queue}:wait`)) + (await redis.client.llen(`${queue}:active`));
    expect(unfinished).toBeLessThanOrEqual(3);
    await until('times to live', async () => {
      const keys = await redis.client.keys('*');
      const lives = await Promise.all(keys.map(async (key) => [key, await redis.client.pttl(key)] as const));
      return lives.length > 5 && lives.every(([, ms]) => ms !== -1);
    });
    first.child.kill('SIGKILL');
    await exitOf(first);
    const second = coordinate('--seeds', '6');
    expect(await exitOf(second), second.said()).toBe(0);
    expect(second.said()).toMatch(/campaign chaos goes on: [2-6] runs are done already/);
    expect(await exitOf(worker), worker.said()).toBe(0);
    expect(playedBy(worker)).toBe(6);
    expect(summary('campaign.json')).toEqual(await sixInThreads());
  });

  it('should outlive a restart of Redis, on both sides', async () => {
    const worker = work();
    const coordinator = coordinate('--seeds', '6');
    await until('a run under way', async () => (await heldBy(worker)).length > 0);
    await redis.restart(700);
    expect(await exitOf(coordinator), coordinator.said()).toBe(0);
    for (const process of [worker, coordinator]) {
      expect(process.said()).toContain(`${redis.url}: connection lost; trying again until it is back\n`);
      expect(process.said()).toMatch(/connected again after \d+\.\d s\n/);
    }
    expect(await exitOf(worker), worker.said()).toBe(0);
    expect(summary('campaign.json')).toEqual(await sixInThreads());
  });

  it('should have a worker that is told to end finish its run, and give it back when told twice', async () => {
    const coordinator = coordinate('--seeds', '4');
    const orderly = patientWork();
    await until('a run under way', async () => (await heldBy(orderly)).length > 0);
    orderly.child.kill('SIGTERM');
    expect(await exitOf(orderly), orderly.said()).toBe(0);
    expect(playedBy(orderly)).toBeGreaterThan(0);

    const hasty = patientWork();
    await until('a run under way', async () => (await heldBy(hasty)).length > 0);
    const [run = ''] = await heldBy(hasty);
    hasty.child.kill('SIGTERM');
    await until('the first word', () => hasty.said().includes('a second time gives them back'));
    hasty.child.kill('SIGTERM');
    expect(await exitOf(hasty), hasty.said()).toBe(0);
    const queue = 'hotfire:{chaos}:under-test-node24';
    expect(await redis.client.llen(`${queue}:active`)).toBe(0);
    // At the end from which the next is taken, unless it had ended just before.
    if (playedBy(hasty) === 0) expect(await redis.client.lindex(`${queue}:wait`, -1)).toBe(run);

    const last = patientWork();
    expect(await exitOf(coordinator), coordinator.said()).toBe(0);
    expect(await exitOf(last)).toBe(0);
    expect(playedBy(orderly) + playedBy(hasty) + playedBy(last)).toBe(4);
  });

  it('should refuse a worker, and a coordinator, of another commit', async () => {
    const coordinator = coordinate('--seeds', '2');
    await until('the campaign', async () => (await redis.client.exists('hotfire:{chaos}:card')) === 1);
    const stranger = hotfire(['campaign', 'work', '--jobs', '1'], { HOTFIRE_COMMIT: 'another' });
    expect(await exitOf(stranger)).toBe(78);
    expect(stranger.said()).toBe(
      'error: campaign chaos is of commit under-test on Node 24, this worker of commit another on Node 24: results of the two cannot be compared. Bring both to the same commit and Node major\n',
    );
    const rival = coordinate('--seeds', '2');
    expect(await exitOf(rival)).toBe(78);
    expect(rival.said()).toMatch(
      /campaign chaos has a coordinator at work: .* pid \d+; stop it, or take another --name/,
    );
    coordinator.child.kill('SIGKILL');
    await exitOf(coordinator);
    const later = hotfire(['campaign', 'run', 'stemedb', '--silence', '1s'], { HOTFIRE_COMMIT: 'another' });
    expect(await exitOf(later)).toBe(78);
    expect(later.said()).toContain('was begun by commit under-test on Node 24, this is commit another on Node 24');

    // Told to forget the old one, it begins anew and leaves nothing of either.
    const another = { HOTFIRE_COMMIT: 'another' };
    const fresh = hotfire(['campaign', 'run', 'stemedb', '--silence', '1s', '--seeds', '1', '--fresh'], another);
    await until(
      'the new campaign',
      async () => (await redis.client.get('hotfire:{chaos}:card'))?.includes('another') === true,
    );
    const worker = hotfire(['campaign', 'work', '--jobs', '1', '--silence', '1s', '--until-done'], another);
    expect(await exitOf(fresh), fresh.said()).toBe(0);
    expect(await exitOf(worker), worker.said()).toBe(0);
    await until('an empty Redis', async () => (await redis.client.dbsize()) === 0);
  });

  it('should have a coordinator that is told to end leave what no worker plays to the next one', async () => {
    const first = coordinate('--seeds', '1');
    await until('the run', async () => (await redis.client.llen('hotfire:{chaos}:under-test-node24:wait')) > 0);
    first.child.kill('SIGTERM');
    expect(await exitOf(first)).toBe(143);
    expect(first.said()).toContain('results are kept: the same command goes on');
    // It says and writes what there was.
    expect(first.said()).toMatch(/^0 seeds: .*1 not begun/m);
    expect(summary('campaign.json')).toMatchObject({ seeds: 0, notBegun: 1, interrupted: true });
    const worker = patientWork();
    const second = coordinate('--seeds', '1');
    expect(await exitOf(second), second.said()).toBe(0);
    expect(await exitOf(worker)).toBe(0);
    expect(playedBy(worker)).toBe(1);
  });

  it('should end when told to though Redis is gone', async () => {
    const early = work('--name', 'none');
    await until('the wait', () => early.said().includes('waiting for a campaign none'));
    const told = coordinate('--seeds', '1', '--name', 'other');
    const idle = hotfire(['campaign', 'work', '--jobs', '1', '--silence', '1s', '--name', 'third']);
    await redis.client.set('hotfire:{third}:card', '{"commit":"under-test","nodeMajor":24,"hurried":false}');
    await until('the campaign of the idle', () => idle.said().includes('at a time'));
    await until('the run', async () => (await redis.client.llen('hotfire:{other}:under-test-node24:wait')) > 0);
    await redis.close();
    for (const { child } of [early, idle, told]) child.kill('SIGTERM');
    expect(await exitOf(early), early.said()).toBe(0);
    expect(await exitOf(idle), idle.said()).toBe(0);
    expect(await exitOf(told), told.said()).toBe(143);
    expect(told.said()).toMatch(/^0 seeds: .*1 not begun/m);
  });

  it('should end at a Redis that does not let it in, without printing the password', async () => {
    await redis.client.config('SET', 'requirepass', 'right');
    const worker = hotfire(['campaign', 'work', '--redis', `redis://:wrong-secret@127.0.0.1:${redis.port}`]);
    expect(await exitOf(worker)).toBe(78);
    expect(worker.said()).toContain(`${redis.url} does not let us in: WRONGPASS`);
    expect(worker.said()).toContain('set HOTFIRE_REDIS_PASSWORD');
    expect(worker.said()).not.toContain('wrong-secret');
    const rightly = hotfire(['campaign', 'work'], { HOTFIRE_REDIS_PASSWORD: 'right' });
    await until('the connection', () => rightly.said().includes('waiting for a campaign chaos'));
    rightly.child.kill('SIGTERM');
    expect(await exitOf(rightly)).toBe(0);
    const misspelt = hotfire(['campaign', 'work', '--redis', 'http://:wrong-secret@queue']);
    expect(await exitOf(misspelt)).toBe(64);
    expect(misspelt.said()).toMatch(/^error: expected a Redis as redis:/);
    expect(misspelt.said()).not.toContain('wrong-secret');
  });
});
