import type { Millis } from '../../host/clock.ts';

/** Limits of the commit policy, and the bugs that can be planted in it. */
export interface CommitLimits {
  maxWaitMs: Millis;
  maxBatchBytes: number;
  /** Planted: always waits maxWaitMs. */
  readonly fixedWait?: boolean;
  /** Planted: never gathers. */
  readonly noGather?: boolean;
}

/** At most 2^6 − 1 = 63 flushes without gathering. */
const missesMax = 6;

/**
 * When to begin the next durable write. Pure: it is told the time.
 *
 * Natural batching (flush what is there when the last write ends) locks n closed-loop writers into two halves that take
 * turns: n/2 records a sync and a latency of two. So after a write the policy expects as many appends as the last write
 * acknowledged plus those that came meanwhile, and gathers until nearly all of them (31/32) are queued, but no longer
 * than half a write takes. Gathering that misses its target is given up for 1, 3, 7 … 63 flushes.
 */
export class CommitPolicy {
  readonly #limits: CommitLimits;
  #averageMs = 0;
  #expected = 0;
  #misses = 0;
  #backOff = 0;
  #deadline: Millis | undefined;
  #gatherBegan: Millis = 0;
  #lastGather: 'none' | 'met' | 'missed' = 'none';

  constructor(limits: CommitLimits) {
    this.#limits = limits;
  }

  /** Moving average of a write's time, weight 1/8. */
  get averageMs(): Millis {
    return this.#averageMs;
  }

  /** Appends that the last completion leads one to expect in the next batch. */
  get expected(): number {
    return this.#expected;
  }

  /** Flushes left without gathering. */
  get backOff(): number {
    return this.#backOff;
  }

  get gathering(): boolean {
    return this.#deadline !== undefined;
  }

  /** How the last gather that was decided ended; `none` when the last flush did not gather. */
  get lastGather(): 'none' | 'met' | 'missed' {
    return this.#lastGather;
  }

  /** When the present gather began; meaningful while gathering and right after a flush that ended it. */
  get gatherBegan(): Millis {
    return this.#gatherBegan;
  }

  setLimits(limits: Partial<Pick<CommitLimits, 'maxWaitMs' | 'maxBatchBytes'>>): void {
    if (limits.maxWaitMs !== undefined) this.#limits.maxWaitMs = limits.maxWaitMs;
    if (limits.maxBatchBytes !== undefined) this.#limits.maxBatchBytes = limits.maxBatchBytes;
  }

  /**
   * With nothing in flight and something queued: a time not after `now` says flush (and the caller must), a later one
   * says gather until then and ask again at every append. `ignoreTarget` is a whim of the simulator: wait it out.
   */
  decide(now: Millis, queuedAppends: number, queuedBytes: number, ignoreTarget = false): Millis {
    if (this.#deadline === undefined) {
      this.#lastGather = 'none';
      this.#gatherBegan = now;
      if (this.#limits.fixedWait) {
        this.#deadline = now + this.#limits.maxWaitMs;
      } else {
        if (this.#limits.noGather || this.#expected <= 1) return now;
        if (this.#backOff > 0) {
          this.#backOff -= 1;
          return now;
        }
        this.#deadline = now + Math.min(this.#limits.maxWaitMs, this.#averageMs / 2);
      }
    }
    const target = Math.ceil((31 * this.#expected) / 32);
    if (queuedAppends >= target && !ignoreTarget && !this.#limits.fixedWait) {
      this.#misses = 0;
      return this.#end('met', now);
    }
    if (queuedBytes >= this.#limits.maxBatchBytes) return this.#end('none', now);
    if (now >= this.#deadline) {
      this.#misses = Math.min(missesMax, this.#misses + 1);
      this.#backOff = (1 << this.#misses) - 1;
      return this.#end('missed', now);
    }
    return this.#deadline;
  }

  /** The caller flushes now for a reason of its own (flush, roll, close): the gather ends without a judgement. */
  interrupt(): void {
    this.#deadline = undefined;
  }

  /** A durable write has succeeded: how long it took, the appends in it, and those queued meanwhile. */
  completed(durationMs: Millis, appends: number, queuedAppends: number): void {
    this.#averageMs = this.#averageMs === 0 ? durationMs : this.#averageMs + (durationMs - this.#averageMs) / 8;
    this.#expected = appends + queuedAppends;
  }

  #end(how: 'none' | 'met' | 'missed', now: Millis): Millis {
    this.#lastGather = how;
    this.#deadline = undefined;
    return now;
  }
}
