import type { Clock, EpochMillis, Millis, Timer } from '../host/clock.ts';
import type { SimProcess } from './process.ts';
import type { Scheduler } from './scheduler.ts';

/** Readings of the monotonic clock are exact to about 1 ns of virtual time; a timer is early only by more than this. */
const EARLY_MS = 1e-5;

/**
 * The clock of one machine: monotonic time that drifts but never jumps, and wall time that can do both. Drift moves the
 * two alike; offset, jump and freeze touch the wall alone.
 */
export class MachineClock {
  readonly #scheduler: Scheduler;
  readonly #wallStart: EpochMillis;
  /** Progress of local time up to `#sinceMs`, in local milliseconds. */
  #elapsedMs: Millis = 0;
  #sinceMs: Millis = 0;
  #rate = 1;
  #wallOffsetMs: Millis = 0;
  #frozenWall: EpochMillis | undefined;

  constructor(scheduler: Scheduler, wallStart: EpochMillis) {
    this.#scheduler = scheduler;
    this.#wallStart = wallStart;
  }

  /** Monotonic time of this machine, in milliseconds. */
  now(): Millis {
    return this.#elapsedMs + (this.#scheduler.now - this.#sinceMs) * this.#rate;
  }

  /** What people read on this machine. */
  wall(): EpochMillis {
    return this.#frozenWall ?? this.#wallStart + this.now() + this.#wallOffsetMs;
  }

  /** Virtual milliseconds in which this clock advances by `ms`. */
  virtualSpan(ms: Millis): Millis {
    return ms / this.#rate;
  }

  get driftPpm(): number {
    return Math.round((this.#rate - 1) * 1e6);
  }

  /** From now on this clock runs fast (or, negative, slow) by so many parts per million. */
  setDrift(ppm: number): void {
    if (!(ppm > -1e6)) throw new RangeError(`clock drift: expected more than -1000000 ppm, got ${ppm}`);
    this.#elapsedMs = this.now();
    this.#sinceMs = this.#scheduler.now;
    this.#rate = 1 + ppm / 1e6;
  }

  /** Moves the wall by so many milliseconds, in either direction; monotonic time does not notice. */
  shiftWall(ms: Millis): void {
    this.#wallOffsetMs += ms;
    if (this.#frozenWall !== undefined) this.#frozenWall += ms;
  }

  /** The wall stands still. */
  freezeWall(): void {
    this.#frozenWall = this.wall();
  }

  /** The wall goes on, from where it would be without the freeze: a jump forward. */
  thawWall(): void {
    this.#frozenWall = undefined;
  }
}

/** The clock of a machine as one of its processes uses it: its timers die with the process and wait while it is paused. */
export class SimClock implements Clock {
  readonly #process: SimProcess;
  readonly #scheduler: Scheduler;
  readonly #machine: MachineClock;

  constructor(process: SimProcess, scheduler: Scheduler, machine: MachineClock) {
    this.#process = process;
    this.#scheduler = scheduler;
    this.#machine = machine;
  }

  now(): Millis {
    return this.#machine.now();
  }

  wall(): EpochMillis {
    return this.#machine.wall();
  }

  sleep(ms: Millis, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = (): void => {
        timer.cancel();
        reject(signal?.reason);
      };
      const timer = this.#arm('sleep', ms, () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  timer(ms: Millis, fn: () => void): Timer {
    return this.#arm('timer', ms, fn);
  }

  #arm(label: string, ms: Millis, fn: () => void): Timer {
    const process = this.#process;
    const scheduler = this.#scheduler;
    const machine = this.#machine;
    const dueMs = machine.now() + ms;
    // A turn of the event loop takes time, or a process that takes turn after turn would stop the world's clock.
    const fire = (): void => {
      const missingMs = dueMs - machine.now();
      if (missingMs <= EARLY_MS) {
        fn();
        return;
      }
      // The drift changed while the timer ran.
      event = scheduler.inOrder(scheduler.now + machine.virtualSpan(missingMs), label, process, fire);
    };
    const delayMs = Math.max(machine.virtualSpan(ms), process.turnMs);
    let event = scheduler.inOrder(scheduler.now + delayMs, label, process, fire);
    return { cancel: () => scheduler.cancel(event) };
  }
}
