import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LaneCursor, ProducerCursor } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { Point } from '../../../src/engines/indexbus/points.ts';
import { epochOf, SeatState, seatWord } from '../../../src/engines/indexbus/seat.ts';
import { type SeatPlace, seatPlace } from '../../../src/engines/indexbus/seatPlaces.ts';
import type { Segment } from '../../../src/engines/indexbus/segment.ts';
import { bytesOf, codeOf, Peers, subscription } from './support/peers.ts';

let peers: Peers;
beforeEach(() => {
  peers = new Peers();
});
afterEach(() => peers.end());

/** The router frees the seat, and somebody takes it and sleeps there. */
function nextHolderSleeps({ words }: Segment, place: SeatPlace, flag: number): void {
  const epoch = epochOf(Atomics.load(words, place.at)) + 1;
  Atomics.store(words, place.at, seatWord(epoch, SeatState.live));
  Atomics.store(words, place.cursors + flag, 1);
}

describe('a wait that another call of its process takes the seat from', () => {
  it('of a producer writes nothing into the words of the next holder', async () => {
    const { segment, runner } = await peers.router('bus', {
      subscriptions: [subscription('all', { lane: 'blocking' })],
    });
    let atEnd = (): void => {};
    const bus = await peers.bus({
      step: (point) => {
        if (point === Point.clearSleeping) atEnd();
      },
    });
    const topic = await bus.topic('t');
    const producer = await bus.producer();
    await bus.consumer({ subscription: 'all' });
    while (producer.publish(topic, bytesOf('x')));
    const place = seatPlace(segment.layout, 'producer', 0);
    let said: unknown;
    atEnd = () => {
      if (said !== undefined || Atomics.load(segment.words, place.at) % 16 !== SeatState.fenced) return;
      said = codeOf(() => producer.publish(topic, bytesOf('x')));
      nextHolderSleeps(segment, place, ProducerCursor.waiting);
    };
    const waits = producer.ready(2000);
    await runner.apply({ do: 'fence-producer', seat: 0 });
    expect(await waits).toBe(true);
    expect(await said).toBe('IB_FENCED');
    expect(Atomics.load(segment.words, place.cursors + ProducerCursor.waiting)).toBe(1);
    const sequence = Atomics.load(segment.words, place.wake);
    await producer.close();
    expect(Atomics.load(segment.words, place.wake)).toBe(sequence);
  });

  it('of a consumer writes nothing into the words of the next holder', async () => {
    const { segment, runner } = await peers.router('bus', { subscriptions: [subscription('all')] });
    let atEnd = (): void => {};
    const bus = await peers.bus({
      step: (point) => {
        if (point === Point.clearSleeping) atEnd();
      },
    });
    const consumer = await bus.consumer({ subscription: 'all' });
    const place = seatPlace(segment.layout, 'consumer', 0);
    const batch = new MessageBatch(8, 1024);
    let said: unknown;
    atEnd = () => {
      if (said !== undefined || Atomics.load(segment.words, place.at) % 16 !== SeatState.fenced) return;
      said = codeOf(() => consumer.receive(batch));
      nextHolderSleeps(segment, place, LaneCursor.sleeping);
    };
    const waits = consumer.ready(2000);
    await runner.apply({ do: 'detach-lane', lane: 0, reason: 'operator' });
    expect(await waits).toBe(true);
    expect(await said).toBe('IB_FENCED');
    expect(Atomics.load(segment.words, place.cursors + LaneCursor.sleeping)).toBe(1);
    const sequence = Atomics.load(segment.words, place.wake);
    await consumer.close();
    expect(Atomics.load(segment.words, place.wake)).toBe(sequence);
  });
});
