import { expect, test } from 'vitest';
import type { Region } from '../../src/host/sharedMemory.ts';
import { World } from '../../src/sim/world.ts';

test('who closes one of two regions of a memory goes on waiting through the other', async () => {
  const world = new World({ seed: 1 });
  const results: string[] = [];
  world.addMachine('m').start('waits', async ({ shm }) => {
    const open = (): Promise<Region> => shm.open('ring', 64, { mode: 'create' });
    const [former, now] = [await open(), await open()];
    const waiting = now.waitAsync(3, 0, 50);
    former.close();
    results.push(await waiting);
  });
  await world.run({ toMs: 100 });
  expect(results).toEqual(['timeout']);
});
