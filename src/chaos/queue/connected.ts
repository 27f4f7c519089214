import type { Redis } from 'ioredis';

/** How often the connection is looked at, in milliseconds. */
const lookMs = 50;

/**
 * Waits for work on a Redis that may be away: its commands would wait with it, for ever.
 *
 * @param awayMs how long Redis may be away without a break, in milliseconds
 * @returns false when it was away for longer; the work is then left alone, and what it comes to is dropped
 * @throws what the work throws
 */
export async function whileConnected(redis: Redis, work: Promise<unknown>, awayMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const away = new Promise<false>((resolve) => {
    let hereAt = Date.now();
    timer = setInterval(() => {
      if (redis.status === 'ready') hereAt = Date.now();
      else if (Date.now() - hereAt >= awayMs) resolve(false);
    }, lookMs);
  });
  try {
    return await Promise.race([work.then(() => true), away]);
  } finally {
    clearInterval(timer);
  }
}
