import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DetachReason, LaneCursor, ProducerCursor, Seat } from '../../../src/engines/indexbus/layout.ts';
import { Point } from '../../../src/engines/indexbus/points.ts';
import type { RouterNews } from '../../../src/engines/indexbus/routerRunner.ts';
import { stateOf } from '../../../src/engines/indexbus/seat.ts';
import { type SeatKindName, seatPlace } from '../../../src/engines/indexbus/seatPlaces.ts';
import { TestBus, type TestConsumer } from './support/bus.ts';
import { codeOf, Peers, subscription } from './support/peers.ts';

describe('a fence that finds that the seat is being left', () => {
  let peers: Peers;
  beforeEach(() => {
    peers = new Peers();
  });
  afterEach(() => peers.end());

  const fences = {
    consumer: { do: 'detach-lane', lane: 0, reason: 'operator' },
    producer: { do: 'fence-producer', seat: 0 },
  } as const;

  it.each(['consumer', 'producer'] as const)('lets the %s go as it would have, at once', async (kind: SeatKindName) => {
    const news: RouterNews[] = [];
    const options = { subscriptions: [subscription('all')], onNews: (told: RouterNews) => void news.push(told) };
    const { segment, runner } = await peers.router('bus', options);
    const bus = await peers.bus();
    const leaver = kind === 'consumer' ? await bus.consumer({ subscription: 'all' }) : await bus.producer();
    const state = () => stateOf(Atomics.load(segment.words, seatPlace(segment.layout, kind, 0).at));
    const began = performance.now();
    const closing = leaver.close();
    expect(state()).toBe('leaving');
    expect(await codeOf(() => runner.apply(fences[kind]))).toBe('none');
    await closing;
    expect(state()).toBe('free');
    expect(performance.now() - began).toBeLessThan(2_000);
    const ended = news.find((it) => it.news === 'lane-ended' || it.news === 'producer-ended');
    expect(ended).toMatchObject({ reason: DetachReason.graceful });
    expect(peers.logged.filter(({ message }) => message === 'holder doubtful')).toEqual([]);
  });
});

/** A bus with a consumer that has received some of what it was sent, and says that it leaves. */
function leftWith(of: Parameters<TestBus['subscribe']>[1], received: number) {
  const bus = new TestBus({ sizes: { slots: 64 } });
  const topic = bus.topic('a');
  bus.subscribe('work', { mode: 'workqueue', lane: 'blocking', capacity: 16, ...of });
  const consumer = bus.consumer('work');
  const producer = bus.producer();
  for (let number = 0; number < 10; number += 1) producer.publish(topic, number);
  producer.flush();
  bus.settle();
  consumer.receive(received);
  const state = () => bus.stateOf(seatPlace(bus.segment.layout, 'consumer', consumer.lane));
  return { bus, consumer, producer, state };
}

function leave(consumer: TestConsumer): void {
  consumer.head.close();
  consumer.setSeat('leaving');
}

describe('a lane that is fenced while its consumer leaves', () => {
  it.each(['copy', 'view'] as const)('by %s offers what is unread to the next one of its group', (access) => {
    const { bus, consumer, producer, state } = leftWith({ access }, 4);
    leave(consumer);
    bus.router.apply({ do: 'detach-lane', lane: consumer.lane, reason: 'stalled' });
    bus.settle();
    expect(state()).toBe('draining');
    const next = bus.consumer('work', 256, consumer.lane);
    expect(next.receive().map(({ number, requeued }) => [number, requeued])).toEqual(
      [4, 5, 6, 7, 8, 9].map((number) => [number, true]),
    );
    next.ack();
    bus.settle();
    expect(bus.home(producer.seat)).toBe(64);
  });

  it('gives the slots of a broadcast by view home', () => {
    const { bus, consumer, producer, state } = leftWith({ mode: 'broadcast', access: 'view' }, 4);
    leave(consumer);
    bus.router.apply({ do: 'detach-lane', lane: consumer.lane, reason: 'operator' });
    bus.settle();
    expect(state()).toBe('free');
    expect(bus.home(producer.seat)).toBe(64);
    expect(bus.lane(consumer.lane, LaneCursor.droppedDetached)).toBe(6);
  });

  it('is free though it has stalled in the very poll of the leave', () => {
    const { bus, consumer, state } = leftWith({ mode: 'broadcast', capacity: 4, detachAfterMs: 100 }, 0);
    bus.now += 200;
    bus.step = (point) => {
      if (point !== Point.readDoorbell || state() !== 'live') return;
      leave(consumer);
    };
    bus.settle();
    bus.step = () => {};
    expect(state()).toBe('free');
  });

  it('is free though its holder was in doubt when it was asked for', () => {
    const { bus, consumer, state } = leftWith({ mode: 'broadcast' }, 0);
    leave(consumer);
    const { index } = seatPlace(bus.segment.layout, 'consumer', consumer.lane);
    bus.router.apply({ do: 'peer-doubtful', seat: index, epoch: consumer.epoch });
    bus.settle();
    expect(state()).toBe('free');
  });

  it('ends as damaged where its head is, and is free', () => {
    const { bus, consumer, producer, state } = leftWith({ mode: 'broadcast' }, 0);
    const place = seatPlace(bus.segment.layout, 'consumer', consumer.lane);
    bus.step = (point) => {
      if (point !== Point.observeHead || state() !== 'live') return;
      leave(consumer);
      Atomics.store(bus.segment.words, place.cursors + LaneCursor.head, 1_000);
    };
    bus.settle();
    bus.step = () => {};
    expect(state()).toBe('free');
    expect(bus.segment.words[place.at + Seat.reason]).toBe(DetachReason.corrupt);
    expect(bus.home(producer.seat)).toBe(64);
  });
});

describe('a producer that is fenced while it leaves', () => {
  it('has all that it flushed routed', () => {
    const { bus, consumer, producer } = leftWith({}, 10);
    for (const number of [10, 11]) producer.publish(0, number);
    producer.flush();
    producer.setSeat('leaving');
    bus.router.apply({ do: 'fence-producer', seat: producer.seat });
    bus.settle();
    expect(consumer.receive().map(({ number }) => number)).toEqual([10, 11]);
    bus.settle();
    expect(bus.stateOf(seatPlace(bus.segment.layout, 'producer', producer.seat))).toBe('free');
  });

  it('ends where its source can be believed, and as damaged, where its tail is', () => {
    const { bus, consumer, producer } = leftWith({ mode: 'broadcast' }, 10);
    consumer.ack();
    const place = seatPlace(bus.segment.layout, 'producer', producer.seat);
    bus.step = (point) => {
      if (point !== Point.readDoorbell || bus.stateOf(place) !== 'live') return;
      producer.setSeat('leaving');
      Atomics.store(bus.segment.words, place.cursors + ProducerCursor.sourceTail, 1_000);
    };
    bus.router.slept();
    bus.settle();
    bus.step = () => {};
    expect(bus.segment.words[place.at + Seat.reason]).toBe(DetachReason.corrupt);
    expect(bus.stateOf(place)).toBe('free');
  });
});
