import { describe, expect, it } from 'vitest';
import type { Bus } from '../../../src/engines/indexbus/bus.ts';
import type { Consumer } from '../../../src/engines/indexbus/busConsumer.ts';
import { Header, SegmentState } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { Point } from '../../../src/engines/indexbus/points.ts';
import { openSegment } from '../../../src/engines/indexbus/segment.ts';
import { DyingRouter } from './support/dyingRouter.ts';
import { Peers } from './support/peers.ts';
import { smallRouter } from './support/smallRouter.ts';

const config = smallRouter({
  lane_ring: 256,
  lanes_max: 4,
  subscriptions: [
    { name: 'all', topics: ['t'], lane: 'blocking', capacity: 128, detach_after_ms: 'none' },
    { name: 'work', topics: ['t'], mode: 'workqueue', lane: 'blocking', capacity: 128, detach_after_ms: 'none' },
  ],
});

interface Reading {
  readonly consumer: Consumer;
  readonly seen: number[];
}

async function publish(bus: Bus, producer: Awaited<ReturnType<Bus['producer']>>, from: number, to: number) {
  const topic = await bus.topic('t');
  for (let number = from; number < to; number += 1) {
    while (!producer.publishWords(topic, Int32Array.of(number), 0, 1)) await producer.ready(1000);
  }
  producer.flush();
}

async function read({ consumer, seen }: Reading): Promise<void> {
  const batch = new MessageBatch(16, 1024);
  while (await consumer.ready(1)) {
    consumer.receive(batch);
    for (let index = 0; index < batch.length; index += 1) seen.push(batch.words[batch.wordOffset(index)] ?? -1);
  }
  consumer.ack();
}

/** A roll whose router dies at a moment; returns what it had come to. */
async function rollAndDie(diesAt: number): Promise<readonly string[]> {
  const peers = new Peers();
  const first = new DyingRouter(peers, config, diesAt);
  await first.start();
  const bus = await peers.bus({ attachTimeoutMs: 10_000 });
  const readers: Reading[] = [];
  for (const subscription of ['all', 'work']) {
    readers.push({ consumer: await bus.consumer({ subscription }), seen: [] });
  }
  const producer = await bus.producer();
  // More than the old generation's source has room for is on its way or in lanes; nothing of it is read when the roll begins.
  await publish(bus, producer, 0, 60);
  const watcher = peers.host();
  const current = async () => {
    const segment = await openSegment({ shm: watcher.shm, name: 'bus' }).catch(() => undefined);
    const state = segment === undefined ? -1 : Atomics.load(segment.words, Header.state);
    const found = { generation: segment?.generation ?? 0, state };
    segment?.region.close();
    return found;
  };
  const isRolled = async (): Promise<boolean> => {
    // Until there are two generations nobody reads: the old one's lanes are full. A producer's slots have to come home before it is retired.
    if (first.moments.includes('rename bus.building')) for (const reader of readers) await read(reader);
    const { generation, state } = await current();
    const isKept = (await watcher.shm.stat('bus.former')) !== undefined;
    return generation === 2 && state === SegmentState.open && !isKept;
  };
  await first.roll(isRolled);
  const { moments } = first;
  expect(first.isDead).toBe(Number.isFinite(diesAt));
  await first.bury();
  await peers.node(config);
  try {
    const publishing = publish(bus, producer, 60, 120);
    await expect
      .poll(
        async () => {
          for (const reader of readers) await read(reader);
          return readers.map(({ seen }) => seen.length);
        },
        { timeout: 10_000 },
      )
      .toEqual([120, 120]);
    await publishing;
    const all = Array.from({ length: 120 }, (_, number) => number);
    // Nothing is lost, repeated or overtaken, whatever the router was about to do.
    for (const { seen } of readers) expect(seen, `died at moment ${diesAt}`).toEqual(all);
    // Once the name stands for the next generation, the roll is seen through; before, it has not happened.
    const renamed = moments.slice(0, diesAt).includes('rename bus.building');
    await expect
      .poll(async () => ({ ...(await current()), former: await watcher.shm.stat('bus.former') }), { timeout: 10_000 })
      .toEqual({ generation: renamed ? 2 : 1, state: SegmentState.open, former: undefined });
    await producer.close();
    for (const { consumer } of readers) await consumer.close();
  } finally {
    await peers.end();
  }
  return moments;
}

describe('a roll whose router dies', () => {
  it('is seen through or has not happened, whatever it was about to do; nothing is lost, repeated or overtaken', async () => {
    const whole = await rollAndDie(Number.POSITIVE_INFINITY);
    expect(whole).toEqual(
      expect.arrayContaining([
        'rename bus',
        'rename bus.building',
        `point ${Point.retireSegment}`,
        'remove bus.former',
      ]),
    );
    for (let moment = 0; moment < whole.length; moment += 1) await rollAndDie(moment);
  }, 40_000);
});
