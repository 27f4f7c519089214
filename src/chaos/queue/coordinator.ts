import { createHash } from 'node:crypto';
import { type Job, Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { type Executor, ExecutorError, type RunProgress, type RunTask } from '../executor.ts';
import type { RunResult } from '../runSeed.ts';
import {
  type Build,
  type CampaignKeys,
  describeBuild,
  keptMs,
  keysOf,
  queueNameOf,
  readCard,
  renewTtl,
  sameBuild,
  writeCard,
} from './card.ts';
import { openRedis, type RedisAddress } from './connection.ts';
import { type Lease, takeLease } from './lease.ts';

export interface QueueExecutorOptions {
  readonly address: RedisAddress;
  readonly campaign: string;
  readonly build: Build;
  /** Runs that lie in Redis unfinished at a time; more are not put in until one has ended. */
  readonly ahead: number;
  /** A coordinator or worker that is silent for so long is taken for dead, in milliseconds. */
  readonly silenceMs: number;
  /** Forget what an earlier campaign of this name left. */
  readonly fresh?: boolean;
  /** Lines for people: waiting, resuming, a lost Redis. */
  readonly say: (line: string) => void;
}

/** Plays runs on other machines. */
export interface QueueExecutor extends Executor {
  /** Removes the campaign from Redis: when it has ended and all of its results have been taken. */
  finish(): Promise<void>;
}

/** The campaign cannot be coordinated from here. */
export class CampaignError extends Error {
  override readonly name = 'CampaignError';
}

/** How often a run is tried whose worker thread dies, for want of memory for one. */
const attemptsMax = 3;

/** How often unfinished runs are looked at, in milliseconds. */
const lookMs = 150;

/** After so long without any worker, in milliseconds, a line says so. */
const loneMs = 20_000;

interface Pending {
  readonly task: RunTask;
  readonly onProgress: ((progress: RunProgress) => void) | undefined;
  readonly resolve: (result: RunResult) => void;
  readonly reject: (error: Error) => void;
  /** JSON of the progress that was told last. */
  told: string;
}

/** What the worker of this very build put in; the rest of its shape is vouched for by the build. */
const resultSchema = z.looseObject({
  verdict: z.enum(['held', 'violated', 'undecided', 'skipped']),
  fingerprint: z.string(),
  events: z.number(),
});

/**
 * Puts runs into a queue in Redis and takes their results from there. A run has its identity for a name, so the same run
 * is never in the queue twice, and one that an earlier coordinator of this campaign put in is found with its result.
 * Results stay until `finish`.
 *
 * Everything is looked up rather than listened to: what Redis lost while it was away (a restart may cost the last second)
 * is put in again at the next look.
 *
 * @throws CampaignError when another coordinator is at work, or the campaign is of another build
 * @throws RedisError when Redis cannot be used
 */
export async function createQueueExecutor(options: QueueExecutorOptions): Promise<QueueExecutor> {
  const { campaign, build, say } = options;
  const keys = keysOf(campaign);
  const redis = await openRedis(options.address, say);
  let queue: Queue | undefined;
  try {
    const lease = await claim(redis, keys, options);
    queue = openQueue(redis, keys, build);
    const done = await queue.getCompletedCount();
    if (done > 0) say(`campaign ${campaign} goes on: ${done} runs are done already`);
    return coordinate(redis, queue, lease, keys, options);
  } catch (error) {
    await queue?.close();
    redis.disconnect();
    throw error;
  }
}

/** Becomes the one coordinator, and leaves the card that tells workers the build. */
async function claim(redis: Redis, keys: CampaignKeys, options: QueueExecutorOptions): Promise<Lease> {
  const { campaign, build, silenceMs, say } = options;
  const lease = await takeLease(redis, keys.lease, silenceMs, (holder) =>
    say(`campaign ${campaign} has a coordinator (${holder}); waiting whether it lives`),
  );
  if ('holder' in lease)
    throw new CampaignError(
      `campaign ${campaign} has a coordinator at work: ${lease.holder}; stop it, or take another --name`,
    );
  const found = await readCard(redis, keys);
  if (found !== undefined && options.fresh === true) {
    const left = openQueue(redis, keys, found);
    await left.obliterate({ force: true });
    await left.close();
  } else if (found !== undefined && !sameBuild(found, build)) {
    await lease.release();
    throw new CampaignError(
      `campaign ${campaign} was begun by ${describeBuild(found)}, this is ${describeBuild(build)}: their runs cannot be compared. --fresh forgets the old ones, --name takes another name`,
    );
  }
  await writeCard(redis, keys, build);
  return lease;
}

function openQueue(redis: Redis, keys: CampaignKeys, build: Build): Queue {
  const queue = new Queue(queueNameOf(build), {
    connection: redis,
    prefix: keys.prefix,
    // Nobody listens to the stream of events.
    streams: { events: { maxLen: 100 } },
    defaultJobOptions: { attempts: attemptsMax, backoff: { type: 'fixed', delay: 500 } },
  });
  queue.on('error', () => {}); // a lost connection; the connection itself says so
  return queue;
}

function coordinate(
  redis: Redis,
  queue: Queue,
  lease: Lease,
  keys: CampaignKeys,
  { campaign, build, ahead, silenceMs, say }: QueueExecutorOptions,
): QueueExecutor {
  const pending = new Map<string, Pending>();
  /** Calls beyond `ahead`, in their order; as many as the caller makes at a time. */
  const waiting: (() => void)[] = [];
  let taken = 0;
  let closed = false;
  /** Settled when it is closed: nobody waits for the next look then. */
  const closing = Promise.withResolvers<void>();
  let loneSince = Date.now();
  let toldLone = false;

  async function put(id: string, task: RunTask): Promise<void> {
    await queue.add('run', task, { jobId: id });
    await redis.pexpire(queue.toKey(id), keptMs);
  }

  /** What has become of one run. */
  async function look(id: string, entry: Pending): Promise<void> {
    const job = (await queue.getJob(id)) as Job<RunTask, unknown> | undefined;
    if (!pending.has(id)) return;
    if (job === undefined) return put(id, entry.task);
    if (job.finishedOn === undefined) return tellProgress(job, entry);
    pending.delete(id);
    if (job.failedReason !== undefined && job.failedReason !== '')
      return entry.reject(new ExecutorError(entry.task.run, reasonOf(entry.task.run, job.failedReason)));
    const checked = resultSchema.safeParse(job.returnvalue);
    if (checked.success)
      entry.resolve(job.returnvalue as RunResult); // put in by a worker of this build
    else entry.reject(new ExecutorError(entry.task.run, `its result in Redis is damaged: ${checked.error.message}`));
  }

  function tellProgress(job: Job, entry: Pending): void {
    const text = JSON.stringify(job.progress);
    if (typeof job.progress !== 'object' || text === entry.told) return;
    entry.told = text;
    entry.onProgress?.(job.progress as RunProgress); // from a worker of this build
  }

  async function tellLoneliness(): Promise<void> {
    // Every worker looks for silent ones all the time, and leaves a mark that lives until the next look is due.
    const attended = (await redis.exists(queue.toKey('stalled-check'))) === 1;
    if (pending.size === 0 || attended) {
      loneSince = Date.now();
      toldLone = false;
    } else if (!toldLone && Date.now() - loneSince > loneMs) {
      toldLone = true;
      say(`${pending.size} runs wait and no worker takes them; start some: hotfire campaign work --name ${campaign}`);
    }
  }

  function failAll(error: (run: string) => Error): void {
    closed = true;
    closing.resolve();
    for (const entry of pending.values()) entry.reject(error(entry.task.run));
    pending.clear();
    for (const free of waiting.splice(0)) free();
  }

  /** Each pass may fail with the connection; the next one sees the same things. */
  async function repeat(everyMs: number, pass: () => Promise<void>): Promise<void> {
    let told = '';
    while (!closed) {
      await pass().then(
        () => {
          told = '';
        },
        (error: unknown) => {
          const text = String(error);
          if (!closed && text !== told && !/Connection is closed/i.test(text)) say(`campaign ${campaign}: ${text}`);
          told = text;
        },
      );
      await Promise.race([closing.promise, pause(everyMs)]);
    }
  }

  const loops = [
    repeat(lookMs, async () => {
      await Promise.all([...pending].map(([id, entry]) => look(id, entry)));
    }),
    repeat(silenceMs / 4, async () => {
      if (!(await lease.renew())) {
        failAll((run) => new ExecutorError(run, `another coordinator has taken over campaign ${campaign}`));
        return;
      }
      // Written anew rather than renewed: a Redis that forgot everything gets it back.
      await writeCard(redis, keys, build);
      await renewTtl(redis, keys, build);
      await tellLoneliness();
    }),
  ];

  async function end(last: () => Promise<void>): Promise<void> {
    failAll((run) => new ExecutorError(run, 'the campaign was closed'));
    await Promise.all(loops);
    try {
      // A Redis that is away keeps its things for the next coordinator, or until they run out.
      if (redis.status === 'ready') await last();
    } finally {
      await queue.close();
      redis.disconnect();
    }
  }

  let ended: Promise<void> | undefined;
  return {
    width: ahead,
    async run(task, onProgress) {
      while (taken >= ahead && !closed) await new Promise<void>((free) => waiting.push(free));
      if (closed) throw new ExecutorError(task.run, 'the campaign was closed');
      taken++;
      try {
        const id = jobIdOf(task);
        if (pending.has(id)) throw new ExecutorError(task.run, 'it is under way already: a run is played once');
        const left = await queue.getJob(id);
        // What failed for an earlier coordinator gets a new chance.
        if (left?.finishedOn !== undefined && left.failedReason) await left.remove();
        await put(id, task);
        if (closed) throw new ExecutorError(task.run, 'the campaign was closed');
        return await new Promise<RunResult>((resolve, reject) => {
          pending.set(id, { task, onProgress, resolve, reject, told: '' });
        });
      } finally {
        taken--;
        waiting.shift()?.();
      }
    },
    close() {
      ended ??= end(() => lease.release());
      return ended;
    },
    finish() {
      ended ??= end(async () => {
        await redis.del(keys.card);
        await queue.obliterate({ force: true });
        await lease.release();
      });
      return ended;
    },
  };
}

/** A pause that does not keep the process alive: the connection does. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

/** The run's identity, and all else that its result depends on, as a name that BullMQ takes. */
function jobIdOf(task: RunTask): string {
  const rest = createHash('sha256').update(JSON.stringify(task)).digest('hex').slice(0, 12);
  return `${task.run}-${rest}`;
}

function reasonOf(run: string, failedReason: string): string {
  // BullMQ's words for a run whose workers fell silent more often than the worker's `stalledMax`.
  if (failedReason.startsWith('job stalled more than'))
    return 'one worker after another fell silent with it; most likely it takes more memory than they have';
  // The worker's own executor has named the run already.
  return failedReason.startsWith(`run ${run}: `) ? failedReason.slice(`run ${run}: `.length) : failedReason;
}
