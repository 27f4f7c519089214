import { attach } from '../../../../src/engines/indexbus/attachments.ts';
import type { Bus } from '../../../../src/engines/indexbus/bus.ts';
import type { Consumer } from '../../../../src/engines/indexbus/busConsumer.ts';
import type { BusNode } from '../../../../src/engines/indexbus/busNode.ts';
import type { Producer } from '../../../../src/engines/indexbus/busProducer.ts';
import { join } from '../../../../src/engines/indexbus/join.ts';
import { LaneCursor } from '../../../../src/engines/indexbus/layout.ts';
import { MessageBatch } from '../../../../src/engines/indexbus/messageBatch.ts';
import { bytesOf, type Peers } from './peers.ts';

// Who takes part in a segment that is rolled, and how far it has come.

/** For a router with a group that blocks, `work` on topic `t`, and a broadcast of all that there is. */
export const workAndAll = {
  lane_ring: 128,
  lanes_max: 4,
  slots_per_producer: 128,
  subscriptions: [
    { name: 'work', topics: ['t'], mode: 'workqueue', lane: 'blocking', capacity: 32, detach_after_ms: 'none' },
    { name: 'all', topics: ['>'], capacity: 16 },
  ],
};

/** A consumer of the first subscription whose process a test ends. */
export interface MortalConsumer {
  /** Messages that its lane has for it. */
  unread(): number;
  /** Receives all of them, and ends none. */
  takeAll(): void;
  die(): void;
}

/** A consumer whose process a test ends: it has its seat, and takes what the test says. */
export async function mortalConsumer(peers: Peers): Promise<MortalConsumer> {
  const { host, bury } = peers.mortal();
  const attachment = await attach(host, { shm: host.shm, name: 'bus' }, 1_000);
  const request = { kind: 'consumer', name: 'mortal', subscription: 0, attachTimeoutMs: 1_000 } as const;
  const { cursors } = (await join(attachment, request)).place;
  const { words } = attachment.segment;
  const word = (field: number): number => Atomics.load(words, cursors + field);
  return {
    unread: () => word(LaneCursor.tail) - word(LaneCursor.head),
    takeAll: () => {
      Atomics.store(words, cursors + LaneCursor.head, word(LaneCursor.tail));
    },
    die: bury,
  };
}

/** A bus whose producer has flushed so many messages to topic `t`, each its number, from 0. */
export async function published(peers: Peers, count: number): Promise<Bus> {
  const bus = await peers.bus();
  const topic = await bus.topic('t');
  const producer = await bus.producer();
  for (let number = 0; number < count; number += 1) producer.publishWords(topic, Int32Array.of(number), 0, 1);
  producer.flush();
  return bus;
}

/** A consumer of `workAndAll` that has received something, and holds a roll up until it is told that it may go on; and who has sent that. */
export async function holdingUp(peers: Peers): Promise<{ readonly goOn: () => void; readonly producer: Producer }> {
  const bus = await peers.bus();
  const consumer = await bus.consumer({ subscription: 'work', name: 'slow' });
  const producer = await bus.producer({ name: 'feed' });
  producer.publish(await bus.topic('t'), bytesOf('m'));
  producer.flush();
  const batch = new MessageBatch(1, 1024);
  while (consumer.receive(batch) === 0) await consumer.ready(20);
  return { goOn: () => consumer.ack(), producer };
}

/** The numbers that a consumer receives, until it has so many. */
export async function received(consumer: Consumer, count: number, batch: MessageBatch): Promise<readonly number[]> {
  const seen: number[] = [];
  while (seen.length < count) {
    if (consumer.receive(batch) === 0) await consumer.ready(1_000);
    for (let index = 0; index < batch.length; index += 1) seen.push(batch.words[batch.wordOffset(index)] ?? -1);
  }
  return seen;
}

/** Messages in all sources and lanes of what is served; undefined: nothing is. */
export function depth(node: BusNode): number | undefined {
  return node.serving?.counters.queueDepth;
}

/** Number of the generation that is served; undefined: none is. */
export function generation(node: BusNode): number | undefined {
  return node.serving?.segment.generation;
}
