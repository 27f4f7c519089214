import { describe, expect, it } from 'vitest';
import { type Disk, DiskError } from '../../src/host/disk.ts';
import { makeDirectoryDurably, replaceFile } from '../../src/storage/atomicFile.ts';
import { journalWorld } from '../support/journalWorld.ts';

const path = '/data/topic/partition';

async function isThere(disk: Disk, at: string): Promise<boolean> {
  try {
    await disk.stat(at);
    return true;
  } catch (error) {
    if (error instanceof DiskError && error.code === 'ENOENT') return false;
    throw error;
  }
}

describe('a directory that is made durably', () => {
  // A step of the simulated disk takes some microseconds, a sync half a millisecond.
  it.each(Array.from({ length: 40 }, (_, at) => at * 0.1))(
    'keeps its name through a power loss though who began to make it was killed after %d ms',
    async (killedMs) => {
      const { world, machine, run } = journalWorld({ seed: 1 });
      machine.start('first', async ({ disk }) => makeDirectoryDurably(disk, path));
      await world.run({ toMs: world.now + killedMs });
      machine.kill();
      await run(async ({ disk }) => {
        await makeDirectoryDurably(disk, path);
        await replaceFile(disk, `${path}/file`, [new Uint8Array(3)]);
      });
      machine.powerLoss('drop');
      expect(await run(({ disk }) => isThere(disk, `${path}/file`))).toBe(true);
    },
  );

  it.each(Array.from({ length: 20 }, (_, at) => at * 0.1))(
    'keeps its name through a power loss though another %d ms before it has made those above it, and not synced them',
    async (aheadMs) => {
      const { machine, run, begin } = journalWorld({ seed: 1 });
      let isDone = false;
      await begin(
        async ({ disk, clock }) => {
          void makeDirectoryDurably(disk, '/data/topic/neighbour');
          await clock.sleep(aheadMs);
          await makeDirectoryDurably(disk, path);
          isDone = true;
        },
        () => isDone,
      );
      machine.powerLoss('drop');
      expect(await run(({ disk }) => isThere(disk, path))).toBe(true);
    },
  );

  it.each(['EACCES', 'ENOENT', 'ENODEV'] as const)(
    'needs nothing of what holds one that is there (%s)',
    async (code) => {
      const { run } = journalWorld({ seed: 1 });
      await run(async ({ disk }) => {
        await disk.makeDirectory('/closed/data');
        const closed: Disk = {
          ...disk,
          syncDirectory: async (at) => {
            if (at === '/closed') throw new DiskError(code, 'syncDirectory', at);
            await disk.syncDirectory(at);
          },
        };
        await makeDirectoryDurably(closed, '/closed/data');
        await makeDirectoryDurably(closed, '/closed/data/topic');
        expect(await isThere(disk, '/closed/data/topic')).toBe(true);
        await expect(makeDirectoryDurably(closed, '/closed/new')).rejects.toMatchObject({ code });
      });
    },
  );
});
