import fc from 'fast-check';
import { type FaultCounts, type FaultDraw, namedFaults, namelessFaults } from '../faultDraw.ts';
import { type ConfigDraw, configs } from './config.ts';
import { families } from './menu/entry.ts';
import { faultMenu } from './menu/menu.ts';

/** One drawn run before it becomes a scenario. */
export type StemeDraw = {
  readonly seed: number;
  /** Which kind of run it is. */
  readonly kind: 'faulty' | 'gathering' | 'long';
  /** Stores that know nothing of each other, each with this load. */
  readonly nodes: number;
  readonly faults: readonly FaultDraw[];
  readonly buggify: boolean;
  readonly config: ConfigDraw;
  readonly devices: {
    readonly walMib: number;
    readonly flushTenths: number;
    readonly shared: boolean;
  };
  readonly load: {
    readonly writers: number;
    readonly thinkMs: number;
    readonly batch: number;
    readonly batches: number;
    readonly votes: number;
    readonly repeats: number;
    readonly subjects: number;
    readonly textBytes: number;
    readonly resend: boolean;
  };
};

/** How many faults these runs have. */
export const faultCounts: FaultCounts = { most: 8, bigRunMost: 40, runsPerBigRun: 24 };

/** Draws of runs. fast-check only draws them: its own shrinking of them is not used. */
export const draws: fc.Arbitrary<StemeDraw> = fc
  .record({
    seed: fc.nat({ max: 2 ** 31 - 1 }),
    // Swarm testing (Groce et al., 2012): each run has a random subset of the families, so that some are absent.
    families: fc.subarray([...families], { minLength: 1 }),
    nodes: fc.constantFrom(...Array<number>(20).fill(1), 2, 3, 4, 5),
    faults: namelessFaults(faultCounts),
    // Every run: each fault point is then live in a quarter of them, by a draw of its own. Where all were live at once, or in
    // few runs, rare paths would not meet each other, or nothing else.
    buggify: fc.constant(true),
    config: configs,
    devices: fc.record({
      walMib: fc.constantFrom(256, 192, 128),
      flushTenths: fc.constantFrom(5, 20, 80),
      shared: fc.constantFrom(false, false, false, true),
    }),
    load: fc.record({
      writers: fc.integer({ min: 1, max: 6 }),
      thinkMs: fc.constantFrom(300, 150, 80),
      batch: fc.integer({ min: 2, max: 12 }),
      batches: fc.constantFrom(0, 15, 40),
      votes: fc.constantFrom(10, 30, 0),
      repeats: fc.constantFrom(2, 20),
      subjects: fc.constantFrom(10, 3, 40),
      textBytes: fc.constantFrom(20, 200, 1_500),
      resend: fc.constantFrom(true, true, false),
    }),
    kind: fc
      .nat({ max: 24 })
      .map((value) => (value === 0 ? 'gathering' : value === 1 ? 'long' : 'faulty') as StemeDraw['kind']),
  })
  .map(({ families: on, faults, ...draw }) => ({
    ...draw,
    faults: namedFaults(faults, faultMenu, on),
  }));
