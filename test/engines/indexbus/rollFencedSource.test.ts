import { afterEach, describe, expect, it } from 'vitest';
import { attach } from '../../../src/engines/indexbus/attachments.ts';
import type { Consumer } from '../../../src/engines/indexbus/busConsumer.ts';
import type { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { DetachReason, Seat } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { plantedIn } from '../../../src/engines/indexbus/mutants.ts';
import { openProducerLine } from '../../../src/engines/indexbus/producerLine.ts';
import { seatWord } from '../../../src/engines/indexbus/seat.ts';
import { seatPlace } from '../../../src/engines/indexbus/seatPlaces.ts';
import { sourceLeft } from '../../../src/engines/indexbus/sourceLeft.ts';
import { hasty } from './support/hasty.ts';
import { bytesOf, codeOf, Peers, textOf } from './support/peers.ts';
import { smallRouter } from './support/smallRouter.ts';

/** Time of the router, which fences who does not move, runs so much faster. */
const faster = 10;

let peers: Peers;
let node: BusNode;
/** Ends the readers. */
let isOver: boolean;
afterEach(async () => {
  isOver = true;
  await peers.end();
});

async function start(more: Readonly<Record<string, unknown>>): Promise<void> {
  peers = new Peers();
  isOver = false;
  const config = smallRouter({ lane_ring: 128, lanes_max: 4, slots_per_producer: 128, ...more });
  node = await peers.node(config, hasty(peers.host(), faster));
}

/** A producer whose process is stopped: it has its seat, has flushed, and follows nobody. */
async function stoppedProducer() {
  const topic = await (await peers.bus()).topic('t');
  const host = peers.host();
  const { seat, publisher } = await openProducerLine(await attach(host, { shm: host.shm, name: 'bus' }, 1_000), {
    name: 'stopped',
    attachTimeoutMs: 1_000,
    spins: 0,
    mutants: plantedIn(host.telemetry),
    flushEvery: 64,
    creditLimit: 0,
    checked: false,
    atEndOfTurn: () => {},
  });
  return {
    seat: seat.place.number,
    publish(count: number): void {
      for (let number = 0; number < count; number += 1) publisher.publish(topic, bytesOf(`m${number}`));
      publisher.flush();
    },
  };
}

async function consumerOf(subscription: string): Promise<Consumer> {
  return (await peers.bus()).consumer({ subscription });
}

/** Takes a message at a time, until the test is over. */
async function read(consumer: Consumer, seen: string[], workMs: number): Promise<void> {
  const batch = new MessageBatch(1, 1024);
  while (!isOver) {
    if (consumer.receive(batch) === 0) await consumer.ready(20);
    else {
      seen.push(textOf(batch.bytes(0)));
      if (workMs > 0) await new Promise((resolve) => setTimeout(resolve, workMs));
    }
  }
}

async function rolled(): Promise<void> {
  await expect.poll(() => node.serving?.segment.generation, { timeout: 15_000 }).toBe(2);
  isOver = true;
}

/** Messages as the counters have them: sent, taken, and where they are. */
function accounts() {
  const { counters } = node.bus;
  const { sent, routed, drops_no_route } = counters.totals();
  return { sent, accounted: routed + drops_no_route + counters.queueDepth };
}

const messages = (count: number) => Array.from({ length: count }, (_, number) => `m${number}`);

describe('what a producer had flushed that a roll fences', () => {
  it('reaches all who read it, though one of them is slow', async () => {
    const blocking = { topics: ['t'], lane: 'blocking', detach_after_ms: 'none' };
    await start({
      subscriptions: [
        { name: 'slow', capacity: 4, ...blocking },
        { name: 'fast', capacity: 32, ...blocking },
      ],
    });
    const [slow, fast] = [await consumerOf('slow'), await consumerOf('fast')];
    (await stoppedProducer()).publish(60);
    const [bySlow, byFast]: [string[], string[]] = [[], []];
    const reading = [read(slow, bySlow, 20), read(fast, byFast, 0)];
    await node.roll({ lanes_max: 5 });
    await rolled();
    await Promise.all(reading);
    expect([bySlow, byFast]).toEqual([messages(60), messages(60)]);
    expect(accounts()).toEqual({ sent: 60, accounted: 60 });
    expect(node.bus.counters.totals().drops).toBe(0);
  }, 30_000);

  it('is routed before the next generation routes, however slowly it may be taken, and is told meanwhile', async () => {
    await start({
      subscriptions: [{ name: 'all', topics: ['t'], lane: 'blocking', capacity: 32, detach_after_ms: 'none' }],
    });
    const consumer = await consumerOf('all');
    const producer = await stoppedProducer();
    await node.bus.runner.apply({ do: 'change-producer', seat: producer.seat, rateLimit: 5 });
    producer.publish(60);
    const seen: string[] = [];
    const reading = read(consumer, seen, 0);
    await node.roll({ lanes_max: 5 });
    await expect
      .poll(() => node.rolling()?.waits)
      .toMatchObject([{ kind: 'producer', state: 'fenced', name: 'stopped' }]);
    expect(node.rolling()?.waits[0]?.left).toBeGreaterThan(0);
    await rolled();
    await reading;
    expect(seen).toEqual(messages(60));
    expect(accounts()).toEqual({ sent: 60, accounted: 60 });
  }, 30_000);

  it('is held as what others have is, where nobody wants it (no_subscriber: hold): the roll is refused', async () => {
    await start({ no_subscriber: 'hold', subscriptions: [{ name: 'work', topics: ['t'], mode: 'workqueue' }] });
    const producer = await stoppedProducer();
    producer.publish(20);
    await node.bus.runner.apply({ do: 'fence-producer', seat: producer.seat });
    expect(await codeOf(() => node.roll({ lanes_max: 5 }))).toBe('IB_UNSAFE_CHANGE');
    await expect.poll(accounts).toEqual({ sent: 20, accounted: 20 });
  }, 30_000);
});

it('what is left in a source is not known between a fence and the word that says where the source ends', async () => {
  await start({ no_subscriber: 'hold' });
  (await stoppedProducer()).publish(20);
  const { words, layout } = node.bus.segment;
  const place = seatPlace(layout, 'producer', 0);
  const copy = words.slice();
  expect(sourceLeft(copy, place)).toBe(20);
  copy[place.at] = seatWord(1, 6);
  copy[place.at + Seat.reason] = DetachReason.none;
  expect(sourceLeft(copy, place)).toBeUndefined();
  copy[place.at + Seat.fenceTail] = 15;
  copy[place.at + Seat.reason] = DetachReason.stalled;
  expect(sourceLeft(copy, place)).toBe(15);
});
