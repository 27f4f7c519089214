import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { attach } from '../../../src/engines/indexbus/attachments.ts';
import type { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { routerRoutes } from '../../../src/engines/indexbus/http/routes.ts';
import { join } from '../../../src/engines/indexbus/join.ts';
import { leave } from '../../../src/engines/indexbus/leave.ts';
import { Point } from '../../../src/engines/indexbus/points.ts';
import { requestTopic } from '../../../src/engines/indexbus/requests.ts';
import { findSubscription } from '../../../src/engines/indexbus/subscriptions.ts';
import { readTopics } from '../../../src/engines/indexbus/topics.ts';
import { createRouter } from '../../../src/engines/router.ts';
import { bytesOf, codeOf, Peers } from './support/peers.ts';
import { generation, holdingUp, workAndAll } from './support/rolled.ts';
import { smallRouter } from './support/smallRouter.ts';

let peers: Peers;
let node: BusNode;
/** What happens at a step of the router. */
let at: (point: number) => void;
beforeEach(async () => {
  peers = new Peers();
  at = () => {};
  node = await peers.node(smallRouter(workAndAll), peers.host({ step: (point) => at(point) }));
});
afterEach(() => peers.end());

async function ask(method: string, path: string, body?: unknown) {
  const response = await createRouter(routerRoutes(node)).dispatch({
    method,
    path: `/v1/segments/bus/${path}`,
    query: {},
    headers: {},
    body: new TextEncoder().encode(body === undefined ? '' : JSON.stringify(body)),
    signal: new AbortController().signal,
  });
  // biome-ignore lint/suspicious/noExplicitAny: bodies of many shapes, each looked at below
  return { status: response.status, body: response.body as any };
}

const isOver = async (): Promise<boolean> => generation(node) === 2 && node.rolling() === undefined;

describe('a roll and what operators have changed while the router ran', () => {
  it('sets lanes and producers as they were set before', async () => {
    const bus = await peers.bus();
    await bus.producer({ name: 'feed' });
    await bus.producer({ name: 'other' });
    await bus.consumer({ subscription: 'work', name: 'w' });
    await bus.consumer({ subscription: 'all', name: 'a' });
    await bus.consumer({ subscription: 'all', name: 'b' });
    const lane = { lane: 'nonblocking', drop: 'oldest', capacity: 8, credit_limit: 4, detach_after_ms: 700 };
    expect((await ask('PATCH', 'lanes/w', lane)).status).toBe(200);
    expect((await ask('PATCH', 'lanes/a', { capacity: 5 })).status).toBe(200);
    expect((await ask('PATCH', 'producers/feed', { rate_limit: 1_000, credit_limit: 9 })).status).toBe(200);
    await node.roll({ slot_bytes: 128 });
    await expect.poll(isOver, { timeout: 8_000 }).toBe(true);
    const lanes = (await ask('GET', 'lanes')).body as readonly { name: string }[];
    const named = (name: string) => lanes.find((it) => it.name === name);
    expect(named('w')).toMatchObject(lane);
    expect(named('a')).toMatchObject({ lane: 'nonblocking', drop: 'newest', capacity: 5, credit_limit: 'none' });
    expect(named('b')).toMatchObject({ lane: 'nonblocking', drop: 'newest', capacity: 16, credit_limit: 'none' });
    expect((await ask('GET', 'producers')).body).toMatchObject([
      { name: 'feed', rate_limit: 1_000, credit_limit: 9 },
      { name: 'other', rate_limit: 'none', credit_limit: 'none' },
    ]);
  }, 15_000);

  it('is refused where a lane would not fit as it is set', async () => {
    const bus = await peers.bus();
    await bus.consumer({ subscription: 'all', name: 'a' });
    expect((await ask('PATCH', 'lanes/a', { capacity: 64 })).status).toBe(200);
    expect(await codeOf(() => node.roll({ lane_ring: 64 }))).toBe('IB_NEEDS_ROLL');
    expect(generation(node)).toBe(1);
    await node.roll({ lane_ring: 256 });
    await expect.poll(isOver, { timeout: 8_000 }).toBe(true);
  }, 15_000);

  it('has what is new while it lasts: subscriptions, topics, and what a reload brings', async () => {
    const { goOn } = await holdingUp(peers);
    await node.roll({ slot_bytes: 128 });
    await expect.poll(() => node.rolling()?.waits_for).toBe('consumers');
    expect((await ask('PUT', 'subscriptions/late', { topics: ['late.>'] })).status).toBe(201);
    expect((await ask('POST', 'topics', { name: 'by-operator' })).status).toBe(201);
    expect((await ask('GET', 'topics')).body.map((it: { name: string }) => it.name)).toContain('by-operator');
    expect((await ask('DELETE', 'subscriptions/all')).status).toBe(409);
    node.reload(
      smallRouter({ ...workAndAll, subscriptions: [...workAndAll.subscriptions, { name: 'loaded', topics: ['x'] }] }),
    );
    goOn();
    await expect.poll(isOver, { timeout: 8_000 }).toBe(true);
    const names = (await ask('GET', 'subscriptions')).body.map((it: { name: string }) => it.name);
    expect(names).toEqual(['all', 'late', 'loaded', 'work']);
    expect((await ask('GET', 'topics')).body.map((it: { name: string }) => it.name)).toContain('by-operator');
    expect((await ask('DELETE', 'subscriptions/all')).status).toBe(204);
  }, 15_000);

  it('has what a reload brings, however far that has come when the roll is asked for', async () => {
    const names = Array.from({ length: 20 }, (_, number) => `loaded${number}`);
    const loaded = names.map((name) => ({ name, topics: ['x'] }));
    const known = () => names.filter((name) => findSubscription(node.bus.segment, name) !== undefined);
    const come = new Set<number>();
    for (const turns of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 20, 30, 40]) {
      node.reload(smallRouter({ ...workAndAll, subscriptions: [...workAndAll.subscriptions, ...loaded] }));
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
      come.add(known().length);
      await node.roll({ slot_bytes: 128 });
      await expect.poll(() => node.rolling(), { timeout: 5_000 }).toBe(undefined);
      expect(known(), `${turns} turns after the reload`).toEqual(names);
      for (const name of names) await node.bus.runner.apply({ do: 'delete-subscription', name });
      node.reload(smallRouter(workAndAll));
    }
    // Some rolls came amid it.
    expect(come.size).toBeGreaterThan(3);
  }, 20_000);

  it('has a topic that a participant asks for while the next generation is built, under one number', async () => {
    const bus = await peers.bus();
    await bus.topic('early');
    let late: Promise<number> | undefined;
    let subscribed: Promise<unknown> | undefined;
    // The next generation has been given what there is, and does not have the name yet.
    const { shm } = node.host;
    const rename = shm.rename.bind(shm);
    shm.rename = async (...args) => {
      late ??= bus.topic('late');
      subscribed ??= ask('PUT', 'subscriptions/late', { topics: ['late'] });
      await Promise.race([late, new Promise((resolve) => setTimeout(resolve, 300))]);
      return rename(...args);
    };
    await node.roll({ slot_bytes: 128 });
    await expect.poll(isOver, { timeout: 8_000 }).toBe(true);
    const number = await late;
    const { region, layout } = node.bus.segment;
    expect(readTopics(region, layout).get('late')).toBe(number);
    expect(await subscribed).toMatchObject({ status: 201 });
    expect((await ask('GET', 'subscriptions/late')).status).toBe(200);
  }, 15_000);

  it('tells who asks from a seat that it has had before to ask in the next generation', async () => {
    const host = peers.host();
    const attachment = await attach(host, { shm: host.shm, name: 'bus' }, 1_000);
    const seat = await join(attachment, { kind: 'producer', name: 'asks', attachTimeoutMs: 1_000 });
    expect(await requestTopic(attachment, seat, 'early', 1_000)).toBe(0);
    const { shm } = node.host;
    const rename = shm.rename.bind(shm);
    const codes: string[] = [];
    shm.rename = async (...args) => {
      for (const name of ['early', 'late']) codes.push(await codeOf(() => requestTopic(attachment, seat, name, 1_000)));
      return rename(...args);
    };
    await node.roll({ slot_bytes: 128 });
    await leave(attachment, seat, 1_000);
    await expect.poll(isOver, { timeout: 8_000 }).toBe(true);
    // The segment is renamed twice: the former generation, and then the next one.
    expect(codes).toEqual(['none', 'IB_RETIRED', 'none', 'IB_RETIRED']);
    const { region, layout } = node.bus.segment;
    expect([...readTopics(region, layout).keys()]).toEqual(['early']);
  }, 15_000);

  it('takes everybody again where the next generation cannot be built', async () => {
    at = (point) => {
      if (point === Point.buildSegment) throw new Error('no memory');
    };
    await expect(node.roll({ slot_bytes: 128 })).rejects.toThrow('no memory');
    at = () => {};
    const bus = await peers.bus();
    const producer = await bus.producer();
    expect(producer.publish(await bus.topic('new'), bytesOf('m'))).toBe(true);
  });
});
