import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Consumer } from '../../../src/engines/indexbus/busConsumer.ts';
import type { Producer } from '../../../src/engines/indexbus/busProducer.ts';
import { sayDeclared } from '../../../src/engines/indexbus/declare.ts';
import { FencedError } from '../../../src/engines/indexbus/errors.ts';
import { Header, Lock, layoutVersion, ProducerCursor } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { Point } from '../../../src/engines/indexbus/points.ts';
import type { RouterRunner } from '../../../src/engines/indexbus/routerRunner.ts';
import { seatPlace } from '../../../src/engines/indexbus/seatPlaces.ts';
import { createSegment, openSegment, type Segment } from '../../../src/engines/indexbus/segment.ts';
import { SharedMemoryError } from '../../../src/host/sharedMemory.ts';
import { bytesOf, codeOf, Peers, peerSizes, subscription } from './support/peers.ts';

let peers: Peers;
beforeEach(() => {
  peers = new Peers();
});
afterEach(() => peers.end());

interface Pair {
  readonly segment: Segment;
  readonly runner: RouterRunner;
  readonly producer: Producer;
  readonly consumer: Consumer;
  readonly topic: number;
}

async function pair(change: Parameters<typeof subscription>[1] = {}): Promise<Pair> {
  const { segment, runner } = await peers.router('bus', { subscriptions: [subscription('all', change)] });
  const bus = await peers.bus();
  const topic = await bus.topic('t');
  return {
    segment,
    runner,
    topic,
    producer: await bus.producer(),
    consumer: await bus.consumer({ subscription: 'all' }),
  };
}

function producerWord(segment: Segment, field: number): number {
  return Atomics.load(segment.words, seatPlace(segment.layout, 'producer', 0).cursors + field);
}

describe('a publish', () => {
  it('that is too long is refused and nothing is published; one of no bytes is legal', async () => {
    const { producer, topic, segment } = await pair();
    const most = peerSizes.slotBytes - 16;
    const before = producerWord(segment, ProducerCursor.sourceTail);
    expect(await codeOf(() => producer.publish(topic, new Uint8Array(most + 1)))).toBe('IB_TOO_LARGE');
    expect(await codeOf(() => producer.publishWords(topic, new Int32Array(64), 0, most / 4 + 1))).toBe('IB_TOO_LARGE');
    expect(await codeOf(() => producer.publishWords(topic, new Int32Array(64), 0, -1))).toBe('IB_TOO_LARGE');
    expect(await codeOf(() => producer.reserve(0.5))).toBe('IB_TOO_LARGE');
    producer.flush();
    expect(producerWord(segment, ProducerCursor.sourceTail)).toBe(before);
    expect(producer.publish(topic, new Uint8Array(most))).toBe(true);
    expect(producer.publish(topic, new Uint8Array(0))).toBe(true);
    producer.flush();
    expect(producerWord(segment, ProducerCursor.sourceTail)).toBe(before + 2);
  });

  it('of words that are not there is refused and nothing is published; the last words are', async () => {
    const { producer, topic, segment } = await pair();
    const words = Int32Array.of(7, 8, 9, 10);
    const before = producerWord(segment, ProducerCursor.sourceTail);
    const wrong = [
      [-3, 2],
      [100, 2],
      [3, 2],
      [0, 5],
      [0, 1.5],
      [0.5, 2],
      [Number.NaN, 1],
      [2 ** 32, 0],
    ] as const;
    for (const [from, count] of wrong) {
      const refused = await codeOf(() => producer.publishWords(topic, words, from, count));
      expect([from, count, refused]).toEqual([from, count, 'IB_BAD_CONFIG']);
    }
    producer.flush();
    expect(producerWord(segment, ProducerCursor.sourceTail)).toBe(before);
    expect(producer.publishWords(topic, words, 2, 2)).toBe(true);
    expect(producer.publishWords(topic, words, 4, 0)).toBe(true);
    producer.flush();
    expect(producerWord(segment, ProducerCursor.sourceTail)).toBe(before + 2);
  });

  it('without credit is false, counted, and the credit comes back', async () => {
    const { producer, consumer, topic, segment } = await pair({ lane: 'blocking' });
    let accepted = 0;
    while (producer.publish(topic, bytesOf('x'))) accepted += 1;
    expect(accepted).toBe(peerSizes.slots);
    expect(producer.credit).toBe(0);
    expect(producerWord(segment, ProducerCursor.refused)).toBe(1);
    expect(await producer.ready(30)).toBe(false);
    expect(producerWord(segment, ProducerCursor.creditWaits)).toBe(1);
    const batch = new MessageBatch(32, 1024);
    expect(await consumer.ready(1000)).toBe(true);
    expect(consumer.receive(batch)).toBeGreaterThan(0);
    expect(await producer.ready(1000)).toBe(true);
    expect(producer.publish(topic, bytesOf('x'))).toBe(true);
  });

  it('has no more under way than its own limit, and what it has published is flushed before it is refused', async () => {
    const { segment, runner } = await peers.router('bus', {
      subscriptions: [subscription('all', { lane: 'blocking' })],
    });
    const bus = await peers.bus();
    const topic = await bus.topic('t');
    const producer = await bus.producer({ creditLimit: 3 });
    await bus.consumer({ subscription: 'all' });
    expect([1, 2, 3, 4].map(() => producer.publish(topic, bytesOf('x')))).toEqual([true, true, true, false]);
    expect(producerWord(segment, ProducerCursor.sourceTail)).toBe(3);
    await runner.apply({ do: 'change-producer', seat: 0, creditLimit: 2 });
    expect(producer.credit).toBe(0);
  });

  it('to a number that is no topic is refused before anything is written', async () => {
    const { producer, topic } = await pair();
    for (const wrong of [topic + 1, -1, 0.5, 70_000, Number.NaN]) {
      expect(await codeOf(() => producer.publish(wrong, bytesOf('x')))).toBe('IB_UNKNOWN_TOPIC');
    }
    expect(producer.publish(topic, bytesOf('x'))).toBe(true);
  });

  it('without a key has key 0', async () => {
    const { producer, consumer, topic } = await pair();
    producer.publish(topic, bytesOf('x'));
    producer.publish(topic, bytesOf('x'), 0);
    producer.publish(topic, bytesOf('x'), 77);
    await consumer.ready(1000);
    const batch = new MessageBatch(4, 1024);
    expect(consumer.receive(batch)).toBe(3);
    expect(batch.key(0)).toBe(batch.key(1));
    expect(batch.key(2)).not.toBe(batch.key(0));
  });
});

describe('a reservation', () => {
  it('is one at a time, holds its slot, and is committed up to its length', async () => {
    const { producer, consumer, topic } = await pair();
    const word = producer.reserve(8);
    producer.words[word] = 11;
    expect(await codeOf(() => producer.reserve(4))).toBe('IB_RESERVED');
    // Another message goes between, into a slot of its own.
    producer.publishWords(topic, Int32Array.of(22), 0, 1);
    expect(await codeOf(() => producer.commit(topic, 9))).toBe('IB_TOO_LARGE');
    producer.commit(topic, 4);
    expect(await codeOf(() => producer.commit(topic, 4))).toBe('IB_RESERVED');
    await consumer.ready(1000);
    const batch = new MessageBatch(4, 1024);
    expect(consumer.receive(batch)).toBe(2);
    expect([0, 1].map((it) => batch.words[batch.wordOffset(it)])).toEqual([22, 11]);
  });

  it('without credit is -1', async () => {
    const { producer, topic } = await pair({ lane: 'blocking' });
    while (producer.publish(topic, bytesOf('x')));
    expect(producer.reserve(4)).toBe(-1);
  });
});

describe('a batch', () => {
  it('with less room than one message is refused; the message stays, and a larger batch gets it', async () => {
    const { producer, consumer, topic } = await pair();
    producer.publish(topic, bytesOf('twelve bytes'));
    await consumer.ready(1000);
    expect(await codeOf(() => consumer.receive(new MessageBatch(4, 8)))).toBe('IB_BATCH_TOO_SMALL');
    expect(consumer.receive(new MessageBatch(4, 12))).toBe(1);
  });

  it('takes as many as it has room for', async () => {
    const { producer, consumer, topic } = await pair();
    for (let index = 0; index < 5; index += 1) producer.publishWords(topic, Int32Array.of(index, index), 0, 2);
    await consumer.ready(1000);
    const batch = new MessageBatch(16, 24);
    const taken: number[] = [];
    while (consumer.receive(batch) > 0) taken.push(batch.length);
    expect(taken).toEqual([3, 2]);
  });
});

describe('a topic', () => {
  it('is made by its name, once for all', async () => {
    const { runner } = await peers.router();
    const bus = await peers.bus();
    const other = await peers.bus();
    const [one, two] = await Promise.all([bus.topic('a'), bus.topic('b')]);
    expect(one).not.toBe(two);
    expect(await other.topic('a')).toBe(one);
    await runner.apply({ do: 'create-topic', name: 'c' });
    expect(await other.topic('c')).not.toBe(two);
  });

  it('that is not there is refused where the router makes none', async () => {
    await peers.router('bus', { router: { autoCreate: false } });
    const bus = await peers.bus();
    expect(await codeOf(() => bus.topic('new'))).toBe('IB_UNKNOWN_TOPIC');
  });

  it('beyond the segment’s room is refused', async () => {
    await peers.router();
    const bus = await peers.bus();
    for (let index = 0; index < peerSizes.topics; index += 1) await bus.topic(`t${index}`);
    expect(await codeOf(() => bus.topic('more'))).toBe('IB_TOPICS_FULL');
  });

  it('has a name of 64 bytes at most, without blanks', async () => {
    await peers.router();
    const bus = await peers.bus();
    expect(await bus.topic('x'.repeat(64))).toBe(0);
    for (const name of ['', 'x'.repeat(65), 'with blank', 'a..b', 'ä']) {
      expect(await codeOf(() => bus.topic(name))).toBe('IB_BAD_CONFIG');
    }
  });
});

describe('a seat', () => {
  it('beyond the last is refused, and the holders are named with what is known of them', async () => {
    await peers.router();
    const bus = await peers.bus();
    for (let index = 0; index < peerSizes.producers; index += 1) await bus.producer({ name: `p${index}` });
    await expect(bus.producer()).rejects.toMatchObject({
      code: 'IB_NO_SEAT',
      got: expect.stringMatching(/^0 p0 pid \d+ live, alive; 1 p1 .*; 3 p3 pid \d+ live, alive$/),
    });
  });

  it('whose claim is lost is left with its lock free', async () => {
    const { segment } = await peers.router();
    const at = segment.layout.producerSeats;
    let times = 0;
    const step = (point: number): void => {
      // Somebody else changes the seat between the look and the claim.
      if (point === Point.claimSeat && times++ === 0) Atomics.add(segment.words, at, 16);
    };
    const bus = await peers.bus({ step });
    await bus.producer({ name: 'second' });
    const names = () => bus.inspect().producers.map(({ seat, name }) => `${seat} ${name}`);
    expect(names()).toEqual(['1 second']);
    const other = await peers.bus();
    await other.producer({ name: 'first' });
    expect(names()).toEqual(['0 first', '1 second']);
  });

  it('is waited for while its holder is going', async () => {
    await peers.router();
    const bus = await peers.bus();
    const held = await Promise.all(Array.from({ length: peerSizes.producers }, () => bus.producer()));
    const more = Promise.all([held[1]?.close(), bus.producer({ name: 'next' })]);
    await expect(more).resolves.toBeDefined();
  });

  it('that is fenced is nobody’s until its holder knows', async () => {
    const { runner } = await peers.router();
    const bus = await peers.bus();
    const held = [];
    for (let index = 0; index < peerSizes.producers; index += 1) held.push(await bus.producer());
    for (let seat = 0; seat < peerSizes.producers; seat += 1) await runner.apply({ do: 'fence-producer', seat });
    await expect(bus.producer()).rejects.toMatchObject({
      code: 'IB_NO_SEAT',
      got: expect.stringMatching(/fenced, alive; .*fenced, alive/),
    });
    const topic = await bus.topic('t').catch(() => -1);
    expect(topic).toBe(-1);
    await runner.apply({ do: 'create-topic', name: 't' });
    for (const producer of held) {
      producer.publish(0, bytesOf('x'));
      expect(await codeOf(() => producer.flush())).toBe('IB_FENCED');
    }
    expect(await bus.producer()).toBeDefined();
  });

  it('of a lane that leaves others too little of the pools is refused with the share', async () => {
    await peers.router('bus', { sizes: { slots: 64 }, subscriptions: [subscription('all')] });
    const bus = await peers.bus();
    await bus.consumer({ subscription: 'all' });
    await bus.consumer({ subscription: 'all' });
    await expect(bus.consumer({ subscription: 'all' })).rejects.toMatchObject({
      code: 'IB_NO_SEAT',
      message: expect.stringContaining('pool share 10, at least 16'),
    });
  });
});

describe('after a close', () => {
  it('every call of the bus, the producer and the consumer says so', async () => {
    const { producer, consumer, topic } = await pair();
    const bus = await peers.bus();
    await producer.close();
    await consumer.close();
    await bus.close();
    expect(await codeOf(() => producer.publish(topic, bytesOf('x')))).toBe('IB_CLOSED');
    expect(await codeOf(() => producer.reserve(4))).toBe('IB_CLOSED');
    expect(await codeOf(() => producer.flush())).toBe('IB_CLOSED');
    expect(await codeOf(() => consumer.reattach())).toBe('IB_CLOSED');
    expect(await codeOf(() => consumer.ack())).toBe('IB_CLOSED');
    expect(await codeOf(() => consumer.receive(new MessageBatch(4, 64)))).toBe('IB_CLOSED');
    expect(await codeOf(() => bus.topic('x'))).toBe('IB_CLOSED');
    expect(await codeOf(() => bus.producer())).toBe('IB_CLOSED');
    expect(await codeOf(() => bus.consumer({ subscription: 'all' }))).toBe('IB_CLOSED');
    // Once more is no error.
    await producer.close();
    await consumer.close();
    await bus.close();
  });

  it('an iteration ends', async () => {
    const { producer, consumer, topic } = await pair();
    const seen: number[] = [];
    const reading = (async () => {
      for await (const batch of consumer) {
        for (let index = 0; index < batch.length; index += 1) seen.push(batch.sequence(index));
      }
    })();
    producer.publish(topic, bytesOf('x'));
    producer.publish(topic, bytesOf('y'));
    await producer.close();
    await expect.poll(() => seen).toEqual([0, 1]);
    await consumer.close();
    await reading;
  });
});

describe('a fence', () => {
  it('is told to a producer with the batch in flight, then without', async () => {
    const { producer, topic, runner, segment } = await pair();
    await runner.apply({ do: 'fence-producer', seat: 0 });
    producer.publish(topic, bytesOf('x'));
    expect(fenceOf(() => producer.flush()).maybeRouted).toBe(true);
    expect(fenceOf(() => producer.publish(topic, bytesOf('x'))).maybeRouted).toBe(false);
    await expect.poll(() => Atomics.load(segment.words, segment.layout.producerSeats) & 15).toBe(0);
  });

  it('that the end of a turn meets is told by the next call', async () => {
    const { producer, topic, runner } = await pair();
    await runner.apply({ do: 'fence-producer', seat: 0 });
    producer.publish(topic, bytesOf('x'));
    await Promise.resolve();
    expect(fenceOf(() => producer.publish(topic, bytesOf('x'))).maybeRouted).toBe(true);
    expect(fenceOf(() => producer.publish(topic, bytesOf('x'))).maybeRouted).toBe(false);
  });

  it('is told to a consumer, which reattaches at the live position and learns what it missed', async () => {
    const { producer, consumer, topic, runner } = await pair();
    const epoch = consumer.epoch;
    for (let index = 0; index < 3; index += 1) producer.publish(topic, bytesOf('x'));
    await consumer.ready(1000);
    await runner.apply({ do: 'detach-lane', lane: 0, reason: 'operator' });
    const batch = new MessageBatch(8, 1024);
    expect(fenceOf(() => consumer.receive(batch)).code).toBe('IB_FENCED');
    expect(await codeOf(() => consumer.receive(batch))).toBe('IB_FENCED');
    expect(await consumer.reattach()).toEqual({ missed: 3 });
    expect(await consumer.reattach()).toEqual({ missed: 0 });
    expect(consumer.epoch).toBeGreaterThanOrEqual(epoch);
    producer.publish(topic, bytesOf('y'));
    await consumer.ready(1000);
    expect(consumer.receive(batch)).toBe(1);
    expect(batch.sequence(0)).toBe(3);
  });
});

describe('without a router', () => {
  it('a seat is not given after the time-out, and is free again', async () => {
    const host = peers.host();
    const segment = await createSegment({ shm: host.shm, name: 'bus' }, peerSizes, 1);
    const bus = await peers.bus({ attachTimeoutMs: 20 });
    expect(await codeOf(() => bus.producer())).toBe('IB_NO_ROUTER');
    expect(Atomics.load(segment.words, segment.layout.producerSeats) & 15).toBe(0);
    // The lock is free too: another participant gets the seat as soon as there is a router.
    peers.serve(segment, host);
    const other = await peers.bus();
    expect(await other.producer()).toBeDefined();
  });

  it('publishing goes on until credit ends', async () => {
    const { producer, consumer, topic, runner, segment } = await pair();
    await runner.stop();
    let accepted = 0;
    while (producer.publish(topic, bytesOf('x'))) accepted += 1;
    expect(accepted).toBe(peerSizes.slots);
    await producer.close({ drainTimeoutMs: 0 });
    // A router that comes later takes what was flushed, and the seat back.
    peers.serve(segment, peers.host());
    const batch = new MessageBatch(64, 4096);
    await expect
      .poll(() => consumer.receive(batch) + (Atomics.load(segment.words, segment.layout.producerSeats) & 15))
      .toBe(0);
    expect(producerWord(segment, ProducerCursor.sourceHead)).toBe(accepted);
  });

  it('a segment that is not there is waited for, then told', async () => {
    expect(await codeOf(() => peers.bus({ attachTimeoutMs: 20 }))).toBe('IB_NO_SEGMENT');
    const late = peers.bus({ attachTimeoutMs: 2000 });
    await peers.router();
    expect(await late).toBeDefined();
  });
});

describe('memory that is no segment', () => {
  async function damaged(change: (segment: Segment) => void): Promise<string> {
    const { shm } = peers.host();
    const segment = await createSegment({ shm, name: 'bus' }, peerSizes, 1);
    change(segment);
    const before = segment.bytes.slice();
    const code = await codeOf(() => openSegment({ shm: peers.host().shm, name: 'bus' }));
    expect(Buffer.compare(segment.bytes, before)).toBe(0);
    return code;
  }

  it('is refused with a code of its own and left as it is', async () => {
    expect(await damaged(({ words }) => words.fill(7, 0, 1))).toBe('IB_FOREIGN');
    for (const version of [layoutVersion - 1, layoutVersion + 1]) {
      expect(await damaged(({ words }) => words.fill(version, Header.version, Header.version + 1))).toBe('IB_VERSION');
    }
    expect(await damaged(({ words }) => words.fill(9, Header.lanes, Header.lanes + 1))).toBe('IB_CORRUPT');
  });

  it('that is shorter than it says is refused', async () => {
    const { shm } = peers.host();
    await createSegment({ shm, name: 'bus' }, peerSizes, 1);
    const whole = peers.memory.regions.get('bus');
    if (whole === undefined) throw new Error('there is no segment');
    for (const bytes of [8192, 100]) {
      const short = new SharedArrayBuffer(bytes);
      new Uint8Array(short).set(new Uint8Array(whole, 0, bytes));
      peers.memory.regions.set('bus', short);
      expect(await codeOf(() => openSegment({ shm, name: 'bus' }))).toBe('IB_TRUNCATED');
    }
  });

  it('of an earlier boot is nobody’s: a bus waits for the next', async () => {
    const { segment } = await peers.router();
    segment.words[Header.bootId] = (segment.words[Header.bootId] ?? 0) ^ 1;
    // The checksum covers the boot as well, so a damaged one is not taken for an old one.
    expect(await codeOf(() => peers.bus({ attachTimeoutMs: 20 }))).toBe('IB_CORRUPT');
  });

  it('that cannot be had is told with the bus’s own codes', async () => {
    const { shm } = peers.host();
    const failures = { ENOSPC: 'IB_NO_SPACE', EACCES: 'IB_NOT_PERMITTED', ENOTMEMORY: 'IB_NOT_MEMORY' } as const;
    for (const [failure, code] of Object.entries(failures)) {
      const open = () =>
        Promise.reject(
          new SharedMemoryError(failure as keyof typeof failures, 'open', 'bus', 'need 8 MiB, room for 4'),
        );
      await expect(createSegment({ shm: { ...shm, open }, name: 'bus' }, peerSizes, 1)).rejects.toMatchObject({
        code,
        message: expect.stringContaining('need 8 MiB, room for 4'),
      });
    }
  });
});

describe('options', () => {
  it('that make no sense are refused', async () => {
    const { segment } = await peers.router('bus', { subscriptions: [subscription('all')] });
    segment.region.lock(Lock.router);
    sayDeclared(segment);
    const bus = await peers.bus();
    expect(await codeOf(() => bus.producer({ flushEvery: 0 }))).toBe('IB_BAD_CONFIG');
    expect(await codeOf(() => bus.producer({ creditLimit: -1 }))).toBe('IB_BAD_CONFIG');
    expect(await codeOf(() => bus.consumer({ subscription: 'all', batch: 0 }))).toBe('IB_BAD_CONFIG');
    expect(await codeOf(() => bus.consumer({ subscription: 'none' }))).toBe('IB_UNKNOWN_TOPIC');
    expect(await codeOf(() => bus.consumer({ subscription: 'none', declare: subscription('other') }))).toBe(
      'IB_BAD_CONFIG',
    );
  });

  it('declare a subscription where there is none', async () => {
    await peers.router();
    const bus = await peers.bus();
    const topics = Array.from({ length: 9 }, (_, index) => `a-long-name-of-a-topic-with-number-${index}.>`);
    const consumer = await bus.consumer({
      subscription: 'mine',
      declare: subscription('mine', { topics, capacity: 5 }),
    });
    const producer = await bus.producer();
    producer.publish(await bus.topic('a-long-name-of-a-topic-with-number-8.x'), bytesOf('x'));
    expect(await consumer.ready(1000)).toBe(true);
    expect(consumer.receive(new MessageBatch(4, 64))).toBe(1);
  });

  const mine = subscription('mine', { mode: 'workqueue' });
  it.each([
    ['with no limits', mine],
    ['with limits', { ...mine, creditLimit: 8, detachAfterMs: 1_000 }],
    ['in another order', Object.fromEntries(Object.entries(mine).reverse()) as unknown as typeof mine],
  ])('declare the same subscription at the same time (%s)', async (_, declare) => {
    await peers.router();
    const buses = [await peers.bus(), await peers.bus(), await peers.bus()];
    const joins = buses.map((bus) => codeOf(() => bus.consumer({ subscription: 'mine', declare })));
    expect(await Promise.all(joins)).toEqual(['none', 'none', 'none']);
  });
});

function fenceOf(run: () => unknown): FencedError {
  try {
    run();
  } catch (error) {
    if (error instanceof FencedError) return error;
    throw error;
  }
  throw new Error('expected IB_FENCED');
}
