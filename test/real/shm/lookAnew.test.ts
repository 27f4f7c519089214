import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createLockFiles } from '../../../src/real/shm/byteLocks.ts';
import { createMappedSharedMemory } from '../../../src/real/shm/mapped.ts';
import { inMemoryDirectory } from './memoryDirectory.ts';
import { describeMapped } from './needsNative.ts';

/** Byte of a name's lock file under which what is said of the name is changed. */
const changing = 4096;

describeMapped('what is said of a name while it is changed', (addon) => {
  test.for([
    { backing: 'memfd', call: 'stat' },
    { backing: 'memfd', call: 'open' },
    { backing: 'tmpfs', call: 'stat' },
    { backing: 'tmpfs', call: 'open' },
  ] as const)('does not let memory seem gone that is there: $call of a $backing', ({ backing, call }) =>
    inMemoryDirectory(async (directory) => {
      const shm = createMappedSharedMemory(addon, { directory });
      const region = await shm.open('ring', 4096, { mode: 'create', backing });
      const path = join(directory, 'ring.json');
      const now = readFileSync(path, 'utf8');
      // As it was before: a holder that has let go, or a generation that was replaced.
      const says = JSON.parse(now);
      const holders = says.holders.map((holder: object) => ({ ...holder, fd: 9_999 }));
      writeFileSync(path, JSON.stringify({ ...says, holders, place: says.place === '' ? '' : `${says.place}7` }));
      const other = {};
      const file = createLockFiles(addon).use(join(directory, 'ring.lock'), other, { mode: 0o600, gid: undefined });
      expect(file.lock(changing, other)).toBe(true);
      const found = call === 'stat' ? shm.stat('ring') : shm.open('ring', 4096, { mode: 'open' });
      writeFileSync(path, now);
      file.release(other);
      expect((await found)?.memory).toBe(region.memory);
      region.close();
    }),
  );

  test('is gone when it is so while nobody changes it', () =>
    inMemoryDirectory(async (directory) => {
      const shm = createMappedSharedMemory(addon, { directory });
      (await shm.open('ring', 4096, { mode: 'create', backing: 'memfd' })).close();
      expect(await shm.stat('ring')).toBeUndefined();
      await expect(shm.open('ring', 4096, { mode: 'open' })).rejects.toMatchObject({ code: 'ENOENT' });
    }));
});
