import type { ReadRequest } from './replica.ts';

interface Waiter {
  readonly offset: number;
  readonly isolation: ReadRequest['isolation'];
  readonly wake: () => void;
}

/** Long polls of one partition: woken by what is applied. Their number is bounded by the door, which counts those of the broker. */
export class ReadWaiters {
  readonly #waiters = new Set<Waiter>();

  get size(): number {
    return this.#waiters.size;
  }

  /** Resolves when woken, or when the signal fires; never rejects. */
  wait(offset: number, isolation: ReadRequest['isolation'], signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const waiter: Waiter = {
        offset,
        isolation,
        wake: () => {
          this.#waiters.delete(waiter);
          signal.removeEventListener('abort', waiter.wake);
          resolve();
        },
      };
      this.#waiters.add(waiter);
      signal.addEventListener('abort', waiter.wake);
    });
  }

  /** Something was applied: wakes those for whom there is something now. */
  applied(highWatermark: number, stable: number): void {
    for (const waiter of this.#waiters) {
      if ((waiter.isolation === 'read-committed' ? stable : highWatermark) > waiter.offset) waiter.wake();
    }
  }

  wakeAll(): void {
    for (const waiter of this.#waiters) waiter.wake();
  }
}
