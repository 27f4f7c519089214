import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Consumer } from '../../../src/engines/indexbus/busConsumer.ts';
import type { Subscription } from '../../../src/engines/indexbus/commands.ts';
import { FencedError } from '../../../src/engines/indexbus/errors.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { seeThrough } from '../../../src/engines/indexbus/rolling.ts';
import { buildSuccessor } from '../../../src/engines/indexbus/successor.ts';
import { hasty } from './support/hasty.ts';
import { bytesOf, Peers, peerSizes, subscription, textOf } from './support/peers.ts';

let peers: Peers;
beforeEach(() => {
  peers = new Peers();
});
afterEach(() => peers.end());

/** A reader of a lane that drops, which has received `m0` and `m1`, and what its segment is rolled with. */
async function reader(change: Partial<Subscription> = {}) {
  const { segment, runner } = await peers.router('bus', { subscriptions: [subscription('all', change)] });
  const bus = await peers.bus();
  const topic = await bus.topic('a');
  const producer = await bus.producer();
  const consumer = await (await peers.bus()).consumer({ subscription: 'all' });
  const publish = (...texts: string[]): void => {
    for (const text of texts) producer.publish(topic, bytesOf(text));
    producer.flush();
  };
  publish('m0', 'm1');
  const batch = new MessageBatch(2, 1024);
  while (consumer.receive(batch) === 0) expect(await consumer.ready(1_000)).toBe(true);
  expect(batch.length).toBe(2);
  const roll = async (): Promise<void> => {
    const host = peers.host();
    const next = await buildSuccessor({ shm: host.shm, name: 'bus' }, segment, peerSizes);
    const routed = { segment: next, runner: peers.serve(next, host) };
    await seeThrough(hasty(host, 5), { segment, runner }, routed, new AbortController().signal);
  };
  return { consumer, batch, publish, roll };
}

async function next(consumer: Consumer): Promise<string> {
  const batch = new MessageBatch(1, 1024);
  while (consumer.receive(batch) === 0) expect(await consumer.ready(1_000)).toBe(true);
  return textOf(batch.bytes(0));
}

const fences = () => peers.logged.filter(({ message }) => message === 'roll fences');

describe('a roll and an idle reader of a lane that drops', () => {
  for (const mode of ['broadcast', 'workqueue'] as const) {
    it(`takes it to the next generation, where it has read everything: what it has received is its own (${mode})`, async () => {
      const { consumer, batch, publish, roll } = await reader({ mode });
      await roll();
      expect(fences()).toEqual([]);
      expect([0, 1].map((at) => textOf(batch.bytes(at)))).toEqual(['m0', 'm1']);
      publish('later');
      expect(await next(consumer)).toBe('later');
    }, 10_000);
  }

  it('waits for one that reads in place, up to five seconds: its messages are in the former generation', async () => {
    const { roll } = await reader({ access: 'view' });
    await roll();
    expect(fences()).toHaveLength(1);
  }, 10_000);

  it('fences it where it leaves messages unread, says that it is to attach again, and has it go on there', async () => {
    const { consumer, publish, roll } = await reader();
    publish('m2', 'm3');
    await roll();
    expect(fences()).toHaveLength(1);
    const error = await next(consumer).catch((it: unknown) => it);
    expect(error).toBeInstanceOf(FencedError);
    expect(error).toMatchObject({
      code: 'IB_FENCED',
      message: expect.stringMatching(/replaced.*reattach.*next generation/),
    });
    expect(await consumer.reattach()).toEqual({ missed: 2 });
    publish('later');
    expect(await next(consumer)).toBe('later');
  }, 10_000);
});
