import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { ProducerCursor, Seat } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { seatPlace } from '../../../src/engines/indexbus/seatPlaces.ts';
import { hasty } from './support/hasty.ts';
import { codeOf, Peers } from './support/peers.ts';
import { generation, received } from './support/rolled.ts';
import { smallRouter } from './support/smallRouter.ts';

const config = smallRouter({
  lane_ring: 128,
  lanes_max: 2,
  subscriptions: [{ name: 'all', topics: ['t'], lane: 'blocking', capacity: 64, detach_after_ms: 'none' }],
});
const count = 60;
/** How often a roll is looked at: nothing else of a router sleeps so long. */
const lookMs = 20;

let peers: Peers;
let node: BusNode;
/** Lets the time of a router go on that stands still. */
let goOn: () => void;
beforeEach(async () => {
  goOn = () => {};
  peers = new Peers();
  node = await peers.node(config);
});
afterEach(() => {
  goOn();
  return peers.end();
});

/** A producer that may send a message a second, and has flushed many. */
async function limited() {
  const bus = await peers.bus();
  const consumer = await bus.consumer({ subscription: 'all' });
  const producer = await bus.producer({ name: 'feed' });
  const topic = await bus.topic('t');
  await node.bus.runner.apply({ do: 'change-producer', seat: 0, rateLimit: 1 });
  const publish = (number: number): void => {
    producer.publishWords(topic, Int32Array.of(number), 0, 1);
    producer.flush();
  };
  for (let number = 0; number < count; number += 1) publish(number);
  return { producer, publish, consumer };
}

/** Has the router run in a time that stands still, but for what a test lets pass, until it goes on. */
async function standing() {
  await node.close();
  const host = peers.host();
  const { clock } = host;
  let now: number | undefined = clock.now();
  let looks = 0;
  const sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
    await clock.sleep(ms, signal);
    if (ms === lookMs) looks += 1;
  };
  node = await peers.node(config, { ...host, clock: { ...clock, now: () => now ?? clock.now(), sleep } });
  goOn = () => {
    now = undefined;
  };
  return {
    pass: (ms: number) => {
      now = (now ?? 0) + ms;
    },
    /** Resolves when the roll was looked at a few times. */
    looked: async (): Promise<void> => {
      const before = looks;
      await expect.poll(() => looks - before).toBeGreaterThan(3);
    },
  };
}

/** What the router has taken of the first producer of what is served. */
function taken(): number | undefined {
  const { words, layout } = node.bus.segment;
  return words[seatPlace(layout, 'producer', 0).cursors + ProducerCursor.sourceHead];
}

const told = () => peers.logged.filter(({ message }) => message === 'roll lifts a rate').map(({ fields }) => fields);

describe('a roll of a segment with a producer that has a rate', () => {
  it('takes at once what the producer had flushed when its patience is over, in order and nothing lost', async () => {
    const { consumer, publish } = await limited();
    await node.roll({ lanes_max: 4, patience_ms: 1_000 });
    const seen = received(consumer, count + 1, new MessageBatch(16, 1024));
    await expect.poll(() => generation(node), { timeout: 5_000 }).toBe(2);
    publish(count);
    expect(await seen).toEqual(Array.from({ length: count + 1 }, (_, number) => number));
    expect(told()).toMatchObject([{ segment: 'bus', producer: 0, rate_limit: 1 }]);
    expect(node.bus.counters.totals().drops).toBe(0);
    // Where it goes on, the producer is limited as it was.
    const { words, layout } = node.bus.segment;
    expect(words[layout.producerSeats + Seat.capacityOrRate]).toBe(1);
  }, 20_000);

  it('leaves it its rate until its patience is over', async () => {
    const { pass, looked } = await standing();
    const { consumer } = await limited();
    await node.roll({ lanes_max: 4, patience_ms: 1_000 });
    await expect.poll(() => node.rolling()?.waits).toMatchObject([{ kind: 'producer', state: 'draining' }]);
    await looked();
    pass(999);
    await looked();
    expect(told()).toEqual([]);
    expect(generation(node)).toBe(1);
    expect(taken()).toBeLessThan(count);
    pass(1_000);
    const seen = received(consumer, count, new MessageBatch(16, 1024));
    await expect.poll(told).toHaveLength(1);
    goOn();
    await expect.poll(() => generation(node), { timeout: 4_000 }).toBe(2);
    expect(await seen).toHaveLength(count);
  }, 20_000);

  it('ends also where another router goes on with it', async () => {
    const { consumer } = await limited();
    await node.roll({ lanes_max: 4, patience_ms: 60_000 });
    await expect.poll(() => node.rolling()?.waits).toMatchObject([{ kind: 'producer', state: 'draining' }]);
    await node.close();
    node = await peers.node(config, hasty(peers.host(), 10));
    const seen = received(consumer, count, new MessageBatch(16, 1024));
    await expect.poll(() => generation(node), { timeout: 4_000 }).toBe(2);
    expect(await seen).toHaveLength(count);
    const { words, layout } = node.bus.segment;
    expect(words[layout.producerSeats + Seat.capacityOrRate]).toBe(1);
  }, 20_000);
});

describe('the rate of a producer that is gone and has left messages', () => {
  it('is lifted by its operator', async () => {
    const { consumer, producer } = await limited();
    await producer.close({ drainTimeoutMs: 1 });
    expect(await codeOf(() => node.bus.runner.apply({ do: 'change-producer', seat: 0, rateLimit: 0 }))).toBe('none');
    const seen = await received(consumer, count, new MessageBatch(16, 1024));
    expect(seen.length).toBe(count);
  }, 5_000);
});

describe('the lifting of the rate of a producer that lives', () => {
  it('changes nothing', async () => {
    await standing();
    const { consumer } = await limited();
    const bus = await peers.bus();
    const [other, topic] = [await bus.producer({ name: 'other' }), await bus.topic('t')];
    const seen: number[] = [];
    const batch = new MessageBatch(16, 1024);
    /** Has the router visit all sources: that of another producer is one of them. */
    const visited = async (number: number): Promise<void> => {
      other.publishWords(topic, Int32Array.of(number), 0, 1);
      other.flush();
      while (!seen.includes(number)) seen.push(...(await received(consumer, 1, batch)));
    };
    await visited(count);
    // No time passes, so it may send no more than it has sent.
    const before = taken();
    expect(before).toBeLessThan(count);
    await node.bus.runner.apply({ do: 'lift-rate', seat: 0 });
    for (let number = count + 1; number < count + 10; number += 1) await visited(number);
    expect(taken()).toBe(before);
    await node.bus.runner.apply({ do: 'change-producer', seat: 0, rateLimit: 0 });
    while (seen.length < count + 10) seen.push(...(await received(consumer, 1, batch)));
    expect(seen.filter((it) => it < count)).toEqual(Array.from({ length: count }, (_, number) => number));
  });
});
