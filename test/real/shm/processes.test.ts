import { readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import type { LivenessEvidence } from '../../../src/host/sharedMemory.ts';
import { loadNative } from '../../../src/real/native.ts';
import type { ShmAddon } from '../../../src/real/shm/addon.ts';
import { loadFfi } from '../../../src/real/shm/ffi/load.ts';
import { createMappedSharedMemory } from '../../../src/real/shm/mapped.ts';
import { type By, withChildren } from './child.ts';
import { inMemoryDirectory } from './memoryDirectory.ts';
import { describeNative } from './needsNative.ts';

vi.setConfig({ testTimeout: 30_000 });

/** A shell that starts a program with its standard input and becomes one that never waits for it. */
const neverReaps = 'exec 3<&0; "$@" <&3 3<&- & exec sleep 600 >/dev/null 3<&-';

const native = loadNative();
const ffi = loadFfi();
const lack = 'reason' in native ? native.reason : 'reason' in ffi ? ffi.reason : '';

describeNative('shared memory between processes', (addon) => between(addon, 'addon'));

describe.skipIf(lack !== '')(
  `shared memory between a process with the addon and one by FFI${lack && ` (${lack})`}`,
  () => {
    if ('addon' in native) describe('one by FFI is started', () => between(native.addon, 'FFI'));
    if ('shm' in ffi) describe('one with the addon is started', () => between(ffi.shm, 'addon'));
  },
);

function between(addon: ShmAddon, by: By): void {
  test('a stopped process keeps its lock, a killed one has lost it before anybody reaps it', () =>
    inMemoryDirectory((directory) =>
      withChildren(async (start) => {
        const region = await createMappedSharedMemory(addon, { directory }).open('ring', 4096, { mode: 'create' });
        const child = await start([directory, 'ring', '4096'], {
          by,
          wrapper: ['sh', '-c', neverReaps, 'sh'],
        });
        const evidence = (): LivenessEvidence => region.evidence(5, child.identity);
        const becomes = async (wanted: LivenessEvidence): Promise<void> => {
          for (let tries = 0; tries < 200 && JSON.stringify(evidence()) !== JSON.stringify(wanted); tries++)
            await sleep(10);
          expect(evidence()).toEqual(wanted);
        };
        expect(evidence()).toEqual({ lock: 'free', process: 'running' });
        expect(await child.ask('lock 5')).toBe(true);
        expect([region.lock(5), region.lock(6)]).toEqual([false, true]);
        expect(await child.ask('lock 6')).toBe(false);
        await becomes({ lock: 'held', process: 'running' });
        child.kill('SIGSTOP');
        await sleep(50);
        expect(evidence()).toEqual({ lock: 'held', process: 'running' });
        child.kill('SIGKILL');
        await becomes({ lock: 'free', process: 'zombie' });
        expect(region.lock(5)).toBe(true);
        region.close();
      }),
    ));

  test('a process that was killed and reaped is gone; the kernel shows its lock to other tools while it lives', () =>
    inMemoryDirectory((directory) =>
      withChildren(async (start) => {
        const region = await createMappedSharedMemory(addon, { directory }).open('ring', 4096, { mode: 'create' });
        const child = await start([directory, 'ring', '4096'], { by });
        expect(await child.ask('lock 9')).toBe(true);
        expect(readFileSync('/proc/locks', 'utf8')).toMatch(/OFDLCK .*WRITE .* 9 9$/m);
        child.kill('SIGKILL');
        await child.exited;
        expect(region.evidence(9, child.identity)).toEqual({ lock: 'free', process: 'gone' });
        region.close();
      }),
    ));

  test('a wake reaches who waits in another process, blocked or not', () =>
    inMemoryDirectory((directory) =>
      withChildren(async (start) => {
        const region = await createMappedSharedMemory(addon, { directory }).open('ring', 4096, { mode: 'create' });
        const child = await start([directory, 'ring', '4096'], { by });
        for (const command of ['wait', 'waitAsync']) {
          child.send(`${command} 3 0 20000`);
          // Nothing is changed: only a wake ends it.
          let woken = 0;
          for (let tries = 0; tries < 500 && woken === 0; tries++) {
            await sleep(10);
            woken = region.wake(3, 1);
          }
          expect([command, woken, await child.answer()]).toEqual([command, 1, 'woken']);
        }
        expect(await child.ask('wait 3 1 20000')).toBe('changed');
        expect(await child.ask('wait 3 0 120')).toBe('timeout');
        expect(await child.ask('store 4 77')).toBe(77);
        expect(Atomics.load(region.words, 4)).toBe(77);

        const rounds = 2000;
        child.send(`pong ${rounds}`);
        for (let round = 1; round <= rounds; round++) {
          Atomics.store(region.words, 0, round);
          region.wake(0, 1);
          while (Atomics.load(region.words, 1) < round) region.wait(1, round - 1, 1000);
        }
        expect(await child.answer()).toBe('done');
      }),
    ));
}

describeNative('names of memory between processes, some of which go by FFI', (addon) => {
  const other: By = 'shm' in ffi ? 'FFI' : 'addon';

  test('of processes that make a name at once one makes it, and all have the same', () =>
    inMemoryDirectory((directory) =>
      withChildren(async (start) => {
        for (const backing of ['tmpfs', 'memfd']) {
          const children = await Promise.all(
            (['addon', other, other] as const).map((by) => start([directory, backing, '4096', backing], { by })),
          );
          for (const [index, child] of children.entries()) await child.ask(`store ${index} ${index + 1}`);
          for (const child of children) {
            expect([await child.ask('load 0'), await child.ask('load 1'), await child.ask('load 2')]).toEqual([
              1, 2, 3,
            ]);
          }
        }
      }),
    ));

  test('a memfd is reached through whoever holds it, also when its maker has died; without a holder it is gone', () =>
    inMemoryDirectory((directory) =>
      withChildren(async (start) => {
        const shm = createMappedSharedMemory(addon, { directory });
        const maker = await start([directory, 'ring', '4096', 'memfd']);
        expect(maker.backing).toBe('memfd');
        await maker.ask('store 0 42');
        const holder = await start([directory, 'ring', '4096'], { by: other });
        maker.kill('SIGKILL');
        await maker.exited;
        expect(await shm.stat('ring')).toMatchObject({ bytes: 4096, backing: 'memfd' });
        const region = await shm.open('ring', 4096, { mode: 'open' });
        expect(region.words[0]).toBe(42);
        region.close();
        holder.kill('SIGKILL');
        await holder.exited;
        expect(await shm.stat('ring')).toBeUndefined();
        const fresh = await shm.open('ring', 4096, { mode: 'create-new' });
        expect(fresh.words[0]).toBe(0);
        fresh.close();
      }),
    ));

  test('a file that was cut short is told with its size and not attached to', () =>
    inMemoryDirectory(async (directory) => {
      const shm = createMappedSharedMemory(addon, { directory });
      const region = await shm.open('ring', 8192, { mode: 'create', backing: 'tmpfs' });
      region.close();
      truncateSync(join(directory, 'ring.1'), 4097);
      expect(await shm.stat('ring')).toMatchObject({ bytes: 4097, backing: 'tmpfs' });
      await expect(shm.open('ring', 8192, { mode: 'open' })).rejects.toMatchObject({ code: 'EINVAL' });
      const short = await shm.open('ring', 4096, { mode: 'open' });
      expect(short.words.length).toBe(1024);
    }));
});
