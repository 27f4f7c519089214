import { expect, test } from 'vitest';
import { Counters } from '../../../src/engines/indexbus/counters.ts';
import { descriptorWords } from '../../../src/engines/indexbus/descriptor.ts';
import { cursorWords, ProducerCursor } from '../../../src/engines/indexbus/layout.ts';
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
