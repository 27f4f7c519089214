import { expect, test } from 'vitest';
import type { Clock } from '../../src/host/clock.ts';

/** Runs a body with a clock until it has settled; throws what it throws. */
export type WithClock = (body: (clock: Clock) => Promise<void>) => Promise<void>;

/** What every clock must do. Real time passes on the real one: spans are short. */
export function clockConformance(withClock: WithClock): void {
  test('a sleep takes at least its time, and not much more', () =>
    withClock(async (clock) => {
      for (const ms of [1, 7, 20.5]) {
        const startMs = clock.now();
        await clock.sleep(ms);
        expect(clock.now() - startMs).toBeGreaterThanOrEqual(ms);
        expect(clock.now() - startMs).toBeLessThan(ms + 250);
      }
    }));

  test('monotonic time never falls', () =>
    withClock(async (clock) => {
      let last = clock.now();
      for (let turn = 0; turn < 100; turn++) {
        await clock.sleep(0);
        expect(clock.now()).toBeGreaterThanOrEqual(last);
        last = clock.now();
      }
    }));

  test('a timer of 0 or less fires on a later turn, not at once, and within a millisecond or so', () =>
    withClock(async (clock) => {
      for (const ms of [0, -5]) {
        let fired = false;
        await new Promise<void>((resolve) => {
          clock.timer(ms, () => {
            fired = true;
            resolve();
          });
          expect(fired).toBe(false);
        });
      }
      const startMs = clock.now();
      for (let turn = 0; turn < 50; turn++) await clock.sleep(0);
      // Fifty timers of a whole millisecond would take 50 ms.
      expect(clock.now() - startMs).toBeLessThan(40);
    }));

  test('a timer that is cancelled does not fire, and cancelling twice or late does no harm', () =>
    withClock(async (clock) => {
      let fired = 0;
      const never = clock.timer(5, () => fired++);
      const once = clock.timer(1, () => fired++);
      never.cancel();
      never.cancel();
      await clock.sleep(20);
      once.cancel();
      expect(fired).toBe(1);
    }));

  test('timers fire by their time, not by the order in which they were armed', () =>
    withClock(async (clock) => {
      const order: number[] = [];
      for (const ms of [30, 10, 20]) clock.timer(ms, () => order.push(ms));
      await clock.sleep(60);
      expect(order).toEqual([10, 20, 30]);
    }));

  test('a sleep is aborted with the reason of the signal, before and during', () =>
    withClock(async (clock) => {
      const reason = new Error('enough');
      await expect(clock.sleep(1, AbortSignal.abort(reason))).rejects.toBe(reason);
      const abort = new AbortController();
      const startMs = clock.now();
      clock.timer(2, () => abort.abort(reason));
      await expect(clock.sleep(60_000, abort.signal)).rejects.toBe(reason);
      expect(clock.now() - startMs).toBeLessThan(1000);
    }));

  test('the wall advances with monotonic time', () =>
    withClock(async (clock) => {
      const [wall, now] = [clock.wall(), clock.now()];
      await clock.sleep(30);
      expect(Math.abs(clock.wall() - wall - (clock.now() - now))).toBeLessThan(5);
      expect(wall).toBeGreaterThan(Date.UTC(2025));
    }));
}
