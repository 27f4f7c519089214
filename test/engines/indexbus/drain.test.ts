import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Consumer } from '../../../src/engines/indexbus/busConsumer.ts';
import { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { Header, SegmentState } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { hasty } from './support/hasty.ts';
import { bytesOf, codeOf, Peers } from './support/peers.ts';
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

  it('is not rolled any more: nobody would route the next generation', async () => {
    await begin();
    const { consumer, publish } = await working('work');
    publish(1);
    await node.drainForGood();
    expect(await codeOf(() => node.roll({ slot_bytes: 128 }))).toBe('IB_UNSAFE_CHANGE');
    expect(await codeOf(() => node.drainForGood())).toBe('none');
    await receive(consumer, 1);
    await node.stopped;
    expect(await peers.host().shm.stat('bus.former')).toBeUndefined();
  });
});

describe('a segment that is being rolled', () => {
  it('is not drained before the roll is over: the generation that was left stays retired, and what waits in the next one is routed', async () => {
    await begin();
    const { consumer, publish } = await working('work');
    publish(1);
    await receive(consumer, 1);
    const { segment, runner } = node.bus;
    const rolled = node.roll({ slot_bytes: 128 });
    // From its first moment on.
    expect(await codeOf(() => node.drainForGood())).toBe('IB_UNSAFE_CHANGE');
    await rolled;
    await expect.poll(() => node.rolling()?.waits_for).toBe('consumers');
    publish(3);
    expect(await codeOf(() => node.drainForGood())).toBe('IB_UNSAFE_CHANGE');
    expect(await codeOf(() => runner.apply({ do: 'drain' }))).toBe('IB_UNSAFE_CHANGE');
    expect(Atomics.load(segment.words, Header.state)).toBe(SegmentState.retired);
    expect([node.isDraining, hasEnded]).toEqual([false, false]);
    consumer.ack();
    await expect.poll(() => node.rolling(), { timeout: 8_000 }).toBeUndefined();
    await receive(consumer, 3);
    await node.drainForGood();
    await node.stopped;
  }, 15_000);
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
