import { expect, test } from 'vitest';
import { NetworkError } from '../../../src/host/network.ts';
import { World } from '../../../src/sim/world.ts';

interface Direction {
  readonly from: string;
  readonly to: string;
  sent: number;
  arrived: number;
}

/**
 * Machine `a` sends to `b`, which reads as it comes, over a link that loses a third of its packets. Gives what the tap saw of
 * each direction; `read` is told of the bytes that `b` has read.
 */
async function talk(
  options: { readonly killAtMs?: number; readonly read?: (bytes: number, seen: readonly Direction[]) => void } = {},
): Promise<{ readonly seen: readonly Direction[]; readonly fingerprint: string }> {
  const world = new World({ seed: 5 });
  const seen: Direction[] = [];
  world.network.tap = {
    open(from, to) {
      const direction: Direction = { from, to, sent: 0, arrived: 0 };
      seen.push(direction);
      return {
        sent(bytes) {
          direction.sent += bytes.length;
        },
        arrived(bytes) {
          direction.arrived += bytes;
        },
      };
    },
  };
  let total = 0;
  world.addMachine('b').start('b', async (host) => {
    await host.network.listen({ host: 'b', port: 80 }, async (connection) => {
      await connection.write(new Uint8Array(10));
      try {
        for (let bytes = await connection.read(); bytes !== undefined; bytes = await connection.read()) {
          total += bytes.length;
          options.read?.(total, seen);
        }
        await connection.end();
      } catch (error) {
        // The sender was killed.
        if (!(error instanceof NetworkError)) throw error;
      }
    });
  });
  world.addMachine('a').start('a', async (host) => {
    await host.clock.sleep(1);
    const connection = await host.network.connect({ host: 'b', port: 80 });
    world.network.addRule({ matches: () => true, loss: 0.3 });
    for (let round = 0; round < 50; round++) await connection.write(new Uint8Array(1 + round * 300));
    await connection.end();
    while ((await connection.read()) !== undefined);
  });
  const { killAtMs } = options;
  if (killAtMs !== undefined) world.scheduler.at(killAtMs, 'kill', undefined, () => world.machines.get('a')?.kill());
  await world.run({ toMs: 600_000 });
  return { seen, fingerprint: world.trace.fingerprint };
}

test('a tap sees each byte sent once and arrived once, however often it was repeated, before it can be read', async () => {
  let reads = 0;
  const { seen } = await talk({
    read(bytes, directions) {
      reads++;
      const [there] = directions.filter(({ from }) => from === 'a');
      expect(there?.arrived).toBeGreaterThanOrEqual(bytes);
      expect(there?.arrived).toBeLessThanOrEqual(there?.sent ?? 0);
    },
  });
  const bytes = Array.from({ length: 50 }, (_, round) => 1 + round * 300).reduce((sum, size) => sum + size, 0);
  expect(reads).toBeGreaterThan(10);
  expect(seen).toEqual([
    { from: 'a', to: 'b', sent: bytes, arrived: bytes },
    { from: 'b', to: 'a', sent: 10, arrived: 10 },
  ]);
});

test('what a dead sender had not got through never arrives', async () => {
  const { seen } = await talk({ killAtMs: 300 });
  const there = seen.find(({ from }) => from === 'a');
  expect(there?.sent).toBeGreaterThan(0);
  expect(there?.arrived).toBeLessThan(there?.sent ?? 0);
});
