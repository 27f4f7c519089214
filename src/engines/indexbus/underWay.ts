/**
 * What somebody has begun and not ended. Whoever holds something that it needs (a lock, memory) waits for `settled` before letting go of it. Must not
 * have in it what waits for `settled` itself.
 */
export class UnderWay {
  readonly #all = new Set<Promise<void>>();

  /** Begins `run`. What it comes to is its caller's. */
  begin<T>(run: () => Promise<T>): Promise<T> {
    const promise = run();
    const over: Promise<void> = promise
      .then(
        () => undefined,
        () => undefined,
      )
      .then(() => {
        this.#all.delete(over);
      });
    this.#all.add(over);
    return promise;
  }

  /** Resolves once nothing is under way any more, what was begun meanwhile neither. */
  async settled(): Promise<void> {
    while (this.#all.size > 0) await Promise.all(this.#all);
  }
}
