import { FencedError } from '../../../../src/engines/indexbus/errors.ts';
import {
  Cut,
  CutLane,
  CutProducer,
  cutLaneWords,
  cutProducerWords,
  cutWords,
  Header,
  SegmentState,
} from '../../../../src/engines/indexbus/layout.ts';
import { Point } from '../../../../src/engines/indexbus/points.ts';
import { readCut } from '../../../../src/engines/indexbus/sample.ts';
import { seatPlace } from '../../../../src/engines/indexbus/seatPlaces.ts';
import { TestBus, type TestProducer } from './bus.ts';
import { killedAt } from './killing.ts';

/** Runs what shows the bug; the check that sees it and how, or undefined where all is well. */
export type PlantedBugRun = (mutants: readonly string[]) => string | undefined;

/** A source whose producer stopped after its flush and before it rang is looked at within so many polls. */
const fullScanPolls = 70;

function publish(producer: TestProducer, topic: number, from: number, count: number): void {
  for (let number = from; number < from + count; number += 1) producer.publish(topic, number);
  producer.flush();
}

/** A producer that ends with what it has not flushed. */
function lostAtTheEnd(bus: TestBus, before = (): unknown => undefined): string | undefined {
  const topic = bus.topic('t');
  bus.subscribe('all');
  const consumer = bus.consumer('all');
  const producer = bus.producer();
  bus.settle();
  for (let number = 0; number < 3; number += 1) producer.publish(topic, number);
  before();
  producer.publisher.close();
  bus.settle();
  const { length } = consumer.receive();
  return length === 3 ? undefined : `A1 of 3 messages that were accepted ${length} are routed`;
}

/** Bugs that need a bus of their own to show: by name, what shows them. */
export const plantedBugRuns: Readonly<Record<string, PlantedBugRun>> = {
  'no-full-scan': (mutants) => {
    const bus = new TestBus({ mutants });
    const topic = bus.topic('t');
    bus.subscribe('all');
    const consumer = bus.consumer('all');
    const producer = bus.producer();
    bus.settle();
    producer.publish(topic, 1);
    if (!killedAt(bus, Point.ringDoorbell, () => producer.flush())) return 'the doorbell was never rung';
    for (let polls = 0; polls < fullScanPolls; polls += 1) bus.router.poll();
    return consumer.receive().length === 1 ? undefined : 'L1 a message that was flushed is never routed';
  },
  'share-off': (mutants) => {
    const bus = new TestBus({ mutants, sizes: { laneRing: 128 } });
    const topic = bus.topic('t');
    bus.subscribe('all', { capacity: 64 });
    bus.consumer('all');
    const producer = bus.producer();
    publish(producer, topic, 0, 64);
    bus.settle();
    const left = bus.home(producer.seat);
    const least = 2 * bus.router.options.batchSize;
    return left >= least ? undefined : `C1 lanes that do not block leave ${left} slots, expected ${least}`;
  },
  'room-from-observed': (mutants) => {
    let late = false;
    const faults = { includes: (name: string) => late && name === 'return-late' };
    const bus = new TestBus({ mutants, faults, sizes: { laneRing: 4 } });
    const topic = bus.topic('t');
    bus.subscribe('all', { capacity: 2, drop: 'oldest' });
    bus.consumer('all');
    const producer = bus.producer();
    publish(producer, topic, 0, 2);
    bus.settle();
    // The next two push these out, whose slots stay where they are: the ring is full of what a successor counts.
    late = true;
    publish(producer, topic, 2, 2);
    bus.settle();
    late = false;
    publish(producer, topic, 4, 2);
    for (let polls = 0; polls < 8; polls += 1) {
      const killed = killedAt(bus, Point.seal, () => bus.router.poll());
      if (!killed) break;
      try {
        bus.newRouter();
      } catch (error) {
        return `P1 after a crash: ${String(error)}`;
      }
    }
    return undefined;
  },
  'cut-mid-commit': (mutants) => {
    let problem: string | undefined;
    let cuts = 0;
    const bus = new TestBus({ mutants, router: { counterSampleMs: 0, batchSize: 4 } });
    const { layout, words } = bus.segment;
    const topic = bus.topic('t');
    bus.subscribe('all', { capacity: 2 });
    const consumer = bus.consumer('all');
    const producer = bus.producer();
    const cut = new Int32Array(cutWords);
    const check = (): void => {
      if (!readCut(words, layout, cut)) return;
      cuts += 1;
      const ofProducer = Cut.body + producer.seat * cutProducerWords;
      const ofLane = Cut.body + layout.sizes.producers * cutProducerWords + consumer.lane * cutLaneWords;
      const taken = (cut[ofProducer + CutProducer.sourceHead] ?? 0) - (cut[ofProducer + CutProducer.noRoute] ?? 0);
      const delivered = cut[ofLane + CutLane.tail] ?? 0;
      const dropped = cut[ofLane + CutLane.droppedNewest] ?? 0;
      if (taken !== delivered + dropped) {
        problem ??= `A5 a cut has ${taken} taken, ${delivered} delivered and ${dropped} dropped`;
      }
    };
    // Each cut is looked at when the next begins, the last one at the end.
    bus.step = (point) => {
      if (point === Point.writeCut) check();
    };
    for (let round = 0; round < 8; round += 1) {
      publish(producer, topic, round * 4, 4);
      bus.router.poll();
      consumer.receive(1);
    }
    bus.step = () => {};
    check();
    return problem ?? (cuts < 8 ? `there were ${cuts} cuts` : undefined);
  },
  'take-over-forgets': (mutants) => {
    const bus = new TestBus({ mutants, sizes: { lanes: 1 } });
    const topic = bus.topic('t');
    bus.subscribe('work', { mode: 'workqueue', lane: 'blocking' });
    const first = bus.consumer('work');
    const producer = bus.producer();
    publish(producer, topic, 0, 4);
    bus.settle();
    bus.dead('consumer', first.lane);
    bus.settle();
    const unread = bus.consumer('work').receive().length;
    return unread === 4 ? undefined : `A4 of 4 messages that waited ${unread} came to the next consumer`;
  },
  'take-over-at-once': (mutants) => {
    const keys = 3;
    const bus = new TestBus({ mutants, sizes: { lanes: 2 } });
    const topic = bus.topic('t');
    const subscribe = (capacity: number): number =>
      bus.subscribe('keys', { mode: 'keyed', lane: 'blocking', capacity });
    const record = subscribe(8);
    const first = bus.consumer('keys');
    const producer = bus.producer();
    for (let number = 0; number < 8; number += 1) producer.publish(topic, number, number % keys);
    producer.flush();
    bus.settle();
    bus.dead('consumer', first.lane);
    bus.settle();
    // What the second one is given is older than what waits in the first one's lane, which was offered before.
    subscribe(4);
    const second = bus.consumer('keys');
    bus.settle();
    bus.dead('consumer', second.lane);
    bus.settle();
    const seats = [first.lane, second.lane].map((lane) => {
      const seat = bus.request('consumer', record, lane);
      bus.settle();
      return seat;
    });
    const live = seats.filter(({ place }) => bus.stateOf(place) === 'live').map((it) => bus.attach(it.place, it.epoch));
    const got: number[] = [];
    for (let round = 0; round < 16; round += 1) {
      for (const consumer of live) {
        got.push(...consumer.receive(2).map(({ number }) => number));
        consumer.ack();
        bus.settle();
      }
    }
    for (let key = 0; key < keys; key += 1) {
      const own = got.filter((number) => number % keys === key);
      if (own.some((number, at) => number !== key + at * keys)) return `O4 key ${key}: received ${own.join(', ')}`;
    }
    return got.length === 8 ? undefined : `O4 received ${got.join(', ')}`;
  },
  'redelivery-skipped': (mutants) => {
    const bus = new TestBus({ mutants });
    const topic = bus.topic('t');
    bus.subscribe('work', { mode: 'workqueue', lane: 'blocking', access: 'view', delivery: 'at_least_once' });
    const first = bus.consumer('work');
    const producer = bus.producer();
    publish(producer, topic, 0, 4);
    bus.settle();
    const open = first.receive(3).length;
    const second = bus.consumer('work');
    bus.settle();
    bus.dead('consumer', first.lane);
    bus.settle();
    const again = second.receive().filter((it) => it.redelivered).length;
    return again === open ? undefined : `O6 of ${open} messages that a consumer died with ${again} come again`;
  },
  'close-unflushed': (mutants) => {
    const bus = new TestBus({ mutants });
    return lostAtTheEnd(bus);
  },
  'move-unflushed': (mutants) => {
    const bus = new TestBus({ mutants });
    return lostAtTheEnd(bus, () => Atomics.store(bus.segment.words, Header.state, SegmentState.draining));
  },
  'fence-in-memory': (mutants) => {
    const bus = new TestBus({ mutants });
    const topic = bus.topic('t');
    bus.subscribe('work', { mode: 'workqueue', lane: 'blocking' });
    const first = bus.consumer('work');
    const producer = bus.producer();
    bus.settle();
    bus.router.apply({ do: 'detach-lane', lane: first.lane, reason: 'operator' });
    bus.newRouter();
    publish(producer, topic, 0, 1);
    bus.settle();
    const state = bus.stateOf(seatPlace(bus.segment.layout, 'consumer', first.lane));
    try {
      const got = first.receive().length;
      return `F1 whoever was fenced is ${state} with the next router, and receives ${got} messages`;
    } catch (error) {
      if (!(error instanceof FencedError)) throw error;
      return undefined;
    }
  },
};
