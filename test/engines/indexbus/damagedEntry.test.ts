import { describe, expect, it, vi } from 'vitest';
import type { Subscription } from '../../../src/engines/indexbus/commands.ts';
import { DamagedEntries } from '../../../src/engines/indexbus/damagedEntries.ts';
import { descriptorWords, ownedSlot, slotOf } from '../../../src/engines/indexbus/descriptor.ts';
import { LaneCursor } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { seatPlace } from '../../../src/engines/indexbus/seatPlaces.ts';
import { TestBus, type TestConsumer } from './support/bus.ts';
import { Peers } from './support/peers.ts';
import { mortalConsumer, published as publishedTo, received, workAndAll } from './support/rolled.ts';
import { smallRouter } from './support/smallRouter.ts';

const published = [0, 1, 2, 3, 4, 5];

/** A lane of an at-least-once group with six messages, of which its consumer has three open. */
function scene(change: Partial<Subscription> = {}) {
  const damaged: { readonly lane: number; readonly entries: number }[] = [];
  const bus = new TestBus({ events: { entriesDamaged: (lane, entries) => damaged.push({ lane, entries }) } });
  const topic = bus.topic('a');
  bus.subscribe('work', {
    mode: 'workqueue',
    lane: 'blocking',
    capacity: 16,
    access: 'view',
    delivery: 'at_least_once',
    ...change,
  });
  const consumer = bus.consumer('work');
  const producer = bus.producer();
  for (const number of published) producer.publish(topic, number, number);
  producer.flush();
  bus.settle();
  consumer.receive(3);
  const { layout, words } = bus.segment;
  const entry = (cursor: number): number =>
    layout.laneRings + consumer.lane * layout.laneRingStep + cursor * descriptorWords;
  return {
    bus,
    producer,
    consumer,
    damaged,
    seat: () => bus.stateOf(seatPlace(layout, 'consumer', consumer.lane)),
    word: (field: number) => bus.lane(consumer.lane, field),
    /** What somebody wrote over, who writes where he must not. */
    damage: (cursor: number, word: 0 | 1, to: number) => {
      words[entry(cursor) + word] = to;
    },
    /** Takes all that there is for it, and ends it. */
    readAll: (reader: TestConsumer): readonly number[] => {
      const seen: number[] = [];
      for (let turn = 0; turn < 16; turn += 1) {
        bus.settle();
        seen.push(...reader.receive().map(({ number }) => number));
      }
      reader.ack();
      bus.settle();
      return seen;
    },
  };
}

const noProducer = ownedSlot(63, 1);
const noSlot = ownedSlot(0, 1000);
/** No lane has it: it is at home. */
const freeSlot = ownedSlot(0, 20);

describe('a damaged entry of a lane whose consumer is dead', () => {
  it.each([
    { what: 'a producer that is none', word: 0, to: noProducer },
    { what: 'a slot that is none', word: 0, to: noSlot },
    { what: 'a slot that no lane has', word: 0, to: freeSlot },
    { what: 'more bytes than a slot has', word: 1, to: 0xff_ffff },
  ] as const)('that names $what keeps nothing else from a mate, open or unread', ({ word, to }) => {
    const { bus, producer, consumer, damaged, seat, word: laneWord, damage, readAll } = scene();
    damage(1, word, to);
    damage(4, word, to);
    const mate = bus.consumer('work');
    bus.dead('consumer', consumer.lane);
    expect(readAll(mate)).toEqual([0, 2, 3, 5]);
    expect(seat()).toBe('free');
    // What was unread is a drop; what its consumer had received is counted there, and no counter goes back.
    expect(laneWord(LaneCursor.droppedDetached)).toBe(1);
    expect(laneWord(LaneCursor.requeuedOut)).toBe(2);
    expect(bus.lane(mate.lane, LaneCursor.redelivered)).toBe(2);
    expect(damaged.every(({ lane }) => lane === consumer.lane)).toBe(true);
    expect(damaged.reduce((sum, { entries }) => sum + entries, 0)).toBe(2);
    expect(bus.home(producer.seat)).toBe(bus.segment.layout.sizes.slots);
  });

  it('keeps nothing else from the next consumer either, who takes the lane over', () => {
    const { bus, producer, consumer, damaged, word, damage, readAll } = scene();
    damage(1, 0, noProducer);
    damage(4, 0, noProducer);
    bus.dead('consumer', consumer.lane);
    bus.settle();
    expect(readAll(bus.consumer('work', 256, consumer.lane))).toEqual([0, 2, 3, 5]);
    expect([word(LaneCursor.droppedDetached), word(LaneCursor.redelivered), word(LaneCursor.requeuedIn)]).toEqual([
      1, 2, 2,
    ]);
    expect(damaged).toEqual([{ lane: consumer.lane, entries: 2 }]);
    expect(bus.home(producer.seat)).toBe(bus.segment.layout.sizes.slots);
  });

  it('lets the buckets of its keys go on', () => {
    const { bus, producer, consumer, damage, readAll } = scene({ mode: 'keyed' });
    damage(1, 0, noProducer);
    damage(4, 0, noProducer);
    const mate = bus.consumer('work');
    bus.dead('consumer', consumer.lane);
    expect(readAll(mate)).toEqual([0, 2, 3, 5]);
    const { layout } = bus.segment;
    for (const number of published) producer.publish(0, 10 + number, number);
    producer.flush();
    expect(readAll(mate)).toEqual(published.map((number) => 10 + number));
    expect(bus.home(producer.seat)).toBe(layout.sizes.slots);
  });

  it('lets the buckets of its keys go on where the next consumer takes the lane over', () => {
    const { bus, producer, consumer, damage, readAll } = scene({ mode: 'keyed' });
    damage(1, 0, noProducer);
    damage(4, 0, noProducer);
    bus.dead('consumer', consumer.lane);
    bus.settle();
    const next = bus.consumer('work', 256, consumer.lane);
    expect(readAll(next)).toEqual([0, 2, 3, 5]);
    const { layout } = bus.segment;
    for (const number of published) producer.publish(0, 10 + number, number);
    producer.flush();
    expect(readAll(next)).toEqual(published.map((number) => 10 + number));
    expect(bus.home(producer.seat)).toBe(layout.sizes.slots);
  });

  it.each([
    { what: 'nobody has it again', change: { delivery: 'at_most_once' }, lost: 1 },
    { what: 'nobody else is to have it', change: { mode: 'broadcast', delivery: 'at_most_once' }, lost: 3 },
  ] as const)('keeps no slot where $what', ({ change, lost }) => {
    const { bus, producer, consumer, seat, word, damage, readAll } = scene(change);
    damage(1, 0, noProducer);
    damage(4, 0, noSlot);
    const mate = bus.consumer('work');
    bus.dead('consumer', consumer.lane);
    expect(readAll(mate)).toEqual(lost === 1 ? [3, 5] : []);
    expect(seat()).toBe('free');
    expect(word(LaneCursor.droppedDetached)).toBe(lost);
    expect(bus.home(producer.seat)).toBe(bus.segment.layout.sizes.slots);
  });
});

/** Ways in which a consumer that lives gives its lane up. */
const endsAlive = [
  {
    how: 'was fenced, and has acknowledged that',
    end: (bus: TestBus, consumer: TestConsumer): void => {
      bus.router.apply({ do: 'detach-lane', lane: consumer.lane, reason: 'operator' });
      consumer.acknowledge();
    },
  },
  { how: 'has left', end: (_: TestBus, consumer: TestConsumer): void => consumer.setSeat('leaving') },
] as const;

describe.each(endsAlive)('a damaged entry of a lane whose consumer $how', ({ end }) => {
  it('keeps nothing else from a mate, and no slot', () => {
    const { bus, producer, consumer, damaged, seat, word, damage, readAll } = scene();
    consumer.ack();
    damage(4, 0, noProducer);
    const mate = bus.consumer('work');
    end(bus, consumer);
    expect(readAll(mate)).toEqual([3, 5]);
    expect(seat()).toBe('free');
    expect([word(LaneCursor.droppedDetached), word(LaneCursor.requeuedOut)]).toEqual([1, 2]);
    expect(damaged).toEqual([{ lane: consumer.lane, entries: 1 }]);
    expect(bus.home(producer.seat)).toBe(bus.segment.layout.sizes.slots);
  });

  it('keeps no slot where nobody else is to have it', () => {
    const { bus, producer, consumer, seat, word, damage, readAll } = scene({
      mode: 'broadcast',
      delivery: 'at_most_once',
    });
    damage(4, 0, noProducer);
    const other = bus.consumer('work');
    end(bus, consumer);
    expect(readAll(other)).toEqual([]);
    expect(seat()).toBe('free');
    expect(word(LaneCursor.droppedDetached)).toBe(3);
    expect(bus.home(producer.seat)).toBe(bus.segment.layout.sizes.slots);
  });

  it('keeps nothing else from the next consumer, who takes the lane over', () => {
    const { bus, producer, consumer, damaged, damage, readAll } = scene();
    consumer.ack();
    damage(4, 0, noProducer);
    end(bus, consumer);
    bus.settle();
    expect(readAll(bus.consumer('work', 256, consumer.lane))).toEqual([3, 5]);
    expect(damaged).toEqual([{ lane: consumer.lane, entries: 1 }]);
    expect(bus.home(producer.seat)).toBe(bus.segment.layout.sizes.slots);
  });
});

describe('a lane that is damaged as a whole', () => {
  it.each([false, true])(
    'has its slots looked for once a poll, found or not (another lane is damaged too: %s)',
    (both) => {
      const looks = vi.spyOn(DamagedEntries.prototype, 'giveSlots');
      const { bus, consumer, damage, readAll } = scene();
      for (const cursor of published) damage(cursor, 0, noProducer);
      const mate = bus.consumer('work');
      if (both) {
        bus.producer().publish(0, 9);
        bus.settle();
        bus.segment.words[bus.segment.layout.laneRings + mate.lane * bus.segment.layout.laneRingStep] = noProducer;
      }
      bus.dead('consumer', consumer.lane);
      const atDeath = looks.mock.calls.length;
      let most = 0;
      for (let poll = 0; poll < 16; poll += 1) {
        const before = looks.mock.calls.length;
        bus.router.poll();
        most = Math.max(most, looks.mock.calls.length - before);
      }
      looks.mockRestore();
      expect([atDeath, most]).toEqual([1, 1]);
      if (!both) expect(readAll(mate)).toEqual([]);
    },
  );
});

describe('a damaged entry that the consumer of another lane has open', () => {
  it('has its slot left alone: that consumer may be reading it', () => {
    const { bus, producer, consumer, damage } = scene({ balance: 'least_depth' });
    const other = bus.consumer('work');
    for (const number of published) producer.publish(0, number);
    producer.flush();
    bus.settle();
    const { words, layout } = bus.segment;
    const [mine = 0, others = 0] = [consumer, other].map(({ lane }) => layout.laneRings + lane * layout.laneRingStep);
    const slot = slotOf(words[mine] ?? 0);
    damage(0, 0, noProducer);
    words[others] = noProducer;
    bus.dead('consumer', other.lane);
    bus.settle();
    expect(bus.router.counts.lanesOf(producer.seat, slot)).toBe(1);
  });
});

describe('a damaged entry that nobody gets', () => {
  it('is in the log, with the consumer that had it', async () => {
    const peers = new Peers();
    const node = await peers.node(smallRouter(workAndAll));
    const dying = await mortalConsumer(peers);
    await publishedTo(peers, published.length);
    await expect.poll(() => dying.unread()).toBe(published.length);
    const { words, layout } = node.bus.segment;
    words[layout.laneRings + 2 * descriptorWords] = noProducer;
    dying.die();
    const consumer = await (await peers.bus()).consumer({ subscription: 'work' });
    expect(await received(consumer, 5, new MessageBatch(16, 1024))).toEqual([0, 1, 3, 4, 5]);
    const told = peers.logged.filter(({ message }) => message === 'lane.damaged').map(({ fields }) => fields);
    expect(told).toMatchObject([{ lane: 0, name: 'mortal', entries: 1 }]);
    await peers.end();
  });
});
