import type { Clock, Timer } from '../host/clock.ts';

/** Node's timers take whole milliseconds up to this; longer ones are armed again on the way. */
const TIMER_MOST_MS = 2_147_483_647;

/**
 * The clock of this machine: its monotonic clock since the boot, the same in each process and thread, the wall, Node's timers. A timer never
 * fires early.
 */
export function createRealClock(): Clock {
  // performance.now() counts from the start of its thread and costs no allocation; the machine's clock costs a BigInt.
  const zero = Number(process.hrtime.bigint()) / 1_000_000 - performance.now();
  const timer = (ms: number, fn: () => void): Timer => {
    if (!(ms > 0)) {
      const turn = setImmediate(fn);
      return { cancel: () => clearImmediate(turn) };
    }
    const dueMs = performance.now() + ms;
    // Node fires up to a millisecond early against performance.now(), and cannot wait longer than 24 days at once.
    const arm = (): NodeJS.Timeout => {
      // It may be due by now, and Node warns of a negative time.
      const leftMs = Math.min(Math.max(Math.ceil(dueMs - performance.now()), 1), TIMER_MOST_MS);
      return setTimeout(() => {
        if (performance.now() >= dueMs) fn();
        else armed = arm();
      }, leftMs);
    };
    let armed = arm();
    return { cancel: () => clearTimeout(armed) };
  };

  return {
    now: () => zero + performance.now(),
    wall: () => Date.now(),
    timer,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) {
          reject(signal.reason);
          return;
        }
        const onAbort = (): void => {
          armed.cancel();
          reject(signal?.reason);
        };
        const armed = timer(ms, () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        });
        signal?.addEventListener('abort', onAbort, { once: true });
      }),
  };
}
