import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Bus } from '../../../src/engines/indexbus/bus.ts';
import type { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import type { Producer } from '../../../src/engines/indexbus/busProducer.ts';
import { BusError } from '../../../src/engines/indexbus/errors.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import type { Method } from '../../../src/engines/route.ts';
import { type Answered, ask } from './support/asking.ts';
import { bytesOf, Peers } from './support/peers.ts';
import { seatStateOf } from './support/seats.ts';
import { smallRouter } from './support/smallRouter.ts';

const lane = { lane: 'blocking', capacity: 16, detach_after_ms: 'none' };
const config = {
  lane_ring: 64,
  lanes_max: 2,
  producers_max: 2,
  subscriptions: [{ name: 'all', topics: ['>'], ...lane }],
};

/** How often a roll is looked at: nothing else of a router sleeps so long. */
const lookMs = 20;

let peers: Peers;
let node: BusNode;
let bus: Bus;
let feed: Producer;
let topic: number;
beforeEach(async () => {
  peers = new Peers();
  node = await peers.node(smallRouter(config));
  bus = await peers.bus();
  topic = await bus.topic('t');
  feed = await bus.producer({ name: 'feed' });
});
afterEach(() => peers.end());

const asked = (method: Method, path: string, body?: unknown): Promise<Answered> => ask(node, method, path, body);
/** Name, generation and state of each seat that somebody has. */
const listed = async (kind: 'lanes' | 'producers'): Promise<readonly unknown[]> =>
  (await asked('GET', `/${kind}`)).body.map((it: Record<string, unknown>) => [it.name, it.generation, it.state]);

/** A roll that waits for a consumer which reads nothing, while the producer has moved. */
async function rollThatWaits() {
  const slow = await bus.consumer({ subscription: 'all', name: 'slow' });
  publish(10);
  await expect.poll(async () => (await asked('GET', '/counters')).body.delivered_total).toBe(10);
  await node.roll({ slot_bytes: 128 });
  await expect.poll(() => node.rolling()?.waits_for).toBe('consumers');
  return slow;
}

/** Has a router route whose rolls look at nothing before the function that is returned is called. */
async function unlooking(): Promise<() => void> {
  await node.close();
  const host = peers.host();
  const { clock } = host;
  const { promise, resolve } = Promise.withResolvers<void>();
  const sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
    if (ms === lookMs) await Promise.race([promise, ended(signal)]);
    await clock.sleep(ms, signal);
  };
  node = await peers.node(smallRouter(config), { ...host, clock: { ...clock, sleep } });
  return resolve;
}

function ended(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    signal?.addEventListener('abort', () => resolve());
  });
}

/** Publishes so many, or as many as there is room for; returns how many that were. */
function publish(most = Number.POSITIVE_INFINITY): number {
  let count = 0;
  while (count < most && feed.publish(topic, bytesOf('m'))) count += 1;
  feed.flush();
  return count;
}

describe('while a roll waits, an operator', () => {
  it('sees the seats of both generations, and all that waits', async () => {
    await rollThatWaits();
    await bus.consumer({ subscription: 'all', name: 'newcomer' });
    const count = publish();
    expect(count).toBeGreaterThan(0);
    expect(await listed('lanes')).toEqual([
      ['slow', 1, 'live'],
      ['newcomer', 2, 'live'],
    ]);
    expect(await listed('producers')).toContainEqual(['feed', 2, 'live']);
    const moved = async () =>
      (await asked('GET', '/producers')).body.find((it: { generation: number }) => it.generation === 2);
    await expect.poll(async () => (await moved()).depth).toBe(count);
    expect((await moved()).recent_topics).toEqual({ t: 1 });
    expect((await asked('GET', '/counters')).body.qdepth).toBe(10 + count);
  });

  it('is told by triage that it waits, for whom, and what ends the wait', async () => {
    await rollThatWaits();
    const count = publish();
    await expect.poll(async () => (await asked('GET', '/counters')).body.qdepth).toBe(10 + count);
    const { body } = await asked('GET', '/bottleneck');
    expect(body.side).toBe('downstream');
    expect(body.evidence[0]).toMatch(/^a roll to generation 2 waits for lane 0@1 \(slow\) since .*: 10 messages left/);
    expect(body.evidence).toContain(`source 0@2 (feed) has ${count} of 64`);
    expect(body.next).toEqual(['hotfire indexbus rolling', 'hotfire indexbus detach 0@1']);
  });

  it('changes who has moved where it is, for good', async () => {
    await asked('PATCH', '/producers/feed', { rate_limit: 500, credit_limit: 20 });
    const slow = await rollThatWaits();
    const limited = await asked('PATCH', '/producers/feed', { rate_limit: 10 });
    expect(limited).toMatchObject({ status: 200, body: { generation: 2, rate_limit: 10, credit_limit: 20 } });
    expect((await asked('PATCH', '/producers/0', { credit_limit: 30 })).body).toMatchObject({ generation: 2 });
    expect((await asked('PATCH', '/producers/0@1', { credit_limit: 40 })).body).toMatchObject({ generation: 2 });
    const batch = new MessageBatch(32, 1024);
    expect(slow.receive(batch)).toBe(10);
    slow.ack();
    await expect.poll(() => node.serving?.segment.generation).toBe(2);
    const [after] = (await asked('GET', '/producers')).body;
    expect(after).toMatchObject({ name: 'feed', rate_limit: 10, credit_limit: 40 });
  });

  it('changes who has moved before the roll has looked: what it was set to before is there, too', async () => {
    const look = await unlooking();
    await asked('PATCH', '/producers/feed', { rate_limit: 500, credit_limit: 20 });
    await node.roll({ slot_bytes: 128 });
    await expect.poll(() => listed('producers')).toContainEqual(['feed', 2, 'live']);
    const limited = await asked('PATCH', '/producers/feed', { rate_limit: 10 });
    expect(limited).toMatchObject({ status: 200, body: { generation: 2, rate_limit: 10, credit_limit: 20 } });
    look();
    await expect.poll(() => node.serving?.segment.generation).toBe(2);
    const [after] = (await asked('GET', '/producers')).body;
    expect(after).toMatchObject({ name: 'feed', rate_limit: 10, credit_limit: 20 });
  });

  it('changes who stays where it is, and it is set so where it goes', async () => {
    const slow = await rollThatWaits();
    const changed = await asked('PATCH', '/lanes/slow', { capacity: 20 });
    expect(changed).toMatchObject({ status: 200, body: { generation: 1, capacity: 20 } });
    slow.receive(new MessageBatch(32, 1024));
    slow.ack();
    await expect.poll(() => node.serving?.segment.generation).toBe(2);
    expect((await asked('GET', '/lanes')).body).toMatchObject([{ name: 'slow', generation: 2, capacity: 20 }]);
  });

  it('says of which generation a seat is, where its number alone does not', async () => {
    await rollThatWaits();
    await bus.consumer({ subscription: 'all', name: 'newcomer' });
    // Who moves prefers its number: a seat that is free there is a newcomer's as long.
    expect(await asked('POST', '/lanes/0/detach')).toMatchObject({
      status: 409,
      body: { error: { code: 'AMBIGUOUS', expected: 'one of 0@1 (slow), 0@2 (newcomer)', got: '0' } },
    });
    expect((await asked('PATCH', '/lanes/0@2', { capacity: 8 })).body).toMatchObject({ name: 'newcomer', capacity: 8 });
    expect((await asked('PATCH', '/lanes/newcomer', { capacity: 9 })).body).toMatchObject({
      generation: 2,
      capacity: 9,
    });
    expect((await asked('POST', '/lanes/0@1/detach')).body).toMatchObject({ name: 'slow', state: 'fenced' });
    await expect.poll(() => node.serving?.segment.generation, { timeout: 8_000 }).toBe(2);
  }, 15_000);

  it('finds who has another number in the next generation by its former one', async () => {
    const second = await bus.producer({ name: 'second' });
    await feed.close();
    feed = second;
    await bus.consumer({ subscription: 'all', name: 'slow' });
    publish(10);
    await node.roll({ producers_max: 1 });
    await expect.poll(() => node.rolling()?.waits_for).toBe('consumers');
    for (const address of ['1', '1@1', '0', '0@2', 'second']) {
      const answer = await asked('PATCH', `/producers/${address}`, { rate_limit: 10 });
      expect(answer).toMatchObject({ status: 200, body: { name: 'second', generation: 2, seat: 0 } });
    }
    expect((await asked('PATCH', '/producers/1@2', {})).status).toBe(404);
  });

  it('finds who has moved also where the seat that it had has ended, or is free', async () => {
    const silent = await bus.producer({ name: 'silent' });
    await rollThatWaits();
    const former = () => node.bus.segment;
    await expect
      .poll(() => [0, 1].map((seat) => seatStateOf(former(), 'producer', seat)))
      .toEqual(['draining', 'free']);
    const changed = await asked('PATCH', '/producers/1@1', { rate_limit: 10 });
    expect(changed).toMatchObject({ status: 200, body: { name: 'silent', generation: 2, rate_limit: 10 } });
    // What has ended takes no fence: who is meant is where it lives.
    for (const [address, name] of [
      ['0@1', 'feed'],
      ['1@1', 'silent'],
    ]) {
      const fenced = await asked('POST', `/producers/${address}/fence`);
      expect(fenced).toMatchObject({ status: 202, body: { name, generation: 2, state: 'fenced' } });
    }
    await silent.close();
  });

  it('changes who is about to move in both generations', async () => {
    await bus.consumer({ subscription: 'all', name: 'slow' });
    // Who has a slot reserved takes its next seat, and moves with the commit.
    feed.reserve(1, topic);
    await node.roll({ slot_bytes: 128 });
    await expect
      .poll(() => listed('producers'))
      .toEqual([
        ['feed', 1, 'live'],
        ['feed', 2, 'live'],
      ]);
    const answer = await asked('PATCH', '/producers/feed', { rate_limit: 10 });
    expect(answer).toMatchObject({ status: 200, body: { generation: 2, rate_limit: 10 } });
    expect((await asked('GET', '/producers')).body).toMatchObject([{ rate_limit: 10 }, { rate_limit: 10 }]);
    feed.commit(topic, 1);
  });

  it('is told of the roll by what is refused', async () => {
    await rollThatWaits();
    const advice = 'hotfire indexbus rolling';
    const missing = await asked('POST', '/producers/nobody/fence');
    expect(missing).toMatchObject({
      status: 404,
      body: { error: { expected: expect.stringContaining('0@2 (feed)') } },
    });
    expect(missing.body.error.message).toContain(advice);
    expect((await asked('POST', '/producers/feed/fence')).status).toBe(202);
    const again = await asked('POST', '/producers/feed/fence');
    expect(again).toMatchObject({ status: 409, body: { error: { code: 'IB_UNSAFE_CHANGE' } } });
    expect(again.body.error.message).toContain(advice);
  });
});

it('who finds no seat in the generation that a roll builds is told of the roll', async () => {
  await rollThatWaits();
  for (let n = 0; n < 2; n += 1) await bus.consumer({ subscription: 'all' });
  const refused = await bus.consumer({ subscription: 'all' }).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(BusError);
  expect(refused).toMatchObject({ code: 'IB_NO_SEAT', message: expect.stringContaining('hotfire indexbus rolling') });
});

it('a seat without a roll has a generation too, and is found in no other', async () => {
  expect(await listed('producers')).toEqual([['feed', 1, 'live']]);
  expect((await asked('PATCH', '/producers/0@1', { rate_limit: 5 })).status).toBe(200);
  const other = await asked('PATCH', '/producers/0@2', { rate_limit: 5 });
  expect(other).toMatchObject({ status: 404, body: { error: { expected: '0 (feed)' } } });
});
