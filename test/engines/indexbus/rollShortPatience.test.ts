import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Bus } from '../../../src/engines/indexbus/bus.ts';
import type { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import type { Host } from '../../../src/host/host.ts';
import { bytesOf, codeOf, Peers } from './support/peers.ts';
import { smallRouter } from './support/smallRouter.ts';

const config = smallRouter({
  lane_ring: 128,
  lanes_max: 4,
  slots_per_producer: 128,
  subscriptions: [
    { name: 'all', topics: ['>'], capacity: 32 },
    { name: 'work', topics: ['t'], mode: 'workqueue', lane: 'blocking', capacity: 32, detach_after_ms: 'none' },
  ],
});

let peers: Peers;
let node: BusNode;
let bus: Bus;
/** Whether the time of who is slow goes by as that of all. */
let isOver: boolean;
beforeEach(async () => {
  isOver = false;
  peers = new Peers();
  node = await peers.node(config);
  bus = await peers.bus();
});
afterEach(() => {
  isOver = true;
  return peers.end();
});

/** The host of a participant to which a second is longer than its test. */
function slow(host: Host): Host {
  const { clock } = host;
  return { ...host, clock: { ...clock, now: () => clock.now() * (isOver ? 1 : 0.01) } };
}

async function rolled(): Promise<void> {
  await expect.poll(() => node.serving?.segment.generation, { timeout: 8_000 }).toBe(2);
}

const fenced = () => peers.logged.filter(({ message }) => message === 'roll fences').map(({ fields }) => fields);

describe.each([0, 50])(
  'a roll with a patience of %i ms, less than participants need to see that there is one',
  (patience_ms) => {
    it('fences nobody who has nothing left to read: they move', async () => {
      const producer = await bus.producer();
      const topic = await bus.topic('t');
      const consumers = [await bus.consumer({ subscription: 'all' }), await bus.consumer({ subscription: 'work' })];
      await node.roll({ slot_bytes: 128, patience_ms });
      await rolled();
      expect(fenced()).toEqual([]);
      expect(producer.publish(topic, bytesOf('x'))).toBe(true);
      producer.flush();
      const batch = new MessageBatch(4, 1024);
      for (const consumer of consumers) {
        expect(await consumer.ready(1_000)).toBe(true);
        expect(consumer.receive(batch)).toBe(1);
      }
    });

    it('fences a consumer that has not read what is there, and counts that', async () => {
      // To it the five seconds for which a close waits for a router are longer than this test.
      const reader = await peers.bus({ host: slow(peers.host()) });
      const consumer = await reader.consumer({ subscription: 'work' });
      const producer = await bus.producer();
      const topic = await bus.topic('t');
      for (let number = 0; number < 5; number += 1) producer.publish(topic, bytesOf(`m${number}`));
      producer.flush();
      await expect.poll(() => node.serving?.counters.totals().delivered).toBe(5);
      await node.roll({ slot_bytes: 128, patience_ms });
      await rolled();
      expect(fenced()).toEqual([{ segment: 'bus', kind: 'consumer', seat: 0 }]);
      expect(await codeOf(() => consumer.receive(new MessageBatch(4, 1024)))).toBe('IB_FENCED');
      expect(node.serving?.counters.totals().drops_detached).toBe(5);
      // Who has only to move does so all the same.
      expect(producer.publish(topic, bytesOf('x'))).toBe(true);
      // Nobody is left to take the lane back, and its end does not wait for that.
      let isClosed = false;
      const closed = consumer.close().then(() => {
        isClosed = true;
      });
      await expect.poll(() => isClosed, { timeout: 2_000 }).toBe(true);
      await closed;
    }, 20_000);
  },
);
