import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Consumer } from '../../../src/engines/indexbus/busConsumer.ts';
import { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { findSubscription } from '../../../src/engines/indexbus/subscriptions.ts';
import type { Host } from '../../../src/host/host.ts';
import { bytesOf, codeOf, Peers, subscription, textOf } from './support/peers.ts';
import { smallRouter } from './support/smallRouter.ts';

const work = {
  name: 'work',
  topics: ['t'],
  mode: 'workqueue',
  lane: 'blocking',
  capacity: 32,
  detach_after_ms: 'none',
};
const settings = { lane_ring: 128, lanes_max: 4, slots_per_producer: 128, subscriptions: [work] };

let peers: Peers;
const nodes: BusNode[] = [];
beforeEach(() => {
  peers = new Peers();
});
afterEach(async () => {
  await peers.end();
  for (const node of nodes.splice(0)) await node.close();
});

function router(more: Readonly<Record<string, unknown>> = {}, host: Host = peers.host()): BusNode {
  const node = new BusNode(host, smallRouter({ ...settings, ...more }), {});
  node.stopped.catch(() => undefined);
  nodes.push(node);
  return node;
}

/** A roll whose router has ended while it waits for a consumer, with five messages published in the next generation. */
async function halfRolled() {
  const node = router();
  await node.start();
  const bus = await peers.bus();
  const consumer = await bus.consumer({ subscription: 'work' });
  const producer = await bus.producer();
  const topic = await bus.topic('t');
  const publish = (texts: readonly string[]): void => {
    for (const text of texts) expect(producer.publish(topic, bytesOf(text))).toBe(true);
    producer.flush();
  };
  publish(['first']);
  expect(await read(consumer, 1)).toEqual(['first']);
  await node.roll({ lane_ring: 512, slots_per_producer: 256 });
  await expect.poll(() => node.rolling()?.waits_for).toBe('consumers');
  publish(later);
  await node.close();
  return { consumer, publish };
}

const later = ['later0', 'later1', 'later2', 'later3', 'later4'];

async function read(consumer: Consumer, count: number): Promise<readonly string[]> {
  const batch = new MessageBatch(1, 1024);
  const seen: string[] = [];
  while (seen.length < count) {
    if (consumer.receive(batch) > 0) seen.push(textOf(batch.bytes(0)));
    else expect(await consumer.ready(5_000)).toBe(true);
  }
  return seen;
}

const isOver = (node: BusNode) =>
  expect.poll(() => [node.serving?.segment.generation, node.rolling()], { timeout: 5_000 }).toEqual([2, undefined]);

/** A host whose owner is told of each line that it logs, before anything else happens. */
function telling(host: Host, told: () => void): Host {
  const { logger } = host.telemetry;
  const said =
    (log: typeof logger.info): typeof logger.info =>
    (message, fields) => {
      log(message, fields);
      told();
    };
  const tells = { ...logger, info: said(logger.info), warn: said(logger.warn) };
  return { ...host, telemetry: { ...host.telemetry, logger: tells } };
}

describe('a router that takes over a roll', () => {
  it('refuses another one from when it serves on: nobody is built over the generation that is emptied', async () => {
    const { consumer, publish } = await halfRolled();
    const asked: Promise<string>[] = [];
    // Its HTTP answers all the while.
    const host = telling(peers.host(), () => {
      if (node.serving?.segment.generation === 1) asked.push(codeOf(() => node.roll({ slot_bytes: 256 })));
    });
    const node: BusNode = router({}, host);
    await node.start();
    const codes = await Promise.all(asked);
    expect(codes.length).toBeGreaterThan(1);
    expect(new Set(codes)).toEqual(new Set(['IB_UNSAFE_CHANGE']));
    consumer.ack();
    expect(await read(consumer, later.length)).toEqual(later);
    await isOver(node);
    // Who comes now, and who was there, are on one bus.
    const bus = await peers.bus();
    const late = await bus.producer();
    late.publish(await bus.topic('t'), bytesOf('new'));
    late.flush();
    publish(['old']);
    expect([...(await read(consumer, 2))].sort()).toEqual(['new', 'old']);
  }, 20_000);

  it('declares its configuration in the next generation, which has the sizes that it is for', async () => {
    const { consumer } = await halfRolled();
    const fresh = { name: 'fresh', topics: ['>'], capacity: 200 };
    const wide = { ...work, capacity: 200 };
    const node = router({ lane_ring: 512, subscriptions: [wide, fresh] });
    await node.start();
    const next = (await node.taker()).segment;
    expect([next.generation, node.bus.segment.generation]).toEqual([2, 1]);
    expect(findSubscription(next, 'work')?.capacity).toBe(200);
    expect(findSubscription(node.bus.segment, 'work')?.capacity).toBe(32);
    // Who comes while the roll lasts finds it, and what is not there is refused at once.
    const bus = await peers.bus({ attachTimeoutMs: 3_600_000 });
    const comes = await bus.consumer({ subscription: 'fresh' });
    expect(await codeOf(() => bus.consumer({ subscription: 'none' }))).toBe('IB_UNKNOWN_TOPIC');
    consumer.ack();
    await isOver(node);
    expect(await read(comes, later.length)).toEqual(later);
    expect(await read(consumer, later.length)).toEqual(later);
  }, 20_000);

  it('changes nothing at its end: what an operator has changed meanwhile stays', async () => {
    const { consumer } = await halfRolled();
    const node = router();
    await node.start();
    const { runner } = await node.taker();
    const changed = { ...subscription('work', { mode: 'workqueue', lane: 'blocking' }), topics: ['t'], capacity: 7 };
    await runner.apply({ do: 'put-subscription', subscription: changed });
    expect(await read(consumer, later.length)).toEqual(later);
    await isOver(node);
    expect(findSubscription(node.bus.segment, 'work')?.capacity).toBe(7);
  }, 20_000);

  it('polls the former generation with a batch that it has room for, and takes a new one for the next', async () => {
    const { consumer } = await halfRolled();
    const sizes = { lane_ring: 512, slots_per_producer: 256 };
    const node = router({ ...sizes, router_batch_size: 64 });
    await node.start();
    const fresh = { name: 'fresh', topics: ['>'] };
    const more = smallRouter({ ...settings, ...sizes, router_batch_size: 100, subscriptions: [work, fresh] });
    node.reload(more);
    const next = (await node.taker()).segment;
    await expect.poll(() => findSubscription(next, 'fresh')?.name).toBe('fresh');
    expect(peers.logged.filter(({ message }) => message.includes('refused'))).toEqual([]);
    consumer.ack();
    expect(await read(consumer, later.length)).toEqual(later);
    await isOver(node);
  }, 20_000);
});
