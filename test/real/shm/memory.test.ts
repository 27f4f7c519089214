import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import type { Region, RegionOptions } from '../../../src/host/sharedMemory.ts';
import { hugePages, hugetlbfsMount } from '../../../src/real/shm/directory.ts';
import { createMappedSharedMemory } from '../../../src/real/shm/mapped.ts';
import { aloneWithHugePages } from './aloneWithHugePages.ts';
import { inMemoryDirectory } from './memoryDirectory.ts';
import { mounted } from './mounted.ts';
import { describeMapped } from './needsNative.ts';

const mebibyte = 2 ** 20;
const reservedPages = '/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages';

/**
 * Runs `body` with some huge pages free and puts the setting back; false where this user may not set it or memory is in pieces. What `body` has
 * opened has to be closed by then: pages that are in use stay reserved.
 */
async function withHugePages(count: number, body: () => Promise<void>): Promise<boolean> {
  if (!existsSync(reservedPages)) return false;
  const before = readFileSync(reservedPages, 'utf8').trim();
  try {
    writeFileSync(reservedPages, String(Number(before) + count));
    if (hugePages().free < count) return false;
    await body();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EACCES') return false;
    throw error;
  } finally {
    if (process.getuid?.() === 0) writeFileSync(reservedPages, before);
  }
  expect(readFileSync(reservedPages, 'utf8').trim()).toBe(before);
  return true;
}

function appliedOf(
  rows: readonly { readonly name: string; readonly applied: string }[],
  name: string,
): string | undefined {
  return rows.find((row) => row.name === name)?.applied;
}

describeMapped('where the memory comes from', (addon) => {
  test('a directory that is too small is ENOSPC when the region is made, and keeps nothing', (context) =>
    inMemoryDirectory(async (directory) => {
      const small = join(directory, 'small');
      const ran = await mounted('tmpfs', 'size=1m', small, async () => {
        const shm = createMappedSharedMemory(addon, { directory: small });
        await expect(shm.open('ring', 2 * mebibyte, { mode: 'create', hugePages: false })).rejects.toMatchObject({
          code: 'ENOSPC',
          message: expect.stringMatching(/2097152 bytes are needed, 1048576 are free in /),
        });
        expect(readdirSync(small)).toEqual(['ring.lock']);
        const region = await shm.open('ring', mebibyte / 2, { mode: 'create' });
        region.bytes.fill(7);
        await expect(shm.open('other', mebibyte, { mode: 'create', backing: 'tmpfs' })).rejects.toMatchObject({
          code: 'ENOSPC',
        });
        region.close();
      });
      if (!ran) context.skip('this user may not mount a tmpfs');
    }));

  test('a directory on a disk is no place for memory', async () => {
    const shm = createMappedSharedMemory(addon, { directory: import.meta.dirname });
    await expect(shm.open('ring', 4096, { mode: 'create' })).rejects.toMatchObject({
      code: 'ENOTMEMORY',
      message: expect.stringMatching(/not on tmpfs; name a directory/),
    });
    await expect(shm.open('ring', 4096, { mode: 'create', directory: '/no/such' })).rejects.toMatchObject({
      code: 'ENOTMEMORY',
    });
  });

  test('files are for this user alone, or for a group that is named', () =>
    inMemoryDirectory(async (directory) => {
      const shm = createMappedSharedMemory(addon, { directory });
      const modes = () =>
        readdirSync(directory).map((file) => `${file} ${(statSync(join(directory, file)).mode & 0o777).toString(8)}`);
      await shm.open('mine', 4096, { mode: 'create' });
      expect(modes().sort()).toEqual(['mine.1 600', 'mine.json 600', 'mine.lock 600']);
      await shm.remove('mine');
      if (process.getuid?.() === 0) {
        await shm.open('ours', 4096, { mode: 'create', group: 'daemon' });
        expect(modes().sort()).toEqual(['mine.lock 600', 'ours.1 660', 'ours.json 660', 'ours.lock 660']);
        await shm.rename('ours', 'all');
        expect(modes().sort()).toEqual(['all.1 660', 'all.json 660', 'all.lock 660', 'mine.lock 600', 'ours.lock 660']);
      }
      await expect(shm.open('theirs', 4096, { mode: 'create', group: 'no such group' })).rejects.toMatchObject({
        code: 'EINVAL',
      });
    }));

  test('a damaged rendezvous file is told, one of an earlier boot is replaced, files that were left are swept', () =>
    inMemoryDirectory(async (directory) => {
      const shm = createMappedSharedMemory(addon, { directory });
      const path = join(directory, 'ring.json');
      writeFileSync(path, '{"version":1');
      chmodSync(path, 0o600);
      await expect(shm.open('ring', 4096, { mode: 'create' })).rejects.toMatchObject({ code: 'EDAMAGED' });
      writeFileSync(path, '');
      await expect(shm.stat('ring')).rejects.toMatchObject({ code: 'EDAMAGED' });

      const made = await shm.open('whole', 4096, { mode: 'create' });
      made.words[0] = 5;
      const says = JSON.parse(readFileSync(join(directory, 'whole.json'), 'utf8'));
      writeFileSync(join(directory, 'whole.json'), JSON.stringify({ ...says, bootId: '0'.repeat(32) }));
      writeFileSync(join(directory, 'whole.77'), 'left by a process that died');
      expect(await shm.stat('whole')).toBeUndefined();
      const fresh = await shm.open('whole', 4096, { mode: 'create-new' });
      expect([made.words[0], fresh.words[0]]).toEqual([5, 0]);
      expect(readdirSync(directory).filter((file) => /^whole\.\d+$/.test(file))).toHaveLength(1);
    }));

  test('a memfd cannot be cut short by anybody who holds it', () =>
    inMemoryDirectory(async (directory) => {
      const shm = createMappedSharedMemory(addon, { directory });
      const region = await shm.open('ring', 8192, { mode: 'create', backing: 'memfd' });
      expect([region.backing, region.words.length]).toEqual(['memfd', 2048]);
      const [holder] = JSON.parse(readFileSync(join(directory, 'ring.json'), 'utf8')).holders;
      expect(() => writeFileSync(`/proc/${holder.pid}/fd/${holder.fd}`, '', { flag: 'r+' })).not.toThrow();
      expect(spawnSync('truncate', ['-s', '0', `/proc/${holder.pid}/fd/${holder.fd}`]).status).not.toBe(0);
      expect(await shm.stat('ring')).toMatchObject({ bytes: 8192, backing: 'memfd' });
      region.close();
    }));

  test('huge pages: hugetlbfs where it is mounted, memfd only for who asks for one, with the reason where there are too few', (context) =>
    aloneWithHugePages(() =>
      inMemoryDirectory(async (directory) => {
        const shm = createMappedSharedMemory(addon, { directory });
        const regions: Region[] = [];
        const open = async (name: string, bytes: number, options: RegionOptions): Promise<Region> => {
          const region = await shm.open(name, bytes, options);
          regions.push(region);
          return region;
        };
        const free = hugePages().free;
        const more = (free + 8) * 2 * mebibyte;
        const useThem = async (): Promise<void> => {
          const region = await open('huge', 3 * mebibyte, { mode: 'create', backing: 'memfd' });
          expect(appliedOf(region.tuning(), 'hugePages')).toBe('yes');
          expect(readFileSync('/proc/self/smaps', 'utf8')).toMatch(
            /memfd:hotfire\.huge[\s\S]*?KernelPageSize: +2048 kB/,
          );
          expect(await shm.stat('huge')).toMatchObject({ bytes: 3 * mebibyte, backing: 'memfd' });
          const kept = await open('kept', 2 * mebibyte, { mode: 'create' });
          if (hugetlbfsMount() === undefined) {
            expect([kept.backing, appliedOf(kept.tuning(), 'hugePages')]).toEqual(['tmpfs', 'no']);
            expect(kept.tuning().find((row) => row.name === 'hugePages')?.reason, 'nobody insisted').toBe('');
          } else expect(kept.backing).toBe('hugetlbfs');
          // Two of the four are taken: no place for three more, and the words say how many and what to do.
          await expect(shm.open('more', more, { mode: 'create', backing: 'hugetlbfs' })).rejects.toMatchObject({
            code: expect.stringMatching(/ENOSPC|ENOTSUP/),
          });
          const fallback = await open('fallback', (free + 5) * 2 * mebibyte, { mode: 'create', hugePages: true });
          expect([fallback.backing, appliedOf(fallback.tuning(), 'hugePages')]).toEqual(['tmpfs', 'no']);
          expect(fallback.tuning().find((row) => row.name === 'hugePages')?.reason).toMatch(
            /sysctl vm\.nr_hugepages=\d+/,
          );
          await mounted('hugetlbfs', 'pagesize=2M', join(directory, 'mount'), async () => {
            const file = await open('file', 2 * mebibyte, { mode: 'create' });
            expect([file.backing, appliedOf(file.tuning(), 'hugePages')]).toEqual(['hugetlbfs', 'yes']);
            file.bytes[2 * mebibyte - 1] = 3;
            await shm.rename('file', 'named');
            const again = await open('named', 2 * mebibyte, { mode: 'open' });
            expect(again.bytes[2 * mebibyte - 1]).toBe(3);
            await shm.remove('named');
            expect(readdirSync(join(directory, 'mount'))).toEqual([]);
          });
        };
        const ran = await withHugePages(4, () =>
          useThem().finally(() => {
            for (const region of regions) region.close();
          }),
        );
        if (!ran) context.skip('this user may not reserve huge pages, or there are none to be had');
      }),
    ));

  test('huge pages of a file on hugetlbfs: gone with the file while its directory is here, elsewhere without it', (context) =>
    aloneWithHugePages(() =>
      inMemoryDirectory(async (directory) => {
        const shm = createMappedSharedMemory(addon, { directory });
        const mount = join(directory, 'mount');
        const regions: Region[] = [];
        let wasMounted = false;
        const useThem = async (): Promise<void> => {
          wasMounted = await mounted('hugetlbfs', 'pagesize=2M', mount, async () => {
            for (const name of ['gone', 'away']) {
              regions.push(await shm.open(name, 2 * mebibyte, { mode: 'create', backing: 'hugetlbfs' }));
            }
            const { place } = JSON.parse(readFileSync(join(directory, 'gone.json'), 'utf8'));
            expect(dirname(place)).toBe(mount);
            rmSync(place);
            expect(await shm.stat('gone')).toBeUndefined();
            expect(await shm.stat('away')).toMatchObject({ backing: 'hugetlbfs', memory: regions[1]?.memory });
          });
          // Its users have it still: who does not see its directory takes it for nothing else.
          if (wasMounted) await expect(shm.stat('away')).rejects.toMatchObject({ code: 'ENOTSUP' });
        };
        const ran = await withHugePages(2, () =>
          useThem().finally(() => {
            for (const region of regions) region.close();
          }),
        );
        if (!ran || !wasMounted) context.skip('this user may not mount a hugetlbfs, or reserve huge pages');
      }),
    ));

  test('pages are locked, bound to a node and told of; a node that is not there says why', () =>
    inMemoryDirectory(async (directory) => {
      const shm = createMappedSharedMemory(addon, { directory });
      const region = await shm.open('ring', 4096, { mode: 'create', lockMemory: true, numaNode: 0 });
      expect(appliedOf(region.tuning(), 'lockMemory')).toBe('yes');
      expect(addon.numaNodeOf(region.words, 0)).toBe(0);
      const far = await shm.open('far', 4096, { mode: 'create', numaNode: 1000 });
      expect(far.tuning().find((row) => row.name === 'numaNode')).toMatchObject({
        requested: '1000',
        applied: 'none',
        reason: expect.stringMatching(/^mbind: E/),
      });
    }));
});
