import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Redis } from 'ioredis';

/** Held by one process at a time. */
export interface Lease {
  /** Makes it last anew. False: somebody else has it, or it ran out and is free. */
  renew(): Promise<boolean>;
  release(): Promise<void>;
}

/** Compare, then act, in one step: between two commands the lease could pass to another. */
const renewScript =
  "local holder = redis.call('get', KEYS[1]) if holder == ARGV[1] or not holder then redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2]) return 1 end return 0";
const releaseScript = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0";

/**
 * Takes the lease, waiting for one that its dead holder did not release.
 *
 * @param lastsMs how long it lasts without being renewed
 * @returns the lease, or who holds it after twice that time: somebody who lives
 */
export async function takeLease(
  redis: Redis,
  key: string,
  lastsMs: number,
  onWait: (holder: string) => void,
): Promise<Lease | { readonly holder: string }> {
  const token = `${hostname()} pid ${process.pid} ${randomUUID()}`;
  let told = false;
  for (let waitedMs = 0; ; waitedMs += lastsMs / 10) {
    if ((await redis.set(key, token, 'PX', lastsMs, 'NX')) === 'OK') break;
    const holder = ((await redis.get(key)) ?? 'somebody').split(' ').slice(0, -1).join(' ');
    if (waitedMs >= 2 * lastsMs) return { holder };
    if (!told) onWait(holder);
    told = true;
    await new Promise((resolve) => setTimeout(resolve, lastsMs / 10));
  }
  return {
    renew: async () => (await redis.eval(renewScript, 1, key, token, String(lastsMs))) === 1,
    release: async () => {
      await redis.eval(releaseScript, 1, key, token);
    },
  };
}
