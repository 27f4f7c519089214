import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { SharedMemory } from '../../../src/host/sharedMemory.ts';
import { createMappedSharedMemory } from '../../../src/real/shm/mapped.ts';
import { aloneWithHugePages } from './aloneWithHugePages.ts';
import { inMemoryDirectory } from './memoryDirectory.ts';
import { mounted } from './mounted.ts';
import { describeMapped } from './needsNative.ts';

function inodeAt(path: string): string {
  const { dev, ino } = statSync(path, { bigint: true });
  return `${dev}:${ino}`;
}

/** What each way to come to a name fails with. */
async function refusals(shm: SharedMemory, name: string): Promise<readonly unknown[]> {
  const calls = [
    shm.stat(name),
    ...(['open', 'create', 'create-new'] as const).map((mode) => shm.open(name, 4096, { mode })),
  ];
  const settled = await Promise.allSettled(calls);
  return settled.map((it) => (it.status === 'rejected' ? it.reason.code : 'no error'));
}

describeMapped('a directory that has another path here than where its memory was made', (addon) => {
  test('leads to its memory all the same, which keeps its names', () =>
    inMemoryDirectory(async (directory) => {
      const [there, here] = [join(directory, 'there'), join(directory, 'here')];
      mkdirSync(there);
      const made = await createMappedSharedMemory(addon, { directory: there }).open('ring', 4096, { mode: 'create' });
      renameSync(there, here);
      const shm = createMappedSharedMemory(addon, { directory: here });
      const opened = await shm.open('ring', 4096, { mode: 'create' });
      expect([(await shm.stat('ring'))?.memory, opened.memory]).toEqual([made.memory, made.memory]);
      await expect(shm.open('ring', 4096, { mode: 'create-new' })).rejects.toMatchObject({ code: 'EEXIST' });
      await shm.rename('ring', 'named');
      expect((await shm.stat('named'))?.memory).toBe(made.memory);
      expect(readdirSync(here).filter((file) => !file.endsWith('.lock'))).toEqual(['named.1', 'named.json']);
      // Back where it was made it is found as well.
      renameSync(here, there);
      const again = createMappedSharedMemory(addon, { directory: there });
      expect((await again.stat('named'))?.memory).toBe(made.memory);
      for (const region of [made, opened]) region.close();
    }));
});

describeMapped('a file of the name of memory that is another one', (addon) => {
  test('is not that memory: it is gone, and the name is free', () =>
    inMemoryDirectory(async (directory) => {
      const shm = createMappedSharedMemory(addon, { directory });
      const made = await shm.open('ring', 4096, { mode: 'create', backing: 'tmpfs' });
      const other = join(directory, 'other');
      writeFileSync(other, new Uint8Array(4096).fill(7));
      renameSync(other, join(directory, 'ring.1'));
      expect(await shm.stat('ring')).toBeUndefined();
      await expect(shm.open('ring', 4096, { mode: 'open' })).rejects.toMatchObject({ code: 'ENOENT' });
      const anew = await shm.open('ring', 4096, { mode: 'create-new', backing: 'tmpfs' });
      expect(anew.memory).not.toBe(made.memory);
      expect(anew.bytes.every((byte) => byte === 0)).toBe(true);
      for (const region of [made, anew]) region.close();
    }));
});

describeMapped('memory on hugetlbfs', (addon) => {
  /** Writes down that `ring` has memory at `place`, in a directory with the inode `home`; the memory has no pages, since nobody maps it here. */
  async function told(directory: string, place: string, inode: string, home: string): Promise<SharedMemory> {
    const shm = createMappedSharedMemory(addon, { directory });
    (await shm.open('ring', 4096, { mode: 'create', backing: 'tmpfs' })).close();
    const path = join(directory, 'ring.json');
    const says = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(path, JSON.stringify({ ...says, backing: 'hugetlbfs', place, inode, home }));
    return shm;
  }

  test('of a mount that is not here, or is another one, is refused in words and not replaced', () =>
    inMemoryDirectory(async (directory) => {
      const other = join(directory, 'other');
      mkdirSync(other);
      for (const place of ['/no/such/mount/hotfire-0-ring.1', join(other, 'hotfire-0-ring.1')]) {
        const shm = await told(directory, place, '1:2', '1:1');
        expect(await refusals(shm, 'ring')).toEqual(['ENOTSUP', 'ENOTSUP', 'ENOTSUP', 'ENOTSUP']);
        await expect(shm.stat('ring')).rejects.toThrow(
          new RegExp(`${place}.*hugetlbfs.*remove ${directory}/ring.json`),
        );
        await shm.remove('ring');
      }
    }));

  test('is gone when it is not in the directory in which it was made', () =>
    inMemoryDirectory(async (directory) => {
      const home = join(directory, 'home');
      mkdirSync(home);
      const shm = await told(directory, join(home, 'hotfire-0-ring.1'), '1:2', inodeAt(home));
      expect(await shm.stat('ring')).toBeUndefined();
      // Nor is it what another one has put there.
      writeFileSync(join(home, 'hotfire-0-ring.1'), new Uint8Array(4096));
      expect(await shm.stat('ring')).toBeUndefined();
      await shm.open('ring', 4096, { mode: 'create-new', backing: 'tmpfs' });
    }));

  test('is found where its file system is mounted here, and what is left of it there goes with its name', (context) =>
    aloneWithHugePages(() =>
      inMemoryDirectory(async (directory) => {
        const mount = join(directory, 'mount');
        const ran = await mounted('hugetlbfs', 'pagesize=2M', mount, async () => {
          const file = 'hotfire-0-ring.1';
          writeFileSync(join(mount, file), '');
          const inode = inodeAt(join(mount, file));
          const shm = await told(directory, join('/no/such/mount', file), inode, inodeAt(mount));
          expect(await shm.stat('ring')).toMatchObject({ backing: 'hugetlbfs', memory: inode });
          await shm.rename('ring', 'named');
          expect(await shm.stat('named')).toMatchObject({ backing: 'hugetlbfs', memory: inode });
          expect(readdirSync(mount)).toEqual(['hotfire-0-named.1']);
          await shm.remove('named');
          expect(readdirSync(mount)).toEqual([]);
        });
        if (!ran) context.skip('this user may not mount a hugetlbfs');
      }),
    ));
});
