import type { Millis } from '../host/clock.ts';
import type { Host } from '../host/host.ts';
import { SimClock } from './clock.ts';
import type { EventOwner, ScheduledEvent } from './eventHeap.ts';
import { asStand, entrance } from './inside.ts';
import type { Machine } from './machine.ts';
import { createSimTelemetry } from './telemetry.ts';
import type { World } from './world.ts';

/** How a process ended. */
export interface ExitInfo {
  readonly atMs: Millis;
  /** Exit code; 128 + signal after a signal, as a shell shows it. */
  readonly code: number;
  /** The signal that ended it, if one did; undefined also after a power loss. */
  readonly signal: 'SIGKILL' | undefined;
  readonly reason: string;
}

/** Virtual time that a turn of the event loop takes when nothing slows it: about 2 µs, a multiple of the time grid. */
export const TURN_MS: Millis = 2 ** -9;

/** What a Node process uses before it has done anything. */
const PROCESS_BASE_BYTES = 64 * 2 ** 20;

/** Unwinds the code of a process that has ended while it ran. */
export class ProcessEnded extends Error {
  override readonly name = 'ProcessEnded';
}

/** A promise of something that will never be told: what a dead process is given. */
function never<T>(): Promise<T> {
  return new Promise<T>(() => {});
}

/** A process of a machine. Once dead it never sees another promise settle or timer fire: its continuations are garbage. */
export class SimProcess implements EventOwner {
  readonly machine: Machine;
  readonly incarnation: number;
  readonly pid: number;
  readonly traceName: string;
  readonly host: Host;
  /** How it ended. For the stand: settles outside of the process, after its death. */
  readonly exited: Promise<ExitInfo>;
  readonly held: ScheduledEvent[] = [];
  turnMs: Millis = TURN_MS;
  /** Memory that the program means to use, in bytes, as the stand models it. */
  memoryBytes: () => number = () => PROCESS_BASE_BYTES;
  nextFreeMs: Millis = 0;
  /** Told before each access of shared memory, with the number of its place in the code: where a fault may strike. */
  onStep: ((point: number) => void) | undefined;
  readonly #world: World;
  readonly #enter: (fn: () => void) => void;
  readonly #settleExited: (info: ExitInfo) => void;
  readonly #onDeath = new Set<() => void>();
  readonly #leaks: (() => number)[] = [];
  #exit: ExitInfo | undefined;
  #paused = false;

  constructor(world: World, machine: Machine, incarnation: number) {
    this.#world = world;
    this.machine = machine;
    this.incarnation = incarnation;
    this.pid = machine.pidOf(incarnation);
    this.traceName = `${machine.name}#${incarnation}`;
    this.#enter = entrance(this);
    const exited = asStand(() => Promise.withResolvers<ExitInfo>());
    this.exited = exited.promise;
    this.#settleExited = exited.resolve;
    this.host = {
      name: machine.name,
      incarnation,
      pid: this.pid,
      memory: { usedBytes: () => this.usedBytes },
      clock: new SimClock(this, world.scheduler, machine.clock),
      random: world.random.scoped(this.traceName),
      disk: machine.devices.diskOf(this),
      network: world.network.of(this),
      shm: machine.sharedMemory.of(this),
      telemetry: createSimTelemetry(
        {
          machine: machine.name,
          incarnation,
          traceName: this.traceName,
          book: world.logs,
          trace: world.trace,
          alive: () => this.alive,
          seed: world.seed,
          now: () => world.now,
          sink: () => world.spanSink,
        },
        world.probes,
      ),
    };
  }

  get alive(): boolean {
    return this.#exit === undefined;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** How it ended, or undefined while it lives. */
  get exitInfo(): ExitInfo | undefined {
    return this.#exit;
  }

  /** Memory in use, in bytes: the program's and what leaked. This is what its host tells, and what a memory limit is compared with. */
  get usedBytes(): number {
    return this.#leaks.reduce((sum, leaked) => sum + leaked(), this.memoryBytes());
  }

  /** Memory that nobody uses and nobody gives back: `leaked` tells how many bytes so far. It goes with the process alone. */
  leak(leaked: () => number): void {
    this.#leaks.push(leaked);
  }

  enter(fn: () => void): void {
    this.#enter(fn);
  }

  /**
   * A promise that settles by an event of this process `delayMs` from now: `fn` runs then, and its throw rejects. Never
   * settles once the process is dead, and `fn` does not run; waits while it is paused.
   */
  io<T>(label: string, delayMs: Millis, fn: () => T): Promise<T> {
    if (!this.alive) return never();
    return new Promise<T>((resolve, reject) => {
      this.#world.scheduler.after(delayMs, label, this, () => {
        try {
          resolve(fn());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  /** Runs `fn` as the next event of this process, or never when it is dead: how devices and kernels call back. */
  deliver(label: string, fn: () => void): void {
    if (this.alive) this.#world.scheduler.after(0, label, this, fn);
  }

  /**
   * Before an access of shared memory: whoever watches may end the process here, and then nothing of it goes on. Throws `ProcessEnded` where the
   * process is dead; what it throws after its end is nobody's.
   */
  step(point: number): void {
    if (this.alive) this.onStep?.(point);
    if (!this.alive) throw new ProcessEnded(`${this.traceName} has ended`);
  }

  /** Ends the process, as `process.exit` would; sockets and locks are released by the machine. Idempotent. */
  exit(code: number, reason = `exit code ${code}`): void {
    this.end({ atMs: this.#world.now, code, signal: undefined, reason });
  }

  crashed(reason: string): void {
    this.exit(1, reason);
  }

  /** Calls `fn` when the process dies, before anybody else is told: how devices release what it held. */
  onDeath(fn: () => void): () => void {
    this.#onDeath.add(fn);
    return () => this.#onDeath.delete(fn);
  }

  /** Nothing of it runs until `resume`; time goes on, and what comes due is held. */
  pause(): void {
    this.#paused = true;
  }

  /** What came due during the pause runs now, in the order in which it did. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#world.scheduler.release(this);
  }

  /** Ends the process in any way; the machine and its devices call this. Idempotent. */
  end(info: ExitInfo): void {
    if (this.#exit !== undefined) return;
    this.#exit = info;
    this.held.length = 0;
    this.#world.trace.note('process ended', this.traceName, info.reason);
    for (const fn of this.#onDeath) fn();
    this.#onDeath.clear();
    if (this.machine.process === this) this.machine.process = undefined;
    this.#world.scheduler.after(0, 'process exited', undefined, () => this.#settleExited(info));
  }
}
