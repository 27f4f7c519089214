import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBus } from '../../../src/engines/indexbus/bus.ts';
import { indexbusConfigSchema } from '../../../src/engines/indexbus/config.ts';
import { type RunningIndexbus, startIndexbus } from '../../../src/engines/indexbus/engine.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { createRouter } from '../../../src/engines/router.ts';
import type { Host } from '../../../src/host/host.ts';
import { createRealHost } from '../../../src/real/host.ts';
import { createSabSegments, createSabSharedMemory } from '../../../src/real/sharedMemory.ts';
import { ownIdentity } from '../../../src/real/shm/identity.ts';

const S = '/v1/segments/bus';

/** A router of this process on memory of this process, with a producer and a consumer beside it. */
let host: Host;
let running: RunningIndexbus;
let stop: () => Promise<void>;

/** Everybody runs on processor 3, which is of node 1. */
const machine = {
  processUsage: () => ({ cpuSeconds: 1, residentBytes: 4_096, isStopped: false, cpu: 3 }),
  nodeOfCpu: (cpu: number) => (cpu === 3 ? 1 : undefined),
};

beforeAll(async () => {
  const real = createRealHost({ name: 'machine', telemetry: { options: { level: 'error' } } });
  host = { ...real, shm: createSabSharedMemory(createSabSegments(), ownIdentity(), 'a test') };
  const config = indexbusConfigSchema.parse({
    region: 'eu',
    router_id: 'r1',
    counter_sample_ms: 10,
    numa_node: 0,
    slots_per_producer: 1_024,
    subscriptions: [
      { name: 'all', topics: ['orders.>'], lane: 'blocking' },
      { name: 'spare', topics: ['spare'] },
    ],
  });
  running = await startIndexbus(host, config, machine);
  const bus = await openBus({ segment: 'bus', host });
  const producer = await bus.producer({ name: 'p1' });
  const consumer = await bus.consumer({ subscription: 'all', name: 'c1' });
  const topic = await bus.topic('orders.new');
  for (let at = 0; at < 100; at += 1) producer.publish(topic, new Uint8Array(8).fill(at));
  producer.publish(await bus.topic('nobody'), new Uint8Array(1));
  producer.flush();
  const batch = new MessageBatch(60, 60 * 64);
  expect(await consumer.ready(5_000)).toBe(true);
  let received = 0;
  while (received < 60) {
    const n = consumer.receive(batch);
    received += n;
    if (n === 0) await consumer.ready(1_000);
    if (received >= 40) break;
  }
  consumer.ack();
  stop = async () => {
    await consumer.close();
    await producer.close({ drainTimeoutMs: 100 });
    await bus.close();
    await running.close();
  };
  await host.clock.sleep(60);
}, 20_000);

afterAll(() => stop());

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: bodies of many shapes, each looked at below
  readonly body: any;
}

async function ask(method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await createRouter(running.routes).dispatch({
    method,
    path,
    query: {},
    headers: {},
    body: body === undefined ? new Uint8Array() : new TextEncoder().encode(JSON.stringify(body)),
    signal: new AbortController().signal,
  });
  return { status: response.status, body: response.body };
}

describe('HTTP of a router', () => {
  it('should say how it is', async () => {
    for (const path of ['/health', '/health/live', '/health/ready']) {
      const { status, body } = await ask('GET', path);
      expect([path, status, body.status]).toEqual([path, 200, expect.stringMatching(/ok|degraded/)]);
      expect(body.checks.router_loop.status).toBe('ok');
    }
  });

  it('should count as its runbook says, and keep the balance', async () => {
    const { body } = await ask('GET', `${S}/counters`);
    expect(body).toMatchObject({
      sent_total: 101,
      routed_total: 100,
      delivered_total: 100,
      drops_total: 1,
      drops_no_route_total: 1,
    });
    expect(body.recv_total + body.qdepth).toBe(100);
    expect(Object.keys(body)).toEqual(
      expect.arrayContaining(['sent/sec', 'drops_all_full/sec', 'detaches/sec', 'qdepth']),
    );
    const metrics = (await ask('GET', '/metrics')).body as string;
    expect(metrics).toContain('indexbus_sent_total{producer="0",region="eu",router_id="r1",segment="bus"} 101');
    expect(metrics).toContain('indexbus_drops_no_route_total{producer="0",region="eu",router_id="r1",segment="bus"} 1');
    expect(metrics).toContain(
      `indexbus_recv_total{lane="0",region="eu",router_id="r1",segment="bus"} ${body.recv_total}`,
    );
    const own = 'region="eu",router_id="r1",segment="bus"';
    for (const reason of ['blocking', 'credit', 'hold']) {
      expect(metrics).toContain(`indexbus_router_parks_total{reason="${reason}",${own}} 0`);
    }
    for (const kind of ['producer', 'consumer']) {
      expect(metrics).toContain(`indexbus_seat_remote_node{kind="${kind}",state="live",${own}} 1`);
    }
    expect(metrics).toMatch(/indexbus_batch_messages_bucket\{[^}]*le="\+Inf"[^}]*\} [1-9]/);
    expect(metrics).toMatch(/indexbus_source_wait_seconds_count\{[^}]*\} [1-9]/);
  });

  it('should show segments, lanes, producers, topics, tuning, bottleneck', async () => {
    expect((await ask('GET', '/v1/segments')).body).toMatchObject([{ segment: 'bus', state: 'open' }]);
    expect((await ask('GET', S)).body).toMatchObject({ generation: 1, seats: { producers: { total: 16, taken: 1 } } });
    const [lane] = (await ask('GET', `${S}/lanes`)).body;
    expect(lane).toMatchObject({
      name: 'c1',
      subscription: 'all',
      lane: 'blocking',
      verdict: 'alive',
      pid: process.pid,
    });
    expect(lane.oldest_ms).toBeGreaterThan(0);
    const [producer] = (await ask('GET', `${S}/producers`)).body;
    expect(producer).toMatchObject({ name: 'p1', sent: 101, depth: 0, recent_topics: { nobody: expect.any(Number) } });
    expect((await ask('GET', `${S}/topics`)).body).toEqual([
      { name: 'orders.new', number: 0 },
      { name: 'nobody', number: 1 },
    ]);
    expect((await ask('GET', `${S}/bottleneck`)).body).toMatchObject({ side: 'none', next: [] });
    expect((await ask('GET', `${S}/tuning`)).status).toBe(200);
  });

  it('should show regions, agents and the control plane', async () => {
    expect((await ask('GET', '/v1/regions')).body).toEqual([
      { region: 'eu', environments: ['default'], routers: 1, status: 'ok' },
    ]);
    expect((await ask('GET', '/v1/regions/eu/health')).body.routers).toMatchObject([
      { router_id: 'r1', state: 'online' },
    ]);
    expect((await ask('GET', '/v1/control-plane')).body).toMatchObject({ address: null, reachable: false });
    expect((await ask('GET', '/v1/environments/default/agents')).body).toMatchObject([
      { router_id: 'r1', segment: 'bus' },
    ]);
    expect((await ask('GET', '/v1/environments/default/agents/r1')).body).toMatchObject({
      router_id: 'r1',
      tuning: expect.any(Array),
    });
  });

  it('should change lanes, producers and the router while they live', async () => {
    const lane = await ask('PATCH', `${S}/lanes/c1`, {
      capacity: 8_192,
      credit_limit: 500,
      lane: 'nonblocking',
      drop: 'oldest',
    });
    expect(lane).toMatchObject({
      status: 200,
      body: { capacity: 8_192, credit_limit: 500, lane: 'nonblocking', drop: 'oldest' },
    });
    expect((await ask('PATCH', `${S}/lanes/0`, { credit_limit: 'none' })).body.credit_limit).toBe('none');
    expect((await ask('PATCH', `${S}/producers/p1`, { rate_limit: 50_000 })).body).toMatchObject({
      rate_limit: 50_000,
    });
    const router = await ask('PATCH', `${S}/router`, { router_batch_size: 128, router_poll_interval_us: 200 });
    expect(router.body).toMatchObject({ router_batch_size: 128, router_poll_interval_us: 200 });
  });

  it('should make, change and delete subscriptions, and make topics', async () => {
    const path = `${S}/subscriptions/billing`;
    expect((await ask('PUT', path, { topics: ['pay.*'], mode: 'workqueue' })).status).toBe(201);
    expect((await ask('PUT', path, { topics: ['pay.>'], mode: 'workqueue' })).status).toBe(200);
    expect((await ask('GET', path)).body).toMatchObject({ name: 'billing', topics: ['pay.>'], mode: 'workqueue' });
    expect((await ask('DELETE', path)).status).toBe(204);
    expect((await ask('GET', path)).status).toBe(404);
    expect(await ask('POST', `${S}/topics`, { name: 'more' })).toEqual({
      status: 201,
      body: { name: 'more', number: 2 },
    });
  });

  it.each([
    ['GET', '/v1/segments/other', undefined, 404, 'bus'],
    ['GET', '/v1/regions/us/health', undefined, 404, 'eu'],
    ['GET', '/v1/environments/other/agents', undefined, 404, 'default'],
    ['GET', '/v1/environments/default/agents/r2', undefined, 404, 'r1'],
    ['PATCH', `${S}/lanes/9`, { capacity: 1 }, 404, 'c1'],
    ['PATCH', `${S}/producers/9`, {}, 404, 'p1'],
    ['PATCH', `${S}/lanes/0`, { capacity: 10_000 }, 409, 'IB_NEEDS_ROLL'],
    ['PATCH', `${S}/lanes/0`, { capcity: 5 }, 422, 'capacity'],
    ['PATCH', `${S}/lanes/0`, { drop: 'both' }, 422, 'newest'],
    ['PATCH', `${S}/router`, { router_batch_size: 0 }, 422, 'router_batch_size: expected 1 to 4096, got 0'],
    ['PATCH', `${S}/router`, { router_batch_size: 5_000 }, 422, '1 to 4096'],
    ['PATCH', `${S}/router`, { router_poll_interval_us: -1 }, 422, '0 to 50000'],
    ['PATCH', `${S}/router`, { router_spin_us: 20_000 }, 422, 'expected auto or 0 to 10000, got 20000'],
    ['PATCH', `${S}/router`, [], 422, 'the body: expected an object, got []'],
    ['PATCH', `${S}/router`, undefined, 422, 'some of router_batch_size, '],
    ['PATCH', `${S}/lanes/0`, undefined, 422, 'got nothing'],
    ['PATCH', `${S}/producers/0`, undefined, 422, 'some of credit_limit, rate_limit'],
    ['DELETE', `${S}/subscriptions/all`, undefined, 409, 'IB_UNSAFE_CHANGE'],
    [
      'PUT',
      `${S}/subscriptions/lost`,
      { topics: ['x'], delivery: 'at_least_once', mode: 'keyed', access: 'view' },
      409,
      'IB_UNSAFE_CHANGE',
    ],
    ['PUT', `${S}/subscriptions/lost`, { topics: ['x'], access: 'view', drop: 'oldest' }, 422, 'IB_BAD_CONFIG'],
    ['PUT', `${S}/subscriptions/Lost%20one`, { topics: ['x'] }, 422, 'a-z'],
    ['POST', `${S}/topics`, { name: 'with blanks' }, 422, 'IB_BAD_CONFIG'],
  ])('should refuse %s %s %j', async (method, path, body, status, named) => {
    const answer = await ask(method, path, body);
    expect(answer.status).toBe(status);
    expect(JSON.stringify(answer.body)).toContain(named);
  });

  it('should tell what was expected and what came by themselves, too', async () => {
    const { body } = await ask('PATCH', `${S}/router`, { router_batch_size: 0 });
    expect(body.error).toMatchObject({ code: 'IB_BAD_CONFIG', expected: '1 to 4096', got: '0' });
    const rolled = await ask('POST', `${S}/roll`, { slots_per_producer: 100 });
    expect(rolled.body.error).toMatchObject({ expected: 'a power of two', got: '100' });
  });

  it('should refuse a body above its limit', async () => {
    const answer = await ask('POST', `${S}/topics`, { name: 'x'.repeat(70_000) });
    expect(answer).toMatchObject({ status: 413, body: { error: { code: 'BODY_TOO_LARGE' } } });
  });

  it('should detach a lane, whose consumer is told', async () => {
    expect((await ask('POST', `${S}/lanes/c1/detach`)).status).toBe(202);
    expect((await ask('POST', `${S}/producers/p1/fence`)).status).toBe(202);
    await host.clock.sleep(30);
    const metrics = (await ask('GET', '/metrics')).body as string;
    expect(metrics).toContain('indexbus_detaches_total{reason="operator",region="eu",router_id="r1",segment="bus"} 1');
  });
});
