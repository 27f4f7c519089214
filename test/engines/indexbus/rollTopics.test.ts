import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Bus } from '../../../src/engines/indexbus/bus.ts';
import type { Consumer } from '../../../src/engines/indexbus/busConsumer.ts';
import type { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import type { Producer } from '../../../src/engines/indexbus/busProducer.ts';
import type { Host } from '../../../src/host/host.ts';
import { bytesOf, codeOf, Peers, textOf } from './support/peers.ts';
import { generation } from './support/rolled.ts';
import { smallRouter } from './support/smallRouter.ts';

const config = smallRouter({ slot_bytes: 128, lane_ring: 128, subscriptions: [{ name: 'all', topics: ['>'] }] });

let peers: Peers;
let node: BusNode;
let bus: Bus;
let producer: Producer;
let known: number;
/** What a reader of the bus has received so far. */
let seen: string[];
beforeEach(async () => {
  peers = new Peers();
  node = await peers.node(config);
  bus = await peers.bus();
  producer = await bus.producer();
  known = await bus.topic('known');
  seen = [];
  const reader = await (await peers.bus()).consumer({ subscription: 'all' });
  void readAll(reader, seen);
});
afterEach(() => peers.end());

async function readAll(reader: Consumer, into: string[]): Promise<void> {
  for await (const batch of reader) {
    for (let at = 0; at < batch.length; at += 1) into.push(textOf(batch.bytes(at)));
  }
}

/** Reserves a slot and writes there; the length to commit. */
function reserved(text: string): number {
  const at = producer.reserve(text.length);
  expect(at).toBeGreaterThan(0);
  new Uint8Array(producer.words.buffer, producer.words.byteOffset + at * 4, text.length).set(bytesOf(text));
  return text.length;
}

const fences = () => peers.logged.filter(({ message }) => message === 'roll fences');
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('a producer with a slot reserved while its segment is rolled', () => {
  it('commits it to a topic that is new, and everything comes in order', async () => {
    producer.publish(known, bytesOf('before'));
    const length = reserved('written in place');
    producer.publish(known, bytesOf('meanwhile'));
    await node.roll({ lanes_max: 8 });
    const fresh = await bus.topic('fresh');
    producer.commit(fresh, length);
    producer.publish(known, bytesOf('after'));
    await expect.poll(() => generation(node), { timeout: 8_000 }).toBe(2);
    await expect.poll(() => seen).toEqual(['before', 'meanwhile', 'written in place', 'after']);
    expect(fences()).toEqual([]);
  }, 15_000);

  it('moves though it reserves the next one as soon as it has committed', async () => {
    const held = producer.attachmentOf(0);
    let length = reserved('0');
    await node.roll({ lanes_max: 8 });
    for (let n = 1; producer.attachmentOf(0) === held && n < 400; n += 1) {
      await pause(5);
      producer.commit(known, length);
      length = reserved(String(n));
    }
    producer.commit(known, length);
    expect(producer.attachmentOf(0)).not.toBe(held);
    expect(fences()).toEqual([]);
    await expect.poll(() => generation(node), { timeout: 8_000 }).toBe(2);
  }, 15_000);

  it('keeps it where no generation has the topic, or the next one no slot that is large enough', async () => {
    const text = 'x'.repeat(100);
    const length = reserved(text);
    await node.roll({ slot_bytes: 64 });
    const fresh = await bus.topic('fresh');
    expect(await codeOf(() => producer.commit(fresh + 1, length))).toBe('IB_UNKNOWN_TOPIC');
    expect(await codeOf(() => producer.commit(fresh, length + 1))).toBe('IB_TOO_LARGE');
    expect(await codeOf(() => producer.commit(fresh, length))).toBe('IB_TOO_LARGE');
    expect(await codeOf(() => producer.reserve(1))).toBe('IB_RESERVED');
    producer.commit(known, length);
    expect(await codeOf(() => producer.commit(known, 1))).toBe('IB_RESERVED');
    await expect.poll(() => generation(node), { timeout: 8_000 }).toBe(2);
    await expect.poll(() => seen).toEqual([text]);
  }, 15_000);
});

describe('a topic that is asked for while a producer of the bus is still in the former generation', () => {
  let slow: Bus;
  let late: Producer;
  let isHindered: boolean;
  beforeEach(async () => {
    isHindered = false;
    slow = await peers.bus({ host: hindered(peers.host()) });
    late = await slow.producer();
    await node.roll({ lanes_max: 8 });
    known = await (await peers.bus()).topic('fresh');
    isHindered = true;
    // Who asks needs a seat as well. From now on its bus knows of the next generation, and the topic from there.
    expect(await codeOf(() => slow.topic('fresh'))).toBe('IB_NO_SEAT');
  });

  /** A participant that gets no seat while it is hindered. */
  function hindered(plain: Host): Host {
    const open: Host['shm']['open'] = async (...args) => {
      const region = await plain.shm.open(...args);
      return { ...region, lock: (lock, mode) => !isHindered && region.lock(lock, mode) };
    };
    return { ...plain, shm: { ...plain.shm, open } };
  }

  /** Asks for the topic, and sees that the answer waits. */
  async function asks(): Promise<{ readonly answer: Promise<number> }> {
    let isTold = false;
    const answer = slow.topic('fresh').finally(() => {
      isTold = true;
    });
    await pause(100);
    expect(isTold).toBe(false);
    return { answer };
  }

  it('is told when it can publish it', async () => {
    const { answer } = await asks();
    isHindered = false;
    expect(await answer).toBe(known);
    expect(late.publish(known, bytesOf('m'))).toBe(true);
  });

  it('is told at once where that is closed', async () => {
    const { answer } = await asks();
    await late.close();
    expect(await answer).toBe(known);
  });

  it('is told in the end: others can publish it', async () => {
    const { answer } = await asks();
    expect(await answer).toBe(known);
    expect(await codeOf(() => late.publish(known, bytesOf('m')))).toBe('IB_UNKNOWN_TOPIC');
  });
});
