import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { lookup } from 'node:dns';
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Counter, Gauge, Histogram } from 'prom-client';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { DeterminismLeak } from '../../src/sim/leakGuards.ts';
import { World } from '../../src/sim/world.ts';

/** What a process of the simulator gets when it does this, at once and after an await. */
async function inProcess(leak: () => unknown): Promise<unknown[]> {
  const world = new World({ seed: 1 });
  const caught: unknown[] = [];
  const attempt = (): void => {
    try {
      leak();
      caught.push('nothing thrown');
    } catch (error) {
      caught.push(error);
    }
  };
  world.addMachine('a').start('main', async ({ clock }) => {
    attempt();
    await clock.sleep(1);
    await null;
    attempt();
  });
  await world.run({});
  return caught;
}

const leaks: readonly (readonly [string, () => unknown])[] = [
  ['Date()', () => Date()],
  ['new Date()', () => new Date()],
  ['Date.now', () => Date.now()],
  ['Math.random', () => Math.random()],
  ['performance.now', () => performance.now()],
  ['setTimeout', () => setTimeout(() => {}, 0)],
  ['setInterval', () => setInterval(() => {}, 1)],
  ['setImmediate', () => setImmediate(() => {})],
  ['process.hrtime', () => process.hrtime()],
  ['process.hrtime.bigint', () => process.hrtime.bigint()],
  ['process.nextTick', () => process.nextTick(() => {})],
  ['AbortSignal.timeout', () => AbortSignal.timeout(1)],
  ['fetch', () => fetch('http://127.0.0.1:1/')],
  ['crypto.getRandomValues', () => crypto.getRandomValues(new Uint8Array(4))],
  ['crypto.randomUUID', () => crypto.randomUUID()],
  ['node:crypto.randomBytes', () => randomBytes(4)],
  ['node:crypto.randomUUID', () => randomUUID()],
  ['node:fs.readFileSync', () => readFileSync('/etc/hostname')],
  ['node:fs.existsSync', () => existsSync('/')],
  ['node:fs/promises.readFile', () => readFile('/etc/hostname')],
  ['node:net.createServer', () => createServer()],
  ['node:dns.lookup', () => lookup('localhost', () => {})],
  ['node:child_process.execFileSync', () => execFileSync('true')],
  ['node:worker_threads.Worker', () => new Worker('', { eval: true })],
  ['node:timers/promises.setTimeout', () => sleep(1)],
];

for (const [what, leak] of leaks) {
  test(`${what} in a process of the simulator is an error that names it`, async () => {
    const caught = await inProcess(leak);
    expect(caught).toHaveLength(2);
    for (const error of caught) {
      expect(error).toBeInstanceOf(DeterminismLeak);
      expect((error as DeterminismLeak).what).toBe(what);
      expect(String(error)).toContain('a#1');
    }
  });
}

test('what only computes is free: dates of given times, hashes, metrics, schemas', async () => {
  const world = new World({ seed: 1 });
  let text = '';
  world.addMachine('a').start('main', async ({ telemetry: { registry } }) => {
    expect(new Date(0).toISOString()).toBe('1970-01-01T00:00:00.000Z');
    expect(new Date(0)).toBeInstanceOf(Date);
    expect(Date.UTC(2026, 0, 1)).toBe(1_767_225_600_000);
    expect(createHash('sha256').update('x').digest('hex')).toMatch(/^2d71/);
    expect(z.object({ a: z.number() }).parse({ a: 1 })).toEqual({ a: 1 });
    new Counter({ name: 'c', help: 'c', registers: [registry] }).inc(2);
    new Gauge({ name: 'g', help: 'g', registers: [registry] }).set(3);
    new Histogram({ name: 'h', help: 'h', registers: [registry], buckets: [1, 2] }).observe(1.5);
    text = await registry.metrics();
  });
  await world.run({});
  expect(text).toContain('c 2');
  expect(text).toContain('h_bucket{le="2"} 1');
});

test('the stand may use the real world during a run, and everything is restored after it', async () => {
  const originals = [Date, Math.random, setTimeout, performance.now, process.hrtime, readFileSync];
  const world = new World({ seed: 1 });
  let seen = 0;
  world.scheduler.at(1, 'stand', undefined, () => {
    seen = Date.now();
    expect(readFileSync('/dev/null').length).toBe(0);
  });
  const process_ = world.addMachine('a').start('main', ({ clock }) => {
    clock.timer(2, () => process_.exit(0));
  });
  const told = process_.exited.then(() => Date.now());
  await world.run({});
  expect(seen).toBeGreaterThan(0);
  expect(await told).toBeGreaterThan(0);
  expect([Date, Math.random, setTimeout, performance.now, process.hrtime, readFileSync]).toEqual(originals);
});

test('should let a simulated process print, even when nobody has printed before', () => {
  const script = `
    import { World } from '${new URL('../../src/sim/world.ts', import.meta.url).href}';
    const world = new World({ seed: 1 });
    world.addMachine('a').start('main', async (host) => {
      console.log('one');
      await host.clock.sleep(5);
      console.log('two');
    });
    await world.run({ toMs: 10 });`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module-typescript', '--eval', script], {
    encoding: 'utf8',
  });
  expect(stdout, stderr).toBe('one\ntwo\n');
});
