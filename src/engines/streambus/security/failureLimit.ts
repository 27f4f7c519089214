import type { Millis } from '../../../host/clock.ts';

/**
 * How many failures may come: `burst` at once, then one each `everyMs`. It is the theoretical arrival time of the generic cell rate
 * algorithm (ITU-T I.371), so one number is its whole state.
 */
export class FailureLimit {
  readonly #burst: number;
  readonly #everyMs: Millis;
  #paidUntil = 0;

  constructor(burst: number, everyMs: Millis) {
    this.#burst = burst;
    this.#everyMs = everyMs;
  }

  /** Whether one more failure could be borne now, and `reserved` more after it. */
  hasRoom(now: Millis, reserved = 0): boolean {
    return this.#paidUntil - now <= (this.#burst - 1 - reserved) * this.#everyMs;
  }

  /** True when every failure is forgotten. */
  isFresh(now: Millis): boolean {
    return this.#paidUntil <= now;
  }

  count(now: Millis): void {
    this.#paidUntil = Math.max(this.#paidUntil, now) + this.#everyMs;
  }
}
