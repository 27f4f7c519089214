import type { Clock, Millis } from '../../../host/clock.ts';
import { maxThrottledClients, maxThrottleMs } from './limits.ts';

/** What a quota limits. */
export type Limited = 'produceRate' | 'produceBytesRate' | 'fetchRate' | 'fetchBytesRate';

interface Bucket {
  /** What may be spent now; below 0: debt. */
  tokens: number;
  at: Millis;
}

/** How much may be spent at once after a quiet time, in seconds of the rate. */
const burstSeconds = 1;

/**
 * Quotas by token buckets. A request is always done and then charged, so a bucket may fall below zero; the answer names the
 * time until the debt is paid, and the door does not read from that connection for so long (KIP-219).
 */
export class Throttle {
  readonly #clock: Clock;
  /** Least recently used first. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Clients and limits that are counted. */
  get size(): number {
    return this.#buckets.size;
  }

  /**
   * Charges a client and returns how long to hold it back, in whole milliseconds.
   *
   * @param rate units a second; undefined: no limit
   */
  charge(client: string, limited: Limited, amount: number, rate: number | undefined): number {
    const key = `${limited} ${client}`;
    if (rate === undefined) {
      this.#buckets.delete(key);
      return 0;
    }
    const now = this.#clock.now();
    const bucket = this.#buckets.get(key) ?? { tokens: rate * burstSeconds, at: now };
    const refilled = bucket.tokens + ((now - bucket.at) / 1_000) * rate;
    bucket.tokens = Math.min(refilled, rate * burstSeconds) - amount;
    bucket.at = now;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > maxThrottledClients * 4) this.#forgetOldest();
    return bucket.tokens >= 0 ? 0 : Math.min(maxThrottleMs, Math.ceil((-bucket.tokens / rate) * 1_000));
  }

  #forgetOldest(): void {
    for (const key of this.#buckets.keys()) {
      this.#buckets.delete(key);
      return;
    }
  }
}
