import { beforeEach, describe, expect, it } from 'vitest';
import { LaneCursor, Seat, subscriptionsMax } from '../../../src/engines/indexbus/layout.ts';
import { subscriptionOf, TestBus } from './support/bus.ts';

const group = { mode: 'workqueue', lane: 'blocking' } as const;

describe("a deleted subscription's record", () => {
  let bus: TestBus;
  beforeEach(() => {
    bus = new TestBus();
  });

  const drop = (name: string): void => bus.router.apply({ do: 'delete-subscription', name });

  /** Every record has been a subscription; `a` is one, of which messages wait in a lane that ended. */
  function allUsed(mode: 'workqueue' | 'keyed' = 'workqueue'): { lane: number; record: number } {
    for (let record = 0; record < subscriptionsMax; record += 1) bus.subscribe(`former-${record}`);
    for (let record = 0; record < subscriptionsMax; record += 1) drop(`former-${record}`);
    const record = bus.subscribe('a', { ...group, mode, topics: ['ta'] });
    const topic = bus.topic('ta');
    bus.topic('tb');
    const consumer = bus.consumer('a');
    const producer = bus.producer();
    for (let number = 0; number < 3; number += 1) producer.publish(topic, number, number);
    producer.flush();
    bus.settle();
    bus.dead('consumer', consumer.lane);
    bus.settle();
    return { lane: consumer.lane, record };
  }

  it('is not given to another one while a lane has messages of the first', () => {
    const { lane, record } = allUsed();
    drop('a');
    expect(bus.subscribe('b', { ...group, topics: ['tb'] })).not.toBe(record);
    const other = bus.consumer('b');
    bus.settle();
    expect(other.receive()).toEqual([]);
    // What nobody can have any more is counted where it was.
    expect(bus.lane(lane, LaneCursor.droppedDetached)).toBe(3);
    expect(bus.router.counts.away(0)).toBe(0);
  });

  it('is not so after a restart of the router in between', () => {
    const { record } = allUsed();
    drop('a');
    bus.newRouter();
    expect(bus.subscribe('b', { ...group, topics: ['tb'] })).not.toBe(record);
    const other = bus.consumer('b');
    bus.settle();
    expect(other.receive()).toEqual([]);
  });

  it('is another one for the same name, too: what the deleted one had is lost', () => {
    const { lane, record } = allUsed();
    drop('a');
    expect(bus.subscribe('a', { ...group, topics: ['ta'] })).not.toBe(record);
    const other = bus.consumer('a');
    bus.settle();
    expect(other.receive()).toEqual([]);
    expect(bus.lane(lane, LaneCursor.droppedDetached)).toBe(3);
  });

  it('can be had once the lane is empty', () => {
    const { record } = allUsed();
    drop('a');
    bus.settle();
    for (let number = 0; number < subscriptionsMax; number += 1) bus.subscribe(`later-${number}`);
    expect(bus.router.routing.subscription(record)?.subscription.name).toMatch(/^later-/);
  });

  it('is refused where no other is left', () => {
    allUsed();
    drop('a');
    for (let number = 1; number < subscriptionsMax; number += 1) bus.subscribe(`later-${number}`);
    const put = (): void => bus.router.apply({ do: 'put-subscription', subscription: subscriptionOf('b') });
    expect(put).toThrow(/there are 63 subscriptions, and lanes that end have the other records/);
    bus.settle();
    put();
    expect(put).not.toThrow();
    expect(() => bus.subscribe('c')).toThrow(/there are 64 subscriptions/);
  });

  it('is not given away while a joiner stands for it', () => {
    const { record } = allUsed();
    bus.consumer('a').setSeat('leaving');
    bus.settle();
    const { place } = bus.request('consumer', record);
    drop('a');
    expect(bus.subscribe('b', { ...group, topics: ['tb'] })).not.toBe(record);
    bus.settle();
    expect(bus.stateOf(place)).toBe('free');
    expect(bus.segment.words[place.at + Seat.result]).toBe(-1);
  });

  it('is taken only after those that never were one', () => {
    bus.subscribe('a');
    drop('a');
    expect(bus.subscribe('b')).toBe(1);
    bus.newRouter();
    expect(bus.subscribe('c')).toBe(2);
  });

  it("has nobody's buckets of keys when it is another one", () => {
    const { lane, record } = allUsed('keyed');
    const owners = (): Set<number | undefined> => {
      const keys = bus.router.routing.keys(record);
      return new Set(Array.from({ length: 256 }, (_, bucket) => keys?.owner(bucket)));
    };
    // Buckets of what waits stay with the lane where it waits.
    expect(owners()).toEqual(new Set([lane, 255]));
    drop('a');
    bus.settle();
    for (let number = 0; bus.router.routing.subscription(record) === undefined; number += 1) {
      bus.subscribe(`later-${number}`, { ...group, mode: 'keyed' });
    }
    expect(owners()).toEqual(new Set([255]));
  });
});
