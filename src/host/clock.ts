/** A span, or a reading of the monotonic clock, in milliseconds with fractions. */
export type Millis = number;

/** Wall time in milliseconds since 1970-01-01T00:00:00Z. May jump in either direction. */
export type EpochMillis = number;

/** A timer that has been armed. */
export interface Timer {
  /** Disarms the timer; without effect once it has fired. */
  cancel(): void;
}

/** Time as one process sees it. */
export interface Clock {
  /** Monotonic time. Never falls, never jumps; may drift. Its zero means nothing. */
  now(): Millis;
  /** Wall time: for what people read, and for the places that an engine's contract names. */
  wall(): EpochMillis;
  /**
   * Resolves after `ms` milliseconds (0 or less: on a later turn of the event loop). Rejects with `signal.reason` at
   * once when the signal is or becomes aborted.
   */
  sleep(ms: Millis, signal?: AbortSignal): Promise<void>;
  /**
   * Calls `fn` once, `ms` milliseconds from now. `timer(0, fn)` is the next turn of the event loop, after the I/O that
   * is ready now: it costs microseconds, not a millisecond.
   */
  timer(ms: Millis, fn: () => void): Timer;
}
