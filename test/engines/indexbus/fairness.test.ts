import { describe, expect, it } from 'vitest';
import { ProducerCursor } from '../../../src/engines/indexbus/layout.ts';
import { TestBus, type TestProducer } from './support/bus.ts';

const batch = 4;

/** A bus with a lane that takes what it can and drops the rest, and producers that find their sources empty. */
function crowd(producers: number) {
  const bus = new TestBus({ router: { batchSize: batch } });
  const topic = bus.topic('t');
  bus.subscribe('all', { topics: ['t'] });
  bus.consumer('all');
  const all = Array.from({ length: producers }, () => bus.producer());
  return { bus, topic, all };
}

function publish(producer: TestProducer, topic: number, count: number): void {
  for (let number = 0; number < count; number += 1) producer.publish(topic, number);
  producer.flush();
}

function takenFrom(bus: TestBus, producer: TestProducer): number {
  return bus.source(producer.seat, ProducerCursor.sourceHead);
}

describe('fairness between sources', () => {
  it('gives each of those that all have more than a batch its batch in turn', () => {
    const { bus, topic, all } = crowd(4);
    for (const producer of all) publish(producer, topic, 5 * batch);
    for (let round = 1; round <= 5; round += 1) {
      for (let turn = 0; turn < all.length; turn += 1) expect(bus.router.poll()).toBe(batch);
      expect(all.map((producer) => takenFrom(bus, producer))).toEqual(all.map(() => round * batch));
    }
  });

  it('visits one with a single message within a batch of each of the others (L4)', () => {
    const { bus, topic, all } = crowd(4);
    const [quiet, ...loud] = all;
    if (quiet === undefined) throw new Error('there are four');
    for (let start = 0; start < loud.length + 1; start += 1) {
      for (const producer of loud) publish(producer, topic, 3 * batch);
      // From wherever its turn stands.
      for (let turn = 0; turn < start; turn += 1) bus.router.poll();
      const before = takenFrom(bus, quiet);
      publish(quiet, topic, 1);
      let others = 0;
      while (takenFrom(bus, quiet) === before && others <= all.length * batch) others += bus.router.poll();
      expect(takenFrom(bus, quiet)).toBe(before + 1);
      expect(others).toBeLessThanOrEqual(all.length * batch);
      bus.settle();
    }
  });

  it('leaves the turn with the one whose it is when one before it goes', () => {
    const { bus, topic, all } = crowd(4);
    const [first, ...others] = all;
    if (first === undefined) throw new Error('there are four');
    for (const producer of others) publish(producer, topic, 5 * batch);
    bus.router.poll();
    bus.dead('producer', first.seat);
    bus.router.poll();
    expect(others.map((producer) => takenFrom(bus, producer))).toEqual([batch, batch, 0]);
    bus.router.poll();
    expect(others.map((producer) => takenFrom(bus, producer))).toEqual([batch, batch, batch]);
  });

  it('fills a batch from several sources where none has as many', () => {
    const { bus, topic, all } = crowd(4);
    for (const producer of all) publish(producer, topic, 1);
    expect(bus.router.poll()).toBe(4);
  });

  it('shares the room that a blocking lane gets again and again', () => {
    const bus = new TestBus({ router: { batchSize: batch } });
    const topic = bus.topic('t');
    bus.subscribe('slow', { topics: ['t'], lane: 'blocking', capacity: 2 });
    const consumer = bus.consumer('slow');
    const all = [bus.producer(), bus.producer(), bus.producer()];
    for (const producer of all) publish(producer, topic, 40);
    for (let round = 0; round < 30; round += 1) {
      bus.router.poll();
      consumer.receive(1);
      bus.router.poll();
    }
    const taken = all.map((producer) => takenFrom(bus, producer));
    expect(taken.reduce((sum, it) => sum + it, 0)).toBeGreaterThanOrEqual(30);
    expect(Math.max(...taken) - Math.min(...taken)).toBeLessThanOrEqual(2);
  });

  it('lets a source that waits for one lane hold up no other', () => {
    const bus = new TestBus({ router: { batchSize: batch } });
    const [slow, quick] = [bus.topic('slow'), bus.topic('quick')];
    bus.subscribe('slow', { topics: ['slow'], lane: 'blocking', capacity: 1 });
    bus.subscribe('quick', { topics: ['quick'] });
    bus.consumer('slow');
    const consumer = bus.consumer('quick');
    const [first, second] = [bus.producer(), bus.producer()];
    publish(first, slow, 10);
    publish(second, quick, 3 * batch);
    let got = 0;
    for (let poll = 0; poll < 4; poll += 1) {
      bus.router.poll();
      got += consumer.receive().length;
    }
    expect(got).toBe(3 * batch);
    expect(takenFrom(bus, first)).toBe(1);
  });

  it('does not sleep over a source that waited for a lane which an operator has drop now', () => {
    const bus = new TestBus({ router: { batchSize: batch } });
    const topic = bus.topic('t');
    bus.subscribe('slow', { topics: ['t'], lane: 'blocking', capacity: 2 });
    const { lane } = bus.consumer('slow');
    const producer = bus.producer();
    publish(producer, topic, 3);
    expect(bus.settle()).toBe(2);
    expect(bus.router.hasWork()).toBe(false);
    bus.router.apply({ do: 'change-lane', lane, change: { lane: 'nonblocking', drop: 'oldest' } });
    expect(bus.router.hasWork()).toBe(true);
    expect(bus.settle()).toBe(1);
    expect(bus.router.hasWork()).toBe(false);
  });

  it('does not sleep over a source that waited, has room now, and that the plan did not come to', () => {
    const bus = new TestBus({ router: { batchSize: batch } });
    const [slow, quick] = [bus.topic('slow'), bus.topic('quick')];
    bus.subscribe('slow', { topics: ['slow'], lane: 'blocking', capacity: 2 });
    bus.subscribe('quick', { topics: ['quick'] });
    const consumer = bus.consumer('slow');
    bus.consumer('quick');
    const [first, second] = [bus.producer(), bus.producer()];
    publish(first, slow, 3);
    expect(bus.settle()).toBe(2);
    expect(bus.router.hasWork()).toBe(false);
    publish(second, quick, batch);
    consumer.receive();
    // All of this batch is the other's.
    expect(bus.router.poll()).toBe(batch);
    expect(takenFrom(bus, first)).toBe(2);
    expect(bus.router.hasWork()).toBe(true);
    bus.router.poll();
    expect(takenFrom(bus, first)).toBe(3);
  });
});
