import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FencedError } from '../../../src/engines/indexbus/errors.ts';
import type { Publisher } from '../../../src/engines/indexbus/producer.ts';
import type { SeatStateName } from '../../../src/engines/indexbus/seat.ts';
import { seatPlace } from '../../../src/engines/indexbus/seatPlaces.ts';
import type { Segment } from '../../../src/engines/indexbus/segment.ts';
import { buildSuccessor } from '../../../src/engines/indexbus/successor.ts';
import { TestBus, type TestProducer } from './support/bus.ts';
import { codeOf, Peers, peerSizes, subscription } from './support/peers.ts';
import { seatStateOf } from './support/seats.ts';

function fence(bus: TestBus, { seat }: TestProducer): void {
  bus.router.apply({ do: 'fence-producer', seat });
  bus.settle();
}

function stateOf(bus: TestBus, { seat }: TestProducer): SeatStateName | undefined {
  return bus.stateOf(seatPlace(bus.segment.layout, 'producer', seat));
}

/** A producer that has reserved a slot. */
function reserving() {
  const bus = new TestBus();
  bus.subscribe('all');
  const topic = bus.topic('t');
  const producer = bus.producer();
  producer.publisher.reserve(8);
  return { bus, topic, producer };
}

/** What a call throws. */
function thrown(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('a fence while a slot is reserved', () => {
  it('that the end of a turn meets does not give the slot away under who writes into it', () => {
    const bus = new TestBus();
    bus.subscribe('all');
    const topic = bus.topic('t');
    const consumer = bus.consumer('all');
    let endTurn = (): void => {};
    const first = bus.producer({
      atEndOfTurn: (flush) => {
        endTurn = flush;
      },
    });
    first.publish(topic, 1);
    const word = first.publisher.reserve(16);
    fence(bus, first);
    endTurn();
    bus.settle();
    expect(stateOf(bus, first)).toBe('fenced');
    const second = bus.producer();
    expect(second.seat).not.toBe(first.seat);
    second.publish(topic, 5);
    second.publish(topic, 6);
    second.flush();
    bus.settle();
    // Nobody has told the first one anything.
    first.publisher.words.fill(999, word, word + 4);
    expect(consumer.receive().map((it) => it.number)).toEqual([5, 6]);
    const told = thrown(() => first.publisher.commit(topic, 16));
    expect(told).toBeInstanceOf(FencedError);
    expect(told).toMatchObject({ code: 'IB_FENCED', maybeRouted: true });
    expect(first.publisher.isReserved).toBe(false);
    expect(stateOf(bus, first)).toBe('acked');
    bus.settle();
    expect(stateOf(bus, first)).toBe('free');
    // It stays fenced, and what is over is over once.
    expect(thrown(() => first.publisher.commit(topic, 16))).toMatchObject({ code: 'IB_FENCED', maybeRouted: false });
    expect(stateOf(bus, first)).toBe('free');
  });

  it('that another call was told of keeps the seat until the commit', () => {
    const { bus, topic, producer } = reserving();
    fence(bus, producer);
    producer.publish(topic, 1);
    expect(thrown(() => producer.flush())).toMatchObject({ code: 'IB_FENCED', maybeRouted: true });
    expect(thrown(() => producer.publish(topic, 2))).toMatchObject({ code: 'IB_FENCED' });
    expect(thrown(() => producer.publisher.reserve(4))).toMatchObject({ code: 'IB_FENCED' });
    expect([stateOf(bus, producer), producer.publisher.isReserved]).toEqual(['fenced', true]);
    // Whatever it says of the message: nothing is published any more.
    expect(thrown(() => producer.publisher.commit(topic, 4000))).toMatchObject({ code: 'IB_FENCED' });
    expect([stateOf(bus, producer), producer.publisher.isReserved]).toEqual(['acked', false]);
  });

  it('that only the commit meets is told there, and the seat is given back at once', () => {
    const bus = new TestBus();
    bus.subscribe('all');
    const topic = bus.topic('t');
    const producer = bus.producer({ flushEvery: 1 });
    producer.publisher.reserve(8);
    fence(bus, producer);
    expect(thrown(() => producer.publisher.commit(topic, 8))).toMatchObject({ code: 'IB_FENCED', maybeRouted: true });
    expect([stateOf(bus, producer), producer.publisher.isReserved]).toEqual(['acked', false]);
  });

  for (const known of [true, false]) {
    it(`is acknowledged by the end of the producer (${known ? 'known before' : 'met then'})`, () => {
      const bus = new TestBus();
      bus.subscribe('all');
      const topic = bus.topic('t');
      const producer = bus.producer();
      producer.publish(topic, 1);
      producer.publisher.reserve(8);
      fence(bus, producer);
      if (known) producer.publisher.flushQuietly();
      expect(stateOf(bus, producer)).toBe('fenced');
      producer.publisher.close();
      expect([stateOf(bus, producer), producer.publisher.isReserved]).toEqual(['acked', false]);
    });
  }

  it('that a commit to a topic of the next generation meets is told there, and the seat is given back at once', () => {
    const { bus, topic, producer } = reserving();
    expect(thrown(() => producer.publisher.commit(topic + 1, 8))).toMatchObject({ code: 'IB_UNKNOWN_TOPIC' });
    expect(producer.publisher.isReserved).toBe(true);
    fence(bus, producer);
    expect(thrown(() => producer.publisher.commit(topic + 1, 8))).toMatchObject({ code: 'IB_FENCED' });
    expect([stateOf(bus, producer), producer.publisher.isReserved]).toEqual(['acked', false]);
  });

  it('is acknowledged at once where none is', () => {
    const { bus, topic, producer } = reserving();
    producer.publisher.commit(topic, 8);
    fence(bus, producer);
    producer.publisher.flushQuietly();
    expect(stateOf(bus, producer)).toBe('acked');
  });
});

describe('a fence of a producer that publishes nothing but what its generation has no place for', () => {
  const tooLong = new Uint8Array(200);
  const short = new Uint8Array(4);
  const calls: Record<string, (publisher: Publisher, topic: number) => unknown> = {
    'bytes to a topic that came since': (publisher, topic) => publisher.publish(topic + 1, short),
    'words to a topic that came since': (publisher, topic) => publisher.publishWords(topic + 1, Int32Array.of(1), 0, 1),
    'bytes for larger slots': (publisher, topic) => publisher.publish(topic, tooLong),
    'words for larger slots': (publisher, topic) => publisher.publishWords(topic, new Int32Array(50), 0, 50),
    'a reservation in larger slots': (publisher) => publisher.reserve(tooLong.byteLength),
  };
  for (const [what, call] of Object.entries(calls)) {
    for (const unflushed of [0, 1]) {
      it(`is told and acknowledged (${what}, ${unflushed} messages not flushed)`, () => {
        const bus = new TestBus();
        bus.subscribe('all');
        const topic = bus.topic('t');
        const producer = bus.producer();
        for (let number = 0; number < unflushed; number += 1) producer.publish(topic, number);
        const refusal = { code: expect.stringMatching(/^IB_(UNKNOWN_TOPIC|TOO_LARGE)$/) };
        expect(thrown(() => call(producer.publisher, topic))).toMatchObject(refusal);
        fence(bus, producer);
        const told = { code: 'IB_FENCED', maybeRouted: unflushed > 0 };
        expect(thrown(() => call(producer.publisher, topic))).toMatchObject(told);
        expect(stateOf(bus, producer)).toBe('acked');
      });
    }
  }

  it('leaves the slot to who writes into it', () => {
    const { bus, topic, producer } = reserving();
    fence(bus, producer);
    expect(thrown(() => producer.publisher.publish(topic + 1, short))).toMatchObject({ code: 'IB_FENCED' });
    expect([stateOf(bus, producer), producer.publisher.isReserved]).toEqual(['fenced', true]);
  });
});

describe('a roll that waits for a reserved slot', () => {
  let peers: Peers;
  beforeEach(() => {
    peers = new Peers();
  });
  afterEach(() => peers.end());

  it('ends with a fence: no seat is kept in the next generation, and the holder is told', async () => {
    const { segment: old, runner } = await peers.router('bus', { subscriptions: [subscription('all')] });
    const bus = await peers.bus();
    const topic = await bus.topic('t');
    const producer = await bus.producer();
    const word = producer.reserve(8);
    const host = peers.host();
    const next = await buildSuccessor({ shm: host.shm, name: 'bus' }, old, peerSizes);
    peers.serve(next, host);
    await runner.apply({ do: 'roll', sizes: peerSizes });
    const state = (segment: Segment): SeatStateName | undefined => seatStateOf(segment, 'producer', 0);
    await expect.poll(() => state(next), { timeout: 2000 }).toBe('live');
    expect(state(old)).toBe('live');
    await runner.apply({ do: 'fence-producer', seat: 0 });
    await expect.poll(() => state(next), { timeout: 2000 }).toBe('free');
    // Longer than the bus waits between two looks at a roll: it does not try again.
    await host.clock.sleep(250);
    expect([state(next), state(old)]).toEqual(['free', 'fenced']);
    producer.words[word] = 1;
    producer.commit(topic, 8);
    expect(await codeOf(() => producer.flush())).toBe('IB_FENCED');
    await expect.poll(() => state(old)).toBe('free');
    expect(await codeOf(() => producer.publishWords(topic, Int32Array.of(1), 0, 1))).toBe('IB_FENCED');
  });
});
