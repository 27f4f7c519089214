import type { Timer } from '../../../host/clock.ts';
import type { Host } from '../../../host/host.ts';
import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import { Unavailable } from '../groups/runtime.ts';
import { createTimeouts, type Timeouts } from './timeouts.ts';

/** What a coordinator of transactions keeps for as long as it leads. */
export class Lead {
  readonly term: number;
  readonly timeouts: Timeouts;
  idSweep: Timer | undefined;
  readonly #host: Host;
  readonly #over = new AbortController();
  /** The last step of an id that is under way. */
  readonly #steps = new Map<string, Promise<unknown>>();
  readonly #waiters = new Map<string, Set<() => void>>();

  constructor(host: Host, term: number, expire: (transactionalId: string) => void) {
    this.#host = host;
    this.term = term;
    this.timeouts = createTimeouts(host, expire);
  }

  /** Fires when the lead is lost. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** The lead is lost: whoever waits hears of it. */
  end(): void {
    this.timeouts.stop();
    this.idSweep?.cancel();
    this.#over.abort();
    for (const id of [...this.#waiters.keys()]) this.wake(id);
  }

  /** Runs steps of an id one after the other: each sees what the one before has come to. */
  step<T>(transactionalId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#steps.get(transactionalId) ?? Promise.resolve();
    const run = () => {
      if (this.signal.aborted) throw new Unavailable(kafkaErrors.NOT_COORDINATOR);
      return work();
    };
    const step = before.then(run, run);
    this.#steps.set(transactionalId, step);
    const forget = () => {
      if (this.#steps.get(transactionalId) === step) this.#steps.delete(transactionalId);
    };
    step.then(forget, forget);
    return step;
  }

  /** Resolves when the id is woken, the lead is lost, or after `ms`. */
  async untilWoken(transactionalId: string, ms: number): Promise<void> {
    const waiting = this.#waiters.get(transactionalId) ?? new Set();
    this.#waiters.set(transactionalId, waiting);
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#host.clock.timer(ms, resolve);
    waiting.add(resolve);
    await promise;
    timer.cancel();
    waiting.delete(resolve);
    if (waiting.size === 0) this.#waiters.delete(transactionalId);
  }

  wake(transactionalId: string): void {
    for (const resolve of this.#waiters.get(transactionalId) ?? []) resolve();
  }
}
