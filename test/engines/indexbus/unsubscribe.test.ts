import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { codeOf, Peers, subscription } from './support/peers.ts';

let peers: Peers;
beforeEach(() => {
  peers = new Peers();
});
afterEach(() => peers.end());

describe('a participant that unsubscribes', () => {
  it('deletes what it has declared, and as many can be declared after it as before', async () => {
    await peers.router();
    const bus = await peers.bus();
    for (let round = 0; round < 70; round += 1) {
      const name = `mine-${round}`;
      const consumer = await bus.consumer({ subscription: name, declare: subscription(name) });
      await consumer.close();
      await bus.unsubscribe(name);
    }
    expect(bus.inspect().subscriptions).toEqual([]);
  });

  it('is refused while there is a consumer, or messages wait for one', async () => {
    const { runner } = await peers.router();
    const bus = await peers.bus();
    const declare = subscription('mine', { mode: 'workqueue', lane: 'blocking' });
    const consumer = await bus.consumer({ subscription: 'mine', declare });
    expect(await codeOf(() => bus.unsubscribe('mine'))).toBe('IB_UNSAFE_CHANGE');
    const producer = await bus.producer();
    producer.publish(await bus.topic('t'), new Uint8Array(4));
    producer.flush();
    expect(await consumer.ready(1000)).toBe(true);
    await runner.apply({ do: 'detach-lane', lane: 0, reason: 'operator' });
    expect(await codeOf(() => consumer.receive(new MessageBatch(1, 64)))).toBe('IB_FENCED');
    expect(await codeOf(() => bus.unsubscribe('mine'))).toBe('IB_UNSAFE_CHANGE');
    expect(bus.inspect().subscriptions).toEqual(['mine']);
  });

  it('is told where there is none of the name', async () => {
    await peers.router();
    const bus = await peers.bus();
    expect(await codeOf(() => bus.unsubscribe('none'))).toBe('IB_UNKNOWN_TOPIC');
  });

  it('does so in each segment of its bus', async () => {
    await peers.router('a');
    await peers.router('b');
    const bus = await peers.bus({ segments: ['a', 'b'] });
    await (await bus.consumer({ subscription: 'mine', declare: subscription('mine') })).close();
    await bus.unsubscribe('mine');
    expect([bus.inspect(0).subscriptions, bus.inspect(1).subscriptions]).toEqual([[], []]);
  });
});
