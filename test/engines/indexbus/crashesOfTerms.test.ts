import { describe, expect, it } from 'vitest';
import type { LaneChange } from '../../../src/engines/indexbus/commands.ts';
import { LaneCursor, Seat } from '../../../src/engines/indexbus/layout.ts';
import { seatPlace } from '../../../src/engines/indexbus/seatPlaces.ts';
import { TestBus, type TestConsumer, type TestProducer } from './support/bus.ts';
import { killedAtStep } from './support/killing.ts';

/** Far above what a change takes. */
const stepsMax = 2_000;

const termWords = [Seat.mode, Seat.capacityOrRate, Seat.creditLimit, Seat.detachAfterMs];

/** Counts of what a lane lost. */
const drops = [
  LaneCursor.droppedNewest,
  LaneCursor.droppedOldest,
  LaneCursor.droppedPool,
  LaneCursor.droppedNoCredit,
  LaneCursor.droppedAllFull,
];

interface Built {
  readonly bus: TestBus;
  readonly consumer: TestConsumer;
  readonly producer: TestProducer;
  readonly topic: number;
}

/** A lane that blocks and has more of a producer's slots than its share will be. */
function build(): Built {
  const bus = new TestBus({ sizes: { laneRing: 128 } });
  const topic = bus.topic('a');
  bus.subscribe('all', { lane: 'blocking', capacity: 60, creditLimit: 50, detachAfterMs: 999 });
  const consumer = bus.consumer('all');
  const producer = bus.producer();
  for (let number = 0; number < 40; number += 1) producer.publish(topic, number);
  producer.flush();
  bus.settle();
  return { bus, consumer, producer, topic };
}

/** What the segment says of the lane, and what the router makes of it. */
function termsOf({ bus, consumer: { lane } }: Built) {
  const { at } = seatPlace(bus.segment.layout, 'consumer', lane);
  const { lanes } = bus.router;
  return {
    words: termWords.map((word) => bus.segment.words[at + word]),
    router: [lanes.blocking, lanes.dropOldest, lanes.capacity, lanes.creditLimit, lanes.detachAfterMs].map(
      (of) => of[lane],
    ),
  };
}

const changes: Readonly<Record<string, LaneChange>> = {
  'of all terms': { lane: 'nonblocking', drop: 'oldest', capacity: 20, creditLimit: 19, detachAfterMs: 5 },
  'that lifts its limits': { capacity: 64, creditLimit: 0, detachAfterMs: 0 },
  'to one that drops': { lane: 'nonblocking' },
};

describe('a router that is killed at a step of a change of a lane', () => {
  it.each(Object.entries(changes))('%s: leaves the old terms or the new ones', (_, change) => {
    const apply = ({ bus, consumer: { lane } }: Built) => bus.router.apply({ do: 'change-lane', lane, change });
    const twin = build();
    const old = termsOf(twin);
    apply(twin);
    const next = termsOf(twin);
    expect(next).not.toEqual(old);
    const found = new Set<string>();
    for (let atStep = 0; ; atStep += 1) {
      expect(atStep).toBeLessThan(stepsMax);
      const built = build();
      const { bus, consumer, producer, topic } = built;
      if (!killedAtStep(bus, atStep, () => apply(built))) break;
      bus.newRouter();
      const isNew = termsOf(built).words[1] === next.words[1] && termsOf(built).words[2] === next.words[2];
      const isOld = JSON.stringify(termsOf(built)) === JSON.stringify(old);
      if (!isOld) expect(termsOf(built), `killed at step ${atStep}`).toEqual(next);
      found.add(isOld ? 'old' : `new ${isNew}`);
      // Its share holds from the beginning, whatever of the change its predecessor could still do.
      const held = bus.router.counts.held(consumer.lane, producer.seat);
      expect(held, `killed at step ${atStep}`).toBeLessThanOrEqual(bus.router.lanes.share(consumer.lane));
      // Every message is received, or counted as lost.
      producer.publish(topic, 40);
      producer.flush();
      bus.settle();
      const got: number[] = [];
      for (let round = 0; round < 8; round += 1) {
        got.push(...consumer.receive().map(({ number }) => number));
        bus.settle();
      }
      const lost = drops.reduce((sum, word) => sum + bus.lane(consumer.lane, word), 0);
      expect(got).toEqual(Array.from({ length: got.length }, (_, index) => (got[0] ?? 0) + index));
      expect(got.length + lost).toBe(41);
      expect(bus.home(producer.seat)).toBe(64);
    }
    expect([...found]).toEqual(['old', 'new true']);
  });

  it('and its successor at each of its own', () => {
    const change = changes['of all terms'] ?? {};
    const apply = ({ bus, consumer: { lane } }: Built) => bus.router.apply({ do: 'change-lane', lane, change });
    const twin = build();
    const old = termsOf(twin);
    apply(twin);
    const next = termsOf(twin);
    let pairs = 0;
    for (let first = 0; ; first += 1) {
      const probe = build();
      if (!killedAtStep(probe.bus, first, () => apply(probe))) break;
      for (let second = 0; ; second += 1) {
        const built = build();
        killedAtStep(built.bus, first, () => apply(built));
        if (!killedAtStep(built.bus, second, () => built.bus.newRouter())) break;
        built.bus.newRouter();
        expect([old, next]).toContainEqual(termsOf(built));
        pairs += 1;
      }
    }
    expect(pairs).toBeGreaterThan(60);
  });

  it('is refused as a whole where it does not go together', () => {
    const built = build();
    const old = termsOf(built);
    const { bus, consumer } = built;
    for (const change of [{ capacity: 49 }, { capacity: 10, creditLimit: 11 }, { creditLimit: 61 }]) {
      expect(() => bus.router.apply({ do: 'change-lane', lane: consumer.lane, change })).toThrow('do not go together');
      expect(termsOf(built)).toEqual(old);
    }
  });
});
