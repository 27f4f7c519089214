import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import type { ProcessIdentity } from '../../../src/host/sharedMemory.ts';
import { ownIdentity } from '../../../src/real/shm/identity.ts';
import { createMappedSharedMemory } from '../../../src/real/shm/mapped.ts';
import { bindThread, setTimerSlack } from '../../../src/real/shm/threads.ts';
import { inMemoryDirectory } from './memoryDirectory.ts';
import { describeMapped, describeNative } from './needsNative.ts';

const threads = join(import.meta.dirname, '../../../src/real/shm/threads.ts');
const mapped = join(import.meta.dirname, '../../../src/real/shm/mapped.ts');
const load = join(import.meta.dirname, '../../../src/real/shm/load.ts');

describeMapped('what is asked of a thread', (addon, by) => {
  test('is done to that thread alone, and the system tool says the same', async () => {
    const before = addon.getAffinity();
    const cpu = before.at(-1) ?? 0;
    const slack = addon.getTimerSlack();
    const code = `
      (async () => {
        const { bindThread, setTimerSlack } = await import(${JSON.stringify(threads)});
        const { loadShm } = await import(${JSON.stringify(load)});
        const rows = [bindThread([${cpu}]), setTimerSlack(1)];
        const { parentPort } = require('node:worker_threads');
        parentPort.postMessage({ rows, thread: loadShm().shm.threadId() });
        parentPort.once('message', () => {});
      })();`;
    const worker = new Worker(code, { eval: true, env: { ...process.env, HOTFIRE_NATIVE: by === 'FFI' ? 'off' : '' } });
    try {
      const said = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      expect(said).toMatchObject({
        rows: [
          { name: 'affinity', requested: String(cpu), applied: String(cpu), reason: '' },
          { name: 'timerSlack', requested: '1', applied: '1', reason: '' },
        ],
      });
      // The shape was just held to.
      const { thread } = said as { thread: number };
      const shown = spawnSync('taskset', ['-cp', String(thread)], { encoding: 'utf8' }).stdout;
      expect(shown.trim()).toMatch(new RegExp(`: ${cpu}$`));
    } finally {
      await worker.terminate();
    }
    expect([addon.getAffinity(), addon.getTimerSlack()]).toEqual([before, slack]);
  });
});

describeMapped('a thread that takes part', (addon, by) => {
  test('and ends without a close, in a process that goes on, is proven gone as a process is', () =>
    inMemoryDirectory(async (directory) => {
      const region = await createMappedSharedMemory(addon, { directory }).open('ring', 4096, { mode: 'create' });
      const code = `
        (async () => {
          const { createMappedSharedMemory } = await import(${JSON.stringify(mapped)});
          const { loadShm } = await import(${JSON.stringify(load)});
          const { parentPort, workerData } = require('node:worker_threads');
          const shm = createMappedSharedMemory(loadShm().shm, { directory: workerData });
          const region = await shm.open('ring', 4096, { mode: 'open' });
          parentPort.postMessage(region.lock(3) ? shm.identity() : undefined);
          setInterval(() => region, 1e6);
        })();`;
      const env = { ...process.env, HOTFIRE_NATIVE: by === 'FFI' ? 'off' : '' };
      const worker = new Worker(code, { eval: true, env, workerData: directory });
      try {
        // The shape is what the code above says.
        const holder = await new Promise<ProcessIdentity>((resolve, reject) =>
          worker.once('message', resolve).once('error', reject),
        );
        expect(holder).not.toEqual(ownIdentity());
        expect(region.evidence(3, holder)).toEqual({ lock: 'held', process: 'running' });
        const later = { ...holder, startTicks: holder.startTicks + 1 };
        expect(region.evidence(3, later)).toEqual({ lock: 'held', process: 'other' });
        await worker.terminate();
        await expect.poll(() => region.evidence(3, holder)).toEqual({ lock: 'free', process: 'gone' });
      } finally {
        await worker.terminate();
        region.close();
      }
    }));
});

describeNative('what is asked of a thread', (addon) => {
  test('that cannot be had says why and changes nothing', () => {
    const before = addon.getAffinity();
    expect(bindThread([8191])).toMatchObject({ applied: 'none', reason: expect.stringMatching(/sched_setaffinity/) });
    expect(bindThread([])).toMatchObject({ applied: 'none', reason: expect.stringMatching(/expected 1\.\./) });
    expect(setTimerSlack(0)).toMatchObject({ applied: 'none', reason: expect.stringMatching(/expected an integer/) });
    expect(addon.getAffinity()).toEqual(before);
  });
});
