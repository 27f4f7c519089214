import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Consumer } from '../../../src/engines/indexbus/busConsumer.ts';
import type { Subscription } from '../../../src/engines/indexbus/commands.ts';
import { Header, LaneCursor, SegmentState } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { seeThrough } from '../../../src/engines/indexbus/rolling.ts';
import { seatPlace } from '../../../src/engines/indexbus/seatPlaces.ts';
import { buildSuccessor } from '../../../src/engines/indexbus/successor.ts';
import { bytesOf, Peers, peerSizes, subscription, textOf } from './support/peers.ts';

let peers: Peers;
beforeEach(() => {
  peers = new Peers();
});
afterEach(() => peers.end());

/** A roll that has come to its consumers, of which one is amid a batch of three messages. */
async function amidBatch(change: Partial<Subscription>) {
  const { segment: old, runner } = await peers.router('bus', {
    subscriptions: [subscription('work', { mode: 'workqueue', lane: 'blocking', ...change })],
  });
  const bus = await peers.bus();
  const topic = await bus.topic('a');
  const producer = await bus.producer();
  const consumer = await (await peers.bus()).consumer({ subscription: 'work' });
  for (const text of ['m0', 'm1', 'm2']) producer.publish(topic, bytesOf(text));
  producer.flush();
  const batch = new MessageBatch(8, 1024);
  let open = 0;
  while (open < 3) {
    await consumer.ready(1_000);
    open = consumer.receive(batch);
    // Three at once, and none is acknowledged by a second receive.
    expect([0, 3]).toContain(open);
  }
  const host = peers.host();
  const next = await buildSuccessor({ shm: host.shm, name: 'bus' }, old, peerSizes);
  const signal = new AbortController().signal;
  const routed = { segment: next, runner: peers.serve(next, host) };
  const over = seeThrough(host, { segment: old, runner }, routed, signal);
  while (Atomics.load(old.words, Header.state) !== SegmentState.retired) await host.clock.sleep(1);
  // Long enough for several looks for a roll.
  await host.clock.sleep(350);
  const { cursors } = seatPlace(old.layout, 'consumer', 0);
  const unended = () =>
    Atomics.load(old.words, cursors + LaneCursor.head) - Atomics.load(old.words, cursors + LaneCursor.done);
  const isOpen = () => Atomics.load(next.words, Header.state) === SegmentState.open;
  const publish = (text: string): void => {
    expect(producer.publish(topic, bytesOf(text))).toBe(true);
    producer.flush();
  };
  return { consumer, batch, over, unended, isOpen, publish };
}

async function receiveOne(consumer: Consumer, batch: MessageBatch): Promise<string> {
  for (;;) {
    if (consumer.receive(batch) > 0) return textOf(batch.bytes(0));
    expect(await consumer.ready(3_000)).toBe(true);
  }
}

describe('a roll and a consumer whose application works on what it has received', () => {
  for (const access of ['view', 'copy'] as const) {
    it(`acknowledges nothing for it, and waits until it says so (${access})`, async () => {
      const delivery = access === 'view' ? 'at_least_once' : 'at_most_once';
      const { consumer, batch, over, unended, isOpen, publish } = await amidBatch({ access, delivery });
      publish('later');
      expect([unended(), isOpen()]).toEqual([3, false]);
      expect([0, 1, 2].map((at) => textOf(batch.bytes(at)))).toEqual(['m0', 'm1', 'm2']);
      consumer.ack();
      await over;
      expect(isOpen()).toBe(true);
      expect(await receiveOne(consumer, batch)).toBe('later');
    }, 15_000);
  }

  it('is called to receive, which ends what was received, where it waits for more', async () => {
    const { consumer, batch, over, unended, isOpen, publish } = await amidBatch({ access: 'view' });
    publish('later');
    expect([unended(), isOpen()]).toEqual([3, false]);
    expect(await consumer.ready(3_000)).toBe(true);
    expect([unended(), isOpen()]).toEqual([3, false]);
    expect(await receiveOne(consumer, batch)).toBe('later');
    await over;
    expect(isOpen()).toBe(true);
  }, 15_000);

  it('goes on by itself where it had received nothing', async () => {
    const { segment: old, runner } = await peers.router('bus', { subscriptions: [subscription('all')] });
    await (await peers.bus()).consumer({ subscription: 'all' });
    const host = peers.host();
    const next = await buildSuccessor({ shm: host.shm, name: 'bus' }, old, peerSizes);
    const signal = new AbortController().signal;
    const began = host.clock.now();
    await seeThrough(host, { segment: old, runner }, { segment: next, runner: peers.serve(next, host) }, signal);
    expect(host.clock.now() - began).toBeLessThan(2_000);
  });
});
