import { describe, expect, it } from 'vitest';
import { attach } from '../../../src/engines/indexbus/attachments.ts';
import { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { join } from '../../../src/engines/indexbus/join.ts';
import { Header, LaneCursor, SegmentState } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { Point } from '../../../src/engines/indexbus/points.ts';
import { formerPlace, openSegment, type SegmentPlace } from '../../../src/engines/indexbus/segment.ts';
import { DyingRouter } from './support/dyingRouter.ts';
import { Peers } from './support/peers.ts';
import { smallRouter } from './support/smallRouter.ts';

const config = smallRouter({
  lane_ring: 64,
  lanes_max: 2,
  no_subscriber: 'hold',
  subscriptions: [
    { name: 'work', topics: ['t'], mode: 'workqueue', lane: 'blocking', capacity: 32, detach_after_ms: 'none' },
  ],
});

const messages = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/** Which of a roll's generations is damaged, and how far the roll had come. */
interface Damage {
  readonly of: 'former' | 'next';
  readonly roll: 'has begun' | 'has retired the former one';
}

/** Damages a generation that nobody routes, so that whoever recovers it finds it. */
async function damage(place: SegmentPlace): Promise<void> {
  const segment = await openSegment(place);
  const { words, layout } = segment;
  Atomics.store(words, layout.laneCursors + LaneCursor.tail, layout.sizes.laneRing * 2);
  segment.region.close();
}

/** A roll half done, with ten messages in a lane of the former generation that nobody has read. */
async function halfRolled(peers: Peers, { roll }: Damage) {
  const first = await peers.node(config);
  const { host, bury } = peers.mortal();
  const attachment = await attach(host, { shm: host.shm, name: 'bus' }, 1_000);
  await join(attachment, { kind: 'consumer', name: 'mortal', subscription: 0, attachTimeoutMs: 1_000 });
  const bus = await peers.bus();
  const topic = await bus.topic('t');
  const producer = await bus.producer();
  for (const number of messages) producer.publishWords(topic, Int32Array.of(number), 0, 1);
  producer.flush();
  await expect.poll(() => first.serving?.counters.lane(0).depth).toBe(messages.length);
  // Its slots are not home before somebody has read them.
  await producer.close({ drainTimeoutMs: 20 });
  await bus.close();
  const { words } = first.bus.segment;
  await first.roll({ slots_per_producer: 128 });
  if (roll !== 'has begun') await expect.poll(() => Atomics.load(words, Header.state)).toBe(SegmentState.retired);
  await first.close();
  bury();
}

async function readAll(peers: Peers): Promise<readonly number[]> {
  const bus = await peers.bus({ attachTimeoutMs: 5_000 });
  const consumer = await bus.consumer({ subscription: 'work' });
  const batch = new MessageBatch(16, 1024);
  const seen: number[] = [];
  while (seen.length < messages.length && (await consumer.ready(200))) {
    consumer.receive(batch);
    for (let index = 0; index < batch.length; index += 1) seen.push(batch.words[batch.wordOffset(index)] ?? -1);
  }
  return seen;
}

/** The router that finds the damage dies at a moment, and another one comes; returns what the dead one had come to. */
async function findAndDie(damaged: Damage, diesAt: number): Promise<readonly string[]> {
  const peers = new Peers();
  await halfRolled(peers, damaged);
  const place = { shm: peers.host().shm, name: 'bus' };
  await damage(damaged.of === 'next' ? place : formerPlace(place));
  const second = new DyingRouter(peers, config, diesAt);
  await second.startOrDie();
  expect(second.isDead).toBe(Number.isFinite(diesAt));
  const moments = [...second.moments];
  await second.bury();
  const told = `died before ${moments[diesAt] ?? 'nothing'}`;
  const third = await peers.node(config);
  try {
    expect(third.serving?.segment.generation, told).toBe(damaged.of === 'next' ? 1 : 2);
    expect(await place.shm.stat('bus.former'), told).toBeUndefined();
    expect(Atomics.load(third.bus.segment.words, Header.state), told).toBe(SegmentState.open);
    expect(await readAll(peers), told).toEqual(damaged.of === 'next' ? messages : []);
  } finally {
    await peers.end();
  }
  return moments;
}

describe('a roll of which one generation is found damaged', () => {
  it.each<Damage>([
    { of: 'next', roll: 'has begun' },
    { of: 'next', roll: 'has retired the former one' },
    { of: 'former', roll: 'has begun' },
    { of: 'former', roll: 'has retired the former one' },
  ])(
    'leaves the other one whole, whatever its router was about to do when it died: $of is damaged, the roll $roll',
    async (damaged) => {
      const whole = await findAndDie(damaged, Number.POSITIVE_INFINITY);
      expect(whole).toContain(`point ${Point.retireSegment}`);
      expect(whole).toContain(damaged.of === 'next' ? 'rename bus.former' : 'remove bus.former');
      await Promise.all(whole.map((_, moment) => findAndDie(damaged, moment)));
    },
    40_000,
  );
});

describe('a roll whose next generation can have no router', () => {
  it('has not happened, and the next one does', async () => {
    const peers = new Peers();
    let fails = false;
    const step = (point: number): void => {
      if (!fails || point !== Point.raiseEpoch) return;
      fails = false;
      throw new Error('no thread is to be had');
    };
    const node = await peers.node(config, peers.host({ step }));
    const { shm } = peers.host();
    try {
      fails = true;
      await expect(node.roll({ slots_per_producer: 128 })).rejects.toThrow('no thread is to be had');
      const named = await openSegment({ shm, name: 'bus' });
      expect([named.generation, Atomics.load(named.words, Header.state)]).toEqual([1, SegmentState.open]);
      expect(await shm.stat('bus.former')).toBeUndefined();
      await (await peers.bus()).consumer({ subscription: 'work' });
      await node.roll({ slots_per_producer: 128 });
      await expect.poll(() => node.serving?.segment.generation, { timeout: 5_000 }).toBe(2);
    } finally {
      await peers.end();
      await node.close();
    }
  });
});

describe('a router of the next generation that ends while a roll lasts', () => {
  it('ends the node at once: the next one finds both generations, and nobody has lost anything', async () => {
    const peers = new Peers();
    const host = peers.host();
    let ends = false;
    let made = 0;
    const open: typeof host.shm.open = async (name, bytes, options) => {
      const region = await host.shm.open(name, bytes, options);
      if (options.mode === 'create-new') made += 1;
      const step = (): void => {
        if (ends) throw new Error('a defect of the next router');
      };
      return name === 'bus.building' && made === 2 ? { ...region, step } : region;
    };
    const node = new BusNode({ ...host, shm: { ...host.shm, open } }, config, {});
    const stopped = node.stopped.then(
      () => 'closed',
      (error: unknown) => String(error),
    );
    await node.start();
    const bus = await peers.bus({ attachTimeoutMs: 5_000 });
    const consumer = await bus.consumer({ subscription: 'work' });
    const producer = await bus.producer();
    const topic = await bus.topic('t');
    const publish = (number: number): void => {
      producer.publishWords(topic, Int32Array.of(number), 0, 1);
      producer.flush();
    };
    publish(0);
    const batch = new MessageBatch(1, 1024);
    const read = async (): Promise<number> => {
      while (consumer.receive(batch) === 0) await consumer.ready(1_000);
      return batch.words[batch.wordOffset(0)] ?? -1;
    };
    expect(await read()).toBe(0);
    await node.roll({ slots_per_producer: 128 });
    // For as long as somebody works on what it has received.
    await expect.poll(() => node.rolling()?.waits_for).toBe('consumers');
    publish(1);
    ends = true;
    // Somebody comes: the router looks.
    const coming = peers.bus({ attachTimeoutMs: 5_000 }).then((other) => other.producer());
    expect(await stopped).toContain('a defect of the next router');
    await node.close();
    await peers.node(config);
    try {
      await coming;
      consumer.ack();
      expect(await read()).toBe(1);
    } finally {
      await peers.end();
    }
  });
});
