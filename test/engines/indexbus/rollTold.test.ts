import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Consumer } from '../../../src/engines/indexbus/busConsumer.ts';
import { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { runbookCounters } from '../../../src/engines/indexbus/counters.ts';
import { BusError } from '../../../src/engines/indexbus/errors.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { registerMetrics } from '../../../src/engines/indexbus/metrics.ts';
import type { Host } from '../../../src/host/host.ts';
import { hasty } from './support/hasty.ts';
import { bytesOf, codeOf, Peers } from './support/peers.ts';
import { smallRouter } from './support/smallRouter.ts';

/** Time of the router, which has the patience, runs so much faster. */
const faster = 10;
const config = smallRouter({
  lane_ring: 128,
  lanes_max: 3,
  counter_sample_ms: 2_000,
  subscriptions: [
    { name: 'work', topics: ['t'], mode: 'workqueue', lane: 'blocking', capacity: 32, detach_after_ms: 'none' },
    { name: 'all', topics: ['>'], capacity: 64 },
  ],
});

let peers: Peers;
let registry: Registry;
let node: BusNode;
beforeEach(async () => {
  peers = new Peers();
  registry = new Registry();
  const host = hasty(peers.host(), faster);
  node = new BusNode({ ...host, telemetry: { ...host.telemetry, registry } } as Host, config, {});
  registerMetrics(node);
  await node.start();
});
afterEach(async () => {
  await peers.end();
  await node.close();
});

/** A producer on a topic. */
async function feed() {
  const bus = await peers.bus();
  const topic = await bus.topic('t');
  const producer = await bus.producer();
  return async (count: number): Promise<void> => {
    for (let n = 0; n < count; n += 1) while (!producer.publish(topic, bytesOf(`m${n}`))) await producer.ready();
    producer.flush();
  };
}

/** Takes a message, then works on it for so long, until it has so many or lost its lane. */
async function readSlowly(consumer: Consumer, many: number, workMs: number): Promise<number> {
  const batch = new MessageBatch(1, 1024);
  let seen = 0;
  try {
    while (seen < many) {
      if (consumer.receive(batch) === 0) await consumer.ready(20);
      else {
        seen += 1;
        await new Promise((resolve) => setTimeout(resolve, workMs));
      }
    }
    consumer.ack();
  } catch (error) {
    if (!(error instanceof BusError) || (error.code !== 'IB_FENCED' && error.code !== 'IB_CLOSED')) throw error;
  }
  return seen;
}

/** Values of a metric by its labels, but for those that each has. */
async function metric(name: string): Promise<Readonly<Record<string, number>>> {
  const found = await registry.getSingleMetric(`indexbus_${name}`)?.get();
  const values: Record<string, number> = {};
  for (const { labels, value } of found?.values ?? []) {
    const { region: _, router_id: __, segment: ___, ...own } = labels;
    values[Object.values(own).join(' ')] = value;
  }
  return values;
}

const said = (message: string) => peers.logged.filter((line) => line.message === message).map(({ fields }) => fields);
const generation = (): number | undefined => node.serving?.segment.generation;
const total = (name: (typeof runbookCounters)[number]): number => node.serving?.counters.totals()[name] ?? 0;

describe('the counters of a router', () => {
  it('go on over a roll, which is no restart of any count, also with fewer seats', async () => {
    const publish = await feed();
    const worker = await (await peers.bus()).consumer({ subscription: 'work' });
    const all = await (await peers.bus()).consumer({ subscription: 'all' });
    await publish(20);
    const reading = [readSlowly(worker, 30, 0), readSlowly(all, 30, 0)];
    await expect.poll(() => total('recv')).toBe(40);
    const before = await metric('sent_total');
    const commits = await metric('batch_messages');
    await node.roll({ lanes_max: 2, producers_max: 3 });
    const lowest = Object.fromEntries(runbookCounters.map((name) => [name, total(name)]));
    while (generation() !== 2) {
      for (const name of runbookCounters) expect(total(name)).toBeGreaterThanOrEqual(lowest[name] ?? 0);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await publish(10);
    await Promise.all(reading);
    await expect.poll(() => total('recv')).toBe(60);
    expect([total('sent'), total('routed'), total('delivered'), total('drops')]).toEqual([30, 30, 60, 0]);
    const after = await metric('sent_total');
    expect(Object.keys(after)).toEqual(Object.keys(before));
    expect(Object.values(after).reduce((sum, value) => sum + value, 0)).toBe(30);
    expect(await metric('recv_total')).toEqual({ 0: 30, 1: 30, 2: 0 });
    const later = await metric('batch_messages');
    for (const [le, count] of Object.entries(commits)) expect(later[le]).toBeGreaterThanOrEqual(count);
    expect(total('detaches')).toBeGreaterThanOrEqual(lowest.detaches ?? 0);
  }, 20_000);

  it('have what a roll gave up as lost, for this reason', async () => {
    const publish = await feed();
    await (await peers.bus()).consumer({ subscription: 'work' });
    await publish(12);
    await expect.poll(() => total('delivered')).toBe(12);
    await node.roll({ slot_bytes: 128 });
    await expect.poll(generation, { timeout: 10_000 }).toBe(2);
    expect(await metric('drops_detached_total')).toMatchObject({ '0 roll': 12, '0 ended': 0, '1 roll': 0 });
    expect([total('drops'), total('drops_detached')]).toEqual([12, 12]);
    expect(said('rolled')).toEqual([{ segment: 'bus', generation: 2, lost: 12 }]);
    // And it stays so where the next one loses nothing.
    await expect.poll(() => codeOf(() => node.roll({ slot_bytes: 64 }))).toBe('none');
    await expect.poll(generation, { timeout: 10_000 }).toBe(3);
    expect(await metric('drops_detached_total')).toMatchObject({ '0 roll': 12, '0 ended': 0 });
  }, 30_000);
});

describe('a roll that a slow consumer holds up', () => {
  it('says whom it waits for, and how much is left, while it lasts', async () => {
    const publish = await feed();
    const slow = await (await peers.bus()).consumer({ subscription: 'work', name: 'slow' });
    await publish(24);
    await expect.poll(() => total('delivered')).toBe(24);
    const reading = readSlowly(slow, 24, 100);
    expect(node.rolling()).toBeUndefined();
    await node.roll({ slot_bytes: 128 });
    await expect.poll(() => node.rolling()?.waits_for).toBe('consumers');
    const first = node.rolling();
    expect(first).toMatchObject({ segment: 'bus', generation: 2, patience_ms: 'none', gave_up: 0 });
    expect(first?.waits).toMatchObject([
      { kind: 'consumer', seat: 0, name: 'slow', subscription: 'work', state: 'live' },
    ]);
    const left = first?.waits[0]?.left ?? 0;
    expect(left).toBeGreaterThan(0);
    await expect.poll(() => node.rolling()?.waits[0]?.left).toBeLessThan(left);
    await expect.poll(() => said('roll waits').length, { timeout: 5_000 }).toBeGreaterThan(0);
    expect(said('roll waits')[0]).toMatchObject({
      segment: 'bus',
      kind: 'consumer',
      seat: 0,
      name: 'slow',
      subscription: 'work',
    });
    expect(await reading).toBe(24);
    await expect.poll(generation, { timeout: 5_000 }).toBe(2);
    expect(node.rolling()).toBeUndefined();
    expect(said('roll fences')).toEqual([]);
  }, 20_000);

  it('is held up no longer than its patience: what the consumer has not read is given up, and counted', async () => {
    const publish = await feed();
    const slow = await (await peers.bus()).consumer({ subscription: 'work' });
    await publish(24);
    await expect.poll(() => total('delivered')).toBe(24);
    const reading = readSlowly(slow, 24, 100);
    await node.roll({ patience_ms: 6_000 });
    await expect.poll(generation, { timeout: 5_000 }).toBe(2);
    const seen = await reading;
    expect(seen).toBeGreaterThan(3);
    expect(said('roll fences')).toEqual([{ segment: 'bus', kind: 'consumer', seat: 0 }]);
    expect(await metric('drops_detached_total')).toMatchObject({ '0 roll': 24 - seen });
  }, 20_000);

  it('gives what its patience takes from one to the other of its group, who has as much', async () => {
    const publish = await feed();
    const slow = await (await peers.bus()).consumer({ subscription: 'work' });
    const mate = await (await peers.bus()).consumer({ subscription: 'work' });
    await publish(32);
    await expect.poll(() => total('delivered')).toBe(32);
    const reading = [readSlowly(slow, 32, 200), readSlowly(mate, 32, 5)];
    await node.roll({ patience_ms: 6_000 });
    await expect.poll(generation, { timeout: 8_000 }).toBe(2);
    expect(total('recv')).toBe(32);
    expect(total('drops')).toBe(0);
    await Promise.all([slow.close(), mate.close()]);
    await Promise.all(reading);
  }, 20_000);

  it('is not held up any more where an operator detaches it', async () => {
    const publish = await feed();
    const slow = await (await peers.bus()).consumer({ subscription: 'work' });
    await publish(30);
    await expect.poll(() => total('delivered')).toBe(30);
    const reading = readSlowly(slow, 30, 200);
    await node.roll({});
    await expect.poll(() => node.rolling()?.waits_for).toBe('consumers');
    await node.bus.runner.apply({ do: 'detach-lane', lane: 0, reason: 'operator' });
    await expect.poll(generation, { timeout: 5_000 }).toBe(2);
    const seen = await reading;
    expect(await metric('drops_detached_total')).toMatchObject({ '0 roll': 30 - seen });
  }, 20_000);
});
