import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { bytesOf, Peers, subscription, textOf } from './support/peers.ts';

let peers: Peers;
beforeEach(() => {
  peers = new Peers();
});
afterEach(() => peers.end());

describe('a producer and a consumer', () => {
  it('join, send, receive and leave', async () => {
    await peers.router('bus', { subscriptions: [subscription('all')] });
    const sender = await peers.bus();
    const reader = await peers.bus();
    const topic = await sender.topic('orders.new');
    const consumer = await reader.consumer({ subscription: 'all' });
    const producer = await sender.producer({ name: 'market' });

    expect(producer.publish(topic, bytesOf('one'))).toBe(true);
    expect(producer.publish(topic, bytesOf('two'), 7)).toBe(true);
    expect(await consumer.ready(1000)).toBe(true);

    const batch = new MessageBatch(16, 1024);
    expect(consumer.receive(batch)).toBe(2);
    expect([0, 1].map((it) => textOf(batch.bytes(it)))).toEqual(['one', 'two']);
    expect([0, 1].map((it) => [batch.topic(it), batch.sequence(it), batch.producer(it)])).toEqual([
      [topic, 0, 0],
      [topic, 1, 0],
    ]);
    expect(sender.inspect()).toMatchObject({ state: 'open', topics: ['orders.new'], problems: [] });
    expect(sender.inspect().producers.find((seat) => seat.name === 'market')).toMatchObject({ seat: 0, state: 'live' });
    await producer.close();
    await consumer.close();
    expect(consumerSeats(peers)).toEqual([0, 0, 0, 0]);
  });
});

/** States of all lane seats. */
function consumerSeats(of: Peers): number[] {
  const memory = of.memory.regions.get('bus');
  if (memory === undefined) throw new Error('there is no segment');
  const words = new Int32Array(memory);
  return [0, 1, 2, 3].map((lane) => (words[2048 + lane * 64] ?? -1) & 15);
}
