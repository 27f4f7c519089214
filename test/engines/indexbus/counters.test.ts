import { expect, test } from 'vitest';
import { Counters } from '../../../src/engines/indexbus/counters.ts';
import { descriptorWords } from '../../../src/engines/indexbus/descriptor.ts';
import { cursorWords, LaneCursor, ProducerCursor } from '../../../src/engines/indexbus/layout.ts';
import type { Clock } from '../../../src/host/clock.ts';
import { TestBus } from './support/bus.ts';

test('a cursor that is put back takes nothing from a counter, and adds nothing to it', () => {
  const bus = new TestBus();
  bus.subscribe('all', { topics: ['t'], lane: 'blocking', capacity: 2 });
  const topic = bus.topic('t');
  const consumer = bus.consumer('all');
  const producer = bus.producer();
  const counters = new Counters(bus.segment, bus.clock as unknown as Clock); // it reads the time alone
  const { layout, words } = bus.segment;
  for (let n = 0; n < 5; n += 1) producer.publish(topic, n);
  // The fifth one's descriptor is damaged while the source waits for room: it is fenced there once the first four are taken.
  words[layout.sources + producer.seat * layout.sourceStep + 4 * descriptorWords] = 99_999;
  producer.flush();
  const sent: number[] = [];
  const look = (): void => {
    bus.now += 2_000;
    bus.router.poll();
    counters.tick();
    sent.push(counters.producer(producer.seat).sent);
  };
  for (let n = 0; n < 5; n += 1) {
    look();
    consumer.receive();
    consumer.ack();
  }
  bus.dead('producer', producer.seat);
  for (let n = 0; n < 4; n += 1) look();
  expect(new Set(sent)).toEqual(new Set([5]));
  expect(counters.producer(producer.seat).taken).toBe(4);
});

test('a word above 2^31 was counted before: a second look, as after a restart, has all of it', () => {
  const bus = new TestBus();
  bus.subscribe('all', { topics: ['t'], lane: 'blocking' });
  const producer = bus.producer();
  const { layout, words } = bus.segment;
  const refused = layout.producerCursors + producer.seat * cursorWords + ProducerCursor.refused;
  words[refused] = 3_000_000_000 | 0;
  const counters = new Counters(bus.segment, bus.clock as unknown as Clock);
  expect(counters.producer(producer.seat).refused).toBe(3_000_000_000);
  words[refused] = (2 ** 32 + 7) | 0;
  counters.tick();
  expect(counters.producer(producer.seat).refused).toBe(2 ** 32 + 7);
});

/** Counters of a router that starts on a segment with these words of producer 0 and lane 0. */
function startedOn(
  source: Partial<Record<keyof typeof ProducerCursor, number>>,
  lane: Partial<Record<keyof typeof LaneCursor, number>>,
) {
  const bus = new TestBus();
  const { layout, words } = bus.segment;
  const put = (
    at: number,
    numbers: Readonly<Record<string, number>>,
    values: Readonly<Record<string, number>>,
  ): void => {
    for (const [name, value] of Object.entries(values)) words[at + (numbers[name] ?? 0)] = value | 0;
  };
  put(layout.producerCursors, ProducerCursor, source);
  put(layout.laneCursors, LaneCursor, lane);
  bus.newRouter().apply({ do: 'sample' });
  return new Counters(bus.segment, bus.clock as unknown as Clock); // it reads the time alone
}

test('a source that went round 2^32 before a restart was taken as often as its messages had no route, at least', () => {
  const cursors = { sourceHead: 1_000, sourceTail: 1_000, returnHead: 1_000, returnTail: 1_000 };
  const counters = startedOn({ ...cursors, noRoute: 2 ** 31 }, {});
  expect(counters.producer(0)).toMatchObject({ sent: 2 ** 32 + 1_000, taken: 2 ** 32 + 1_000, noRoute: 2 ** 31 });
  expect(counters.totals().routed).toBe(2 ** 31 + 1_000);
});

test('a lane that went round 2^32 before a restart has delivered no less than nothing', () => {
  const cursors = { head: 10, done: 10, tail: 10, reclaimed: 10 };
  const counters = startedOn({}, { ...cursors, requeuedIn: 3_000_000_000, redelivered: 7, droppedOldest: 20 });
  expect(counters.lane(0)).toMatchObject({ delivered: 2 ** 32 + 10 - 3_000_000_007, recv: 2 ** 32 - 10 });
});

test('a tail that went round while its head has not is counted from the head', () => {
  const before = 2 ** 32 - 5;
  const filled = (capacity: number): Counters => {
    const bus = new TestBus({ startAt: -5 });
    bus.subscribe('all', { topics: ['t'], lane: 'blocking', capacity });
    const topic = bus.topic('t');
    bus.consumer('all');
    const producer = bus.producer();
    for (let n = 0; n < 10; n += 1) producer.publish(topic, n);
    producer.flush();
    bus.settle();
    bus.router.apply({ do: 'sample' });
    return new Counters(bus.segment, bus.clock as unknown as Clock); // it reads the time alone
  };
  expect(filled(8).lane(0)).toMatchObject({ delivered: before + 8, recv: before, depth: 8 });
  expect(filled(2).producer(0)).toMatchObject({ sent: before + 10, taken: before + 2, depth: 8 });
});
