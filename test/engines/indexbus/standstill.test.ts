import { describe, expect, it } from 'vitest';
import { LaneCursor } from '../../../src/engines/indexbus/layout.ts';
import { seatPlace } from '../../../src/engines/indexbus/seatPlaces.ts';
import { TestBus, type TestConsumer } from './support/bus.ts';

const limit = 2 ** 29;

/** Puts all cursors of a lane so much further, as if so many messages had come and gone: `done`, if the consumer went with them. */
function goOn(bus: TestBus, lane: number, by: number, words: readonly number[]): void {
  const { cursors } = seatPlace(bus.segment.layout, 'consumer', lane);
  for (const word of words) Atomics.add(bus.segment.words, cursors + word, by);
  bus.newRouter();
}

const moved = [LaneCursor.head, LaneCursor.tail, LaneCursor.reclaimed];

/** A lane of four from which the router takes the oldest, empty, and a way to fill it. */
function evicting() {
  const bus = new TestBus();
  const topic = bus.topic('a');
  bus.subscribe('all', { drop: 'oldest', capacity: 4 });
  const consumer = bus.consumer('all');
  const producer = bus.producer();
  let number = 0;
  const publish = (count: number): void => {
    for (let left = count; left > 0; left -= 1) producer.publish(topic, number++);
    producer.flush();
    bus.settle();
  };
  const state = () => bus.stateOf(seatPlace(bus.segment.layout, 'consumer', consumer.lane));
  return { bus, consumer, publish, state };
}

describe('a consumer that stands still while the router takes the oldest out of its lane', () => {
  it('is fenced before its head comes round, also where each eviction is another router’s', () => {
    const { bus, consumer, publish, state } = evicting();
    goOn(bus, consumer.lane, limit - 3, moved);
    publish(4);
    const states: unknown[] = [];
    for (let eviction = 0; eviction < 3; eviction += 1) {
      publish(1);
      states.push(state());
      bus.newRouter();
    }
    expect(states).toEqual(['live', 'live', 'fenced']);
    expect(bus.lane(consumer.lane, LaneCursor.droppedOldest)).toBe(2);
    expect(() => consumer.receive()).toThrow('the lane was taken from this consumer');
  });

  it('never takes messages that it has not seen for those that it has: its claim of a round ago fails', () => {
    const { bus, consumer, publish, state } = evicting();
    publish(1);
    expect(consumer.head.look()).toBe(1);
    // It is stopped between its copy and its claim while almost 2^32 messages come and go, and its router with them.
    goOn(bus, consumer.lane, -32, moved);
    publish(4);
    expect(state()).toBe('fenced');
    expect(consumer.head.claim(1)).toBe(false);
  });

  it('goes on where it says now and then that it is through', () => {
    const { bus, consumer, publish, state } = evicting();
    for (let round = 0; round < 9; round += 1) {
      bus.settle();
      goOn(bus, consumer.lane, limit - 64, moved);
      publish(10);
      expect(state()).toBe('live');
      expect(consumer.receive()).toHaveLength(4);
      consumer.ack();
    }
    // More than one whole round of 32 bits.
    expect(bus.lane(consumer.lane, LaneCursor.droppedOldest)).toBe(54);
  });
});

describe('a consumer that dies after 2^31 messages of its lane', () => {
  it.each([2 ** 31 - 1, 2 ** 31 + 5, 2 ** 32 - 3])('%s: what it took and did not end is handed out again', (by) => {
    const bus = new TestBus();
    const topic = bus.topic('a');
    bus.subscribe('work', { mode: 'workqueue', lane: 'blocking', access: 'view', delivery: 'at_least_once' });
    const { lane } = bus.consumer('work');
    goOn(bus, lane, by, [...moved, LaneCursor.done]);
    const place = seatPlace(bus.segment.layout, 'consumer', lane);
    const consumer: TestConsumer = bus.attach(place, 1);
    const producer = bus.producer();
    for (let number = 0; number < 6; number += 1) producer.publish(topic, number);
    producer.flush();
    bus.settle();
    expect(consumer.receive(4)).toHaveLength(4);
    bus.dead('consumer', lane);
    const next = bus.consumer('work');
    bus.settle();
    const got = [...next.receive(), ...next.receive()];
    expect(got.map((it) => [it.number, it.redelivered])).toEqual([
      [0, true],
      [1, true],
      [2, true],
      [3, true],
      [4, false],
      [5, false],
    ]);
    next.ack();
    bus.settle();
    expect(bus.home(producer.seat)).toBe(64);
  });
});
