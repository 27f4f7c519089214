import type { Millis } from '../../host/clock.ts';

const SECOND_MS = 1_000;

/** What a limiter says of a request for some units. */
export interface Admission {
  /** How many of them may pass now. */
  readonly admitted: number;
  /** When one more could pass, in milliseconds from now; 0 if all did. */
  readonly retryAfterMs: Millis;
}

/**
 * The generic cell rate algorithm (ITU-T I.371, as a virtual schedule): `perSecond` units a second with a burst of one
 * second's worth. Two numbers of state, no timer. Pure: the caller tells the time.
 */
export class RateLimiter {
  readonly perSecond: number;
  /** Time at which the next unit is due when units come evenly. */
  #due = Number.NEGATIVE_INFINITY;

  constructor(perSecond: number) {
    this.perSecond = perSecond;
  }

  /**
   * Asks for `units`. With `whole`, all of them pass or none; else as many as may. More than a burst at once can never
   * pass whole.
   */
  admit(now: Millis, units: number, whole: boolean): Admission {
    const interval = SECOND_MS / this.perSecond;
    const start = Math.max(this.#due, now);
    // A hair of tolerance: sums of intervals such as 1000/3 fall short of the second by rounding.
    const room = Math.floor((now + SECOND_MS - start) / interval + 1e-9);
    const admitted = whole ? (room >= units ? units : 0) : Math.max(0, Math.min(units, room));
    this.#due = start + admitted * interval;
    if (admitted === units) return { admitted, retryAfterMs: 0 };
    const wanted = whole ? Math.min(units, this.perSecond) : 1;
    return { admitted, retryAfterMs: Math.max(1, this.#due + wanted * interval - SECOND_MS - now) };
  }
}
