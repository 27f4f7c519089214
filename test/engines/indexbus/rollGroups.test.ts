import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Consumer } from '../../../src/engines/indexbus/busConsumer.ts';
import type { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { Header, LaneCursor, SegmentState } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { seatPlaces } from '../../../src/engines/indexbus/seatPlaces.ts';
import { Peers } from './support/peers.ts';
import { generation, type MortalConsumer, mortalConsumer } from './support/rolled.ts';
import { smallRouter } from './support/smallRouter.ts';

const group = { name: 'work', topics: ['t'], capacity: 64, detach_after_ms: 'none' } as const;
const sort = (numbers: readonly number[]): readonly number[] => numbers.toSorted((a, b) => a - b);
const many = 32;
const all = Array.from({ length: many }, (_, number) => number);

let peers: Peers;
let node: BusNode;
beforeEach(() => {
  peers = new Peers();
});
afterEach(() => peers.end());

async function start(subscription: Readonly<Record<string, unknown>>): Promise<void> {
  const config = smallRouter({ lane_ring: 256, lanes_max: 2, subscriptions: [{ ...group, ...subscription }] });
  node = await peers.node(config);
}

/** Messages that the router has placed in lanes. */
function placed(): number {
  const { words, layout } = node.bus.segment;
  return seatPlaces(layout, 'consumer').reduce(
    (sum, { cursors }) => sum + Atomics.load(words, cursors + LaneCursor.tail),
    0,
  );
}

async function publish(): Promise<void> {
  const bus = await peers.bus();
  const topic = await bus.topic('t');
  const producer = await bus.producer();
  for (const number of all)
    while (!producer.publishWords(topic, Int32Array.of(number), 0, 1, number)) await producer.ready();
  producer.flush();
  await expect.poll(placed).toBe(many);
}

/** Reads whatever comes, until `close`. */
function reads(consumer: Consumer) {
  const seen: number[] = [];
  const batch = new MessageBatch(8, 1024);
  let over = false;
  const reading = (async () => {
    while (!over) {
      const count = consumer.receive(batch);
      for (let at = 0; at < count; at += 1) seen.push(batch.words[batch.wordOffset(at)] ?? -1);
      if (count === 0) await consumer.ready(20);
    }
  })();
  // Of a failed test it ends with its bus.
  reading.catch(() => undefined);
  return {
    seen,
    stop: () => {
      over = true;
      return reading;
    },
  };
}

const stateOf = (): number => Atomics.load(node.bus.segment.words, Header.state);

/** Long enough for a mate that has nothing left to look for a roll, and to go. */
const severalLooks = () => new Promise((resolve) => setTimeout(resolve, 600));

/**
 * A roll amid which a consumer of the group dies, once its mate has read all that it can have before.
 *
 * @param events what a test does or looks at: when all messages are in the lanes, and before the death
 */
async function rolledOverADeath(
  events: {
    readonly placed?: (mortal: MortalConsumer) => void;
    readonly dies?: (mortal: MortalConsumer, seen: readonly number[]) => void;
  } = {},
) {
  const mortal = await mortalConsumer(peers);
  const mate = await (await peers.bus()).consumer({ subscription: 'work' });
  await publish();
  events.placed?.(mortal);
  await node.roll({ lanes_max: 4 });
  const { seen, stop } = reads(mate);
  await expect.poll(stateOf).toBe(SegmentState.retired);
  await severalLooks();
  events.dies?.(mortal, seen);
  mortal.die();
  await expect.poll(() => generation(node), { timeout: 12_000 }).toBe(2);
  return { seen, stop };
}

describe('a roll and what a dead consumer leaves to its group', () => {
  for (const mode of ['workqueue', 'keyed'] as const) {
    it(`reaches its mate, which has read all of its own before (${mode})`, async () => {
      await start({ mode, lane: 'blocking' });
      const { seen, stop } = await rolledOverADeath({
        placed: (mortal) => expect(mortal.unread()).toBeGreaterThan(0),
        dies: (mortal, before) => expect(before.length).toBe(many - mortal.unread()),
      });
      expect(sort(seen)).toEqual(all);
      expect(peers.logged.filter(({ message }) => message.startsWith('roll gives'))).toEqual([]);
      await stop();
    }, 30_000);
  }

  it('reaches its mate also where the lane drops', async () => {
    await start({ mode: 'workqueue', lane: 'nonblocking' });
    const { seen, stop } = await rolledOverADeath();
    expect(sort(seen)).toEqual(all);
    await stop();
  }, 30_000);

  it('comes once more to its mate, where it was received and not ended at least once', async () => {
    await start({ mode: 'workqueue', lane: 'blocking', access: 'view', delivery: 'at_least_once', view_max: 16 });
    const { seen, stop } = await rolledOverADeath({ placed: (mortal) => mortal.takeAll() });
    expect(sort(seen)).toEqual(all);
    await stop();
  }, 30_000);

  it('is given up where it was received and not ended, and its group has nobody else: the roll ends', async () => {
    await start({ mode: 'workqueue', lane: 'blocking', access: 'view', delivery: 'at_least_once', view_max: 16 });
    const mortal = await mortalConsumer(peers);
    await publish();
    mortal.takeAll();
    await node.roll({ lanes_max: 4 });
    await expect.poll(stateOf).toBe(SegmentState.retired);
    mortal.die();
    await expect.poll(() => generation(node), { timeout: 12_000 }).toBe(2);
    expect(peers.logged.filter(({ message }) => message === 'roll gives up').map(({ fields }) => fields)).toEqual([
      { segment: 'bus', lane: 0, subscription: 'work', unread: 0, unended: many },
    ]);
  }, 30_000);
});
