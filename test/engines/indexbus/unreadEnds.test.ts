import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Bus } from '../../../src/engines/indexbus/bus.ts';
import { ProducerCursor } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import type { RouterRunner } from '../../../src/engines/indexbus/routerRunner.ts';
import { seatPlace } from '../../../src/engines/indexbus/seatPlaces.ts';
import type { Segment } from '../../../src/engines/indexbus/segment.ts';
import { sleepBoundMs } from '../../../src/engines/indexbus/waiting.ts';
import { hasty } from './support/hasty.ts';
import { bytesOf, Peers, subscription, textOf } from './support/peers.ts';
import { seatStateOf } from './support/seats.ts';

// A producer that leaves messages behind which a consumer has not read.

let peers: Peers;
let segment: Segment;
let runner: RouterRunner;
let bus: Bus;
beforeEach(async () => {
  peers = new Peers();
  ({ segment, runner } = await peers.router('bus', { subscriptions: [subscription('all')] }));
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

/** Messages of the first producer that the router has not taken. */
function untaken(): number {
  const { cursors } = seatPlace(segment.layout, 'producer', 0);
  const word = (field: number): number => Atomics.load(segment.words, cursors + field);
  return word(ProducerCursor.sourceTail) - word(ProducerCursor.sourceHead);
}

it('its close ends once the router has taken all, and what it published arrives', async () => {
  const consumer = await bus.consumer({ subscription: 'all' });
  const producer = await published('m');
  // A message a second: what is left in the source is there until the test lifts that.
  await runner.apply({ do: 'change-producer', seat: 0, rateLimit: 1 });
  const topic = await bus.topic('t');
  for (let number = 0; number < 20; number += 1) producer.publish(topic, bytesOf('more'));
  let leftAtClose: number | undefined;
  const closed = producer.close().then(() => {
    leftAtClose = untaken();
  });
  await expect.poll(() => seatStateOf(segment, 'producer', 0)).toBe('draining');
  // Longer than a sleep of who waits for its router: it looks again meanwhile.
  await peers.host().clock.sleep(2 * sleepBoundMs);
  expect(untaken()).toBeGreaterThan(0);
  expect(leftAtClose).toBeUndefined();
  await runner.apply({ do: 'change-producer', seat: 0, rateLimit: 0 });
  await closed;
  expect(leftAtClose).toBe(0);
  const batch = new MessageBatch(32, 1024);
  const seen: string[] = [];
  while (seen.length < 21 && (await consumer.ready(1_000))) {
    consumer.receive(batch);
    for (let index = 0; index < batch.length; index += 1) seen.push(textOf(batch.bytes(index)));
  }
  expect(seen).toEqual(['m', ...Array.from({ length: 20 }, () => 'more')]);
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
