import { describe, expect, it } from 'vitest';
import type { Bus } from '../../../src/engines/indexbus/bus.ts';
import type { Consumer } from '../../../src/engines/indexbus/busConsumer.ts';
import { BusNode } from '../../../src/engines/indexbus/busNode.ts';
import { indexbusConfigSchema } from '../../../src/engines/indexbus/config.ts';
import { Header, SegmentState } from '../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../src/engines/indexbus/messageBatch.ts';
import { Point } from '../../../src/engines/indexbus/points.ts';
import { openSegment } from '../../../src/engines/indexbus/segment.ts';
import type { Host } from '../../../src/host/host.ts';
import type { Region, SharedMemory } from '../../../src/host/sharedMemory.ts';
import { Killed, Peers } from './support/peers.ts';

const config = indexbusConfigSchema.parse({
  router_id: 'r1',
  liveness_check_ms: 50,
  counter_sample_ms: 10,
  router_batch_size: 16,
  slots_per_producer: 64,
  lane_ring: 256,
  slot_bytes: 64,
  producers_max: 4,
  lanes_max: 4,
  subscriptions: [
    { name: 'all', topics: ['t'], lane: 'blocking', capacity: 128, detach_after_ms: 'none' },
    { name: 'work', topics: ['t'], mode: 'workqueue', lane: 'blocking', capacity: 128, detach_after_ms: 'none' },
  ],
});

/** Places in a roll where something is about to change that the next router finds. */
const places: ReadonlySet<number> = new Set([
  Point.buildSegment,
  Point.keepFormer,
  Point.publishSegment,
  Point.retireSegment,
  Point.openSegment,
]);

/** A router's process that dies before one of the moments of its roll: a call that changes names of memory, or one of `places`. */
class DyingRouter {
  readonly host: Host;
  /** What it came to, counted from when it was armed. */
  readonly moments: string[] = [];
  readonly #regions: Region[] = [];
  readonly #diesAt: number;
  #armed = false;
  #dead = false;
  #node: BusNode | undefined;
  readonly #died = Promise.withResolvers<void>();
  readonly #peers: Peers;

  constructor(peers: Peers, diesAt: number) {
    this.#peers = peers;
    this.#diesAt = diesAt;
    const step = (point: number): void => {
      if (this.#armed && places.has(point)) this.#moment(`point ${point}`);
      this.#survive();
    };
    const host = peers.host({ step, regions: this.#regions });
    const { shm } = host;
    const calling =
      <A extends readonly unknown[], R>(name: string, call: (...args: A) => R) =>
      (...args: A): R => {
        if (this.#armed) this.#moment(`${name} ${String(args[0])}`);
        this.#survive();
        return call(...args);
      };
    const mortal: SharedMemory = {
      ...shm,
      open: calling('open', shm.open),
      rename: calling('rename', shm.rename),
      remove: calling('remove', shm.remove),
      stat: calling('stat', shm.stat),
    };
    this.host = { ...host, shm: mortal };
  }

  #moment(what: string): void {
    if (!this.#dead && this.moments.length === this.#diesAt) {
      this.#dead = true;
      this.#died.resolve();
    }
    this.moments.push(what);
  }

  #survive(): void {
    if (this.#dead) throw new Killed(this.moments.at(-1));
  }

  get isDead(): boolean {
    return this.#dead;
  }

  async start(): Promise<void> {
    this.#node = new BusNode(this.host, config, {});
    await this.#node.start();
  }

  /** Rolls until it is done or dead. */
  async roll(isDone: () => Promise<boolean>): Promise<void> {
    this.#armed = true;
    await this.#node?.roll({ slots_per_producer: 128 }).catch((error: unknown) => {
      if (!(error instanceof Killed)) throw error;
    });
    while (!this.#dead && !(await isDone())) {
      await Promise.race([this.#died.promise, this.host.clock.sleep(5)]);
    }
  }

  /** What the kernel does when a process ends. Whatever of it still runs takes no step any more. */
  async bury(): Promise<void> {
    this.#armed = false;
    this.#dead = true;
    for (const region of this.#regions) region.close();
    this.#peers.memory.participants.delete(this.host.pid);
    await this.#node?.close().catch(() => undefined);
  }
}

interface Reading {
  readonly consumer: Consumer;
  readonly seen: number[];
}

async function publish(bus: Bus, producer: Awaited<ReturnType<Bus['producer']>>, from: number, to: number) {
  const topic = await bus.topic('t');
  for (let number = from; number < to; number += 1) {
    while (!producer.publishWords(topic, Int32Array.of(number), 0, 1)) await producer.ready(1000);
  }
  producer.flush();
}

async function read({ consumer, seen }: Reading): Promise<void> {
  const batch = new MessageBatch(16, 1024);
  while (await consumer.ready(1)) {
    consumer.receive(batch);
    for (let index = 0; index < batch.length; index += 1) seen.push(batch.words[batch.wordOffset(index)] ?? -1);
  }
  consumer.ack();
}

/** A roll whose router dies at a moment; returns what it had come to. */
async function rollAndDie(diesAt: number): Promise<readonly string[]> {
  const peers = new Peers();
  const first = new DyingRouter(peers, diesAt);
  await first.start();
  const bus = await peers.bus({ attachTimeoutMs: 10_000 });
  const readers: Reading[] = [];
  for (const subscription of ['all', 'work']) {
    readers.push({ consumer: await bus.consumer({ subscription }), seen: [] });
  }
  const producer = await bus.producer();
  // More than the old generation's source has room for is on its way or in lanes; nothing of it is read when the roll begins.
  await publish(bus, producer, 0, 60);
  const watcher = peers.host();
  const current = async () => {
    const segment = await openSegment({ shm: watcher.shm, name: 'bus' }).catch(() => undefined);
    const state = segment === undefined ? -1 : Atomics.load(segment.words, Header.state);
    const found = { generation: segment?.generation ?? 0, state };
    segment?.region.close();
    return found;
  };
  const isRolled = async (): Promise<boolean> => {
    // Until there are two generations nobody reads: the old one's lanes are full. A producer's slots have to come home before it is retired.
    if (first.moments.includes('rename bus.building')) for (const reader of readers) await read(reader);
    const { generation, state } = await current();
    const isKept = (await watcher.shm.stat('bus.former')) !== undefined;
    return generation === 2 && state === SegmentState.open && !isKept;
  };
  await first.roll(isRolled);
  const { moments } = first;
  expect(first.isDead).toBe(Number.isFinite(diesAt));
  await first.bury();
  const second = new BusNode(peers.host(), config, {});
  await second.start();
  try {
    const publishing = publish(bus, producer, 60, 120);
    await expect
      .poll(
        async () => {
          for (const reader of readers) await read(reader);
          return readers.map(({ seen }) => seen.length);
        },
        { timeout: 10_000 },
      )
      .toEqual([120, 120]);
    await publishing;
    const all = Array.from({ length: 120 }, (_, number) => number);
    // Nothing is lost, repeated or overtaken, whatever the router was about to do.
    for (const { seen } of readers) expect(seen, `died at moment ${diesAt}`).toEqual(all);
    // Once the name stands for the next generation, the roll is seen through; before, it has not happened.
    const renamed = moments.slice(0, diesAt).includes('rename bus.building');
    await expect
      .poll(async () => ({ ...(await current()), former: await watcher.shm.stat('bus.former') }), { timeout: 10_000 })
      .toEqual({ generation: renamed ? 2 : 1, state: SegmentState.open, former: undefined });
    await producer.close();
    for (const { consumer } of readers) await consumer.close();
  } finally {
    await peers.end();
    await second.close();
  }
  return moments;
}

describe('a roll whose router dies', () => {
  it('is seen through or has not happened, whatever it was about to do; nothing is lost, repeated or overtaken', async () => {
    const whole = await rollAndDie(Number.POSITIVE_INFINITY);
    expect(whole).toEqual(
      expect.arrayContaining([
        'rename bus',
        'rename bus.building',
        `point ${Point.retireSegment}`,
        'remove bus.former',
      ]),
    );
    for (let moment = 0; moment < whole.length; moment += 1) await rollAndDie(moment);
  }, 40_000);
});
