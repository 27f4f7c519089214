import type { Millis } from '../../host/clock.ts';
import type { Host } from '../../host/host.ts';
import type { RouterLock } from './routerLock.ts';

/** How often a standby asks for the lock: the kernel tells nobody that it is free. */
const standbyLookMs: Millis = 4;

/** Waits until the router's lock is ours, or until `signal`; true if it is ours. */
export async function waitForLock(host: Host, lock: RouterLock, signal: AbortSignal): Promise<boolean> {
  const before = lock.holder().since;
  while (!signal.aborted) {
    if (lock.take()) return true;
    // The one that had it is gone, and another standby was faster.
    host.telemetry.sometimes('two standbys raced', lock.holder().since !== before);
    await host.clock.sleep(standbyLookMs, signal).catch(() => undefined);
  }
  return false;
}
