import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Consumer } from '../../../src/engines/indexbus/busConsumer.ts';
import { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { hasty } from './support/hasty.ts';
import { bytesOf, Peers } from './support/peers.ts';
import { smallRouter } from './support/smallRouter.ts';

const config = smallRouter({
  lane_ring: 64,
  lanes_max: 4,
  // What a look finds is as it is then, and not as it was at the last cut that was due.
  counter_sample_ms: 10_000,
  subscriptions: [
    { name: 'work', topics: ['t'], mode: 'workqueue', lane: 'blocking', capacity: 2, detach_after_ms: 'none' },
    { name: 'wide', topics: ['w'], mode: 'workqueue', lane: 'blocking', capacity: 32, detach_after_ms: 'none' },
  ],
});

let peers: Peers;
let node: BusNode;
let hasEnded: boolean;

async function begin(host = peers.host()): Promise<void> {
  node = new BusNode(host, config, {});
  hasEnded = false;
  void node.stopped.then(() => {
    hasEnded = true;
  });
  await node.start();
}

beforeEach(() => {
  peers = new Peers();
});
afterEach(async () => {
  // Participants leave at once where somebody routes.
  await node.close();
  await begin();
  await peers.end();
  await node.close();
});

/** A consumer of a subscription, and who publishes to it. */
async function working(subscription: 'work' | 'wide') {
  const bus = await peers.bus();
  const consumer = await bus.consumer({ subscription });
  const producer = await bus.producer();
  const topic = await bus.topic(subscription === 'work' ? 't' : 'w');
  const publish = (count: number): void => {
    for (let number = 0; number < count; number += 1) expect(producer.publish(topic, bytesOf('m'))).toBe(true);
    producer.flush();
  };
  return { bus, consumer, publish };
}

async function receive(consumer: Consumer, count: number): Promise<void> {
  const batch = new MessageBatch(1, 1024);
  for (let number = 0; number < count; number += 1) {
    while (consumer.receive(batch) === 0) expect(await consumer.ready(1_000)).toBe(true);
  }
  consumer.ack();
}

describe('a segment that is drained for good', () => {
  it('keeps its router until all that was flushed before is received, however old the last cut of the counters is', async () => {
    await begin();
    const { consumer, publish } = await working('work');
    publish(10);
    await node.drainForGood();
    for (let number = 0; number < 10; number += 1) {
      expect(hasEnded).toBe(false);
      await receive(consumer, 1);
    }
    await node.stopped;
  });
});

describe('a router that is told to end', () => {
  it('takes what producers have flushed in the moment before', async () => {
    await begin();
    const { bus, consumer, publish } = await working('wide');
    publish(10);
    expect(await node.drain()).toEqual({ unfinished: [] });
    expect(bus.inspect()).toMatchObject({ lanes: [{ depth: 10 }] });
    await receive(consumer, 10);
  });

  it('tells that sources are not empty, where they cannot be within its time', async () => {
    await begin(hasty(peers.host(), 10));
    const { consumer, publish } = await working('work');
    publish(10);
    expect(await node.drain()).toEqual({ unfinished: ['sources'] });
    await begin();
    await receive(consumer, 10);
  });
});
