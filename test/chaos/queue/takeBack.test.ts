import { type Job, Queue, Worker } from 'bullmq';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { takeBack } from '../../../src/chaos/queue/takeBack.ts';
import { hasRedisServer, type RedisServer, startRedisServer } from '../../support/redisServer.ts';

// On the keys that BullMQ itself writes: a release of it that keeps its jobs elsewhere fails here.

const key = 'p:q';

describe.skipIf(!hasRedisServer)('taking a run back from the queue (skipped without redis-server)', () => {
  let redis: RedisServer;
  let queue: Queue;
  let worker: Worker;
  beforeAll(async () => {
    redis = await startRedisServer();
  });
  afterAll(() => redis.close());
  beforeEach(async () => {
    await redis.client.flushall();
    const options = { connection: redis.client, prefix: 'p' };
    queue = new Queue('q', options);
    worker = new Worker('q', null, { ...options, lockDuration: 60_000 });
    await queue.add('run', {}, { jobId: '1-a', attempts: 3, backoff: { type: 'fixed', delay: 60_000 } });
  });
  afterEach(async () => {
    await worker.close();
    await queue.close();
  });

  const take = () => takeBack(redis.client, key, '1-a');
  /** A worker begins the run. */
  async function begin(): Promise<Job> {
    const job = (await worker.getNextJob('token', { block: false })) as Job | undefined;
    if (job === undefined) throw new Error('expected the run to be given out');
    expect(await queue.getJobState('1-a')).toBe('active');
    return job;
  }
  /** It is nowhere: nothing of it is given out, and it can be put in anew. */
  async function isGone(): Promise<void> {
    expect(await queue.getJob('1-a')).toBeUndefined();
    expect(await queue.getJobCounts()).toMatchObject({ waiting: 0, active: 0, delayed: 0, completed: 0, failed: 0 });
    expect((await redis.client.keys(`${key}:1-a*`)).concat(await redis.client.keys(`${key}:stalled`))).toEqual([]);
    expect(await worker.getNextJob('token', { block: false })).toBeUndefined();
    await queue.add('run', {}, { jobId: '1-a' });
    await begin();
  }

  it('should take one that nobody has begun', async () => {
    expect(await take()).toBe(true);
    await isGone();
  });

  it('should leave one that a worker has, and its result is taken', async () => {
    const job = await begin();
    expect(await take()).toBe(false);
    await job.moveToCompleted('result', 'token', false);
    expect((await queue.getJob('1-a'))?.returnvalue).toBe('result');
  });

  it('should leave one that has ended since it was looked at', async () => {
    const job = await begin();
    expect((await queue.getJob('1-a'))?.finishedOn).toBeUndefined();
    await job.moveToCompleted('result', 'token', false);
    expect(await take()).toBe(false);
    expect((await queue.getJob('1-a'))?.returnvalue).toBe('result');
    expect(await queue.getCompletedCount()).toBe(1);
  });

  it('should take one whose worker has died', async () => {
    await begin();
    await redis.client.sadd(`${key}:stalled`, '1-a');
    await redis.client.del(`${key}:1-a:lock`);
    expect(await take()).toBe(true);
    await isGone();
  });

  it('should take one that is to be tried again', async () => {
    const job = await begin();
    await job.moveToFailed(new Error('once'), 'token', false);
    expect(await queue.getJobState('1-a')).toBe('delayed');
    expect(await take()).toBe(true);
    await isGone();
  });
});
