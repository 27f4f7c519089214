import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Bus } from '../../../src/engines/indexbus/bus.ts';
import type { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import type { Producer } from '../../../src/engines/indexbus/busProducer.ts';
import { openSegment, type Segment } from '../../../src/engines/indexbus/segment.ts';
import { bytesOf, codeOf, Peers, textOf } from './support/peers.ts';
import { generation } from './support/rolled.ts';
import { seatStateOf } from './support/seats.ts';
import { smallRouter } from './support/smallRouter.ts';

const segments = ['one', 'two'];
/** Longer than any test: what ends a wait is not its timeout. */
const longMs = 3_600_000;

let peers: Peers;
let one: BusNode;
let two: BusNode;
let bus: Bus;
let producer: Producer;
/** A topic of each segment. */
let a: number;
let b: number;
/** What a reader of both has received so far. */
let seen: string[];
beforeEach(async () => {
  peers = new Peers();
  [one, two] = [await startNode('one'), await startNode('two')];
  bus = await peers.bus({ segments, attachTimeoutMs: longMs });
  a = await topicIn(0, 'a');
  b = await topicIn(1, 'b');
  seen = [];
  void readAll();
  producer = await bus.producer();
});
afterEach(() => peers.end());

function startNode(name: string): Promise<BusNode> {
  const subscriptions = [{ name: 'all', topics: ['>'] }];
  return peers.node(smallRouter({ segment: { name }, router_id: name, lane_ring: 128, subscriptions }));
}

/** A topic that stands in this segment: the bus spreads them by name. */
async function topicIn(segment: number, name: string): Promise<number> {
  for (let number = 0; ; number += 1) {
    const topic = await bus.topic(`${name}${number}`);
    if (topic >>> 16 === segment) return topic;
  }
}

async function readAll(): Promise<void> {
  const reader = await (await peers.bus({ segments })).consumer({ subscription: 'all' });
  for await (const batch of reader) {
    for (let at = 0; at < batch.length; at += 1) {
      const topic = batch.topic(at);
      const name = topic === a ? 'a' : topic === b ? 'b' : `${topic >>> 16}/${topic & 65_535}`;
      seen.push(`${name}: ${textOf(batch.bytes(at))}`);
    }
  }
}

/** Reserves a slot for a topic and writes there; the length to commit. */
function reserved(topic: number, text: string): number {
  const at = producer.reserve(text.length, topic);
  expect(at).toBeGreaterThan(0);
  new Uint8Array(producer.words.buffer, producer.words.byteOffset + at * 4, text.length).set(bytesOf(text));
  return text.length;
}

/** Rolls a segment, and waits until the producer has a seat in the next generation, which is returned. */
async function rolledUnder(node: BusNode, name: string): Promise<Segment> {
  await node.roll({ lanes_max: 8 });
  const next = await openSegment({ shm: peers.host().shm, name });
  await expect.poll(() => seatStateOf(next, 'producer', 0), { timeout: 3_000 }).toBe('live');
  return next;
}

const fences = () => peers.logged.filter(({ message }) => message === 'roll fences');

describe('a producer of two segments with a slot reserved in one that is rolled', () => {
  it('that is fenced there publishes in the other as before, in the same turn and later', async () => {
    const length = reserved(a, 'fenced');
    const next = await rolledUnder(one, 'one');
    // From here on its thread works without a turn of its loop, and does not know of the fence.
    void one.bus.runner.apply({ do: 'fence-producer', seat: 0 });
    producer.commit(a, length);
    producer.commit(b, reserved(b, 'in place'));
    expect(producer.publish(b, bytesOf('next'))).toBe(true);
    await expect.poll(() => seen.filter((it) => !it.startsWith('a: '))).toEqual(['b: in place', 'b: next']);
    expect([0, 1].map((segment) => producer.attachmentOf(segment).segment.name)).toEqual(segments);
    expect(await codeOf(() => producer.publish(a, bytesOf('m')))).toBe('IB_FENCED');
    expect(producer.publish(b, bytesOf('last'))).toBe(true);
    await producer.close();
    await expect.poll(() => seen.at(-1)).toBe('b: last');
    // Free once its messages have been read.
    const states = () => [next, two.bus.segment].map((segment) => seatStateOf(segment, 'producer', 0));
    await expect.poll(states).toEqual(['free', 'free']);
  }, 15_000);

  it('moves in the other that is rolled meanwhile, and in the one with the commit, which takes a topic that is new', async () => {
    const length = reserved(a, 'written in place');
    await rolledUnder(one, 'one');
    await rolledUnder(two, 'two');
    await expect.poll(() => generation(two), { timeout: 8_000 }).toBe(2);
    expect(generation(one)).toBe(1);
    // The producer has a seat where the topic is, so nobody waits until it has moved.
    let fresh = -1;
    void topicIn(0, 'fresh').then((topic) => {
      fresh = topic;
    });
    await expect.poll(() => fresh).toBeGreaterThan(-1);
    producer.commit(fresh, length);
    producer.publish(a, bytesOf('after'));
    producer.publish(b, bytesOf('b'));
    await expect.poll(() => generation(one), { timeout: 8_000 }).toBe(2);
    await expect.poll(() => seen.toSorted()).toEqual([`0/${fresh}: written in place`, 'a: after', 'b: b'].toSorted());
    expect(fences()).toEqual([]);
  }, 20_000);
});
