import { describe, expect, it } from 'vitest';
import { Header, LaneCursor, ProducerCursor, Seat, SegmentState } from '../../../src/engines/indexbus/layout.ts';
import { LoopStat, loopStats } from '../../../src/engines/indexbus/loopStats.ts';
import { Point } from '../../../src/engines/indexbus/points.ts';
import { RouterLoop } from '../../../src/engines/indexbus/routerLoop.ts';
import { seatPlace } from '../../../src/engines/indexbus/seatPlaces.ts';
import type { Host } from '../../../src/host/host.ts';
import { subscriptionOf, TestBus } from './support/bus.ts';

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

  it.each([
    ['credit', { capacity: 8, creditLimit: 2 }, [0, 0, 1]],
    ['room', { capacity: 2, creditLimit: undefined }, [1, 0, 0]],
    ['both', { capacity: 2, creditLimit: 2 }, [0, 0, 1]],
  ] as const)('tells that a source waits for want of %s', (_, limits, parks) => {
    const bus = new TestBus();
    const topic = bus.topic('a');
    for (const mode of ['broadcast', 'workqueue'] as const) {
      bus.subscribe(mode, { mode, lane: 'blocking', topics: [mode === 'broadcast' ? 'a' : 'none'], ...limits });
    }
    bus.consumer('broadcast');
    bus.consumer('workqueue');
    const producer = bus.producer();
    for (let number = 0; number < 4; number += 1) producer.publish(topic, number);
    producer.flush();
    expect(bus.router.poll()).toBe(2);
    expect([...bus.router.sources.parks]).toEqual(parks);
  });

  it('has nothing to do with what is in a successor before its predecessor is empty', () => {
    const bus = new TestBus();
    const topic = bus.topic('a');
    bus.subscribe('all');
    bus.consumer('all');
    const producer = bus.producer();
    bus.settle();
    Atomics.store(bus.segment.words, Header.state, SegmentState.waiting);
    producer.publish(topic, 1);
    producer.flush();
    expect(bus.router.hasWork()).toBe(true);
    expect(bus.router.poll()).toBe(0);
    expect(bus.router.hasWork()).toBe(false);
    Atomics.store(bus.segment.words, Header.state, SegmentState.open);
    expect(bus.router.hasWork()).toBe(true);
    expect(bus.router.poll()).toBe(1);
  });

  it('counts each commit with its messages, also one that only takes slots home', () => {
    const bus = new TestBus();
    const topic = bus.topic('a');
    bus.subscribe('all');
    const consumer = bus.consumer('all');
    const producer = bus.producer();
    const stats = loopStats();
    const telemetry = { sometimes: () => {} };
    const host = { clock: { now: () => bus.now }, telemetry } as unknown as Host; // what a turn asks of it
    const options = { isCalled: () => false, sleepWithoutLook: false };
    const loop = new RouterLoop(bus.router, bus.segment, host, stats, { pollIntervalUs: 0, spinUs: 0 }, options);
    loop.turn();
    stats.batches.fill(0);
    const before = bus.router.commits;
    for (let number = 0; number < 3; number += 1) producer.publish(topic, number);
    producer.flush();
    expect(loop.turn()).toBe(3);
    consumer.receive();
    expect(loop.turn()).toBe(0);
    expect(loop.turn()).toBe(0);
    expect(bus.home(producer.seat)).toBe(64);
    expect(bus.router.commits - before).toBe(2);
    // Up to 1 message: the way home; up to 4: the three.
    expect([...stats.batches.subarray(0, 3)]).toEqual([1, 1, 0]);
    expect(stats.values[LoopStat.batchSum]).toBe(3);
  });

  it('hands out again what a consumer that is proven dead took and did not end, before anything newer', () => {
    const bus = new TestBus();
    const topic = bus.topic('a');
    bus.subscribe('work', { mode: 'workqueue', lane: 'blocking', access: 'view', delivery: 'at_least_once' });
    const first = bus.consumer('work');
    const producer = bus.producer();
    for (let number = 0; number < 4; number += 1) producer.publish(topic, number);
    producer.flush();
    bus.settle();
    expect(first.receive(2).map((it) => it.number)).toEqual([0, 1]);
    bus.dead('consumer', first.lane);
    const second = bus.consumer('work');
    producer.publish(topic, 4);
    producer.flush();
    bus.settle();
    const received = [...second.receive(), ...second.receive()];
    expect(received.map((it) => [it.number, it.redelivered, it.requeued])).toEqual([
      [0, true, false],
      [1, true, false],
      [2, false, true],
      [3, false, true],
      [4, false, false],
    ]);
    second.ack();
    bus.settle();
    expect(bus.home(producer.seat)).toBe(64);
  });

  it('hands out nothing again of a consumer that acknowledged a fence', () => {
    const bus = new TestBus();
    const topic = bus.topic('a');
    bus.subscribe('work', { mode: 'workqueue', lane: 'blocking', access: 'view', delivery: 'at_least_once' });
    const first = bus.consumer('work');
    const second = bus.consumer('work');
    const producer = bus.producer();
    for (let number = 0; number < 2; number += 1) producer.publish(topic, number);
    producer.flush();
    bus.settle();
    const holder = [first, second].find((it) => it.receive().length > 0) ?? first;
    const other = holder === first ? second : first;
    bus.router.apply({ do: 'detach-lane', lane: holder.lane, reason: 'operator' });
    bus.settle();
    expect(bus.stateOf(seatPlace(bus.segment.layout, 'consumer', holder.lane))).toBe('fenced');
    holder.acknowledge();
    bus.settle();
    expect(bus.stateOf(seatPlace(bus.segment.layout, 'consumer', holder.lane))).toBe('free');
    expect(other.receive()).toEqual([]);
    expect(bus.home(producer.seat)).toBe(64);
  });

  it('fences a blocking lane that has refused for detach_after_ms without moving, and goes on', () => {
    const bus = new TestBus();
    const topic = bus.topic('a');
    bus.subscribe('slow', { lane: 'blocking', capacity: 2, detachAfterMs: 100 });
    bus.subscribe('quick');
    const slow = bus.consumer('slow');
    const quick = bus.consumer('quick');
    const producer = bus.producer();
    for (let number = 0; number < 4; number += 1) producer.publish(topic, number);
    producer.flush();
    bus.settle();
    expect(quick.receive()).toHaveLength(2);
    bus.now = 99;
    bus.settle();
    expect(bus.lane(slow.lane, LaneCursor.droppedDetached)).toBe(0);
    bus.now = 101;
    bus.settle();
    expect(bus.lane(slow.lane, LaneCursor.droppedDetached)).toBe(2);
    expect(quick.receive()).toHaveLength(2);
    expect(() => slow.receive()).toThrow(expect.objectContaining({ code: 'IB_FENCED' }));
  });

  it('lets a producer send no more than its rate', () => {
    const bus = new TestBus();
    const topic = bus.topic('a');
    const producer = bus.producer();
    bus.router.apply({ do: 'change-producer', seat: producer.seat, rateLimit: 100 });
    for (let number = 0; number < 50; number += 1) producer.publish(topic, number);
    producer.flush();
    expect(bus.settle()).toBeLessThanOrEqual(10);
    const before = bus.source(producer.seat, ProducerCursor.sourceHead);
    bus.now += 100;
    bus.settle();
    expect(bus.source(producer.seat, ProducerCursor.sourceHead) - before).toBe(10);
  });

  it('refuses a lane that would leave each less than sixteen slots of a pool, and says why', () => {
    const bus = new TestBus();
    bus.subscribe('all');
    bus.consumer('all');
    bus.consumer('all');
    const { place } = bus.request('consumer', 0);
    bus.settle();
    expect(bus.stateOf(place)).toBe('free');
    const text = Buffer.from(bus.segment.bytes.slice((place.at + Seat.text) * 4, (place.at + Seat.text) * 4 + 60));
    expect(text.toString()).toContain('IB_NO_SEAT pool share 10');
  });

  it('evicts what lanes have above a share that a joining lane lowers', () => {
    const bus = new TestBus({ sizes: { laneRing: 64 } });
    const topic = bus.topic('a');
    bus.subscribe('all', { capacity: 32 });
    const first = bus.consumer('all');
    const producer = bus.producer();
    for (let number = 0; number < 30; number += 1) producer.publish(topic, number);
    producer.flush();
    bus.settle();
    expect(bus.router.lanes.depth(first.lane)).toBe(30);
    bus.consumer('all');
    expect(bus.router.lanes.depth(first.lane)).toBe(16);
    expect(bus.lane(first.lane, LaneCursor.droppedOldest)).toBe(14);
    expect(first.receive().map((it) => it.number)[0]).toBe(14);
    expect(bus.probes).toContain('join evicted others');
  });

  it('fences a producer that names a slot which is none, routes what came before and nothing after', () => {
    const bus = new TestBus();
    const topic = bus.topic('a');
    bus.subscribe('all');
    const consumer = bus.consumer('all');
    const producer = bus.producer();
    for (let number = 0; number < 3; number += 1) producer.publish(topic, number);
    const { layout, words } = bus.segment;
    words[layout.sources + producer.seat * layout.sourceStep + 4] = 9999;
    producer.flush();
    bus.settle();
    expect(consumer.receive().map((it) => it.number)).toEqual([0]);
    const place = seatPlace(layout, 'producer', producer.seat);
    expect(bus.stateOf(place)).toBe('fenced');
    expect(words[place.at + Seat.reason]).toBe(5);
  });

  it('fences a consumer whose head is where it cannot be, and counts what it had', () => {
    const bus = new TestBus();
    const topic = bus.topic('a');
    bus.subscribe('all');
    const consumer = bus.consumer('all');
    const producer = bus.producer();
    for (let number = 0; number < 3; number += 1) producer.publish(topic, number);
    producer.flush();
    bus.settle();
    const place = seatPlace(bus.segment.layout, 'consumer', consumer.lane);
    Atomics.store(bus.segment.words, place.cursors + LaneCursor.head, 77);
    bus.settle();
    expect(bus.stateOf(place)).toBe('fenced');
    expect(bus.lane(consumer.lane, LaneCursor.droppedDetached)).toBe(3);
    expect(bus.home(producer.seat)).toBe(64);
  });

  it('retires a segment whose cursors cannot be', () => {
    const bus = new TestBus();
    bus.subscribe('all');
    const consumer = bus.consumer('all');
    const place = seatPlace(bus.segment.layout, 'consumer', consumer.lane);
    Atomics.store(bus.segment.words, place.cursors + LaneCursor.tail, 1000);
    expect(() => bus.newRouter()).toThrow(expect.objectContaining({ code: 'IB_CORRUPT' }));
    expect(() => bus.newRouter()).toThrow(expect.objectContaining({ code: 'IB_RETIRED' }));
  });

  it('refuses changes that are not safe, and leaves the lane as it was', () => {
    const bus = new TestBus();
    bus.subscribe('work', { mode: 'workqueue', lane: 'blocking', access: 'view', delivery: 'at_least_once' });
    const { lane } = bus.consumer('work');
    const change = (given: object) => () => bus.router.apply({ do: 'change-lane', lane, change: given });
    expect(change({ lane: 'nonblocking' })).toThrow(expect.objectContaining({ code: 'IB_UNSAFE_CHANGE' }));
    expect(change({ drop: 'oldest' })).toThrow(expect.objectContaining({ code: 'IB_BAD_CONFIG' }));
    expect(change({ capacity: 17 })).toThrow(expect.objectContaining({ code: 'IB_NEEDS_ROLL' }));
    expect(bus.router.lanes.capacity[lane]).toBe(8);
    const bad = subscriptionOf('bad', { delivery: 'at_least_once' });
    expect(() => bus.router.apply({ do: 'put-subscription', subscription: bad })).toThrow(/workqueue or keyed/);
  });

  it('wakes a consumer that met its head frozen and slept, also where its lane got nothing', () => {
    const bus = new TestBus({ sizes: { laneRing: 64 } });
    const topic = bus.topic('t');
    bus.subscribe('all', { capacity: 32 });
    const consumer = bus.consumer('all');
    const producer = bus.producer();
    for (let number = 0; number < 32; number += 1) producer.publish(topic, number);
    producer.flush();
    bus.settle();
    const { cursors, wake } = seatPlace(bus.segment.layout, 'consumer', consumer.lane);
    let met = 0;
    bus.step = (point) => {
      if (point !== Point.seal || met > 0) return;
      met += 1;
      expect(consumer.receive()).toEqual([]);
      expect(consumer.head.hasNews()).toBe(false);
      bus.segment.words[cursors + LaneCursor.sleeping] = 1;
    };
    bus.woken.length = 0;
    // The share of the second lane pushes half of what the first has out of it.
    bus.consumer('all');
    expect(met).toBe(1);
    expect(bus.woken).toContain(wake);
    expect(consumer.receive().map((it) => it.number)).toEqual(Array.from({ length: 16 }, (_, at) => 16 + at));
  });
});
