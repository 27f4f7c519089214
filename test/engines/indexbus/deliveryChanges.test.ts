import { describe, expect, it } from 'vitest';
import { abandonedLanes } from '../../../src/engines/indexbus/abandoned.ts';
import type { Subscription } from '../../../src/engines/indexbus/commands.ts';
import { keyHash } from '../../../src/engines/indexbus/descriptor.ts';
import { isGroupThrough } from '../../../src/engines/indexbus/groupEnds.ts';
import { seatPlace } from '../../../src/engines/indexbus/seatPlaces.ts';
import { TestBus, type TestConsumer, type TestProducer } from './support/bus.ts';
import { killedAtStep } from './support/killing.ts';

const byCopy = { mode: 'workqueue', lane: 'blocking', capacity: 16 } as const;
const again = { access: 'view', delivery: 'at_least_once' } as const;

interface Scene {
  readonly bus: TestBus;
  readonly producer: TestProducer;
  readonly consumer: TestConsumer;
  /** Publishes these and lets the router work. */
  send(numbers: readonly number[], key?: number): void;
  change(to: Partial<Subscription>): void;
}

function scene(of: Partial<Subscription>): Scene {
  const bus = new TestBus({ sizes: { slots: 64 } });
  const topic = bus.topic('a');
  bus.subscribe('work', of);
  const consumer = bus.consumer('work');
  const producer = bus.producer();
  return {
    bus,
    producer,
    consumer,
    send: (numbers, key) => {
      for (const number of numbers) expect(producer.publish(topic, number, key)).toBe(true);
      producer.flush();
      bus.settle();
    },
    change: (to) => void bus.subscribe('work', { ...of, ...to }),
  };
}

/** Everything that comes to a consumer, in turns with the router. */
function all(bus: TestBus, consumer: TestConsumer): readonly number[] {
  const seen: number[] = [];
  for (let turn = 0; turn < 16; turn += 1) {
    seen.push(...consumer.receive().map((it) => it.number));
    bus.settle();
  }
  return seen;
}

const counted = (count: number, from = 0): readonly number[] => Array.from({ length: count }, (_, at) => from + at);

describe('a subscription that becomes at_least_once while a consumer by copy lives', () => {
  it('hands out nothing again of that lane, whose slots are at home and in use', () => {
    const { bus, producer, consumer, send, change } = scene(byCopy);
    send(counted(4));
    expect(consumer.receive(4)).toHaveLength(4);
    bus.settle();
    change(again);
    const mate = bus.consumer('work');
    // Slots that came home are used again, and are not flushed yet.
    for (const number of counted(64, 100)) expect(producer.publish(0, number)).toBe(true);
    bus.dead('consumer', consumer.lane);
    bus.settle();
    producer.flush();
    bus.settle();
    expect(all(bus, mate)).toEqual(counted(64, 100));
    expect(bus.stateOf(seatPlace(bus.segment.layout, 'producer', producer.seat))).toBe('live');
    expect(bus.home(producer.seat)).toBe(64);
  });

  it('tells of nothing that is left of it, and lets its mates go', () => {
    const { bus, consumer, send, change } = scene(byCopy);
    send(counted(4));
    consumer.receive(4);
    bus.settle();
    change(again);
    expect(isGroupThrough(bus.segment, bus.router.routing.recordOf('work'))).toBe(true);
    send([10]);
    bus.dead('consumer', consumer.lane);
    bus.settle();
    expect(abandonedLanes(bus.segment)).toMatchObject([{ unread: 1, unended: 0, waits: true }]);
    const next = bus.consumer('work', 256, consumer.lane);
    expect(next.receive()).toMatchObject([{ number: 10, requeued: true, redelivered: false }]);
  });
});

describe('what a consumer by view died with', () => {
  const keyed = { mode: 'keyed', lane: 'blocking', capacity: 4, access: 'view', viewMax: 4 } as const;
  const key = 7;

  /** One of two dies with two messages of a key and one unread, while the heir of the key has no room for them. */
  function diedWithTwo(of: Partial<Subscription>): Scene & { readonly heir: TestConsumer } {
    const it = scene(of);
    it.send([0, 1], key);
    expect(it.consumer.receive()).toHaveLength(2);
    it.send([2], key);
    const heir = it.bus.consumer('work');
    const owner = (number: number) => it.bus.router.routing.keys(0)?.laneOf(keyHash(number) & 0xffff);
    const others = counted(200, 1_000).filter((number) => owner(number) === heir.lane);
    for (const number of others.slice(0, keyed.capacity)) it.send([number], number);
    expect(it.bus.router.lanes.depth(heir.lane)).toBe(keyed.capacity);
    it.bus.dead('consumer', it.consumer.lane);
    it.bus.settle();
    return { ...it, heir };
  }

  it('comes again as it was decided at its death, also where the subscription is at_most_once by then', () => {
    const { bus, heir, send, change } = diedWithTwo({ ...keyed, delivery: 'at_least_once' });
    change({ delivery: 'at_most_once' });
    send([3], key);
    expect(all(bus, heir).filter((number) => number < 1_000)).toEqual([0, 1, 2, 3]);
  });

  it.each(['the seat that waits', 'a mate'])(
    'lets no lane of its subscription drop before it has come again (to %s)',
    (where) => {
      const of = { ...byCopy, ...again, viewMax: 4 };
      const { bus, consumer, send, change } = scene(of);
      send(counted(4));
      expect(consumer.receive(2)).toHaveLength(2);
      bus.dead('consumer', consumer.lane);
      bus.settle();
      const drops = { delivery: 'at_most_once', lane: 'nonblocking', access: 'copy' } as const;
      expect(() => change(drops)).toThrow('lane 0 has 2 messages of subscription work that come again');
      // Nothing has changed, and it comes; then it may.
      const next = where === 'a mate' ? bus.consumer('work', 256, 3) : bus.consumer('work', 256, consumer.lane);
      expect(all(bus, next)).toEqual(counted(4));
      next.ack();
      bus.settle();
      change(drops);
      send([9]);
      expect(all(bus, next)).toEqual([9]);
    },
  );

  it('stays its own as it was decided at its death, also where the subscription is at_least_once by then', () => {
    const { bus, heir, send, change } = diedWithTwo(keyed);
    change({ delivery: 'at_least_once' });
    send([3], key);
    expect(all(bus, heir).filter((number) => number < 1_000)).toEqual([2, 3]);
  });

  describe('and waits, though its router restarts after its subscription has become at_most_once', () => {
    const inPlace = { ...byCopy, ...again };
    const handedOut = [0, 1, 2, 3].map((number) => ({ number, redelivered: true }));

    /** Received four and ended none of them; another four are unread. */
    function openWithFour(): Scene {
      const it = scene(inPlace);
      it.send(counted(8));
      expect(it.consumer.receive(4)).toHaveLength(4);
      return it;
    }

    function comesAgain({ bus, consumer, producer, change }: Scene, why?: string): void {
      change({ delivery: 'at_most_once' });
      bus.newRouter();
      bus.settle();
      expect(abandonedLanes(bus.segment), why).toMatchObject([{ unread: 4, unended: 4, waits: true }]);
      const next = bus.consumer('work', 256, consumer.lane);
      const received = next.receive();
      expect(received.slice(0, 4), why).toMatchObject(handedOut);
      expect(received.slice(4).map(({ number }) => number)).toEqual(counted(4, 4));
      next.ack();
      bus.settle();
      expect(bus.home(producer.seat)).toBe(64);
    }

    it('comes again to the next consumer', () => {
      const it = openWithFour();
      it.bus.dead('consumer', it.consumer.lane);
      it.bus.settle();
      comesAgain(it);
    });

    it('comes again where its consumer was fenced before it died', () => {
      const it = openWithFour();
      it.bus.router.apply({ do: 'detach-lane', lane: it.consumer.lane, reason: 'operator' });
      it.bus.settle();
      it.bus.dead('consumer', it.consumer.lane);
      it.bus.settle();
      comesAgain(it);
    });

    it('comes again whatever step its first router dies before, once one was told of the death', () => {
      for (let atStep = 0; ; atStep += 1) {
        const it = openWithFour();
        const isKilled = killedAtStep(it.bus, atStep, () => {
          it.bus.dead('consumer', it.consumer.lane);
          it.bus.settle();
        });
        if (isKilled) it.bus.newRouter();
        // Where nothing of it was seen before, the kernel proves it once more.
        it.bus.dead('consumer', it.consumer.lane);
        it.bus.settle();
        comesAgain(it, `killed at step ${atStep}`);
        if (!isKilled) {
          expect(atStep).toBeGreaterThan(4);
          return;
        }
      }
    });

    it('comes again to a mate that has no room yet, the rest of it, each once', () => {
      const it = diedWithTwo({ ...keyed, delivery: 'at_least_once' });
      it.change({ delivery: 'at_most_once' });
      it.bus.newRouter();
      it.send([3], key);
      expect(all(it.bus, it.heir).filter((number) => number < 1_000)).toEqual([0, 1, 2, 3]);
    });
  });

  it('is judged anew at the death of the next one that has the lane', () => {
    const { bus, consumer, send, change } = scene({ ...byCopy, ...again });
    send([0, 1]);
    consumer.receive();
    bus.dead('consumer', consumer.lane);
    bus.settle();
    const second = bus.consumer('work', 256, consumer.lane);
    expect(second.receive()).toHaveLength(2);
    change({ delivery: 'at_most_once' });
    bus.dead('consumer', second.lane);
    bus.newRouter();
    bus.settle();
    expect(abandonedLanes(bus.segment)).toEqual([]);
    expect(bus.stateOf(seatPlace(bus.segment.layout, 'consumer', second.lane))).toBe('free');
  });

  it('is not kept for the next consumer where it does not come again', () => {
    const { bus, consumer, send, change } = scene({ ...byCopy, access: 'view' });
    send([0, 1]);
    consumer.receive();
    send([2]);
    bus.dead('consumer', consumer.lane);
    bus.settle();
    change({ ...again });
    expect(abandonedLanes(bus.segment)).toMatchObject([{ unread: 1, unended: 0, waits: true }]);
    bus.newRouter();
    const next = bus.consumer('work', 256, consumer.lane);
    expect(next.receive()).toMatchObject([{ number: 2, requeued: true, redelivered: false }]);
  });
});
