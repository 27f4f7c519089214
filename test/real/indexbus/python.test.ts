import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type Bus,
  type Consumer,
  createSegment,
  MessageBatch,
  openBus,
  openSegment,
  type Producer,
  type Segment,
} from '../../../src/engines/indexbus/index.ts';
import { loadNative } from '../../../src/real/native.ts';
import { inMemoryDirectory } from '../shm/memoryDirectory.ts';
import { seatsInUse, unrest } from './support/endState.ts';
import { Fleet } from './support/fleet.ts';
import { PythonPeer, pythonLack } from './support/pythonPeer.ts';
import { busHost, killSizes, subscriptionOf } from './support/roles.ts';

const count = Number(process.env.HOTFIRE_PYTHON_MESSAGES ?? 3000);
const name = 'foreign';
const peers: PythonPeer[] = [];
const native = loadNative();
const lack = 'addon' in native ? pythonLack() : `no native addon: ${native.reason}`;

afterEach(() => {
  for (const peer of peers.splice(0)) peer.signal('SIGKILL');
});

interface Scene {
  readonly bus: Bus;
  readonly segment: Segment;
  /** Starts a peer in Python and waits until its seat is live. */
  python(...words: readonly string[]): Promise<PythonPeer>;
  /** A consumer of every message, for which sources wait. */
  reader(group?: string): Promise<Consumer>;
}

/** @param generation of the segment; one that no router makes is made before there is one */
async function onBus(body: (scene: Scene) => Promise<void>, generation = 1): Promise<void> {
  await inMemoryDirectory(async (directory) => {
    if (!('addon' in native)) return;
    const host = busHost(native.addon, directory);
    if (generation > 1) (await createSegment({ shm: host.shm, name }, killSizes, generation)).region.close();
    const fleet = new Fleet(directory, name, 1);
    try {
      const router = fleet.prepare('router', false);
      await until('the router is ready', () => fleet.isReady(router));
      fleet.go(router);
      await until('the router serves', () => router.isServing);
      const bus = await openBus({ host, segment: name });
      const segment = await openSegment({ shm: host.shm, name });
      const python = async (...words: readonly string[]): Promise<PythonPeer> => {
        const peer = new PythonPeer(directory, name, ...words);
        peers.push(peer);
        await until(
          'python is live',
          () => peer.last !== undefined || peer.errors !== '',
          () => peer.errors,
        );
        expect(peer.errors).toBe('');
        return peer;
      };
      const reader = (group?: string): Promise<Consumer> => {
        const mode = group === undefined ? 'broadcast' : 'workqueue';
        const subscription = group ?? 'everything';
        const declare = subscriptionOf(subscription, { mode, topics: ['python.*'], detachAfterMs: 1000 });
        return bus.consumer({ subscription, batch: 64, declare });
      };
      await body({ bus, segment, python, reader });
      await bus.close();
      await until(
        'all seats are free',
        () => seatsInUse(segment).length === 0,
        () => seatsInUse(segment).join('; '),
      );
      segment.region.close();
      expect(fleet.failures).toEqual([]);
    } finally {
      fleet.end();
    }
  });
}

async function until(what: string, holds: () => boolean, otherwise: () => string = () => ''): Promise<void> {
  const end = Date.now() + 20_000;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`expected: ${what}. ${otherwise()}`);
    await sleep(3);
  }
}

/** Payload of message `number` of `sender`: both, then bytes that follow from them. peer.py makes the same. */
function payloadOf(sender: number, number: number): Buffer {
  const payload = Buffer.alloc(8 + (number % 97));
  payload.writeUInt32LE(sender, 0);
  payload.writeUInt32LE(number, 4);
  for (let place = 0; place < number % 97; place += 1) payload[8 + place] = sender + number + place;
  return payload;
}

async function publishAll(producer: Producer, topic: number, sender: number): Promise<void> {
  for (let number = 0; number < count; number += 1) {
    while (!producer.publish(topic, payloadOf(sender, number), number)) await producer.ready(100);
  }
  producer.flush();
}

/** Payloads that come to the consumer, until there are `most` or none has come for `idleMs`. */
async function readAll(consumer: Consumer, most: number, idleMs = 20_000): Promise<string[]> {
  const batch = new MessageBatch(64, 65_536);
  const payloads: string[] = [];
  while (payloads.length < most) {
    const received = consumer.receive(batch);
    for (let index = 0; index < received; index += 1) payloads.push(Buffer.from(batch.bytes(index)).toString('hex'));
    if (received === 0 && !(await consumer.ready(idleMs))) break;
  }
  consumer.ack();
  return payloads;
}

const allOf = (sender: number): string[] =>
  Array.from({ length: count }, (_, number) => payloadOf(sender, number).toString('hex'));

describe.skipIf(lack !== '')(`a participant in Python${lack === '' ? '' : ` (${lack})`}`, () => {
  it('publishes: every message comes, in order, as it was written', () =>
    onBus(async ({ reader, python }) => {
      const consumer = await reader();
      const peer = await python('produce', 'python.sent', String(count), '7');
      expect(await readAll(consumer, count)).toEqual(allOf(7));
      expect(await peer.ended).toBe(0);
      expect(peer.last).toEqual({ said: 'left', sent: count });
      await consumer.close();
    }));

  it('receives: every message, in order, as it was written, beside a consumer of this side', () =>
    onBus(async ({ bus, reader, python }) => {
      const consumer = await reader();
      const topic = await bus.topic('python.received');
      const peer = await python('consume', 'everything', String(count));
      const producer = await bus.producer();
      await Promise.all([publishAll(producer, topic, 3), readAll(consumer, count)]);
      expect(await peer.ended).toBe(0);
      expect(peer.messages.map((it) => it.payload)).toEqual(allOf(3));
      expect(peer.messages.map((it) => it.sequence)).toEqual(Array.from({ length: count }, (_, number) => number));
      expect(new Set(peer.messages.map((it) => it.topic))).toEqual(new Set([topic]));
      expect(peer.last).toEqual({ said: 'left', received: count });
      await producer.close();
      await consumer.close();
    }));

  it('locks the seat that it takes where those of the generation are: it is not in doubt, and dead when it is killed', () =>
    onBus(async ({ bus, segment, reader, python }) => {
      const consumer = await reader();
      const topic = await bus.topic('python.received');
      const peer = await python('consume', 'everything');
      const producer = await bus.producer();
      await Promise.all([publishAll(producer, topic, 3), readAll(consumer, count)]);
      await until('it has received all', () => peer.messages.length === count);
      const pid = peer.lines[0]?.pid;
      const ofPeer = (): readonly string[] => seatsInUse(segment).filter((it) => it.includes(`pid ${pid} `));
      expect(ofPeer()).toEqual([expect.stringMatching(/live$/)]);
      peer.signal('SIGKILL');
      await until('its seat is free', () => ofPeer().length === 0);
      await producer.close();
      await consumer.close();
    }, 3));

  it('that is killed is proven dead: its unread messages go to another of its group, and its seat is free', () =>
    onBus(async ({ bus, segment, reader, python }) => {
      const consumer = await reader('group');
      const topic = await bus.topic('python.group');
      const peer = await python('consume', 'group');
      const producer = await bus.producer();
      // It stands, so that its lane is full when it is killed.
      peer.signal('SIGSTOP');
      for (let number = 0; number < 64; number += 1) producer.publish(topic, payloadOf(5, number));
      producer.flush();
      const before = await readAll(consumer, 64, 300);
      expect(before.length).toBeLessThan(64);
      peer.signal('SIGKILL');
      const after = await readAll(consumer, 64 - before.length);
      expect([...before, ...after].sort()).toEqual(allOf(5).slice(0, 64).sort());
      const pid = peer.lines[0]?.pid;
      await until('its seat is free', () => seatsInUse(segment).every((it) => !it.includes(`pid ${pid} `)));
      await producer.close();
      await consumer.close();
    }));

  it('that stands too long is fenced; it says so when it goes on, and no message has two owners', () =>
    onBus(async ({ bus, segment, reader, python }) => {
      const consumer = await reader('group');
      const topic = await bus.topic('python.group');
      const peer = await python('consume', 'group');
      const pid = peer.lines[0]?.pid;
      const ofPeer = (): readonly string[] => seatsInUse(segment).filter((it) => it.includes(`pid ${pid} `));
      const producer = await bus.producer();
      peer.signal('SIGSTOP');
      const reading = readAll(consumer, count, 4000);
      await publishAll(producer, topic, 9);
      await until(
        'the router has taken its lane',
        () => ofPeer().some((it) => it.endsWith('fenced')),
        () => ofPeer().join(),
      );
      const here = await reading;
      // Its holder does not know yet: the seat is not given away.
      expect(ofPeer().length).toBe(1);
      peer.signal('SIGCONT');
      expect(await peer.ended).toBe(0);
      expect(peer.last?.said).toBe('fenced');
      await until('its seat is free', () => ofPeer().length === 0);
      const there = peer.messages.map((it) => it.payload ?? '');
      expect([...here, ...there].sort()).toEqual(allOf(9).sort());
      await until(
        'nothing is under way',
        () => unrest(segment).length === 0,
        () => unrest(segment).join('; '),
      );
      await producer.close();
      await consumer.close();
    }));
});
