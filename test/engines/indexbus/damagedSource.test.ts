import { expect, it } from 'vitest';
import { ringSeatsBell } from '../../../src/engines/indexbus/bells.ts';
import { FencedError } from '../../../src/engines/indexbus/errors.ts';
import { DetachReason, Seat } from '../../../src/engines/indexbus/layout.ts';
import { seatPlace } from '../../../src/engines/indexbus/seatPlaces.ts';
import { TestBus } from './support/bus.ts';

const noSlot = 9_999;
const tooLong = 0xff_ffff;

/** Two producers that have flushed; of what the first one has, somebody has written over the second of three messages. */
function scene(word: 0 | 1, to: number) {
  const ended: { readonly producer: number; readonly reason: number }[] = [];
  const bus = new TestBus({ events: { producerEnded: (producer, reason) => ended.push({ producer, reason }) } });
  const topic = bus.topic('a');
  bus.subscribe('all');
  const consumer = bus.consumer('all');
  const [bad, good] = [bus.producer(), bus.producer()];
  for (const number of [1, 2, 3]) bad.publish(topic, number);
  good.publish(topic, 7);
  for (const producer of [bad, good]) producer.flush();
  const { layout, words } = bus.segment;
  const place = seatPlace(layout, 'producer', bad.seat);
  words[layout.sources + bad.seat * layout.sourceStep + 4 + word] = to;
  return {
    bus,
    bad,
    state: () => bus.stateOf(place),
    /** Everybody has what there is for him, and the damage is told as the last of the ends. */
    expectCut: (reason: number) => {
      bus.settle();
      expect(consumer.receive().map(({ number }) => number)).toEqual([1, 7]);
      bus.settle();
      // A router that finds an end under way tells of it again.
      expect(ended.slice(-2)).toEqual([
        { producer: bad.seat, reason },
        { producer: bad.seat, reason: DetachReason.corrupt },
      ]);
      expect(words[place.at + Seat.reason]).toBe(DetachReason.corrupt);
      expect(bus.router.hasWork()).toBe(false);
    },
  };
}

type Scene = ReturnType<typeof scene>;

function leave({ bus, bad }: Scene): void {
  bad.setSeat('leaving');
  ringSeatsBell(bus.region);
}

function die({ bus, bad }: Scene): void {
  bus.dead('producer', bad.seat);
}

for (const [word, to] of [
  [0, noSlot],
  [1, tooLong],
] as const) {
  it(`ends at what is damaged though its producer has left, and holds up nobody (word ${word})`, () => {
    const it = scene(word, to);
    leave(it);
    it.expectCut(DetachReason.graceful);
    expect(it.state()).toBe('free');
    // The next one has all slots.
    const next = it.bus.producer();
    expect(next.seat).toBe(it.bad.seat);
    for (let number = 0; number < it.bus.segment.layout.sizes.slots; number += 1) {
      expect(next.publish(0, number)).toBe(true);
    }
  });

  it(`ends at what is damaged though its producer is dead, and holds up nobody (word ${word})`, () => {
    const it = scene(word, to);
    die(it);
    it.expectCut(DetachReason.dead);
    expect(it.state()).toBe('free');
  });

  it(`ends at what is damaged though its producer is fenced, which still learns of it (word ${word})`, () => {
    const it = scene(word, to);
    it.bus.router.apply({ do: 'fence-producer', seat: it.bad.seat });
    it.expectCut(DetachReason.operator);
    expect(it.state()).toBe('fenced');
    it.bad.publish(0, 4);
    expect(() => it.bad.flush()).toThrow(FencedError);
    it.bus.settle();
    expect(it.state()).toBe('free');
  });
}

it('ends at what is damaged also for a router that finds the end under way', () => {
  const it = scene(1, tooLong);
  die(it);
  it.bus.newRouter();
  it.expectCut(DetachReason.dead);
  expect(it.state()).toBe('free');
});
