import { expect, test } from 'vitest';
import { LogShared } from '../../../../src/engines/streambus/log/shared.ts';
import { TailCache } from '../../../../src/engines/streambus/log/tailCache.ts';
import { World } from '../../../../src/sim/world.ts';
import { heldBufferBytes } from '../../../support/bufferBytes.ts';

const KIB = 1024;

function cacheOf(cacheBytes: number): { readonly cache: TailCache; readonly shared: LogShared } {
  const world = new World({ seed: 1 });
  let shared: LogShared | undefined;
  const machine = world.addMachine('a');
  machine.start('log', (host) => {
    shared = new LogShared(host, { cacheBytes });
  });
  world.run({ toMs: 1 });
  if (shared === undefined) throw new Error('expected the process to have started');
  return { cache: new TailCache(shared), shared };
}

test('batches that had to go hold no memory, though few have gone', async () => {
  const { cache, shared } = cacheOf(2_560 * KIB);
  const before = await heldBufferBytes();
  for (let base = 0; base < 200; base++) {
    cache.push({ base, last: base, bytes: new Uint8Array(256 * KIB).fill(base) });
    cache.wrote(base + 1);
  }
  expect([cache.bytes, shared.cachedBytes, cache.first]).toEqual([2_560 * KIB, 2_560 * KIB, 190]);
  expect((await heldBufferBytes()) - before).toBeLessThan(2 * 2_560 * KIB);
  expect(cache.read(195, 200, 1e9, true).map(({ base, bytes }) => [base, bytes[0]])).toEqual(
    [195, 196, 197, 198, 199].map((base) => [base, base]),
  );
  expect(cache.read(0, 200, 1e9, true).map(({ base }) => base)[0]).toBe(190);
});
