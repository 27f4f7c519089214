import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Bus } from '../../../src/engines/indexbus/bus.ts';
import type { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { bytesOf, codeOf, Peers } from './support/peers.ts';
import { smallRouter } from './support/smallRouter.ts';

const config = smallRouter({
  lane_ring: 128,
  lanes_max: 4,
  slots_per_producer: 256,
  subscriptions: [
    { name: 'all', topics: ['>'], capacity: 32 },
    { name: 'seen', topics: ['>'], capacity: 32, access: 'view', view_max: 16 },
    { name: 'work', topics: ['>'], mode: 'workqueue', lane: 'blocking', capacity: 32, detach_after_ms: 'none' },
  ],
});

let peers: Peers;
let node: BusNode;
let bus: Bus;
beforeEach(async () => {
  peers = new Peers();
  node = await peers.node(config);
  bus = await peers.bus();
});
afterEach(() => peers.end());

type Sizes = Parameters<BusNode['roll']>[0];

/** Consumers of these subscriptions, one each. */
async function consumersOf(...subscriptions: readonly string[]) {
  const there = [];
  for (const subscription of subscriptions) there.push(await bus.consumer({ subscription }));
  return there;
}

/** A roll to these sizes is refused so, and to those it takes everybody along. */
async function expectRefused(sizes: Sizes, message: string): Promise<void> {
  expect(await codeOf(() => node.roll(sizes))).toBe('IB_NEEDS_ROLL');
  await expect(node.roll(sizes)).rejects.toThrow(message);
}

async function expectRolled(sizes: Sizes): Promise<void> {
  await node.roll(sizes);
  await expect.poll(() => node.serving?.segment.generation, { timeout: 8_000 }).toBe(2);
  expect(peers.logged.filter(({ message }) => message === 'roll fences')).toEqual([]);
}

describe('a roll to sizes in which not all who are there have room', () => {
  it('is refused for the seats of producers; it takes as few as there are', async () => {
    const producers = [await bus.producer(), await bus.producer(), await bus.producer()];
    const topic = await bus.topic('t');
    await expectRefused({ producers_max: 2 }, 'producers_max 2 is less than the 3 producers that are there');
    await expectRolled({ producers_max: 3 });
    for (const producer of producers) expect(producer.publish(topic, bytesOf('x'))).toBe(true);
  });

  it('is refused for the seats of consumers; it takes as few as there are', async () => {
    const consumers = await consumersOf('all', 'work');
    await expectRefused({ lanes_max: 1 }, 'lanes_max 1 is less than the 2 consumers that are there');
    await expectRolled({ lanes_max: 2 });
    for (const consumer of consumers) expect(consumer.receive(new MessageBatch(4, 1024))).toBe(0);
  });

  it('is refused for pools of which lanes would have too little', async () => {
    const consumers = await consumersOf('all', 'all', 'all', 'work');
    await expectRefused(
      { slots_per_producer: 64 },
      '3 lanes that do not block would have 10 slots of each pool, at least 16',
    );
    await expectRolled({ slots_per_producer: 128 });
    for (const consumer of consumers) expect(consumer.receive(new MessageBatch(4, 1024))).toBe(0);
  });

  it('is refused for pools that what lanes by view reserve leaves too little of', async () => {
    await consumersOf('seen', 'all');
    await expectRefused(
      { slots_per_producer: 64 },
      '2 lanes that do not block would have 0 slots of each pool, at least 16',
    );
    await expectRolled({ slots_per_producer: 128 });
  });

  it('counts lanes as they are set, which they will be there', async () => {
    await consumersOf('work', 'all', 'all');
    await node.bus.runner.apply({ do: 'change-lane', lane: 0, change: { lane: 'nonblocking' } });
    await expectRefused({ slots_per_producer: 64 }, '3 lanes that do not block');
  });

  it('needs nothing for lanes that block', async () => {
    await consumersOf('work', 'work', 'work', 'all');
    await expectRolled({ slots_per_producer: 64 });
  });
});
