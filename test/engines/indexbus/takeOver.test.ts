import { describe, expect, it } from 'vitest';
import { attach } from '../../../src/engines/indexbus/attachments.ts';
import type { Bus } from '../../../src/engines/indexbus/bus.ts';
import type { RouterCommand, Subscription } from '../../../src/engines/indexbus/commands.ts';
import { join } from '../../../src/engines/indexbus/join.ts';
import { LaneCursor } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { stateOf } from '../../../src/engines/indexbus/seat.ts';
import { type SeatPlace, seatPlace } from '../../../src/engines/indexbus/seatPlaces.ts';
import { Killed, type Received, TestBus } from './support/bus.ts';
import { Peers, subscription } from './support/peers.ts';

/** A bus of so many lanes, all of which lose their consumers with messages that nobody has read. */
function abandoned(lanes: number, change: Partial<Subscription>, messages = 4, taken = 0, keys = 3) {
  const bus = new TestBus({ sizes: { lanes }, router: { noSubscriber: 'hold' } });
  const topic = bus.topic('a');
  bus.subscribe('work', { mode: 'workqueue', lane: 'blocking', capacity: 16, ...change });
  const consumers = Array.from({ length: lanes }, () => bus.consumer('work'));
  const producer = bus.producer();
  for (let number = 0; number < messages; number += 1) producer.publish(topic, number, number % keys);
  producer.flush();
  bus.settle();
  const seen = taken === 0 ? [] : consumers.flatMap((consumer) => consumer.receive(taken));
  for (const consumer of consumers) bus.dead('consumer', consumer.lane);
  bus.settle();
  return { bus, topic, producer, seen };
}

function states(bus: TestBus): readonly unknown[] {
  const { layout } = bus.segment;
  return Array.from({ length: layout.sizes.lanes }, (_, lane) => bus.stateOf(seatPlace(layout, 'consumer', lane)));
}

const brief = (all: readonly Received[]) => all.map((it) => [it.number, it.requeued, it.redelivered]);
const numbers = (all: readonly Received[]) => all.map((it) => it.number);

describe('a group that has lost all its consumers and has no free seat', () => {
  it('gives the next one the seat of one that is gone, with what is there before anything newer', () => {
    const { bus, topic, producer } = abandoned(1, {});
    expect(states(bus)).toEqual(['draining']);
    const next = bus.consumer('work');
    producer.publish(topic, 4);
    producer.flush();
    bus.settle();
    expect(brief([...next.receive(), ...next.receive()])).toEqual([
      [0, true, false],
      [1, true, false],
      [2, true, false],
      [3, true, false],
      [4, false, false],
    ]);
    bus.settle();
    expect(bus.home(producer.seat)).toBe(64);
    expect([bus.lane(0, LaneCursor.requeuedIn), bus.lane(0, LaneCursor.requeuedOut)]).toEqual([4, 4]);
    expect([bus.lane(0, LaneCursor.backlog), bus.lane(0, LaneCursor.endingOrder)]).toEqual([0, 0]);
  });

  it('does so again and again, also where cursors wrap and the lane is full', () => {
    const { bus } = abandoned(1, {}, 16);
    for (let death = 0; death < 5; death += 1) {
      const next = bus.consumer('work');
      expect(numbers(next.receive(2))).toEqual([2 * death, 2 * death + 1]);
      bus.dead('consumer', next.lane);
      bus.settle();
    }
    expect(numbers(bus.consumer('work').receive())).toEqual([10, 11, 12, 13, 14, 15]);
    bus.settle();
    expect(bus.home(0)).toBe(64);
  });

  it('hands out again what one that is proven dead took by view and did not end', () => {
    const { bus, seen } = abandoned(1, { access: 'view', delivery: 'at_least_once' }, 4, 2);
    expect(numbers(seen)).toEqual([0, 1]);
    const next = bus.consumer('work');
    expect(brief(next.receive())).toEqual([
      [0, false, true],
      [1, false, true],
      [2, true, false],
      [3, true, false],
    ]);
    next.ack();
    bus.settle();
    expect(bus.home(0)).toBe(64);
  });

  it('keeps the order of each key over the seats of several', () => {
    const keys = 32;
    const { bus, topic, producer } = abandoned(2, { mode: 'keyed', capacity: 4 }, 40, 0, keys);
    expect(states(bus)).toEqual(['draining', 'draining']);
    const next = bus.consumer('work');
    for (let number = 40; number < 64; number += 1) producer.publish(topic, number, number % keys);
    producer.flush();
    const got: number[] = [];
    for (let round = 0; round < 40; round += 1) {
      bus.settle();
      got.push(...numbers(next.receive(4)));
      next.ack();
    }
    expect(got.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 64 }, (_, number) => number));
    for (let key = 0; key < keys; key += 1) {
      expect(got.filter((number) => number % keys === key)).toEqual([key, key + keys]);
    }
    expect(states(bus).filter((state) => state === 'free')).toHaveLength(1);
    expect(bus.home(producer.seat)).toBe(64);
  });

  it('is not given to a consumer of another subscription, and waits on', () => {
    const { bus } = abandoned(1, {});
    const other = bus.subscribe('other', { topics: ['none'] });
    expect(() => bus.request('consumer', other)).toThrow('no seat is free');
    const { place } = bus.request('consumer', 0);
    // A participant in another language that does not look.
    bus.segment.words[place.at + 10] = other;
    bus.settle();
    expect(states(bus)).toEqual(['draining']);
    expect(numbers(bus.consumer('work').receive())).toEqual([0, 1, 2, 3]);
  });

  it('waits on when the one that came dies before its seat is live', () => {
    const { bus } = abandoned(1, {});
    bus.request('consumer', 0);
    bus.dead('consumer', 0);
    bus.settle();
    expect(states(bus)).toEqual(['draining']);
    bus.newRouter();
    expect(numbers(bus.consumer('work').receive())).toEqual([0, 1, 2, 3]);
  });

  it.each(['copy', 'view'] as const)('loses and repeats nothing whatever step its router dies before: %s', (access) => {
    let dies = true;
    for (let at = 0; dies; at += 1) {
      dies = false;
      const { bus, topic, producer } = abandoned(1, { access });
      const { place, epoch } = bus.request('consumer', 0);
      let left = at;
      bus.step = () => {
        if (left === 0) dies = true;
        left -= 1;
        if (dies) throw new Killed();
      };
      try {
        for (let polls = 0; polls < 8; polls += 1) bus.router.poll();
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
      }
      bus.step = () => {};
      if (dies) bus.newRouter();
      bus.settle();
      expect(bus.stateOf(place), `died before step ${at}`).toBe('live');
      const consumer = bus.attach(place, epoch);
      producer.publish(topic, 4);
      producer.flush();
      bus.settle();
      expect(numbers([...consumer.receive(), ...consumer.receive()]), `died before step ${at}`).toEqual([
        0, 1, 2, 3, 4,
      ]);
      consumer.ack();
      bus.settle();
      expect(bus.home(producer.seat), `died before step ${at}`).toBe(64);
      if (!dies) expect(at).toBeGreaterThan(20);
    }
  });
});

/** A group by keys of two lanes, over peers that join as programs do. */
class TwoLanes {
  readonly peers = new Peers();
  #bus: Bus | undefined;
  #router: Awaited<ReturnType<Peers['router']>> | undefined;
  #published = 0;

  static async begin(): Promise<TwoLanes> {
    const lanes = new TwoLanes();
    lanes.#router = await lanes.peers.router('bus', { sizes: { lanes: 2 }, subscriptions: [lanes.#group(8)] });
    lanes.#bus = await lanes.peers.bus();
    return lanes;
  }

  #group(capacity: number) {
    return subscription('keys', { mode: 'keyed', lane: 'blocking', capacity });
  }

  get #words(): Int32Array {
    return this.#router?.segment.words ?? new Int32Array(0);
  }

  async command(command: RouterCommand): Promise<void> {
    await this.#router?.runner.apply(command);
  }

  capacity(capacity: number): Promise<void> {
    return this.command({ do: 'put-subscription', subscription: this.#group(capacity) });
  }

  state(place: SeatPlace) {
    return stateOf(Atomics.load(this.#words, place.at));
  }

  isOffered(place: SeatPlace): boolean {
    return this.#words[place.cursors + LaneCursor.backlog] !== 0;
  }

  async publish(count: number): Promise<void> {
    const topic = await this.#bus?.topic('t');
    const producer = await this.#bus?.producer();
    for (const last = this.#published + count; this.#published < last; this.#published += 1) {
      producer?.publishWords(topic ?? 0, Int32Array.of(this.#published), 0, 1, this.#published % 3);
    }
    producer?.flush();
  }

  /** A consumer that only has its seat, until it dies. */
  async seated() {
    const { host, bury } = this.peers.mortal();
    const attachment = await attach(host, { shm: host.shm, name: 'bus' }, 1_000);
    const request = { kind: 'consumer', name: 'mortal', subscription: 0, attachTimeoutMs: 1_000 } as const;
    const { place, epoch } = await join(attachment, request);
    const has = (entries: number) =>
      expect
        .poll(
          () =>
            (this.#words[place.cursors + LaneCursor.tail] ?? 0) -
            (this.#words[place.cursors + LaneCursor.reclaimed] ?? 0),
        )
        .toBe(entries);
    const dies = async (): Promise<void> => {
      bury();
      await this.command({ do: 'peer-dead', seat: place.index, epoch });
    };
    return { place, has, dies };
  }

  /** The lane of a consumer that died with eight messages unread, and the next consumer's, which was given the older half of them. */
  async oneAfterTheOther() {
    const first = await this.seated();
    await this.publish(8);
    await first.has(8);
    await first.dies();
    await expect.poll(() => this.isOffered(first.place)).toBe(true);
    await this.capacity(4);
    const second = await this.seated();
    await second.has(4);
    return { first, second };
  }

  /** All that the next consumer gets, until it has so many. */
  async next(count: number): Promise<readonly number[]> {
    const consumer = await this.#bus?.consumer({ subscription: 'keys' });
    const batch = new MessageBatch(4, 256);
    const seen: number[] = [];
    while (seen.length < count && (await consumer?.ready(2_000))) {
      consumer?.receive(batch);
      for (let at = 0; at < batch.length; at += 1) seen.push(batch.words[batch.wordOffset(at)] ?? -1);
    }
    return seen;
  }
}

describe('a joiner that finds several lanes of a keyed group that wait', () => {
  it('takes the one that ended last, which has what is older; the rest comes to it in order', async () => {
    const lanes = await TwoLanes.begin();
    try {
      const { second } = await lanes.oneAfterTheOther();
      await second.dies();
      await expect.poll(() => lanes.isOffered(second.place)).toBe(true);
      expect(await lanes.next(8)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    } finally {
      await lanes.peers.end();
    }
  });

  it('is sent to it where that is there to be had only after it took another', async () => {
    const lanes = await TwoLanes.begin();
    try {
      const { first, second } = await lanes.oneAfterTheOther();
      // Its lane is taken from it, and it may still be at work: nobody else can have the seat.
      await lanes.command({ do: 'detach-lane', lane: second.place.number, reason: 'operator' });
      const seen = lanes.next(8);
      await expect.poll(() => lanes.state(first.place)).toBe('ready');
      await second.dies();
      expect(await seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    } finally {
      await lanes.peers.end();
    }
  });
});
