import { describe, expect, it } from 'vitest';
import { seatPlace } from '../../../src/engines/indexbus/seatPlaces.ts';
import { TestBus, type TestConsumer } from './support/bus.ts';

const keys = 8;

/** Each key twice: the first of all, then the second of all from the last to the first. A number's key is `keyOf` it. */
const keyOf = (number: number, rotated: number) => ((number < keys ? number : 2 * keys - 1 - number) + rotated) % keys;

/** Two lanes of a group by keys that end with messages of the same keys, and two that live: one is full, one is empty. */
function twoThatEnd(rotated: number): { readonly bus: TestBus; readonly live: readonly TestConsumer[] } {
  const bus = new TestBus({ router: { noSubscriber: 'hold' } });
  const topic = bus.topic('a');
  const group = (capacity: number) => bus.subscribe('work', { mode: 'keyed', lane: 'blocking', capacity });
  group(2 * keys);
  const first = bus.consumer('work');
  const producer = bus.producer();
  for (let number = 0; number < 2 * keys; number += 1) producer.publish(topic, number, keyOf(number, rotated));
  producer.flush();
  bus.settle();
  bus.dead('consumer', first.lane);
  group(keys);
  // It is given the first message of each key; the second one waits in the lane that ended.
  const second = bus.consumer('work');
  bus.settle();
  group(2);
  const full = bus.consumer('work');
  bus.dead('consumer', second.lane);
  bus.settle();
  const empty = bus.consumer('work');
  bus.settle();
  return { bus, live: [full, empty] };
}

describe('two lanes of a group by keys that end at the same time', () => {
  it('give back in the order of each key, also when the one that ended later waits for room', () => {
    let waited = 0;
    for (let rotated = 0; rotated < keys; rotated += 1) {
      const { bus, live } = twoThatEnd(rotated);
      if (bus.probes.has('requeue waited for a blocking lane')) waited += 1;
      const got: number[] = [];
      for (let round = 0; round < 2 * keys; round += 1) {
        for (const consumer of live.toReversed()) {
          got.push(...consumer.receive(1).map((it) => it.number));
          consumer.ack();
          bus.settle();
        }
      }
      expect(got.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 2 * keys }, (_, number) => number));
      for (let key = 0; key < keys; key += 1) {
        const ofKey = got.filter((number) => keyOf(number, rotated) === key);
        expect(ofKey, `key ${key}, rotated by ${rotated}`).toEqual(ofKey.toSorted((a, b) => a - b));
      }
      expect(bus.home(0)).toBe(64);
    }
    expect(waited).toBe(keys);
  });
});

/** Two lanes that ended with messages of the same keys: what the second one has, read and not, is older than what waits in the first. */
function twoThatWait() {
  const bus = new TestBus({ sizes: { lanes: 2 }, router: { noSubscriber: 'hold' } });
  const topic = bus.topic('a');
  const group = (capacity: number) =>
    bus.subscribe('work', {
      mode: 'keyed',
      lane: 'blocking',
      capacity,
      access: 'view',
      viewMax: 4,
      delivery: 'at_least_once',
    });
  const record = group(keys);
  const first = bus.consumer('work');
  const producer = bus.producer();
  for (let number = 0; number < keys; number += 1) producer.publish(topic, number, number % 2);
  producer.flush();
  bus.settle();
  bus.dead('consumer', first.lane);
  bus.settle();
  group(4);
  // It is given the older half of what waits.
  const second = bus.consumer('work', 256, 1);
  bus.settle();
  expect(second.receive().map((it) => it.number)).toEqual([0, 1, 2, 3]);
  return { bus, record, first: first.lane, second };
}

const places = (bus: TestBus, lane: number) => seatPlace(bus.segment.layout, 'consumer', lane);

describe('a lane that ended before one of which the consumer died with messages of the same keys', () => {
  /** All that the next consumer gets, which joins as others do. */
  function next(bus: TestBus): readonly number[] {
    const consumer = bus.consumer('work');
    const got: number[] = [];
    for (let round = 0; round < 2 * keys; round += 1) {
      got.push(...consumer.receive(1).map((it) => it.number));
      consumer.ack();
      bus.settle();
    }
    return got;
  }

  it('is not taken over before what that one took and did not end was handed out again', () => {
    const { bus, second } = twoThatWait();
    bus.dead('consumer', second.lane);
    bus.settle();
    expect(next(bus)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('nor with a new router', () => {
    const { bus, second } = twoThatWait();
    bus.dead('consumer', second.lane);
    bus.newRouter();
    bus.settle();
    expect(next(bus)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('sends who came for it to the later one, once that is there to be had', () => {
    const { bus, record, first, second } = twoThatWait();
    // Nobody knows yet that the second is dead.
    const early = bus.request('consumer', record, first);
    bus.settle();
    expect(bus.stateOf(early.place)).toBe('ready');
    bus.dead('consumer', second.lane);
    bus.settle();
    expect([first, second.lane].map((lane) => bus.stateOf(places(bus, lane)))).toEqual(['draining', 'draining']);
    expect(next(bus)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });
});
