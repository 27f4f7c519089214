import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Receiver } from '../../../src/engines/indexbus/consumer.ts';
import { BusError } from '../../../src/engines/indexbus/errors.ts';
import { LaneCursor } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { Point } from '../../../src/engines/indexbus/points.ts';
import { TestBus } from './support/bus.ts';

const sizes = { slots: 512, laneRing: 128, slotBytes: 128 };

/** A bus with one lane, whose consumer copies word by word or gathers. */
function busThat(gathers: boolean, startAt: number, checked: boolean, room: number) {
  const bus = new TestBus({ sizes, router: { batchSize: 60 }, gathers, startAt });
  const topic = bus.topic('t');
  bus.subscribe('all', { drop: 'oldest', capacity: 60 });
  const lane = bus.consumer('all');
  const { region, segment, mutants } = bus;
  const receiver = new Receiver(region, segment.layout, lane.lane, lane.head, 64, checked, mutants);
  const { publisher } = bus.producer({ checked: true });
  return { bus, topic, lane, receiver, publisher, batch: new MessageBatch(64, room) };
}

type Bus = ReturnType<typeof busThat>;

/** Publishes messages of these lengths and routes them; each word tells the message. */
function send({ bus, topic, publisher }: Bus, lengths: readonly number[], from: number): void {
  lengths.forEach((length, index) => {
    const payload = Uint8Array.from({ length }, (_, byte) => (from + index + byte) & 255);
    publisher.publish(topic, payload, from + index);
  });
  publisher.flush();
  bus.settle();
}

/** All that one receive gives, or what it throws. */
function taken({ receiver, batch }: Bus, most: number): unknown {
  try {
    const count = receiver.receive(batch, most);
    return Array.from({ length: count }, (_, index) => [
      batch.sequence(index),
      batch.topic(index),
      batch.key(index),
      batch.producer(index),
      [...batch.bytes(index)],
    ]);
  } catch (error) {
    if (error instanceof BusError) return `${error.code}: ${error.message}`;
    throw error;
  }
}

describe('a receive that gathers', () => {
  it('gives what one that copies gives: any lengths, the end of the ring, too little room, check words', () => {
    const step = fc.record({
      lengths: fc.array(fc.nat({ max: 112 }), { maxLength: 60 }),
      receives: fc.array(fc.nat({ max: 64 }), { maxLength: 3 }),
    });
    const startAt = fc.constantFrom(0, 0x7fff_fff0, 0xffff_ffe0 | 0);
    const room = fc.constantFrom(64 * 112, 1000, 64);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), startAt, room, fc.boolean(), (steps, start, bytes, checked) => {
        const [copying, gathering] = [false, true].map((gathers) => busThat(gathers, start, checked, bytes));
        if (copying === undefined || gathering === undefined) throw new Error('two were made');
        let sent = 0;
        for (const { lengths, receives } of steps) {
          for (const bus of [copying, gathering]) send(bus, lengths, sent);
          sent += lengths.length;
          for (const most of receives) expect(taken(gathering, most)).toEqual(taken(copying, most));
        }
      }),
      { numRuns: 200 },
    );
  });

  it('throws away what was written over meanwhile', () => {
    const bus = busThat(true, 0, false, 64 * 112);
    send(bus, new Array(60).fill(8), 0);
    let visits = 0;
    bus.bus.step = (point) => {
      if (point !== Point.claimHead) return;
      visits += 1;
      // The first claim comes after forty of what was gathered have made room for others.
      if (visits === 1) send(bus, new Array(40).fill(8), 60);
    };
    const sequences = (): unknown => (taken(bus, 64) as unknown[][]).map(([sequence]) => sequence);
    // Up to the tail that it has seen, then the rest.
    expect(sequences()).toEqual(Array.from({ length: 20 }, (_, index) => index + 40));
    expect(sequences()).toEqual(Array.from({ length: 40 }, (_, index) => index + 60));
    expect(bus.bus.lane(bus.lane.lane, LaneCursor.droppedOldest)).toBe(40);
  });

  it('stops before a descriptor that no router writes, and tells of one that is first', () => {
    const bus = busThat(true, 0, false, 64 * 112);
    send(bus, new Array(40).fill(8), 0);
    const { words, layout } = bus.bus.segment;
    words[layout.laneRings + bus.lane.lane * layout.laneRingStep + 20 * 4] = 0x7fff_ffff;
    expect(taken(bus, 64)).toHaveLength(20);
    expect(taken(bus, 64)).toMatch(/^IB_CORRUPT/);
  });
});
