import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Bus } from '../../../src/engines/indexbus/bus.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { hasty } from './support/hasty.ts';
import { bytesOf, Peers, subscription, textOf } from './support/peers.ts';

// A producer that leaves messages behind which a consumer has not read.

let peers: Peers;
let bus: Bus;
beforeEach(async () => {
  peers = new Peers();
  await peers.router('bus', { subscriptions: [subscription('all')] });
  bus = await peers.bus();
});
afterEach(() => peers.end());

/** A producer to which the five seconds of a close are longer than any test, and which has published. */
async function published(text: string) {
  const own = await peers.bus({ host: hasty(peers.host(), 0.01) });
  const producer = await own.producer({ name: `of ${text}` });
  producer.publish(await own.topic('t'), bytesOf(text));
  return producer;
}

it('its close ends once the router has taken all, and what it published arrives', async () => {
  const consumer = await bus.consumer({ subscription: 'all' });
  await (await published('m')).close();
  expect(await consumer.ready(1_000)).toBe(true);
  const batch = new MessageBatch(4, 1024);
  expect(consumer.receive(batch)).toBe(1);
  expect(textOf(batch.bytes(0))).toBe('m');
}, 10_000);

it('who finds no seat for it is told what its seat waits for; it is free once the messages are read', async () => {
  const consumer = await bus.consumer({ subscription: 'all' });
  for (const text of ['a', 'b', 'c', 'd']) await (await published(text)).close();
  const hurried = await peers.bus({ attachTimeoutMs: 100 });
  await expect(hurried.producer()).rejects.toMatchObject({
    code: 'IB_NO_SEAT',
    message: expect.stringMatching(
      /0 of a pid \d+ draining, until lanes have none of its messages any more;.*: end one, let consumers read or detach those that do not/,
    ),
  });
  expect(consumer.receive(new MessageBatch(8, 1024))).toBe(4);
  consumer.ack();
  await (await bus.producer()).close();
}, 20_000);
