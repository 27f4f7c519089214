import type { Subscription } from '../../../../src/engines/indexbus/commands.ts';
import { BusError, FencedError } from '../../../../src/engines/indexbus/errors.ts';
import { type Bus, type Consumer, MessageBatch, type Producer } from '../../../../src/engines/indexbus/index.ts';
import type { SegmentSizes } from '../../../../src/engines/indexbus/layout.ts';
import type { Host } from '../../../../src/host/host.ts';
import { createRealClock } from '../../../../src/real/clock.ts';
import { createRealRandom } from '../../../../src/real/random.ts';
import type { ShmAddon } from '../../../../src/real/shm/addon.ts';
import { createMappedSharedMemory } from '../../../../src/real/shm/mapped.ts';
import { checksumOf, fillPayload, mixed, payloadWordsMost } from './payload.ts';
import { Noted, redeliveredMark, requeuedMark, type Witness } from './witness.ts';

/** The segment of the killing tests: small enough that rings and pools are full now and then. */
export const killSizes: SegmentSizes = {
  producers: 8,
  lanes: 32,
  slots: 512,
  laneRing: 256,
  slotBytes: 256,
  topics: 4,
};
export const routerBatch = 64;
/** Most messages of one receive: what a consumer that is killed can have taken and not written down. */
export const receiveBatch = 32;
/** A lane that refuses for so long is taken from its consumer. */
export const detachAfterMs = 1000;

/** A subscription to everything, with what is said of it. */
export function subscriptionOf(name: string, change: Partial<Subscription>): Subscription {
  return {
    name,
    topics: ['>'],
    mode: 'workqueue',
    lane: 'blocking',
    drop: 'newest',
    capacity: 64,
    creditLimit: undefined,
    balance: 'round_robin',
    detachAfterMs,
    delivery: 'at_most_once',
    access: 'copy',
    viewMax: 16,
    ...change,
  };
}

/** Each way to hand messages out, once. Their places here number them in notes. */
export const subscriptions: readonly Subscription[] = [
  subscriptionOf('copies', { mode: 'broadcast', lane: 'nonblocking', detachAfterMs: undefined }),
  subscriptionOf('work', {}),
  subscriptionOf('sure', { delivery: 'at_least_once', access: 'view' }),
  subscriptionOf('keys', { mode: 'keyed' }),
];

/** A host that has what a bus uses of one: clock, random numbers, mapped memory, silent telemetry. */
export function busHost(addon: ShmAddon, directory: string): Host {
  const quiet = (): void => undefined;
  const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet, child: () => logger };
  const host = {
    name: `peer-${process.pid}`,
    incarnation: 1,
    pid: process.pid,
    clock: createRealClock(),
    random: createRealRandom(),
    shm: createMappedSharedMemory(addon, { directory }),
    // A bug can be planted by hand, to see that the accounts tell of it.
    telemetry: {
      sometimes: quiet,
      buggify: () => false,
      mutant: (name: string) => name === process.env.HOTFIRE_MUTANT,
      logger,
    },
  };
  // The bus uses neither disk nor network, and of telemetry what stands here.
  return host as unknown as Host;
}

/** Numbers that a seed gives, one after the other. */
export class Draw {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** 0 to `limit` - 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x9e37_79b9) | 0;
    return (mixed(this.#state) >>> 0) % limit;
  }
}

export interface Stopping {
  stopped: boolean;
}

/** Publishes bursts until it is stopped; writes down what it will publish before, and what is flushed after. */
export async function produce(
  host: Host,
  bus: Bus,
  witness: Witness,
  sender: number,
  draw: Draw,
  stopping: Stopping,
): Promise<Producer> {
  const topic = await bus.topic('load.all');
  const producer = await bus.producer({ name: `sender-${sender}`, flushEvery: 1 + draw.below(64) });
  witness.noteNow(Noted.producerOpened, sender);
  const words = new Int32Array(payloadWordsMost);
  let number = 0;
  while (!stopping.stopped) {
    const burst = 1 + draw.below(128);
    witness.noteNow(Noted.intends, sender, number + burst);
    for (let left = burst; left > 0; ) {
      const count = fillPayload(words, sender, number);
      if (producer.publishWords(topic, words, 0, count, number % 11)) {
        number += 1;
        left -= 1;
      } else await producer.ready(100);
    }
    producer.flush();
    witness.noteNow(Noted.flushed, sender, number);
    await host.clock.sleep(10 + draw.below(50));
  }
  return producer;
}

/** Reads lanes of one subscription until it is stopped, and a new one whenever it was taken from it. */
export async function consume(
  host: Host,
  bus: Bus,
  witness: Witness,
  which: number,
  laneNumbers: () => number,
  draw: Draw,
  stopping: Stopping,
): Promise<Consumer> {
  const name = subscriptions[which]?.name ?? '';
  const consumer = await bus.consumer({ subscription: name, batch: receiveBatch });
  const batch = new MessageBatch(receiveBatch, receiveBatch * payloadWordsMost * 4);
  let lane = laneNumbers();
  witness.noteNow(Noted.laneOpened, lane, which, consumer.epoch);
  while (!stopping.stopped) {
    try {
      const count = consumer.receive(batch);
      // An application that takes its time with what it has: who dies here has taken messages that nobody else will see, but by view.
      if (count > 0 && draw.below(4) === 0) await host.clock.sleep(draw.below(6));
      for (let index = 0; index < count; index += 1) noteReceived(witness, lane, batch, index);
      witness.write();
      if (count === 0) await consumer.ready(50);
    } catch (error) {
      if (!(error instanceof FencedError)) throw error;
      witness.noteNow(Noted.laneFenced, lane);
      if (!(await reattached(consumer, stopping))) return consumer;
      lane = laneNumbers();
      witness.noteNow(Noted.laneOpened, lane, which, consumer.epoch);
    }
  }
  witness.noteNow(Noted.closed, lane);
  return consumer;
}

function noteReceived(witness: Witness, lane: number, batch: MessageBatch, index: number): void {
  const from = batch.wordOffset(index);
  const byteLength = batch.byteLength(index);
  const marks = (batch.requeued(index) ? requeuedMark : 0) | (batch.redelivered(index) ? redeliveredMark : 0);
  const sum = checksumOf(batch.words, from, byteLength / 4);
  witness.note(Noted.received, lane, batch.words[from], batch.words[from + 1], marks, sum, byteLength);
}

/** Takes another seat; a router that is just dying or stopped is waited for. */
async function reattached(consumer: Consumer, stopping: Stopping): Promise<boolean> {
  while (!stopping.stopped) {
    try {
      await consumer.reattach();
      return true;
    } catch (error) {
      if (!(error instanceof BusError && (error.code === 'IB_NO_ROUTER' || error.code === 'IB_NO_SEAT'))) throw error;
    }
  }
  return false;
}
