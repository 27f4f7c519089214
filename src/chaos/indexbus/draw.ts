import fc from 'fast-check';
import { type FaultCounts, type FaultDraw, namedFaults, namelessFaults } from '../faultDraw.ts';
import { families } from './menu/entry.ts';
import { faultMenu } from './menu/menu.ts';

/** A subscription, and how many consumers it has. */
export type SubscriptionDraw = {
  readonly mode: 'broadcast' | 'workqueue' | 'keyed';
  readonly blocking: boolean;
  readonly oldest: boolean;
  readonly capacity: number;
  /** Part of the capacity that may be under way, in tenths; 0: all. */
  readonly credit: number;
  readonly view: boolean;
  readonly atLeastOnce: boolean;
  readonly leastDepth: boolean;
  readonly detachMs: number;
  readonly consumers: number;
  /** Microseconds that its consumers need for a message. */
  readonly serviceUs: number;
  readonly topics: readonly ('a' | 'b')[];
};

/** A subscription whose next consumers read in another way, while those that are there go on as they joined; one of them dies a while after. */
export type AccessDraw = {
  /** When, and how long after it the consumer dies, on scales of 0..1000. */
  readonly at: number;
  readonly diesAfter: number;
  /** Which subscription, and which of its consumers. */
  readonly where: number;
  /** By view, and at least once where it is a group; else by copy. */
  readonly byView: boolean;
};

/** Producers that flush a while after they have published, and some of which are restarted meanwhile. */
export type LateFlushDraw = {
  readonly afterMs: number;
  /** When one is told to leave, and which, on scales of 0..1000. */
  readonly leaves: readonly { readonly at: number; readonly where: number }[];
  /** When the segment is rolled, on a scale of 0..1000. */
  readonly rollAt: number;
};

/** One drawn run before it becomes a scenario. */
export type IndexBusDraw = {
  readonly seed: number;
  readonly faults: readonly FaultDraw[];
  readonly sizes: {
    readonly batch: number;
    readonly slotsLog2: number;
    readonly ringLog2: number;
    /** Lanes have few places, and their rings as many as that takes: a batch goes round in them. */
    readonly tight: boolean;
    /** Seats of consumers: more than there are consumers, as many, or one too few. */
    readonly seats: 'many' | 'exact' | 'short';
    readonly pollUs: number;
  };
  readonly noSubscriber: 'drop' | 'hold';
  readonly subscriptions: readonly SubscriptionDraw[];
  readonly load: {
    readonly producers: number;
    readonly rate: number;
    readonly everyMs: number;
    readonly burstMs: number;
    readonly burst: number;
    readonly keys: number;
    readonly hotKey: number;
    readonly bytes: number;
    readonly nobody: boolean;
    /** All producers but the first send little. */
    readonly uneven: boolean;
    /** How payloads are published; `mixed`: each producer in its own way. */
    readonly publish: 'words' | 'bytes' | 'in place' | 'mixed';
    /** A word over each payload is written and compared. */
    readonly checked: boolean;
    /** Consumers say that they are through as soon as they are. */
    readonly acks: boolean;
    /** Percent of the beginnings in which a participant closes its bus while it waits for its seat. */
    readonly hasty: number;
  };
  /** A producer is stopped when the segment is rolled, and does not move. */
  readonly stoppedAtRolls: boolean;
  readonly accesses: readonly AccessDraw[];
  /** Undefined: each flushes at the end of its turn, and none is told to leave. */
  readonly lateFlush: LateFlushDraw | undefined;
  /** Of which one routes and the others stand by: with two of these there is a race for the lock. */
  readonly routers: 2 | 3;
};

/** How many faults these runs have. */
export const faultCounts: FaultCounts = { most: 6, bigRunMost: 20, runsPerBigRun: 20 };

const anySubscription = {
  mode: fc.constantFrom<SubscriptionDraw['mode'][]>('broadcast', 'workqueue', 'keyed'),
  blocking: fc.boolean(),
  oldest: fc.boolean(),
  capacity: fc.constantFrom(4, 1, 2, 8, 32, 128, 128),
  credit: fc.constantFrom(0, 0, 5),
  view: fc.constantFrom(false, false, true),
  atLeastOnce: fc.boolean(),
  leastDepth: fc.boolean(),
  detachMs: fc.constantFrom(1_000, 300, 0),
  consumers: fc.integer({ min: 1, max: 3 }),
  serviceUs: fc.constantFrom(20, 500, 5_000, 20_000),
  topics: fc.constantFrom<('a' | 'b')[][]>(['a'], ['b'], ['a', 'b']),
};

/** One in six is a keyed group that blocks and has several consumers: what one of them leaves behind goes to others, in order, or waits. */
const subscription: fc.Arbitrary<SubscriptionDraw> = fc.oneof(
  { weight: 5, arbitrary: fc.record(anySubscription) },
  {
    weight: 1,
    arbitrary: fc.record({
      ...anySubscription,
      mode: fc.constant<SubscriptionDraw['mode']>('keyed'),
      blocking: fc.constant(true),
      consumers: fc.integer({ min: 2, max: 3 }),
    }),
  },
);

const position = fc.nat({ max: 1_000 });
const accesses: fc.Arbitrary<AccessDraw[]> = fc.array(
  fc.record({ at: position, diesAfter: position, where: position, byView: fc.boolean() }),
  { maxLength: 3 },
);

const lateFlush: fc.Arbitrary<LateFlushDraw> = fc.record({
  afterMs: fc.constantFrom(50, 5, 500),
  leaves: fc.array(fc.record({ at: position, where: position }), { minLength: 1, maxLength: 3 }),
  rollAt: position,
});

/** Draws of runs: what is drawn later stands last, so that a seed keeps what it stood for. fast-check only draws them: its own shrinking of them is not used. */
export const draws: fc.Arbitrary<IndexBusDraw> = fc
  .record({
    seed: fc.nat({ max: 2 ** 31 - 1 }),
    // Swarm testing (Groce et al., 2012): each run has a random subset of the families, so that some are absent.
    families: fc.subarray([...families], { minLength: 1 }),
    faults: namelessFaults(faultCounts),
    sizes: fc.record({
      batch: fc.constantFrom(16, 1, 4, 64),
      slotsLog2: fc.constantFrom(8, 6, 7, 10),
      ringLog2: fc.constantFrom(8, 9),
      tight: fc.constantFrom(false, false, true),
      seats: fc.constantFrom('many', 'exact', 'short'),
      pollUs: fc.constantFrom(5_000, 1_000, 20_000),
    }),
    noSubscriber: fc.constantFrom<('drop' | 'hold')[]>('drop', 'drop', 'hold'),
    subscriptions: fc.array(subscription, { minLength: 1, maxLength: 4 }),
    load: fc.record({
      producers: fc.integer({ min: 1, max: 4 }),
      rate: fc.constantFrom(50, 20, 200),
      everyMs: fc.constantFrom(10, 3, 40),
      burstMs: fc.constantFrom(0, 700, 2_000),
      burst: fc.constantFrom(20, 200),
      keys: fc.constantFrom(16, 1, 200),
      hotKey: fc.constantFrom(0, 50),
      bytes: fc.constantFrom(24, 8, 48, 13),
      nobody: fc.boolean(),
      uneven: fc.boolean(),
      publish: fc.constantFrom<IndexBusDraw['load']['publish'][]>('words', 'words', 'bytes', 'in place', 'mixed'),
      checked: fc.constantFrom(false, false, false, true),
      acks: fc.constantFrom(false, false, true),
      hasty: fc.constantFrom(0, 0, 0, 40),
    }),
    // What is drawn last leaves everything before it as it was: the runs of all numbers.
    stoppedAtRolls: fc.constantFrom(false, true),
    // In every third run.
    accesses: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: accesses }),
    // In every fifth run.
    lateFlush: fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: lateFlush }),
    routers: fc.constantFrom<(2 | 3)[]>(2, 2, 2, 3),
  })
  .map(({ families: on, faults, ...draw }) => ({ ...draw, faults: namedFaults(faults, faultMenu, on) }));
