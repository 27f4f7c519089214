import { execFileSync, spawnSync } from 'node:child_process';
import { ftruncateSync, openSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { inMemoryDirectory } from './memoryDirectory.ts';
import { describeMapped } from './needsNative.ts';

const canFilter = spawnSync('python3', ['--version']).status === 0;
const root = join(import.meta.dirname, '../../..');

/** Waits for a word that is woken and stays as it is, then for one that nobody wakes; prints how they ended and what the latter cost. */
const program = `
  const { loadShm } = await import(process.argv[1] + '/src/real/shm/load.ts');
  const { shm } = loadShm();
  const words = new Int32Array(shm.mapMemory(shm.createMemfd('words', false), 4096, true, -1, false).buffer);
  const woken = shm.futexWaitAsync(words, 0, 0, 10_000);
  shm.futexWake(words, 0, 1);
  const said = [shm.futexMethod(), await woken];
  const before = process.cpuUsage();
  said.push(await shm.futexWaitAsync(words, 0, 1, 10_000), await shm.futexWaitAsync(words, 1, 0, 45));
  for (let round = 0; round < 10; round++) await shm.futexWaitAsync(words, 1, 0, 45);
  const { user, system } = process.cpuUsage(before);
  console.log(JSON.stringify([...said, (user + system) / 1000]));
`;

describeMapped('waits that the kernel refuses', (addon, by) => {
  test('pause before they end, so that who waits again does not spin', () =>
    inMemoryDirectory(async (directory) => {
      // The second page of a file that was cut is no memory: EFAULT.
      const fd = openSync(join(directory, 'cut'), 'w+');
      const words = new Int32Array(addon.mapMemory(fd, 8192, true, -1, false).buffer);
      ftruncateSync(fd, 4096);
      const began = performance.now();
      for (let wait = 0; wait < 50; wait++) expect(addon.futexWait(words, 1024, 0, 10_000)).toBe(0);
      expect(performance.now() - began).toBeGreaterThan(45);
    }));

  test.skipIf(!canFilter)('for many words at once end as woken in the end, and do not spin (python3)', () => {
    const words = [
      join(root, 'test/real/uring/refused.py'),
      'futex_waitv',
      String(constants.errno.ENOMEM),
      process.execPath,
    ];
    const said = execFileSync('python3', [...words, '--input-type=module', '-e', program, root], {
      encoding: 'utf8',
      env: { ...process.env, HOTFIRE_NATIVE: by === 'FFI' ? 'off' : '' },
    });
    const [method, woken, changed, late, cpuMs] = JSON.parse(said);
    expect([method, woken, changed, late]).toEqual(['futex_waitv', 0, 1, 2]);
    // Of some 500 ms of waiting.
    expect(cpuMs).toBeLessThan(150);
  });
});
