import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openBus } from '../../../src/engines/indexbus/bus.ts';
import { Router } from '../../../src/engines/indexbus/router.ts';
import { createSegment } from '../../../src/engines/indexbus/segment.ts';
import type { Host } from '../../../src/host/host.ts';
import { createRealClock } from '../../../src/real/clock.ts';
import { createRealRandom } from '../../../src/real/random.ts';
import type { ShmAddon } from '../../../src/real/shm/addon.ts';
import { createMappedSharedMemory } from '../../../src/real/shm/mapped.ts';
import { codeOf, peerSizes } from '../../engines/indexbus/support/peers.ts';
import { inMemoryDirectory } from '../shm/memoryDirectory.ts';
import { describeMapped } from '../shm/needsNative.ts';

const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => logger };

/** A participant over mapped memory, and a segment that nobody routes yet. */
async function mappedSegment(addon: ShmAddon, directory: string) {
  const shm = createMappedSharedMemory(addon, { directory });
  const telemetry = { sometimes: () => {}, buggify: () => false, mutant: () => false, logger };
  const host = {
    name: 'mapped',
    incarnation: 1,
    pid: process.pid,
    clock: createRealClock(),
    random: createRealRandom(),
    shm,
    telemetry,
  } as unknown as Host; // The bus uses neither disk nor network.
  return { host, segment: await createSegment({ shm, name: 'bus', backing: 'tmpfs' }, peerSizes, 1) };
}

/** The longest time for which nothing else could run, in milliseconds, until `over`. */
async function longestStall(over: Promise<unknown>): Promise<number> {
  let isOver = false;
  const ended = over.then(
    () => {
      isOver = true;
    },
    () => {
      isOver = true;
    },
  );
  let longest = 0;
  while (!isOver) {
    const before = performance.now();
    await sleep(5);
    longest = Math.max(longest, performance.now() - before);
  }
  await ended;
  return longest;
}

describeMapped('a bus over mapped memory that closes', (addon) => {
  test('ends joins under way, and the event loop goes on', () =>
    inMemoryDirectory(async (directory) => {
      const { host, segment } = await mappedSegment(addon, directory);
      const bus = await openBus({ host, segment: 'bus', attachTimeoutMs: 20_000 });
      const joining = codeOf(() => bus.producer());
      await sleep(100);
      const began = performance.now();
      await bus.close();
      expect(await longestStall(joining)).toBeLessThan(2_000);
      expect(await joining).toBe('IB_CLOSED');
      expect(performance.now() - began).toBeLessThan(5_000);
      segment.region.close();
    }));

  test('waits for closes under way, and the event loop goes on', () =>
    inMemoryDirectory(async (directory) => {
      const { host, segment } = await mappedSegment(addon, directory);
      const { clock, telemetry } = host;
      const router = new Router(segment, { clock, telemetry, options: { batchSize: 16 } });
      const polls = setInterval(() => router.poll(), 1);
      const bus = await openBus({ host, segment: 'bus', attachTimeoutMs: 3_000 });
      const producer = await bus.producer();
      clearInterval(polls); // The router stands.
      const closing = producer.close({ drainTimeoutMs: 2_000 });
      const began = performance.now();
      const closed = bus.close();
      expect(await longestStall(closed)).toBeLessThan(1_500);
      await Promise.all([closed, closing]);
      expect(performance.now() - began).toBeGreaterThan(1_900);
      segment.region.close();
    }));
});
