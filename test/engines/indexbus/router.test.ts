import { describe, expect, it } from 'vitest';
import { TestBus } from './support/bus.ts';

describe('a router', () => {
  it('takes a message from a publisher to a receiver and its slot home', () => {
    const bus = new TestBus();
    const topic = bus.topic('orders.new');
    bus.subscribe('all');
    const consumer = bus.consumer('all');
    const producer = bus.producer();
    expect(producer.publish(topic, 41)).toBe(true);
    expect(producer.publish(topic, 42)).toBe(true);
    expect(bus.router.poll()).toBe(0);
    producer.flush();
    expect(bus.router.poll()).toBe(2);
    expect(consumer.receive().map((it) => [it.number, it.sequence, it.topic])).toEqual([
      [41, 0, topic],
      [42, 1, topic],
    ]);
    expect(bus.home(producer.seat)).toBe(62);
    bus.router.poll();
    expect(bus.home(producer.seat)).toBe(64);
  });
});
