interface Waiter {
  readonly bytes: number;
  readonly resolve: () => void;
}

/**
 * Who waits until a group takes a proposal of some size. At most one of each of the clients' connections waits, so their number is
 * the bound.
 */
export class RoomWaiters {
  readonly #mustWait: (bytes: number) => boolean;
  #waiters: Waiter[] = [];

  /** `mustWait` says whether so many bytes would still be refused for a passing reason. */
  constructor(mustWait: (bytes: number) => boolean) {
    this.#mustWait = mustWait;
  }

  wait(bytes: number): Promise<void> {
    return new Promise((resolve) => this.#waiters.push({ bytes, resolve }));
  }

  /** Something has changed: lets those go for whom there is no reason to wait any more, in the order in which they came. */
  look(): void {
    if (this.#waiters.length === 0) return;
    const still: Waiter[] = [];
    for (const waiter of this.#waiters) {
      if (this.#mustWait(waiter.bytes)) still.push(waiter);
      else waiter.resolve();
    }
    this.#waiters = still;
  }
}
