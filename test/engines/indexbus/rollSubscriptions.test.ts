import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { attach } from '../../../src/engines/indexbus/attachments.ts';
import type { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { routerRoutes } from '../../../src/engines/indexbus/http/routes.ts';
import { join } from '../../../src/engines/indexbus/join.ts';
import { leave } from '../../../src/engines/indexbus/leave.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { requestRemoval } from '../../../src/engines/indexbus/requests.ts';
import { findSubscription } from '../../../src/engines/indexbus/subscriptions.ts';
import { createRouter } from '../../../src/engines/router.ts';
import { bytesOf, codeOf, Peers, subscription, textOf } from './support/peers.ts';
import { smallRouter } from './support/smallRouter.ts';

const work = { topics: ['t'], mode: 'workqueue', lane: 'blocking', capacity: 32, detach_after_ms: 'none' };
const settings = {
  lane_ring: 128,
  lanes_max: 4,
  slots_per_producer: 128,
  subscriptions: [{ name: 'work', ...work }],
};

let peers: Peers;
let node: BusNode;
beforeEach(async () => {
  peers = new Peers();
  node = await peers.node(smallRouter(settings));
});
afterEach(() => peers.end());

async function ask(method: string, path: string, body?: unknown): Promise<number> {
  const response = await createRouter(routerRoutes(node)).dispatch({
    method,
    path: `/v1/segments/bus/${path}`,
    query: {},
    headers: {},
    body: bytesOf(body === undefined ? '' : JSON.stringify(body)),
    signal: new AbortController().signal,
  });
  return response.status;
}

const modeNow = (): string | undefined => findSubscription(node.bus.segment, 'work')?.mode;
const isOver = (): boolean => node.serving?.segment.generation === 2 && node.rolling() === undefined;

/** A roll whose next generation does not know its consumer yet: it works on what it has received, and a message waits for it there. */
async function consumerOnItsWay() {
  const bus = await peers.bus();
  const consumer = await bus.consumer({ subscription: 'work' });
  const producer = await bus.producer();
  const topic = await bus.topic('t');
  const batch = new MessageBatch(1, 1024);
  const publish = (text: string): void => {
    expect(producer.publish(topic, bytesOf(text))).toBe(true);
    producer.flush();
  };
  publish('early');
  while (consumer.receive(batch) === 0) await consumer.ready(20);
  await node.roll({ slot_bytes: 128 });
  await expect.poll(() => node.rolling()?.waits_for).toBe('consumers');
  publish('later');
  const goOn = async (): Promise<string> => {
    consumer.ack();
    await expect.poll(isOver, { timeout: 8_000 }).toBe(true);
    while (consumer.receive(batch) === 0) expect(await consumer.ready(3_000)).toBe(true);
    return textOf(batch.bytes(0));
  };
  return { goOn };
}

describe('the subscription of a consumer that is on its way into the next generation of a segment', () => {
  it('is deleted by nobody, and what waits there for the consumer arrives', async () => {
    const { goOn } = await consumerOnItsWay();
    const other = await peers.bus();
    expect(await codeOf(() => other.unsubscribe('work'))).toBe('IB_UNSAFE_CHANGE');
    expect(await codeOf(() => other.unsubscribe('none'))).toBe('IB_UNKNOWN_TOPIC');
    expect(await ask('DELETE', 'subscriptions/work')).toBe(409);
    expect(await goOn()).toBe('later');
    expect(node.bus.counters.totals().drops).toBe(0);
  }, 15_000);

  it('keeps its mode, whoever asks for another; what a lane that joins later feels can be changed', async () => {
    const { goOn } = await consumerOnItsWay();
    expect(await ask('PUT', 'subscriptions/work', { ...work, mode: 'broadcast' })).toBe(409);
    node.reload(smallRouter({ ...settings, subscriptions: [{ name: 'work', ...work, mode: 'keyed' }] }));
    const kept = (): number => peers.logged.filter(({ message }) => message === 'subscription stays as it is').length;
    await expect.poll(kept).toBe(1);
    expect(await ask('PUT', 'subscriptions/work', { ...work, capacity: 16 })).toBe(200);
    expect(await goOn()).toBe('later');
    expect(modeNow()).toBe('workqueue');
  }, 15_000);

  it('can be deleted, and given another mode, when the roll is over and its consumer has gone', async () => {
    const bus = await peers.bus();
    await (await bus.consumer({ subscription: 'work' })).close();
    await node.roll({ slot_bytes: 128 });
    await expect.poll(isOver, { timeout: 8_000 }).toBe(true);
    expect(await ask('PUT', 'subscriptions/work', { ...work, mode: 'broadcast' })).toBe(200);
    await bus.unsubscribe('work');
    expect(modeNow()).toBeUndefined();
  }, 15_000);
});

describe('a participant that asks a generation that is being left to delete a subscription', () => {
  it('is told to ask the next one, which has it: nothing is deleted in the one alone', async () => {
    const { runner } = node.bus;
    await runner.apply({ do: 'put-subscription', subscription: subscription('mine', { capacity: 16 }) });
    const host = peers.host();
    const attachment = await attach(host, { shm: host.shm, name: 'bus' }, 1_000);
    const seat = await join(attachment, { kind: 'producer', name: 'asks', attachTimeoutMs: 1_000 });
    await node.roll({ slot_bytes: 128 });
    expect(await codeOf(() => requestRemoval(attachment, seat, 'mine', 1_000))).toBe('IB_RETIRED');
    expect(findSubscription(attachment.segment, 'mine')).toBeDefined();
    await leave(attachment, seat, 1_000);
    await expect.poll(isOver, { timeout: 8_000 }).toBe(true);
  }, 15_000);
});
