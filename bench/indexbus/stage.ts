/** What the bus's benchmark and its participants agree on: sizes, names, a host, orders and answers. */
import type { Subscription } from '../../src/engines/indexbus/commands.ts';
import { createSegment, type Segment, type SegmentSizes } from '../../src/engines/indexbus/index.ts';
import { SeatState, seatWord } from '../../src/engines/indexbus/seat.ts';
import { seatPlace } from '../../src/engines/indexbus/seatPlaces.ts';
import type { SegmentPlace } from '../../src/engines/indexbus/segment.ts';
import type { Host } from '../../src/host/host.ts';
import { createRealClock } from '../../src/real/clock.ts';
import { loadNative } from '../../src/real/native.ts';
import { createRealRandom } from '../../src/real/random.ts';
import { createMappedSharedMemory } from '../../src/real/shm/mapped.ts';
import { batchMost } from './message.ts';

/** As `ring.c` has them. */
export const benchSizes: SegmentSizes = {
  producers: 8,
  lanes: 4,
  slots: 4096,
  laneRing: 8192,
  slotBytes: 128,
  topics: 4,
};

/** One lane that has everything and makes its sources wait: what is measured is moving messages, not dropping them. */
export const everything: Subscription = {
  name: 'all',
  topics: ['there'],
  mode: 'broadcast',
  lane: 'blocking',
  drop: 'newest',
  capacity: 4096,
  creditLimit: undefined,
  balance: 'round_robin',
  detachAfterMs: undefined,
  delivery: 'at_most_once',
  access: 'copy',
  viewMax: batchMost,
};
export const answers: Subscription = { ...everything, name: 'answers', topics: ['back'] };

/** What a bus uses of a host. */
export function benchHost(directory: string): Host {
  const native = loadNative();
  if (!('addon' in native)) throw new Error(native.reason);
  const quiet = (): void => undefined;
  const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet, child: () => logger };
  const host = {
    name: `bench-${process.pid}`,
    incarnation: 1,
    pid: process.pid,
    clock: createRealClock(),
    random: createRealRandom(),
    shm: createMappedSharedMemory(native.addon, { directory }),
    telemetry: { sometimes: quiet, buggify: () => false, mutant: () => false, logger },
  };
  // The bus uses neither disk nor network, and of telemetry what stands here.
  return host as unknown as Host;
}

/** A segment without a router, of which producer 0 is live: for hops. */
export async function hopSegment(place: SegmentPlace): Promise<Segment> {
  const segment = await createSegment(place, benchSizes, 1);
  const { words, layout } = segment;
  words[seatPlace(layout, 'producer', 0).at] = seatWord(hopEpoch, SeatState.live);
  words[layout.topicNames] = 0x70_6f68;
  return segment;
}
export const hopEpoch = 1;
/** Segment of a hop's way back. */
export const backOf = (name: string): string => `${name}-back`;

/** What a participant does: its rounds, or round trips. */
export type Role =
  | 'send'
  | 'receive'
  | 'route'
  | 'route-and-receive'
  | 'hop-send'
  | 'hop-receive'
  | 'trip'
  | 'answer'
  | 'hop-trip'
  | 'hop-answer'
  | 'ringbuf-send'
  | 'ringbuf-receive'
  | 'port-receive'
  | 'zeromq-receive'
  | 'json-receive';

/** How a participant is started. */
export interface Start {
  readonly role: Role;
  readonly directory: string;
  readonly segment: string;
  /** Looks before a sleep; -1: it never sleeps. */
  readonly spins: number;
  /** Memory of a ring of `ringbuf.js`, or the address of a socket. */
  readonly memory?: SharedArrayBuffer;
  readonly address?: string;
}

export interface Order {
  readonly messages: number;
  readonly batch: number;
}

/** What a participant measured: of rates seconds and messages (those behind the first batch), of trips nanoseconds one way. */
export interface Answer {
  readonly messages: number;
  readonly seconds: number;
  /** Processor time of the thread, in microseconds. */
  readonly cpu: number;
  readonly trips?: readonly [number, number, number];
}
