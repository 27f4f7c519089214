import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Bus } from '../../../src/engines/indexbus/bus.ts';
import { openBus } from '../../../src/engines/indexbus/bus.ts';
import type { Consumer } from '../../../src/engines/indexbus/busConsumer.ts';
import type { Subscription } from '../../../src/engines/indexbus/commands.ts';
import { DetachReason } from '../../../src/engines/indexbus/layout.ts';
import { SeatProber } from '../../../src/engines/indexbus/liveness.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { Point, type PointName } from '../../../src/engines/indexbus/points.ts';
import type { RouterNews, RouterRunner } from '../../../src/engines/indexbus/routerRunner.ts';
import { stateOf } from '../../../src/engines/indexbus/seat.ts';
import { seatPlaces } from '../../../src/engines/indexbus/seatPlaces.ts';
import { openSegment, type Segment } from '../../../src/engines/indexbus/segment.ts';
import { Killed, type Mortal, Peers, peerSizes, subscription } from './support/peers.ts';

let peers: Peers;
beforeEach(() => {
  peers = new Peers();
});
afterEach(() => peers.end());

interface Stage {
  readonly segment: Segment;
  readonly runner: RouterRunner;
  readonly survivor: Bus;
  readonly topic: number;
  readonly mortal: Mortal;
  readonly mortalBus: Bus;
}

async function stage(of: Partial<Subscription>, onNews: (news: RouterNews) => void = () => {}): Promise<Stage> {
  const { runner } = await peers.router('bus', { subscriptions: [subscription('group', of)], onNews });
  const survivor = await peers.bus();
  const topic = await survivor.topic('t');
  const watcher = peers.host();
  const segment = await openSegment({ shm: watcher.shm, name: 'bus' });
  const mortal = peers.mortal();
  // A flush at the end of a turn of the dead has nobody to throw at.
  const atEndOfTurn = (run: () => void): void => queueMicrotask(() => void diesIn(run));
  const mortalBus = await openBus({ host: mortal.host, segment: 'bus', attachTimeoutMs: 1000, atEndOfTurn });
  return { segment, runner, survivor, topic, mortal, mortalBus };
}

/** Runs a participant's code until it dies; true if it did. */
async function diesIn(run: () => unknown): Promise<boolean> {
  try {
    await run();
  } catch (error) {
    if (error instanceof Killed) return true;
    throw error;
  }
  return false;
}

/** What the daemon does: asks the kernel of every seat, and tells the router who is dead. */
async function probe({ segment, runner }: Stage): Promise<void> {
  const { clock, telemetry } = peers.host();
  for (const { seat, epoch, judgement } of new SeatProber(segment, clock, telemetry).probe()) {
    if (judgement.verdict === 'dead') await runner.apply({ do: 'peer-dead', seat: seat.index, epoch });
  }
}

function states({ segment }: Stage, kind: 'producer' | 'consumer') {
  return seatPlaces(segment.layout, kind).map(({ at }) => stateOf(Atomics.load(segment.words, at)));
}

/** Takes everything that comes until nothing has come for some time; numbers of the messages. */
async function drain(consumer: Consumer, into: number[], quietMs = 20): Promise<void> {
  const batch = new MessageBatch(16, 2048);
  while (await consumer.ready(quietMs)) {
    consumer.receive(batch);
    for (let index = 0; index < batch.length; index += 1) into.push(batch.words[batch.wordOffset(index)] ?? -1);
  }
  consumer.ack();
}

async function wholePools(it: Stage): Promise<void> {
  const producers = [];
  for (let seat = 0; seat < peerSizes.producers; seat += 1) producers.push(await it.survivor.producer());
  expect(producers.map((producer) => producer.credit)).toEqual(producers.map(() => peerSizes.slots));
  await Promise.all(producers.map((producer) => producer.close()));
}

describe('a producer that dies', () => {
  /** Step, visits survived, messages that were flushed by then: three batches of two. */
  const deaths: readonly (readonly [PointName, number, number])[] = [
    ['takeSlot', 0, 0],
    ['takeSlot', 3, 2],
    ['writePayload', 2, 2],
    ['writeDescriptor', 3, 2],
    ['storeTail', 0, 0],
    ['storeTail', 1, 2],
    ['ringDoorbell', 1, 4],
    ['wakeRouter', 1, 4],
    ['wakeRouter', 2, 6],
    ['readReturns', 0, 6],
  ];
  for (const [name, visits, flushed] of deaths) {
    it(`at ${name} after ${visits} visits leaves ${flushed} messages, its whole pool and a free seat`, async () => {
      const it = await stage({ mode: 'workqueue' });
      const producer = await it.mortalBus.producer({ flushEvery: 2, creditLimit: 6 });
      const consumer = await it.survivor.consumer({ subscription: 'group' });
      it.mortal.dieAt(Point[name], visits);
      const dies = await diesIn(() => {
        for (let number = 0; number < 7; number += 1) producer.publishWords(it.topic, Int32Array.of(number), 0, 1);
      });
      expect(dies).toBe(true);
      it.mortal.bury();
      await probe(it);
      const received: number[] = [];
      await drain(consumer, received);
      expect(received).toEqual(Array.from({ length: flushed }, (_, number) => number));
      await expect.poll(() => states(it, 'producer')).toEqual(['free', 'free', 'free', 'free']);
      await wholePools(it);
    });
  }
});

describe('a consumer that dies', () => {
  /** Step, visits survived, messages that it had claimed by then. */
  const deaths: readonly (readonly [PointName, number, number])[] = [
    ['loadTail', 0, 0],
    ['copyOut', 0, 0],
    ['claimHead', 0, 0],
    ['consumerWakesRouter', 0, 2],
    ['storeDone', 0, 2],
    ['copyOut', 1, 2],
    ['claimHead', 1, 2],
    ['consumerWakesRouter', 1, 4],
  ];
  for (const access of ['copy', 'view'] as const) {
    for (const [name, visits, copied] of deaths) {
      // Who views claims before it reads.
      const claimed = access === 'view' && name === 'copyOut' ? copied + 2 : copied;
      it(`by ${access} at ${name} after ${visits} visits keeps ${claimed}; the others go to its group`, async () => {
        const it = await stage({ mode: 'workqueue', lane: 'blocking', access, capacity: 16 });
        const dying = await it.mortalBus.consumer({ subscription: 'group', batch: 2 });
        const producer = await it.survivor.producer();
        const numbers = [0, 1, 2, 3, 4, 5];
        for (const number of numbers) producer.publishWords(it.topic, Int32Array.of(number), 0, 1);
        expect(await dying.ready(1000)).toBe(true);
        const other = await it.survivor.consumer({ subscription: 'group' });
        it.mortal.dieAt(Point[name], visits);
        const batch = new MessageBatch(2, 64);
        expect(await diesIn(() => [dying.receive(batch), dying.receive(batch), dying.receive(batch)])).toBe(true);
        it.mortal.bury();
        await probe(it);
        const received: number[] = [];
        await drain(other, received);
        expect(received).toEqual(numbers.slice(claimed));
        await expect.poll(() => states(it, 'consumer')).toEqual(['free', 'live', 'free', 'free']);
        await producer.close();
        await wholePools(it);
      });
    }
  }

  for (const name of ['setSleeping', 'lookAgain', 'sleep'] as const) {
    it(`at ${name} while it waits leaves nothing behind`, async () => {
      const it = await stage({ mode: 'workqueue', lane: 'blocking' });
      const dying = await it.mortalBus.consumer({ subscription: 'group' });
      it.mortal.dieAt(Point[name]);
      expect(await diesIn(() => dying.ready(1000))).toBe(true);
      it.mortal.bury();
      const producer = await it.survivor.producer();
      for (const number of [1, 2, 3]) producer.publishWords(it.topic, Int32Array.of(number), 0, 1);
      await probe(it);
      const other = await it.survivor.consumer({ subscription: 'group' });
      const received: number[] = [];
      await drain(other, received);
      expect(received).toEqual([1, 2, 3]);
      await producer.close();
      await wholePools(it);
    });
  }
});

describe('a joiner that dies', () => {
  for (const kind of ['producer', 'consumer'] as const) {
    for (const name of ['takeSeatLock', 'claimSeat', 'writeSeat', 'seatReady', 'seatLive'] as const) {
      it(`as ${kind} at ${name} leaves a free seat`, async () => {
        const it = await stage({ mode: 'workqueue' });
        it.mortal.dieAt(Point[name]);
        const join = () =>
          kind === 'producer' ? it.mortalBus.producer() : it.mortalBus.consumer({ subscription: 'group' });
        expect(await diesIn(join)).toBe(true);
        it.mortal.bury();
        await probe(it);
        await expect.poll(() => states(it, kind)).toEqual(['free', 'free', 'free', 'free']);
        await wholePools(it);
      });
    }
  }
});

describe('a leaver that dies', () => {
  it('before it has said so is drained like any dead one, after it like one that left', async () => {
    const it = await stage({ mode: 'workqueue' });
    const consumer = await it.mortalBus.consumer({ subscription: 'group' });
    const producer = await it.mortalBus.producer();
    producer.publishWords(it.topic, Int32Array.of(1), 0, 1);
    producer.flush();
    it.mortal.dieAt(Point.seatLeaving);
    expect(await diesIn(() => consumer.close())).toBe(true);
    it.mortal.bury();
    await probe(it);
    await expect.poll(() => states(it, 'consumer')).toEqual(['free', 'free', 'free', 'free']);
    await expect.poll(() => states(it, 'producer')).toEqual(['free', 'free', 'free', 'free']);
    await wholePools(it);
  });

  for (const kind of ['producer', 'consumer'] as const) {
    it(`as ${kind} after it has said so, before it rings, is drained like one that left`, async () => {
      const news: RouterNews[] = [];
      const it = await stage({ mode: 'workqueue', lane: 'blocking' }, (told) => news.push(told));
      const leaver =
        kind === 'producer' ? await it.mortalBus.producer() : await it.mortalBus.consumer({ subscription: 'group' });
      it.mortal.dieAt(Point.leaverRings);
      expect(await diesIn(() => leaver.close())).toBe(true);
      expect(states(it, kind)).toEqual(['leaving', 'free', 'free', 'free']);
      it.mortal.bury();
      await probe(it);
      await expect.poll(() => states(it, kind)).toEqual(['free', 'free', 'free', 'free']);
      const ended = kind === 'producer' ? 'producer-ended' : 'lane-ended';
      expect(news.findLast((it) => it.news === ended)).toMatchObject({ reason: DetachReason.graceful });
      await wholePools(it);
    });
  }

  it('after a fence that it did not acknowledge is freed by its death', async () => {
    const it = await stage({ mode: 'workqueue' });
    const consumer = await it.mortalBus.consumer({ subscription: 'group' });
    await it.runner.apply({ do: 'detach-lane', lane: 0, reason: 'operator' });
    it.mortal.dieAt(Point.acknowledgeFence);
    expect(await diesIn(() => consumer.receive(new MessageBatch(1, 64)))).toBe(true);
    expect(states(it, 'consumer')[0]).toBe('fenced');
    it.mortal.bury();
    await probe(it);
    await expect.poll(() => states(it, 'consumer')).toEqual(['free', 'free', 'free', 'free']);
  });
});
