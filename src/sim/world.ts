import type { EpochMillis, Millis } from '../host/clock.ts';
import type { DeclaredPoints } from '../host/telemetry.ts';
import { LogBook } from './logBook.ts';
import { Machine, type MachineOptions } from './machine.ts';
import { SimNetwork } from './network/network.ts';
import { Probes } from './probes.ts';
import { SimRandom } from './random.ts';
import { type RunOptions, Scheduler } from './scheduler.ts';
import { Trace } from './trace.ts';
import type { SpanSink } from './tracer.ts';

/** Wall time at which a world begins unless it says otherwise: 2026-01-01T00:00:00Z. */
export const WALL_START: EpochMillis = 1_767_225_600_000;

export interface WorldOptions {
  /** The root of every draw: same seed, same program, same run. */
  readonly seed: number;
  /** Keep every entry of the trace, to name the first difference between two runs. Default false. */
  readonly record?: boolean;
  /** Let fault points fire. Default false. */
  readonly buggify?: boolean;
  /** Bugs to plant, by name. */
  readonly mutants?: readonly string[];
  /** Probes and fault points that the programs in it may name; another name throws. Undefined: any may. */
  readonly points?: DeclaredPoints;
  /** Wall time at virtual time 0. Default 2026-01-01T00:00:00Z. */
  readonly wallStart?: EpochMillis;
}

/** A simulated world: machines, a network, virtual time, and the one seed that decides everything in it. */
export class World {
  readonly seed: number;
  readonly wallStart: EpochMillis;
  readonly scheduler: Scheduler;
  readonly random: SimRandom;
  readonly trace: Trace;
  readonly network: SimNetwork;
  readonly probes: Probes;
  readonly logs = new LogBook();
  /** Takes the spans of every process from now on; nothing when nobody watches. */
  spanSink: SpanSink | undefined;
  readonly #machines = new Map<string, Machine>();

  constructor(options: WorldOptions) {
    this.seed = options.seed;
    this.wallStart = options.wallStart ?? WALL_START;
    this.trace = new Trace({ record: options.record ?? false });
    this.random = new SimRandom(options.seed, this.trace);
    this.scheduler = new Scheduler(options.seed, this.trace);
    this.probes = new Probes(this.random, {
      buggify: options.buggify ?? false,
      mutants: options.mutants ?? [],
      declared: options.points,
    });
    this.network = new SimNetwork(this);
  }

  /** Virtual milliseconds since the world began. */
  get now(): Millis {
    return this.scheduler.now;
  }

  /** Machines by name, in the order in which they were added. */
  get machines(): ReadonlyMap<string, Machine> {
    return this.#machines;
  }

  /** Adds a machine without a process. Throws if the name is taken. */
  addMachine(name: string, options?: MachineOptions): Machine {
    if (this.#machines.has(name)) throw new Error(`machine ${name}: expected a new name, there is one of this name`);
    const machine = new Machine(this, name, options);
    this.#machines.set(name, machine);
    return machine;
  }

  /**
   * Runs events until virtual time `toMs`, until `until()` holds after an event, or for `maxEvents` events; without any
   * of them until no event is left. Every microtask is drained between two events. Rejects with `SimulationError` when an
   * event throws or a process leaves a rejection unhandled; a failed world does not run again.
   */
  run(options: RunOptions): Promise<void> {
    return this.scheduler.run(options);
  }
}
