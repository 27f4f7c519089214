import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Bus } from '../../../src/engines/indexbus/bus.ts';
import type { Consumer } from '../../../src/engines/indexbus/busConsumer.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import type { RouterRunner } from '../../../src/engines/indexbus/routerRunner.ts';
import { stateOf } from '../../../src/engines/indexbus/seat.ts';
import { seatPlaces } from '../../../src/engines/indexbus/seatPlaces.ts';
import type { Segment } from '../../../src/engines/indexbus/segment.ts';
import { bytesOf, codeOf, Peers, subscription } from './support/peers.ts';

let peers: Peers;
let segment: Segment;
let runner: RouterRunner;
let bus: Bus;
let consumer: Consumer;
beforeEach(async () => {
  peers = new Peers();
  ({ segment, runner } = await peers.router('bus', { subscriptions: [subscription('all')] }));
  bus = await peers.bus();
  consumer = await bus.consumer({ subscription: 'all' });
});
afterEach(() => peers.end());

const batch = new MessageBatch(8, 1024);

/** Takes the lane from the consumer, and lets it learn that. */
async function fence(): Promise<void> {
  const lane = states().indexOf('live');
  await runner.apply({ do: 'detach-lane', lane, reason: 'operator' });
  expect(await codeOf(() => consumer.receive(batch))).toBe('IB_FENCED');
}

function states() {
  return seatPlaces(segment.layout, 'consumer').map(({ at }) => stateOf(Atomics.load(segment.words, at)));
}

const live = (): number => states().filter((it) => it === 'live').length;

describe('a consumer that is told to reattach by two at a time', () => {
  it('takes one seat, tells both what it missed, and gives that seat back', async () => {
    const producer = await bus.producer();
    const topic = await bus.topic('t');
    for (let n = 0; n < 3; n += 1) producer.publish(topic, bytesOf('m'));
    await consumer.ready(1_000);
    await fence();
    expect(await Promise.all([consumer.reattach(), consumer.reattach()])).toEqual([{ missed: 3 }, { missed: 3 }]);
    expect(live()).toBe(1);
    producer.publish(topic, bytesOf('later'));
    await consumer.ready(1_000);
    expect(consumer.receive(batch)).toBe(1);
    await consumer.close();
    expect(live()).toBe(0);
  });

  it('tells both why it cannot, and can when it is told again', async () => {
    await fence();
    await runner.stop();
    const refused = [codeOf(() => consumer.reattach()), codeOf(() => consumer.reattach())];
    expect(await Promise.all(refused)).toEqual(['IB_NO_ROUTER', 'IB_NO_ROUTER']);
    peers.serve(segment, peers.host());
    await consumer.reattach();
    expect(live()).toBe(1);
  });

  it('takes another seat each time that it was fenced anew', async () => {
    for (let round = 0; round < 3; round += 1) {
      await fence();
      await Promise.all([consumer.reattach(), consumer.reattach()]);
      expect(live()).toBe(1);
    }
  });

  it('keeps none where it is closed meanwhile', async () => {
    await fence();
    const reattaching = [codeOf(() => consumer.reattach()), codeOf(() => consumer.reattach())];
    await consumer.close();
    expect(await Promise.all(reattaching)).toEqual(['IB_CLOSED', 'IB_CLOSED']);
    expect(live()).toBe(0);
  });
});
