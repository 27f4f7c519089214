import type { Millis } from '../../host/clock.ts';
import type { Context } from './context.ts';
import { segmentFileName } from './format.ts';

const everyMs = 10_000;

/** One durable write, as the log line shows it. */
export interface SlowWrite {
  readonly ms: Millis;
  readonly bytes: number;
  readonly records: number;
  readonly segmentId: number;
}

/** Logs `slow fsync`: one line in ten seconds, with the count of those left out. */
export class SlowLog {
  readonly #context: Context;
  #lastLogged = Number.NEGATIVE_INFINITY;
  #suppressed = 0;
  /** A write that takes longer is slow. */
  limitMs: Millis;

  constructor(context: Context) {
    this.#context = context;
    this.limitMs = context.settings.slowFsyncMs;
  }

  /** A durable write has ended. */
  note({ ms, bytes, records, segmentId }: SlowWrite): void {
    if (ms <= this.limitMs) return;
    const now = this.#context.host.clock.now();
    if (now - this.#lastLogged < everyMs) {
      this.#suppressed += 1;
      return;
    }
    const segment = segmentFileName(segmentId);
    this.#context.logger.warn('slow fsync', { durationMs: ms, bytes, records, segment, suppressed: this.#suppressed });
    this.#lastLogged = now;
    this.#suppressed = 0;
  }
}
