import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { createMappedSharedMemory } from '../../../src/real/shm/mapped.ts';
import type { By } from './child.ts';
import { inMemoryDirectory } from './memoryDirectory.ts';
import { describeMapped } from './needsNative.ts';

const mapped = join(import.meta.dirname, '../../../src/real/shm/mapped.ts');
const load = join(import.meta.dirname, '../../../src/real/shm/load.ts');

/** The environment of a process or thread that goes by this. */
function environmentOf(by: By): NodeJS.ProcessEnv {
  return { ...process.env, HOTFIRE_NATIVE: by === 'FFI' ? 'off' : '' };
}

/** What a module prints that runs with `shm` over a directory, `addon` or what stands in for it, and `gc`. */
function printed(by: By, directory: string, code: string, environment: NodeJS.ProcessEnv = {}): string {
  const prelude = `
    import { createMappedSharedMemory } from ${JSON.stringify(mapped)};
    import { loadShm } from ${JSON.stringify(load)};
    import { setTimeout as sleep } from 'node:timers/promises';
    const { shm: addon } = loadShm();
    const shm = createMappedSharedMemory(addon, { directory: ${JSON.stringify(directory)} });`;
  return printedBare(by, `${prelude}\n${code}`, environment);
}

/** What a module prints that begins with nothing but `gc`: its first thread has loaded no addon. */
function printedBare(by: By, program: string, environment: NodeJS.ProcessEnv = {}): string {
  const words = ['--expose-gc', '--input-type=module', '-e', program];
  return execFileSync(process.execPath, words, {
    encoding: 'utf8',
    timeout: 20_000,
    env: { ...environmentOf(by), ...environment },
  }).trim();
}

describeMapped('how long a mapping lives', (addon, by) => {
  test('it ends when its buffer is collected, and not while anything waits on a word of it', () =>
    inMemoryDirectory(async (directory) => {
      const code = `
        const count = async () => { for (let i = 0; i < 5; i++) { gc(); await sleep(5); } return addon.mappings().count; };
        const wait = async () => {
          const region = await shm.open('waited', 4096, { mode: 'create' });
          return { over: addon.futexWaitAsync(region.words, 0, 0, 15_000) };
        };
        await (async () => { (await shm.open('ring', 4096, { mode: 'create' })).words[0] = 1; })();
        const first = await count();
        const { over } = await wait();
        const during = await count();
        await (async () => {
          const region = await shm.open('waited', 4096, { mode: 'open' });
          // The word stays as it is, so a wake before the thread that waits has begun would be missed.
          while (region.wake(0, 1) === 0) await sleep(5);
        })();
        const code = await over;
        console.log(JSON.stringify([first, during, code, await count()]));`;
      expect(JSON.parse(printed(by, directory, code))).toEqual([0, 1, 0, 0]);
    }));

  test('its memory is given back when its region closes, and views of it that are still there see zeros that are theirs alone', () =>
    inMemoryDirectory(async (directory) => {
      const code = `
        import { readFileSync } from 'node:fs';
        const maps = () => readFileSync('/proc/self/maps', 'utf8').split('\\n').filter((line) => line.includes('/ring.')).length;
        const region = await shm.open('ring', 8192, { mode: 'create' });
        const other = await shm.open('ring', 8192, { mode: 'open' });
        const { words, bytes } = region;
        words[5] = 7;
        const before = [addon.mappings().count, maps(), other.words[5]];
        // Waits on a word of it are under way.
        const over = region.waitAsync(5, 7, 15_000);
        region.close();
        region.close();
        const ended = await over;
        const after = [addon.mappings().count, maps(), words[5], bytes[20], addon.endMapping(words, 0)];
        words[5] = 9;
        words[2047] = 9;
        console.log(JSON.stringify([before, ended, after, other.words[5], addon.futexWait(words, 0, 0, 1), addon.futexWake(words, 0, 1)]));`;
      const [before, ended, after, others, waited, woken] = JSON.parse(printed(by, directory, code));
      expect([before, after]).toEqual([
        [2, 2, 7],
        [1, 1, 0, 0, true],
      ]);
      // As the thread that waits finds it: told to end, or over another word.
      expect(['timeout', 'changed']).toContain(ended);
      expect([others, waited, woken]).toEqual([7, 2, 0]);
    }));

  test('a process that waits ends when it is told to; an open wait keeps it alive, a closed region ends its waits', () =>
    inMemoryDirectory(async (directory) => {
      const open = `const region = await shm.open('ring', 4096, { mode: 'create' });`;
      expect(
        printed(by, directory, `${open} void region.waitAsync(0, 0, 1e9); setTimeout(() => process.exit(0), 20);`),
      ).toBe('');
      expect(printed(by, directory, `${open} region.waitAsync(0, 0, 60).then((r) => console.log(r));`)).toBe('timeout');
      expect(
        printed(by, directory, `${open} region.waitAsync(0, 0, 1e9).then((r) => console.log(r)); region.close();`),
      ).toBe('timeout');
    }));

  test('worker threads share one mapping or map for themselves, wait and wake on it, and can be ended while they wait', () =>
    inMemoryDirectory(async (directory) => {
      const region = await createMappedSharedMemory(addon, { directory }).open('ring', 4096, { mode: 'create' });
      const code = `
        const { parentPort, workerData } = require('node:worker_threads');
        (async () => {
          const { createMappedSharedMemory } = await import(${JSON.stringify(mapped)});
          const { loadShm } = await import(${JSON.stringify(load)});
          const { shm: addon } = loadShm();
          const shm = createMappedSharedMemory(addon, { directory: workerData.directory });
          const region = await shm.open('ring', 4096, { mode: 'open' });
          const words = new Int32Array(workerData.buffer ?? region.words.buffer);
          void region.waitAsync(9, 0, 1e9);
          parentPort.postMessage([region.lock(3), region.words[5], words[5], addon.futexWait(words, 6, 1, 10)]);
          region.wait(7, 0, 1e9);
          parentPort.postMessage('woken');
          region.wait(8, 0, 1e9);
        })();`;
      region.words[5] = 11;
      const { buffer } = region.words;
      const shared = buffer instanceof SharedArrayBuffer;
      expect(shared).toBe(addon.hasExternalShared());
      for (let round = 0; round < 3; round++) {
        const worker = new Worker(code, {
          eval: true,
          env: environmentOf(by),
          workerData: { directory, buffer: shared ? buffer : undefined },
        });
        const next = (): Promise<unknown> =>
          new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
        const first = next();
        expect(await first).toEqual([true, 11, 11, 1]);
        expect(region.lock(3)).toBe(false);
        const second = next();
        Atomics.store(region.words, 7, 1);
        region.wake(7, 1);
        expect(await second).toBe('woken');
        Atomics.store(region.words, 7, 0);
        // It is blocked by now or will be: neither holds up its end.
        await worker.terminate();
      }
      region.close();
    }));

  test.each([
    ['closes its region', 'region.close();', ''],
    ['ends with its region open', '', ''],
    ['hands its words to the first one', 'parentPort.postMessage(region.words); await sleep(50);', ''],
    [
      'is ended while it waits',
      'void region.waitAsync(0, 0, 1e9); parentPort.postMessage(0);',
      'await worker.terminate();',
    ],
  ])('a process outlives a worker that alone used shared memory and %s', (_, last, atMessage) =>
    inMemoryDirectory(async (directory) => {
      // Node lets go of an addon (dlclose) when the last thread that loaded it ends; buffers are collected after that.
      const code = `
        import { parentPort } from 'node:worker_threads';
        import { setTimeout as sleep } from 'node:timers/promises';
        import { createMappedSharedMemory } from ${JSON.stringify(mapped)};
        import { loadShm } from ${JSON.stringify(load)};
        const shm = createMappedSharedMemory(loadShm().shm, { directory: ${JSON.stringify(directory)} });
        const region = await shm.open('ring', 4096, { mode: 'create' });
        ${last}`;
      const program = `
        import { Worker } from 'node:worker_threads';
        import { setTimeout as sleep } from 'node:timers/promises';
        for (const round of [1, 2]) {
          const worker = new Worker(${JSON.stringify(code)}, { eval: true });
          const ended = new Promise((resolve) => worker.on('exit', resolve));
          let kept;
          worker.on('message', async (words) => {
            kept = words;
            ${atMessage}
          });
          worker.on('error', (error) => console.log(error));
          await ended;
          kept = undefined;
          for (let n = 0; n < 5; n++) {
            gc();
            await sleep(10);
          }
        }
        console.log('goes on');`;
      expect(printedBare(by, program)).toBe('goes on');
    }),
  );

  test('without futex_waitv words are looked at: a change is seen, a bare wake ends the wait late, time runs out', () =>
    inMemoryDirectory(async (directory) => {
      const code = `
        const region = await shm.open('ring', 4096, { mode: 'create' });
        const changed = region.waitAsync(1, 0, 10_000);
        const bare = region.waitAsync(2, 0, 10_000);
        const late = region.waitAsync(3, 0, 5);
        Atomics.store(region.words, 1, 1);
        region.wake(1, 1);
        region.wake(2, 1);
        console.log(JSON.stringify([addon.futexMethod(), await changed, await bare, await late]));`;
      const said = JSON.parse(printed(by, directory, code, { HOTFIRE_FUTEX: 'polling' }));
      expect(said).toEqual(['polling', 'changed', 'woken', 'timeout']);
    }));

  test('more words than one call of the kernel takes are all waited for', () =>
    inMemoryDirectory(async (directory) => {
      const region = await createMappedSharedMemory(addon, { directory }).open('ring', 4096, { mode: 'create' });
      const waits = Array.from({ length: 600 }, (_, word) => region.waitAsync(word, 0, 10_000));
      for (let word = 599; word >= 0; word--) {
        Atomics.store(region.words, word, 1);
        region.wake(word, 1);
      }
      for (const result of await Promise.all(waits)) expect(result).not.toBe('timeout');
      region.close();
    }));
});
