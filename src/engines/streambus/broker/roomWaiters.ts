interface Waiter {
  readonly bytes: number;
  readonly resolve: () => void;
}

/**
 * Who waits until a group takes a proposal of some size. Who gives up is forgotten, and at most one request of each of the clients'
 * connections waits, so their number is the bound.
 */
export class RoomWaiters {
  readonly #mustWait: (bytes: number) => boolean;
  readonly #waiters = new Set<Waiter>();

  /** `mustWait` says whether so many bytes would still be refused for a passing reason. */
  constructor(mustWait: (bytes: number) => boolean) {
    this.#mustWait = mustWait;
  }

  get size(): number {
    return this.#waiters.size;
  }

  /** Resolves when it is worth asking again, or when `signal` ends the wait; nothing is kept for one that is over. */
  wait(bytes: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const waiter = { bytes, resolve };
      this.#waiters.add(waiter);
      const giveUp = (): void => {
        this.#waiters.delete(waiter);
        resolve();
      };
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }

  /** Something has changed: lets those go for whom there is no reason to wait any more, in the order in which they came. */
  look(): void {
    for (const waiter of this.#waiters) {
      if (this.#mustWait(waiter.bytes)) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }
}
