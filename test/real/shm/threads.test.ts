import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { bindThread, setTimerSlack } from '../../../src/real/shm/threads.ts';
import { describeMapped, describeNative } from './needsNative.ts';

const threads = join(import.meta.dirname, '../../../src/real/shm/threads.ts');
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

describeNative('what is asked of a thread', (addon) => {
  test('that cannot be had says why and changes nothing', () => {
    const before = addon.getAffinity();
    expect(bindThread([8191])).toMatchObject({ applied: 'none', reason: expect.stringMatching(/sched_setaffinity/) });
    expect(bindThread([])).toMatchObject({ applied: 'none', reason: expect.stringMatching(/expected 1\.\./) });
    expect(setTimerSlack(0)).toMatchObject({ applied: 'none', reason: expect.stringMatching(/expected an integer/) });
    expect(addon.getAffinity()).toEqual(before);
  });
});
