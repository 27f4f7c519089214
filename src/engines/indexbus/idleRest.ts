import type { Millis } from '../../host/clock.ts';

/** How long a router finds nothing at all before it counts as idle: longer than the gaps of a load that is worth the name. */
const idleAfterMs: Millis = 250;
/**
 * Sleep of an idle router, in microseconds. A publish, a joiner or a command ends it at once, as any sleep; it bounds what the loss of such a wake costs, and
 * what a producer costs that dies between its tail and the doorbell. The sleeps of peers have 50 ms.
 */
const idleSleepUs = 20_000;

/**
 * How long a router sleeps. The poll interval bounds its sleeps while something is under way; a router that has had nothing to do for a while would only
 * wake ten thousand times a second to see that: measured, an eighth of a core.
 */
export class IdleRest {
  #busyAt: Millis;

  /** @param now the host's clock: it begins busy */
  constructor(now: Millis) {
    this.#busyAt = now;
  }

  /** Something was done, or waits to be. */
  busy(now: Millis): void {
    this.#busyAt = now;
  }

  /** Longest next sleep, in microseconds; the poll interval is not made shorter by it. */
  sleepUs(now: Millis, pollIntervalUs: number): number {
    if (now - this.#busyAt < idleAfterMs) return pollIntervalUs;
    return Math.max(pollIntervalUs, idleSleepUs);
  }
}
