import type { Host } from '../host/host.ts';
import { MachineClock } from './clock.ts';
import type { PowerLossMode } from './devices.ts';
import { createDeviceTable, type DeviceTable } from './disk/deviceTable.ts';
import { SimProcess, TURN_MS } from './process.ts';
import { MachineSharedMemory } from './sharedMemory.ts';
import type { World } from './world.ts';

export type { PowerLossMode } from './devices.ts';

export interface MachineOptions {
  /** Memory of the machine in bytes: what a process may use before the kernel kills it. Default 16 GiB. */
  readonly memoryBytes?: number;
  /**
   * The machine whose container this is: it has a name, a process, disks and a network of its own; clock, shared memory and power are
   * those of the machine. Default none: it is a machine itself.
   */
  readonly within?: Machine;
}

/** Pids of a machine's own processes are above this, and those of each of its containers above the next multiple. */
const PIDS_EACH = 1_000;

/** A machine, or a container of one: a name, a clock, disks, memory that outlives processes, and at most one process at a time. */
export class Machine {
  readonly name: string;
  readonly clock: MachineClock;
  readonly devices: DeviceTable;
  readonly sharedMemory: MachineSharedMemory;
  readonly memoryBytes: number;
  /** The machine whose container this is; undefined for a machine itself. */
  readonly within: Machine | undefined;
  /** Its containers, in the order in which they were added. */
  readonly containers: Machine[] = [];
  /** Pids of its processes are above this. */
  readonly #pidsFrom: number;
  /** The process that runs now. */
  process: SimProcess | undefined;
  /** How many processes were started. */
  incarnation = 0;
  /**
   * How a supervisor brings the program back after a crash: what a fault with a restart calls. Without one, the last
   * `main` is started again.
   */
  supervisor: (() => void) | undefined;
  /** False between a power loss and the next start: nobody answers for its address. */
  powered = true;
  #slowFactor = 1;
  #program: { readonly label: string; readonly main: (host: Host) => Promise<void> | void } | undefined;
  readonly #world: World;

  constructor(world: World, name: string, options: MachineOptions = {}) {
    this.#world = world;
    this.name = name;
    this.memoryBytes = options.memoryBytes ?? 16 * 2 ** 30;
    this.within = options.within;
    this.clock = options.within?.clock ?? new MachineClock(world.scheduler, world.wallStart);
    this.sharedMemory = options.within?.sharedMemory ?? new MachineSharedMemory(world, name);
    this.#pidsFrom = PIDS_EACH * ((options.within?.containers.push(this) ?? 0) + 1);
    this.devices = createDeviceTable({
      scheduler: world.scheduler,
      random: world.random,
      trace: world.trace,
      machine: name,
      wall: () => this.clock.wall(),
    });
  }

  get slowFactor(): number {
    return this.#slowFactor;
  }

  /** Pid of its n-th process. */
  pidOf(incarnation: number): number {
    return this.#pidsFrom + incarnation;
  }

  /**
   * Starts a process whose code is `main`, called by an event with its host. The process goes on when `main` returns; an
   * error out of it is an uncaught one and fails the run. Throws if a process runs.
   */
  start(label: string, main: (host: Host) => Promise<void> | void): SimProcess {
    if (this.process !== undefined) {
      throw new Error(
        `start ${label} on ${this.name}: expected no process, ${this.process.traceName} runs; kill it first`,
      );
    }
    this.#program = { label, main };
    this.powered = true;
    this.incarnation++;
    const process = new SimProcess(this.#world, this, this.incarnation);
    process.turnMs = TURN_MS * this.#slowFactor;
    this.process = process;
    this.#world.trace.note('process started', process.traceName, label);
    this.#world.scheduler.after(0, `start ${label}`, process, () => {
      // A rejection of main is nobody's to handle: the run sees it as the unhandled rejection that it is.
      void main(process.host);
    });
    return process;
  }

  /** Brings the program back, by the supervisor if there is one. Nothing happens if a process runs or none ever did. */
  restart(): void {
    if (this.process !== undefined) return;
    if (this.supervisor !== undefined) this.supervisor();
    else if (this.#program !== undefined) this.start(this.#program.label, this.#program.main);
  }

  /** SIGKILL. The page cache, shared memory and the kernel go on. Without a process, nothing happens. */
  kill(reason = 'killed'): void {
    this.process?.end({ atMs: this.#world.now, code: 137, signal: 'SIGKILL', reason });
  }

  /** The power goes, of a container its machine's: processes, shared memory and page cache are lost, the disks keep what the mode leaves. */
  powerLoss(mode: PowerLossMode): void {
    if (this.within !== undefined) {
      this.within.powerLoss(mode);
      return;
    }
    this.#world.trace.fault('power loss', this.name, mode);
    for (const one of [this, ...this.containers]) one.#dies('power loss', () => one.devices.powerLoss(mode));
    this.sharedMemory.clear();
  }

  /** A new, empty machine under the same name; its containers are gone with it. */
  wipe(): void {
    if (this.within !== undefined) {
      this.within.wipe();
      return;
    }
    this.#world.trace.fault('wipe', this.name, '');
    for (const one of [this, ...this.containers]) one.#dies('wiped', () => one.devices.wipe());
    this.sharedMemory.clear();
  }

  #dies(reason: string, disks: () => void): void {
    this.powered = false;
    this.process?.end({ atMs: this.#world.now, code: 137, signal: undefined, reason });
    disks();
  }

  /** SIGSTOP: nothing of the process runs, the clock goes on, sockets buffer. */
  pause(): void {
    this.process?.pause();
  }

  /** SIGCONT: what came due meanwhile runs now, in order. */
  resume(): void {
    this.process?.resume();
  }

  /** Every turn of the event loop takes `factor` times as long, for this process and the next ones; 1 is normal. */
  slow(factor: number): void {
    if (!(factor > 0)) throw new RangeError(`slow ${this.name}: expected a factor above 0, got ${factor}`);
    this.#slowFactor = factor;
    if (this.process !== undefined) this.process.turnMs = TURN_MS * factor;
  }
}
