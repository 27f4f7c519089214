import type { Clock, Millis, Timer } from '../../../host/clock.ts';

interface Deadline {
  readonly at: Millis;
  expire: (() => void) | undefined;
}

/** Many time limits behind one timer: a produce request costs no timer of its own. */
export class Deadlines {
  readonly #clock: Clock;
  #deadlines: Deadline[] = [];
  #live = 0;
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `expire` in `ms` milliseconds unless the returned function is called before. */
  add(ms: Millis, expire: () => void): () => void {
    const deadline: Deadline = { at: this.#clock.now() + ms, expire };
    this.#deadlines.push(deadline);
    this.#live += 1;
    if (deadline.at < this.#timerAt) this.#arm(deadline.at);
    return () => {
      if (deadline.expire === undefined) return;
      deadline.expire = undefined;
      this.#live -= 1;
      // What is answered is let go in bulk, so that one late request does not keep thousands in memory.
      if (this.#deadlines.length > 64 && this.#deadlines.length > this.#live * 4) this.#sweep(Number.NEGATIVE_INFINITY);
    };
  }

  #arm(at: Millis): void {
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.#clock.timer(Math.max(0, at - this.#clock.now()), () => {
      this.#timer = undefined;
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.#sweep(this.#clock.now());
      const next = this.#deadlines.reduce((least, deadline) => Math.min(least, deadline.at), Number.POSITIVE_INFINITY);
      if (next < this.#timerAt) this.#arm(next);
    });
  }

  /** Lets go of what is answered, and expires what is due. */
  #sweep(now: Millis): void {
    const due = this.#deadlines.filter((deadline) => deadline.expire !== undefined && deadline.at <= now);
    this.#deadlines = this.#deadlines.filter((deadline) => deadline.expire !== undefined && deadline.at > now);
    this.#live = this.#deadlines.length;
    for (const deadline of due) {
      const expire = deadline.expire;
      deadline.expire = undefined;
      expire?.();
    }
  }

  /** Nothing expires any more. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#deadlines = [];
    this.#live = 0;
  }
}
