import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { Seat } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { hasty } from './support/hasty.ts';
import { codeOf, Peers } from './support/peers.ts';
import { generation, received } from './support/rolled.ts';
import { smallRouter } from './support/smallRouter.ts';

const config = smallRouter({
  lane_ring: 128,
  lanes_max: 2,
  subscriptions: [{ name: 'all', topics: ['t'], lane: 'blocking', capacity: 64, detach_after_ms: 'none' }],
});
const count = 60;

let peers: Peers;
let node: BusNode;
beforeEach(async () => {
  peers = new Peers();
  node = await peers.node(config);
});
afterEach(() => peers.end());

/** A producer that may send a message a second, and has flushed many. */
async function limited() {
  const bus = await peers.bus();
  const consumer = await bus.consumer({ subscription: 'all' });
  const producer = await bus.producer({ name: 'feed' });
  const topic = await bus.topic('t');
  await node.bus.runner.apply({ do: 'change-producer', seat: 0, rateLimit: 1 });
  const publish = (number: number): void => {
    producer.publishWords(topic, Int32Array.of(number), 0, 1);
    producer.flush();
  };
  for (let number = 0; number < count; number += 1) publish(number);
  return { producer, publish, consumer };
}

const told = () => peers.logged.filter(({ message }) => message === 'roll lifts a rate').map(({ fields }) => fields);

describe('a roll of a segment with a producer that has a rate', () => {
  it('takes at once what the producer had flushed when its patience is over, in order and nothing lost', async () => {
    const { consumer, publish } = await limited();
    await node.roll({ lanes_max: 4, patience_ms: 1_000 });
    const seen = received(consumer, count + 1, new MessageBatch(16, 1024));
    await expect.poll(() => generation(node), { timeout: 5_000 }).toBe(2);
    publish(count);
    expect(await seen).toEqual(Array.from({ length: count + 1 }, (_, number) => number));
    expect(told()).toMatchObject([{ segment: 'bus', producer: 0, rate_limit: 1 }]);
    expect(node.bus.counters.totals().drops).toBe(0);
    // Where it goes on, the producer is limited as it was.
    const { words, layout } = node.bus.segment;
    expect(words[layout.producerSeats + Seat.capacityOrRate]).toBe(1);
  }, 20_000);

  it('ends also where another router goes on with it', async () => {
    const { consumer } = await limited();
    await node.roll({ lanes_max: 4, patience_ms: 60_000 });
    await expect.poll(() => node.rolling()?.waits).toMatchObject([{ kind: 'producer', state: 'draining' }]);
    await node.close();
    node = await peers.node(config, hasty(peers.host(), 10));
    const seen = received(consumer, count, new MessageBatch(16, 1024));
    await expect.poll(() => generation(node), { timeout: 4_000 }).toBe(2);
    expect(await seen).toHaveLength(count);
    const { words, layout } = node.bus.segment;
    expect(words[layout.producerSeats + Seat.capacityOrRate]).toBe(1);
  }, 20_000);
});

describe('the rate of a producer that is gone and has left messages', () => {
  it('is lifted by its operator', async () => {
    const { consumer, producer } = await limited();
    await producer.close({ drainTimeoutMs: 1 });
    expect(await codeOf(() => node.bus.runner.apply({ do: 'change-producer', seat: 0, rateLimit: 0 }))).toBe('none');
    const seen = await received(consumer, count, new MessageBatch(16, 1024));
    expect(seen.length).toBe(count);
  }, 5_000);
});
