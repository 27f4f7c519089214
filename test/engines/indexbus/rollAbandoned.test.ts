import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { LaneCursor } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { seatPlace } from '../../../src/engines/indexbus/seatPlaces.ts';
import { codeOf, Peers } from './support/peers.ts';
import { depth, generation, mortalConsumer, published, received } from './support/rolled.ts';
import { smallRouter } from './support/smallRouter.ts';

const config = smallRouter({
  lane_ring: 256,
  lanes_max: 2,
  no_subscriber: 'hold',
  subscriptions: [
    { name: 'work', topics: ['t'], mode: 'workqueue', lane: 'blocking', capacity: 128, detach_after_ms: 'none' },
  ],
});

let peers: Peers;
let node: BusNode;
beforeEach(async () => {
  peers = new Peers();
  node = await peers.node(config);
});
afterEach(() => peers.end());

const isWaiting = (): boolean => {
  const { words, layout } = node.bus.segment;
  return Atomics.load(words, seatPlace(layout, 'consumer', 0).cursors + LaneCursor.backlog) !== 0;
};

describe('a roll of a segment in which a lane has lost its consumer with messages that nobody has read', () => {
  it('is refused, and nothing is lost; once the next consumer has them it is done', async () => {
    const consumer = await mortalConsumer(peers);
    const bus = await published(peers, 10);
    await expect.poll(() => depth(node)).toBe(10);
    consumer.die();
    await expect.poll(isWaiting, { timeout: 5_000 }).toBe(true);
    expect(await codeOf(() => node.roll({ lanes_max: 4 }))).toBe('IB_UNSAFE_CHANGE');
    const next = await bus.consumer({ subscription: 'work' });
    await expect.poll(() => codeOf(() => node.roll({ lanes_max: 4 }))).toBe('none');
    const batch = new MessageBatch(16, 1024);
    expect(await received(next, 10, batch)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    // It moves with the call that says that its application is through.
    const after = (): number | undefined => {
      next.receive(batch);
      return generation(node);
    };
    await expect.poll(after, { timeout: 8_000 }).toBe(2);
  }, 30_000);

  it('ends where the lane loses its consumer meanwhile: after five seconds they are lost, counted and logged', async () => {
    const consumer = await mortalConsumer(peers);
    await published(peers, 10);
    await expect.poll(() => depth(node)).toBe(10);
    const former = node.bus.segment;
    const dropped = (): number =>
      Atomics.load(former.words, seatPlace(former.layout, 'consumer', 0).cursors + LaneCursor.droppedDetached);
    await node.roll({ lanes_max: 4 });
    consumer.die();
    await expect.poll(() => generation(node), { timeout: 12_000 }).toBe(2);
    expect(dropped()).toBe(10);
    expect(peers.logged.filter((it) => it.message === 'roll gives up').map((it) => it.fields)).toEqual([
      { segment: 'bus', lane: 0, subscription: 'work', unread: 10, unended: 0 },
    ]);
  }, 30_000);
});
