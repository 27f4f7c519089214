import type { Clock } from '../../../host/clock.ts';
import type { BusBook } from './witness/busBook.ts';

/** Rounds without any time between them before it is said that a program spins. */
const roundsMax = 1_000;
/** How long a program that spins is stopped, so that the run goes on. */
const stoppedMs = 1_000;

/** Counts how often a program went round without that time went on: it would do so for ever, and the run with it. */
export class Rounds {
  readonly #clock: Clock;
  #atMs = Number.NaN;
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** To be called in each round. */
  isSpinning(): boolean {
    const now = this.#clock.now();
    if (now !== this.#atMs) this.#count = 0;
    this.#atMs = now;
    this.#count += 1;
    return this.#count >= roundsMax;
  }
}

/** Writes down that a program spins, and stops it for a while. */
export async function spins(book: BusBook | undefined, name: string, clock: Clock): Promise<void> {
  book?.put({ event: 'stuck', who: `${name} goes round and round without time between: it waits for what is there` });
  await clock.sleep(stoppedMs);
}
