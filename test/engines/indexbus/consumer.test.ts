import { describe, expect, it } from 'vitest';
import { Receiver } from '../../../src/engines/indexbus/consumer.ts';
import { frozen } from '../../../src/engines/indexbus/cursor.ts';
import { BusError } from '../../../src/engines/indexbus/errors.ts';
import { Header, LaneCursor } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { Point } from '../../../src/engines/indexbus/points.ts';
import { seatPlace } from '../../../src/engines/indexbus/seatPlaces.ts';
import { TestBus, type TestBusOptions, type TestConsumer, type TestProducer } from './support/bus.ts';

interface Run {
  readonly bus: TestBus;
  readonly topic: number;
  readonly producer: TestProducer;
  readonly consumer: TestConsumer;
  /** Publishes these numbers and routes them. */
  send(...numbers: readonly number[]): void;
  /** Runs once, at the next visit of a step. */
  at(point: number, run: () => void): void;
}

function run(change: Parameters<TestBus['subscribe']>[1] = {}, options: TestBusOptions = {}): Run {
  const bus = new TestBus(options);
  const topic = bus.topic('t');
  bus.subscribe('all', { drop: 'oldest', capacity: 4, ...change });
  const consumer = bus.consumer('all');
  const producer = bus.producer();
  return {
    bus,
    topic,
    producer,
    consumer,
    send(...numbers) {
      for (const number of numbers) {
        expect(producer.publish(topic, number)).toBe(true);
        producer.flush();
        bus.settle();
      }
    },
    at(point, then) {
      bus.step = (visited) => {
        if (visited !== point) return;
        bus.step = () => {};
        then();
      };
    },
  };
}

/** What one receive gives: up to the tail that was seen last. */
function numbersOf(consumer: TestConsumer, most?: number): number[] {
  return consumer.receive(most).map((it) => it.number);
}

/** What several give, until nothing is left. */
function allOf(consumer: TestConsumer): number[] {
  const all: number[] = [];
  for (let more = numbersOf(consumer); more.length > 0; more = numbersOf(consumer)) all.push(...more);
  return all;
}

function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof BusError) return error.code;
    throw error;
  }
  return 'none';
}

describe('a receive by copy', () => {
  it('wakes a router that sleeps once, with its claim', () => {
    const { bus, consumer, send } = run();
    send(1, 2);
    const wakes = (): number => bus.woken.filter((word) => word === Header.routerWake).length;
    Atomics.store(bus.segment.words, Header.routerSleeping, 1);
    const before = wakes();
    expect(consumer.receive()).toHaveLength(2);
    expect(wakes() - before).toBe(1);
    consumer.ack();
    expect(wakes() - before).toBe(1);
  });

  it('throws away what an eviction has taken back, and goes on behind it', () => {
    const { consumer, send, at } = run();
    send(1, 2, 3, 4);
    at(Point.claimHead, () => send(5, 6));
    expect(allOf(consumer)).toEqual([3, 4, 5, 6]);
  });

  it('gives up after eight lost claims', () => {
    const { bus, consumer, send } = run();
    send(1, 2, 3, 4);
    let next = 5;
    let nested = false;
    bus.step = (point) => {
      if (point !== Point.claimHead || nested) return;
      nested = true;
      send(next++);
      nested = false;
    };
    expect(numbersOf(consumer)).toEqual([]);
    expect(next).toBe(13);
    bus.step = () => {};
    expect(allOf(consumer)).toEqual([9, 10, 11, 12]);
  });

  it('follows nothing of a descriptor that is written over while it is read', () => {
    const { bus, consumer, send, at } = run();
    send(1, 2, 3, 4);
    const { laneRings, laneRingStep } = bus.segment.layout;
    const entry = laneRings + consumer.lane * laneRingStep;
    at(Point.copyOut, () => {
      // The eviction has moved on, and half of a new entry stands there: every bit of length, slot and owner.
      send(5);
      bus.segment.words.fill(-1, entry, entry + 2);
    });
    expect(allOf(consumer)).toEqual([2, 3, 4, 5]);
  });

  it('tells of a descriptor that nobody is writing over: the lane is damaged', () => {
    const { bus, consumer, send } = run();
    send(1);
    const { laneRings, laneRingStep } = bus.segment.layout;
    const entry = laneRings + consumer.lane * laneRingStep;
    const was = bus.segment.words[entry + 1] ?? 0;
    bus.segment.words[entry + 1] = 0xff_ffff;
    expect(codeOf(() => consumer.receive())).toBe('IB_CORRUPT');
    bus.segment.words[entry + 1] = was;
    expect(numbersOf(consumer)).toEqual([1]);
  });

  it('says that a batch is too small only of a message that is really there', () => {
    const { consumer, send, at } = run();
    send(1, 2, 3, 4);
    const small = new MessageBatch(4, 12);
    at(Point.copyOut, () => send(5));
    expect(codeOf(() => consumer.receiver.receive(small))).toBe('IB_BATCH_TOO_SMALL');
    expect(allOf(consumer)).toEqual([2, 3, 4, 5]);
  });

  it('goes on where the lane is after it slept through many times its ring', () => {
    const { consumer, send } = run();
    send(1);
    expect(numbersOf(consumer)).toEqual([1]);
    for (let number = 2; number < 500; number += 1) send(number);
    expect(numbersOf(consumer)).toEqual([496, 497, 498, 499]);
  });

  it('has nothing to say of a head that is frozen, and waits for it', () => {
    const { bus, consumer, send } = run();
    send(1, 2);
    const { words, layout } = bus.segment;
    const head = seatPlace(layout, 'consumer', consumer.lane).cursors + LaneCursor.head;
    const was = Atomics.load(words, head);
    Atomics.store(words, head, frozen(was));
    expect(numbersOf(consumer)).toEqual([]);
    expect(consumer.head.hasNews()).toBe(false);
    Atomics.store(words, head, was);
    expect(consumer.head.hasNews()).toBe(true);
    expect(numbersOf(consumer)).toEqual([1, 2]);
  });

  it('learns of a fence by its claim, acknowledges it once, and knows what it missed', () => {
    const { bus, consumer, send, at } = run();
    send(1, 2, 3);
    at(Point.claimHead, () => bus.router.apply({ do: 'detach-lane', lane: consumer.lane, reason: 'operator' }));
    expect(codeOf(() => consumer.receive())).toBe('IB_FENCED');
    expect(consumer.head.missed).toBe(3);
    expect(bus.stateOf(seatPlace(bus.segment.layout, 'consumer', consumer.lane))).toBe('acked');
    bus.settle();
    expect(bus.stateOf(seatPlace(bus.segment.layout, 'consumer', consumer.lane))).toBe('free');
    expect(bus.lane(consumer.lane, LaneCursor.droppedDetached)).toBe(3);
    const done = bus.lane(consumer.lane, LaneCursor.done);
    expect(codeOf(() => consumer.receive())).toBe('IB_FENCED');
    consumer.ack();
    expect(bus.lane(consumer.lane, LaneCursor.done)).toBe(done);
  });

  it('does not follow a head that went back', () => {
    const { bus, consumer, send } = run();
    send(1, 2, 3);
    expect(numbersOf(consumer, 2)).toEqual([1, 2]);
    const head = seatPlace(bus.segment.layout, 'consumer', consumer.lane).cursors + LaneCursor.head;
    Atomics.sub(bus.segment.words, head, 1);
    expect(codeOf(() => consumer.receive())).toBe('IB_CORRUPT');
  });

  for (const from of [-5, -3, 0x7fff_fffd]) {
    it(`crosses the wrap of its cursors from ${from}`, () => {
      const { consumer, send } = run({}, { startAt: from });
      for (let number = 0; number < 20; number += 2) {
        send(number, number + 1);
        expect(numbersOf(consumer)).toEqual([number, number + 1]);
      }
    });
  }

  it('says what was done with the next receive or ack', () => {
    const { bus, consumer, send } = run();
    send(1, 2);
    consumer.receive(1);
    expect(bus.lane(consumer.lane, LaneCursor.done)).toBe(0);
    consumer.receive(1);
    expect(bus.lane(consumer.lane, LaneCursor.done)).toBe(1);
    consumer.ack();
    expect(bus.lane(consumer.lane, LaneCursor.done)).toBe(2);
  });
});

describe('a planted bug', () => {
  it('head-by-store takes what an eviction took back', () => {
    const { bus, consumer, send, at } = run({}, { mutants: ['head-by-store'] });
    send(1, 2, 3, 4);
    at(Point.claimHead, () => send(5, 6));
    consumer.receive();
    // The eviction of 1 and 2 is counted, and they were handed over all the same.
    expect(bus.lane(consumer.lane, LaneCursor.droppedOldest)).toBe(2);
    expect(bus.lane(consumer.lane, LaneCursor.head)).toBe(4);
  });

  it('receive-before-claim hands over what it did not get', () => {
    const { consumer, send, at } = run({}, { mutants: ['receive-before-claim'] });
    send(1, 2, 3, 4);
    at(Point.claimHead, () => send(5, 6));
    expect(numbersOf(consumer)).toEqual([1, 2, 3, 4]);
    expect(allOf(consumer)).toEqual([3, 4, 5, 6]);
  });

  it('signed-compare finds nothing more behind the wrap', () => {
    const { consumer, send } = run({}, { mutants: ['signed-compare'], startAt: -2 });
    send(1, 2, 3);
    expect(allOf(consumer).length).toBeLessThan(3);
    expect(consumer.head.hasNews()).toBe(false);
  });
});

describe('a receive by view', () => {
  it('wakes a router that sleeps when messages are done, which is what it waits for, and not when they are claimed', () => {
    const { bus, topic, consumer, producer } = run({
      access: 'view',
      drop: 'newest',
      lane: 'blocking',
      viewMax: 4,
      capacity: 4,
    });
    for (let number = 1; number <= 6; number += 1) producer.publish(topic, number);
    producer.flush();
    bus.settle();
    const wakes = (): number => bus.woken.filter((word) => word === Header.routerWake).length;
    Atomics.store(bus.segment.words, Header.routerSleeping, 1);
    const before = wakes();
    expect(consumer.receive()).toHaveLength(4);
    expect({ wakes: wakes() - before, hasWork: bus.router.hasWork() }).toEqual({ wakes: 0, hasWork: false });
    consumer.ack();
    expect({ wakes: wakes() - before, hasWork: bus.router.hasWork() }).toEqual({ wakes: 1, hasWork: true });
    // Nothing more is done: nothing more to wake it for.
    consumer.ack();
    expect(wakes() - before).toBe(1);
    bus.settle();
    expect(consumer.receive().map(({ number }) => number)).toEqual([5, 6]);
    // The next receive ends what was open, too.
    expect(consumer.receive()).toEqual([]);
    expect(wakes() - before).toBe(2);
  });

  it('opens messages in place, up to view_max, and they stay until they are done', () => {
    const { bus, consumer, send, producer } = run({ access: 'view', drop: 'newest', viewMax: 2, capacity: 4 });
    send(1, 2, 3);
    const batch = new MessageBatch(2, 0);
    expect(consumer.receiver.receive(batch)).toBe(2);
    expect(batch.words).toBe(bus.segment.words);
    const open = [0, 1].map((it) => batch.words[batch.wordOffset(it) + 1]);
    expect(open).toEqual([1, 2]);
    const home = bus.home(producer.seat);
    bus.settle();
    expect(bus.home(producer.seat)).toBe(home);
    send(4);
    expect([0, 1].map((it) => batch.words[batch.wordOffset(it) + 1])).toEqual([1, 2]);
    consumer.ack();
    bus.settle();
    expect(bus.home(producer.seat)).toBe(home + 1);
    expect([consumer.receiver.receive(batch), consumer.receiver.receive(batch)]).toEqual([1, 1]);
    expect(batch.bytes(0).byteLength).toBe(16);
  });

  it('keeps what is open when its lane is fenced, until it knows', () => {
    const { bus, consumer, send, producer } = run({ access: 'view', drop: 'newest', viewMax: 2, capacity: 4 });
    send(1, 2, 3);
    const batch = new MessageBatch(2, 0);
    consumer.receiver.receive(batch);
    bus.router.apply({ do: 'detach-lane', lane: consumer.lane, reason: 'operator' });
    bus.settle();
    // 3 is lost; nothing goes home before what is read still.
    expect(bus.lane(consumer.lane, LaneCursor.droppedDetached)).toBe(1);
    expect(bus.home(producer.seat)).toBe(61);
    expect([0, 1].map((it) => batch.words[batch.wordOffset(it) + 1])).toEqual([1, 2]);
    expect(codeOf(() => consumer.receiver.receive(batch))).toBe('IB_FENCED');
    bus.settle();
    expect(bus.home(producer.seat)).toBe(64);
  });
});

describe('check words', () => {
  it('find a payload that was changed', () => {
    const { bus, topic, consumer } = run();
    const producer = bus.producer({ checked: true });
    const { region, segment, mutants } = bus;
    const checking = new Receiver(region, segment.layout, consumer.lane, consumer.head, 4, true, mutants);
    const batch = new MessageBatch(4, 256);
    producer.publish(topic, 1);
    producer.flush();
    bus.settle();
    expect(checking.receive(batch)).toBe(1);
    producer.publish(topic, 2);
    producer.flush();
    bus.settle();
    const { pools, poolStep, sizes } = bus.segment.layout;
    const from = pools + producer.seat * poolStep;
    for (let slot = 0; slot < sizes.slots; slot += 1) {
      const at = from + slot * (sizes.slotBytes / 4) + 4;
      bus.segment.words[at] = (bus.segment.words[at] ?? 0) ^ 4;
    }
    expect(codeOf(() => checking.receive(batch))).toBe('IB_CORRUPT');
  });
});
