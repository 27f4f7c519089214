import { once } from 'node:events';
import { chmodSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Region, SharedMemory } from '../../../src/host/sharedMemory.ts';
import { createMappedSharedMemory } from '../../../src/real/shm/mapped.ts';
import { asNobody, source } from './asNobody.ts';
import { withChildren } from './child.ts';
import { inMemoryDirectory } from './memoryDirectory.ts';
import { describeMapped } from './needsNative.ts';

function holdersOf(directory: string, name: string): unknown[] {
  return JSON.parse(readFileSync(join(directory, `${name}.json`), 'utf8')).holders;
}

/** What each way to come to a name fails with. */
async function refusals(shm: SharedMemory, name: string): Promise<readonly unknown[]> {
  const calls = [
    shm.stat(name),
    ...(['open', 'create', 'create-new'] as const).map((mode) => shm.open(name, 4096, { mode, backing: 'memfd' })),
  ];
  const settled = await Promise.allSettled(calls);
  return settled.map((it) => (it.status === 'rejected' ? it.reason.code : 'no error'));
}

describeMapped('a memfd', (addon, by) => {
  test('stays within reach while its maker lives, however often another process opens and closes it', () =>
    inMemoryDirectory((directory) =>
      withChildren(async (start) => {
        const maker = await start([directory, 'ring', '4096', 'memfd'], { by });
        await maker.ask('store 0 42');
        const shm = createMappedSharedMemory(addon, { directory });
        for (let round = 0; round < 40; round++) {
          const region = await shm.open('ring', 4096, { mode: round % 2 === 0 ? 'open' : 'create' });
          expect(region.words[0]).toBe(42);
          region.close();
        }
        expect(holdersOf(directory, 'ring').length).toBeLessThanOrEqual(2);
      }),
    ));

  test('is reached through whichever of many holders has not closed', () =>
    inMemoryDirectory(async (directory) => {
      const shm = createMappedSharedMemory(addon, { directory });
      for (const stays of [0, 12, 24]) {
        const name = `ring${stays}`;
        const regions: Region[] = [await shm.open(name, 4096, { mode: 'create', backing: 'memfd' })];
        for (let more = 0; more < 24; more++) regions.push(await shm.open(name, 4096, { mode: 'open' }));
        for (const [index, region] of regions.entries()) if (index !== stays) region.close();
        Atomics.store(regions[stays]?.words ?? new Int32Array(1), 0, 7);
        const again = await shm.open(name, 4096, { mode: 'create', backing: 'memfd' });
        expect([stays, again.words[0]]).toEqual([stays, 7]);
        again.close();
        regions[stays]?.close();
        expect(await shm.stat(name)).toBeUndefined();
      }
    }));

  test('is gone when its holder has closed it, whatever the number of the descriptor is now', () =>
    inMemoryDirectory(async (directory) => {
      const shm = createMappedSharedMemory(addon, { directory });
      (await shm.open('ring', 4096, { mode: 'create', backing: 'memfd' })).close();
      const path = join(directory, 'ring.json');
      const says = JSON.parse(readFileSync(path, 'utf8'));
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const isSocket = (fd: string): boolean => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
        } catch {
          return false;
        }
      };
      const fd = Number(readdirSync('/proc/self/fd').find(isSocket));
      writeFileSync(path, JSON.stringify({ ...says, holders: [{ ...says.holders[0], fd }] }));
      expect(await shm.stat('ring')).toBeUndefined();
      const fresh = await shm.open('ring', 4096, { mode: 'create-new', backing: 'memfd' });
      expect(holdersOf(directory, 'ring')).toHaveLength(1);
      fresh.close();
      server.close();
    }));

  test('whose holders count in another pid namespace is refused in words, and not replaced', () =>
    inMemoryDirectory(async (directory) => {
      const shm = createMappedSharedMemory(addon, { directory });
      const region = await shm.open('ring', 4096, { mode: 'create', backing: 'memfd' });
      const path = join(directory, 'ring.json');
      const says = JSON.parse(readFileSync(path, 'utf8'));
      const elsewhere = { ...says.holders[0], pidSpace: says.holders[0].pidSpace + 1 };
      writeFileSync(path, JSON.stringify({ ...says, holders: [elsewhere] }));
      expect(await refusals(shm, 'ring')).toEqual(['ENOTSUP', 'ENOTSUP', 'ENOTSUP', 'ENOTSUP']);
      await expect(shm.stat('ring')).rejects.toThrow(/pid namespace.*remove.*ring\.json/);
      // One that can be reached is enough.
      writeFileSync(path, JSON.stringify({ ...says, holders: [elsewhere, ...says.holders] }));
      const again = await shm.open('ring', 4096, { mode: 'create', backing: 'memfd' });
      expect(again.memory).toBe(region.memory);
      expect(holdersOf(directory, 'ring')).toHaveLength(3);
      again.close();
      region.close();
    }));

  test('of another user is EACCES for members of its group, since procfs shows its descriptors to its user alone', (context) =>
    inMemoryDirectory(async (directory) => {
      if (process.getuid?.() !== 0) return context.skip('this user cannot become another');
      chmodSync(directory, 0o777);
      const shm = createMappedSharedMemory(addon, { directory });
      const region = await shm.open('ring', 4096, { mode: 'create', backing: 'memfd', group: 'nogroup' });
      const ran = asNobody(`
        import { loadShm } from ${JSON.stringify(join(source, 'real/shm/load.ts'))};
        import { createMappedSharedMemory } from ${JSON.stringify(join(source, 'real/shm/mapped.ts'))};
        const shm = createMappedSharedMemory(loadShm().shm, { directory: ${JSON.stringify(directory)} });
        const codeOf = (mode) => shm.open('ring', 4096, { mode, backing: 'memfd', group: 'nogroup' }).then(() => 'no error', (error) => error.code);
        console.log(JSON.stringify([await codeOf('open'), await codeOf('create')]));`);
      if (ran === undefined)
        return context.skip('this user cannot become another, or that one cannot read this checkout');
      expect(ran.stderr).toBe('');
      expect(JSON.parse(ran.stdout)).toEqual(['EACCES', 'EACCES']);
      region.close();
    }));
});
