import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { distance } from '../../../src/engines/indexbus/cursor.ts';
import { cursorWords, ProducerCursor } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { codeOf, Peers } from './support/peers.ts';
import { depth, generation, mortalConsumer, published, received } from './support/rolled.ts';
import { smallRouter } from './support/smallRouter.ts';

const config = smallRouter({
  lane_ring: 64,
  lanes_max: 2,
  no_subscriber: 'hold',
  subscriptions: [
    { name: 'work', topics: ['t'], mode: 'workqueue', lane: 'blocking', capacity: 4, detach_after_ms: 'none' },
    { name: 'other', topics: ['o'] },
  ],
});

let peers: Peers;
let node: BusNode;
beforeEach(async () => {
  peers = new Peers();
  node = await peers.node(config);
});
afterEach(() => peers.end());

/** Words of the producers' cursors, of the generation that is served when this is called. */
function sources() {
  const { words, layout } = node.bus.segment;
  const sum = (of: (at: number) => number): number =>
    Array.from({ length: layout.sizes.producers }, (_, seat) => of(layout.producerCursors + seat * cursorWords)).reduce(
      (total, it) => total + it,
    );
  return {
    waiting: () =>
      sum((at) => distance(words[at + ProducerCursor.sourceTail] ?? 0, words[at + ProducerCursor.sourceHead] ?? 0)),
    noRoute: () => sum((at) => words[at + ProducerCursor.noRoute] ?? 0),
  };
}

describe('a roll of a segment whose sources hold what nobody wants', () => {
  it('is refused, and nothing is lost; it is done once a consumer has come and has it', async () => {
    const bus = await published(peers, 3);
    await expect.poll(() => depth(node)).toBe(3);
    await bus.consumer({ subscription: 'other' });
    await expect(node.roll({ lanes_max: 4 })).rejects.toThrow(
      'has 3 messages that wait, the first of topic t, which nobody reads: start a consumer of it first',
    );
    const consumer = await bus.consumer({ subscription: 'work' });
    await expect.poll(() => codeOf(() => node.roll({ lanes_max: 4 }))).toBe('none');
    expect(await received(consumer, 3, new MessageBatch(16, 1024))).toEqual([0, 1, 2]);
  }, 30_000);

  it('ends where those who want it are gone meanwhile: after its patience it is dropped, counted and logged', async () => {
    const consumer = await mortalConsumer(peers);
    await published(peers, 10);
    const { waiting, noRoute } = sources();
    await expect.poll(waiting).toBe(6);
    await node.roll({ lanes_max: 4, patience_ms: 1_000 });
    consumer.die();
    await expect.poll(() => generation(node), { timeout: 12_000 }).toBe(2);
    expect(waiting()).toBe(0);
    expect(noRoute()).toBe(6);
    const told = peers.logged.filter(({ message }) => message === 'roll drops what nobody wants');
    expect(told.map(({ fields }) => fields)).toEqual([{ segment: 'bus', producer: 0, topic: 't', left: 6 }]);
  }, 30_000);

  it('drops nothing for which somebody is there, however long it takes', async () => {
    const bus = await published(peers, 10);
    const consumer = await bus.consumer({ subscription: 'work' });
    const { waiting, noRoute } = sources();
    await expect.poll(waiting).toBe(6);
    await node.roll({ lanes_max: 4 });
    const batch = new MessageBatch(1, 1024);
    const seen: number[] = [];
    while (seen.length < 10) {
      if (consumer.receive(batch) === 0) await consumer.ready(1_000);
      else {
        seen.push(batch.words[batch.wordOffset(0)] ?? -1);
        await new Promise((resolve) => setTimeout(resolve, 700));
      }
    }
    consumer.ack();
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(noRoute()).toBe(0);
  }, 30_000);
});
