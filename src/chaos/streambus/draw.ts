import fc from 'fast-check';
import { type FaultCounts, type FaultDraw, namedFaults, namelessFaults } from '../faultDraw.ts';
import { type ConfigDraw, configs } from './config.ts';
import { families } from './menu/entry.ts';
import { faultMenu } from './menu/menu.ts';

/** One drawn run before it becomes a scenario. */
export type StreamBusDraw = {
  readonly seed: number;
  readonly brokers: 1 | 3 | 5;
  readonly faults: readonly FaultDraw[];
  readonly config: ConfigDraw;
  readonly flushTenths: number;
  readonly load: {
    readonly producers: number;
    readonly thinkMs: number;
    readonly idempotent: number;
    readonly batch: number;
    readonly textBytes: number;
    readonly transactional: number;
    readonly transactionEveryMs: number;
    readonly transactionThinksMs: number;
    readonly oldTransactions: number;
    readonly aborts: number;
    readonly consumers: number;
    readonly groups: number;
    readonly members: number;
    readonly sessionMs: number;
    readonly churnMs: number;
    readonly topics: number;
    readonly partitions: number;
    readonly shortLivedMs: number;
    readonly timeoutMs: number;
    readonly passingMs: number;
  };
};

/** How many faults these runs have. */
export const faultCounts: FaultCounts = { most: 6, bigRunMost: 20, runsPerBigRun: 20 };

/** Draws of runs. fast-check only draws them: its own shrinking of them is not used. */
export const draws: fc.Arbitrary<StreamBusDraw> = fc
  .record({
    seed: fc.nat({ max: 2 ** 31 - 1 }),
    // Swarm testing (Groce et al., 2012): each run has a random subset of the families, so that some are absent.
    families: fc.subarray([...families], { minLength: 1 }),
    brokers: fc.constantFrom<(1 | 3 | 5)[]>(3, 3, 3, 3, 3, 3, 5, 5, 1),
    faults: namelessFaults(faultCounts),
    config: configs,
    flushTenths: fc.constantFrom(5, 20, 80),
    load: fc.record({
      producers: fc.integer({ min: 1, max: 4 }),
      thinkMs: fc.constantFrom(200, 100, 50),
      idempotent: fc.constantFrom(50, 100, 0),
      batch: fc.constantFrom(3, 1, 20),
      textBytes: fc.constantFrom(24, 200, 2_000),
      transactional: fc.constantFrom(1, 0, 2),
      transactionEveryMs: fc.constantFrom(300, 100, 800),
      transactionThinksMs: fc.constantFrom(0, 150, 300),
      oldTransactions: fc.constantFrom(50, 0, 100),
      aborts: fc.constantFrom(20, 50, 0),
      consumers: fc.constantFrom(1, 2, 0),
      groups: fc.constantFrom(1, 0, 2),
      members: fc.integer({ min: 1, max: 3 }),
      sessionMs: fc.constantFrom(2_000, 1_000, 5_000),
      churnMs: fc.constantFrom(0, 3_000, 6_000),
      topics: fc.integer({ min: 1, max: 2 }),
      partitions: fc.integer({ min: 1, max: 2 }),
      shortLivedMs: fc.constantFrom(0, 0, 2_000),
      timeoutMs: fc.constantFrom(4_000, 1_000),
      // Last: what was drawn before it stays as it was.
      passingMs: fc.constantFrom(0, 0, 1_500, 600),
    }),
  })
  .map(({ families: on, faults, ...draw }) => ({
    ...draw,
    faults: namedFaults(faults, faultMenu, on),
  }));
