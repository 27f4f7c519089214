import type { Millis } from '../host/clock.ts';
import { EventHeap, type EventOwner, type ScheduledEvent } from './eventHeap.ts';
import { avalanche, hashText } from './hash.ts';
import { RunWatch } from './runWatch.ts';
import type { Trace } from './trace.ts';

export type { EventOwner, ScheduledEvent } from './eventHeap.ts';

/** Virtual time is a multiple of 2^-20 ms (about 1 ns): sums of times and delays are then exact in doubles. */
const TICKS_PER_MS = 1_048_576;

/**
 * The real event loop gets a turn after so many events, and before virtual time moves by more than this. Node reports
 * unhandled rejections only then, so both are counted in events and virtual time: a rejection is seen at the same
 * event in every run.
 */
const EVENTS_PER_BREATH = 128;
const BREATH_MS: Millis = 10;

/** Cancelled events are swept out of the heap when there are more of them than this and than half of the heap. */
const CANCELLED_MIN = 1024;

/** A run ended because an event, or code of a simulated process, failed. `cause` is what was thrown. */
export class SimulationError extends Error {
  override readonly name = 'SimulationError';
}

/** When a run stops: at the first of these. Without any, when no event is left. */
export interface RunOptions {
  readonly toMs?: Millis;
  readonly until?: () => boolean;
  readonly maxEvents?: number;
}

// Taken before anything can be patched.
const realSetImmediate = setImmediate;
const realNextTick = process.nextTick;
const settled = Promise.resolve();

/**
 * Virtual time and the events in it. Between two events every microtask is drained, so that time never moves under a
 * running continuation: the step after an event is started by a microtask through `process.nextTick`, and Node runs
 * ticks only when the microtask queue is empty.
 */
export class Scheduler {
  readonly #trace: Trace;
  readonly #heap = new EventHeap();
  readonly #tieSalt: number;
  #tieState: number;
  #now: Millis = 0;
  #sequence = 0;
  #cancelled = 0;
  #eventsRun = 0;
  #running = false;
  #failure: SimulationError | undefined;

  constructor(seed: number, trace: Trace) {
    this.#trace = trace;
    this.#tieSalt = hashText(`${seed}/tie`);
    // xorshift needs a state other than 0.
    this.#tieState = hashText(`${seed}/tie-break`) | 1;
  }

  /** Virtual milliseconds since the world began. */
  get now(): Millis {
    return this.#now;
  }

  /** How many events have run. */
  get eventsRun(): number {
    return this.#eventsRun;
  }

  /** How many events wait, cancelled ones that were not swept yet included. */
  get pending(): number {
    return this.#heap.size;
  }

  /** Why the run failed; once set, every `run` rejects with it. */
  get failure(): SimulationError | undefined {
    return this.#failure;
  }

  /**
   * Runs `fn` at a virtual time (the past counts as now). An event of an owner waits for a turn of its event loop, is
   * held while it is paused, and never runs once it is dead. Events of one instant run in an order that the seed decides.
   */
  at(timeMs: Millis, label: string, owner: EventOwner | undefined, fn: () => void): ScheduledEvent {
    let tie = this.#tieState;
    tie ^= tie << 13;
    tie ^= tie >>> 17;
    tie ^= tie << 5;
    this.#tieState = tie;
    return this.#schedule(timeMs, label, owner, fn, tie);
  }

  /** As `at`, `delayMs` from now. */
  after(delayMs: Millis, label: string, owner: EventOwner | undefined, fn: () => void): ScheduledEvent {
    return this.at(this.#now + Math.max(delayMs, 0), label, owner, fn);
  }

  /**
   * As `at`, but events of one owner and one instant keep the order in which they were scheduled, as timers of one
   * process do; the seed still decides between owners.
   */
  inOrder(timeMs: Millis, label: string, owner: EventOwner, fn: () => void): ScheduledEvent {
    const tie = avalanche(this.#trace.labelHash(owner.traceName) ^ this.#tieSalt ^ Math.trunc(timeMs * 1024));
    return this.#schedule(timeMs, label, owner, fn, tie);
  }

  /** The event will not run. Without effect if it has. */
  cancel(event: ScheduledEvent): void {
    if (event.fn === undefined) return;
    event.fn = undefined;
    this.#cancelled++;
    if (this.#cancelled > CANCELLED_MIN && this.#cancelled * 2 > this.#heap.size) {
      this.#heap.dropCancelled();
      this.#cancelled = 0;
    }
  }

  /** Puts the events that were held during a pause back, to run from now on in the order in which they came due. */
  release(owner: EventOwner): void {
    const held = owner.held.splice(0);
    owner.nextFreeMs = Math.max(owner.nextFreeMs, this.#now);
    for (const event of held) {
      event.timeMs = owner.nextFreeMs;
      owner.nextFreeMs += owner.turnMs;
      event.turnReserved = true;
      this.#heap.push(event);
    }
  }

  /** Ends the run: it rejects with a `SimulationError` that names what was running, with the error as `cause`. */
  fail(what: string, error: unknown): void {
    if (this.#failure !== undefined) return;
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    this.#failure = new SimulationError(`at ${this.#now.toFixed(3)} ms, ${what}: ${reason}`, { cause: error });
  }

  /**
   * Runs events until virtual time `toMs`, until `until()` holds after an event, or for `maxEvents` events. The promise
   * rejects with `SimulationError` when an event throws.
   */
  run(options: RunOptions, watch: RunWatch = new RunWatch()): Promise<void> {
    if (this.#running) throw new Error('the world runs already: wait for the promise of the run before the next one');
    this.#running = true;
    const toMs = options.toMs ?? Number.POSITIVE_INFINITY;
    const until = options.until;
    const lastEvent = this.#eventsRun + (options.maxEvents ?? Number.POSITIVE_INFINITY);
    watch.begin((what, error) => this.fail(what, error));

    return new Promise((resolve, reject) => {
      const finish = (): void => {
        // One turn of the real event loop, so that a rejection of the last events is still seen.
        realSetImmediate(() => {
          this.#running = false;
          watch.end();
          if (this.#failure === undefined) resolve();
          else reject(this.#failure);
        });
      };
      const nextTick = (): void => {
        realNextTick(step);
      };
      let breathMs = this.#now;
      /** Runs one event, unless the run is over or the real event loop should have its turn first. */
      const advance = (): 'ran' | 'over' | 'breathe' => {
        if (this.#failure !== undefined || this.#eventsRun >= lastEvent || until?.()) return 'over';
        const dueMs = this.#heap.peek()?.timeMs ?? toMs;
        if (dueMs - breathMs > BREATH_MS) {
          breathMs = dueMs;
          return 'breathe';
        }
        const event = this.#next(toMs);
        if (event !== undefined) {
          this.#execute(event);
          return this.#eventsRun % EVENTS_PER_BREATH === 0 ? 'breathe' : 'ran';
        }
        if (toMs !== Number.POSITIVE_INFINITY && toMs > this.#now) this.#moveTo(toMs);
        return 'over';
      };
      const step = (): void => {
        let next: ReturnType<typeof advance> = 'over';
        try {
          next = advance();
        } catch (error) {
          this.fail('the condition of the run threw', error);
        }
        if (next === 'over') finish();
        else if (next === 'breathe') realSetImmediate(step);
        else settled.then(nextTick);
      };
      step();
    });
  }

  #schedule(timeMs: Millis, label: string, owner: EventOwner | undefined, fn: () => void, tie: number): ScheduledEvent {
    if (Number.isNaN(timeMs)) throw new RangeError(`event ${label}: expected a time in milliseconds, got NaN`);
    const exactMs = timeMs <= this.#now ? this.#now : Math.ceil(timeMs * TICKS_PER_MS) / TICKS_PER_MS;
    const event: ScheduledEvent = {
      timeMs: exactMs,
      label,
      owner,
      fn,
      tie,
      sequence: this.#sequence++,
      turnReserved: false,
    };
    this.#heap.push(event);
    return event;
  }

  /** The next event that may run, up to `toMs`. Drops what is cancelled or dead, holds what is paused, spaces turns. */
  #next(toMs: Millis): ScheduledEvent | undefined {
    for (;;) {
      const event = this.#heap.peek();
      if (event === undefined || event.timeMs > toMs) return undefined;
      this.#heap.pop();
      if (event.fn === undefined) {
        if (this.#cancelled > 0) this.#cancelled--;
        continue;
      }
      const owner = event.owner;
      if (owner === undefined) return event;
      if (!owner.alive) {
        event.fn = undefined;
        continue;
      }
      if (owner.paused) {
        owner.held.push(event);
        continue;
      }
      if (event.turnReserved) return event;
      if (owner.nextFreeMs > event.timeMs) {
        event.timeMs = owner.nextFreeMs;
        event.turnReserved = true;
        owner.nextFreeMs += owner.turnMs;
        this.#heap.push(event);
        continue;
      }
      owner.nextFreeMs = event.timeMs + owner.turnMs;
      return event;
    }
  }

  #moveTo(timeMs: Millis): void {
    this.#now = timeMs;
    this.#trace.atMs = timeMs;
  }

  #execute(event: ScheduledEvent): void {
    const { fn, owner } = event;
    event.fn = undefined;
    if (fn === undefined) return;
    this.#moveTo(event.timeMs);
    this.#eventsRun++;
    this.#trace.event(event.label, owner === undefined ? 'world' : owner.traceName);
    try {
      if (owner === undefined) fn();
      else owner.enter(fn);
    } catch (error) {
      // It ended in the middle of this event: what its code throws on the way out is garbage.
      if (owner?.alive === false) return;
      this.fail(`event "${event.label}" of ${owner?.traceName ?? 'the world'} threw`, error);
      owner?.crashed(`uncaught error in "${event.label}"`);
    }
  }
}
