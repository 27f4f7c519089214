import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { healthRoutes } from '../../../src/engines/indexbus/http/health.ts';
import { Header, SegmentState } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { createRouter } from '../../../src/engines/router.ts';
import { bytesOf, Peers } from './support/peers.ts';
import { smallRouter } from './support/smallRouter.ts';

const config = smallRouter({
  lane_ring: 64,
  lanes_max: 4,
  subscriptions: [
    { name: 'work', topics: ['t'], mode: 'workqueue', lane: 'blocking', capacity: 32, detach_after_ms: 'none' },
  ],
});

let peers: Peers;
let node: BusNode;
beforeEach(async () => {
  peers = new Peers();
  node = await peers.node(config);
});
afterEach(() => peers.end());

/** How a router says that it is: the answers' status, and what it says of its segment. */
async function health(of: BusNode = node) {
  const router = createRouter(healthRoutes(of, new Registry()));
  const ask = async (path: string) => {
    const { signal } = new AbortController();
    const response = await router.dispatch({ method: 'GET', path, query: {}, headers: {}, body: bytesOf(''), signal });
    // The routes' own shape.
    const { checks } = response.body as { checks: { segment?: { status: string; message: string } } };
    return { status: response.status, segment: checks.segment };
  };
  const [all, ready] = [await ask('/health'), await ask('/health/ready')];
  return { all: all.status, ready: ready.status, segment: all.segment };
}

/** A consumer that has received what there is, and is not through with it. */
async function working() {
  const bus = await peers.bus();
  const consumer = await bus.consumer({ subscription: 'work' });
  const producer = await bus.producer();
  producer.publish(await bus.topic('t'), bytesOf('m'));
  producer.flush();
  const batch = new MessageBatch(1, 1024);
  while (consumer.receive(batch) === 0) await consumer.ready(20);
  return consumer;
}

describe('the health of a router', () => {
  it('is degraded while its segment is rolled, never failed, and it is ready all the while: it takes participants', async () => {
    const consumer = await working();
    expect(await health()).toMatchObject({ all: 200, ready: 200, segment: { status: 'ok' } });
    const { words } = node.bus.segment;
    const isRolled = node.roll({ slot_bytes: 128 });
    const rolls = {
      all: 200,
      ready: 200,
      segment: {
        status: 'degraded',
        message: 'bus is being rolled: generation 2 takes participants, and routes when generation 1 is empty',
      },
    };
    // While the next generation is built, while producers move, and while consumers do.
    await expect.poll(health).toEqual(rolls);
    await isRolled;
    expect(await health()).toEqual(rolls);
    await expect.poll(() => Atomics.load(words, Header.state)).toBe(SegmentState.retired);
    expect(await health()).toEqual(rolls);
    await (await peers.bus()).producer({ name: 'comes now' });
    consumer.ack();
    await expect.poll(() => node.isRolling, { timeout: 8_000 }).toBe(false);
    expect(await health()).toMatchObject({ all: 200, ready: 200, segment: { status: 'ok' } });
  }, 15_000);

  it('is the same of a router that goes on with the roll of another', async () => {
    const consumer = await working();
    await node.roll({ slot_bytes: 128 });
    await expect.poll(() => node.rolling()?.waits_for).toBe('consumers');
    await node.close();
    node = await peers.node(config);
    expect(await health()).toMatchObject({ all: 200, ready: 200, segment: { status: 'degraded' } });
    consumer.ack();
    await expect.poll(() => node.isRolling, { timeout: 8_000 }).toBe(false);
    expect(await health()).toMatchObject({ all: 200, ready: 200, segment: { status: 'ok' } });
  }, 15_000);

  it('is degraded and not ready while it drains, and of a standby', async () => {
    const standby = await peers.node({ ...config, standby: true });
    expect(await health(standby)).toMatchObject({ all: 200, ready: 503, segment: { status: 'degraded' } });
    await standby.close();
    const consumer = await working();
    const bus = await peers.bus();
    const producer = await bus.producer();
    producer.publish(await bus.topic('t'), bytesOf('m'));
    producer.flush();
    await node.drainForGood();
    const drains = { all: 200, ready: 503, segment: { status: 'degraded', message: 'bus is being drained' } };
    expect(await health()).toEqual(drains);
    const batch = new MessageBatch(1, 1024);
    while (consumer.receive(batch) === 0) expect(await consumer.ready(1_000)).toBe(true);
  });

  it('is failed where its segment was retired, and nothing replaces it', async () => {
    const { words } = node.bus.segment;
    Atomics.store(words, Header.state, SegmentState.retired);
    expect(await health()).toMatchObject({ all: 503, ready: 503, segment: { status: 'failed' } });
    Atomics.store(words, Header.state, SegmentState.open);
  });
});
