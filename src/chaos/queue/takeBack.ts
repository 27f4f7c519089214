import type { Redis } from 'ioredis';

/**
 * Looks and removes in one step: BullMQ's own removal spares a run that a worker holds, but not one that the worker has ended
 * since it was looked at, whose result would go with it. Keys: the run, its lock, then the places that it may stand in.
 */
const takeBackScript = `
  if redis.call('exists', KEYS[2]) == 1 then return 0 end
  if redis.call('hexists', KEYS[1], 'finishedOn') == 1 then return 0 end
  redis.call('lrem', KEYS[3], 0, ARGV[1])
  redis.call('lrem', KEYS[4], 0, ARGV[1])
  redis.call('zrem', KEYS[5], ARGV[1])
  redis.call('srem', KEYS[6], ARGV[1])
  redis.call('del', KEYS[1])
  return 1`;

/**
 * Takes a run out of a queue that no living worker holds: one that waits, is to be tried again, or is a dead worker's.
 *
 * @param queue the queue's key, in front of those of its parts
 * @param id the job that the run is there
 * @returns true: it is not there (any more); false: a worker has it and will end it, or has ended it
 */
export async function takeBack(redis: Redis, queue: string, id: string): Promise<boolean> {
  const job = `${queue}:${id}`;
  const places = ['wait', 'active', 'delayed', 'stalled'].map((part) => `${queue}:${part}`);
  return (await redis.eval(takeBackScript, 2 + places.length, job, `${job}:lock`, ...places, id)) === 1;
}
