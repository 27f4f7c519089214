import { MachineClosed } from '../broker/group.ts';

/** Work on a partition's files, of which it is closed only when all of it has ended: nothing may touch a directory that goes. */
export class UnderWay {
  readonly #name: string;
  readonly #ending = new AbortController();
  #count = 0;
  #idle: PromiseWithResolvers<void> | undefined;

  /** `name`: what is closed, for its errors. */
  constructor(name: string) {
    this.#name = name;
  }

  /** Aborted once it ends, with `MachineClosed`. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** Does a piece of work. Rejects with `MachineClosed` when it is over already. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#ending.signal.throwIfAborted();
    this.#count += 1;
    try {
      return await work();
    } finally {
      this.#count -= 1;
      if (this.#count === 0) this.#idle?.resolve();
    }
  }

  /** Nothing begins any more. What is under way goes on until it sees the signal. */
  end(): void {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort(new MachineClosed(`${this.#name}: the partition was closed meanwhile`));
  }

  /** Resolves when nothing is under way. */
  async ended(): Promise<void> {
    if (this.#count === 0) return;
    this.#idle ??= Promise.withResolvers();
    await this.#idle.promise;
  }
}
