import { type Job, Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { type Executor, ExecutorError, RunLeft, type RunProgress, type RunTask } from '../executor.ts';
import type { RunResult } from '../runSeed.ts';
import {
  type Build,
  type CampaignKeys,
  describeBuild,
  keptMs,
  keysOf,
  queueNameOf,
  readCard,
  renewJobs,
  renewTtl,
  sameBuild,
  writeCard,
} from './card.ts';
import { whileConnected } from './connected.ts';
import { openRedis, type RedisAddress, RedisError } from './connection.ts';
import { type Lease, takeLease } from './lease.ts';
import { jobIdOf, reasonOf } from './runJob.ts';
import { takeBack } from './takeBack.ts';

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
  /** Aborted: the runs under way are left to the queue, where another coordinator of this name finds them. */
  readonly leave?: AbortSignal;
  /** Lines for people: waiting, resuming, a lost Redis. */
  readonly say: (line: string) => void;
}

/** Plays runs on other machines. */
export interface QueueExecutor extends Executor {
  /** Removes the campaign from Redis: when it has ended and all that came of it is written. Not a campaign that another took over. */
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

/** How often results get their time to live anew, in milliseconds: several times before it is over. */
const renewJobsMs = keptMs / 7;

/** How long a Redis that is away is waited for at the end, in milliseconds. */
const endAwayMs = 2_000;

/** After so long without any worker, in milliseconds, a line says so. */
const loneMs = 20_000;

interface Pending {
  readonly task: RunTask;
  readonly onProgress: ((progress: RunProgress) => void) | undefined;
  readonly resolve: (result: RunResult) => void;
  readonly reject: (error: Error) => void;
  /** JSON of the progress that was told last. */
  told: string;
  /** It lies in the queue. */
  isPut: boolean;
}

/** What the worker of this very build put in; the rest of its shape is vouched for by the build. */
const resultSchema = z.looseObject({
  verdict: z.enum(['held', 'violated', 'undecided', 'skipped', 'broken']),
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
    const opening = (async () => {
      const lease = await claim(redis, keys, options);
      queue = openQueue(redis, keys, build);
      return { lease, queue, done: await queue.getCompletedCount() };
    })();
    // Before anything is begun nothing is lost by giving up.
    if (!(await whileConnected(redis, opening, options.silenceMs)))
      throw new RedisError('unreachable', `${options.address.label} was lost while campaign ${campaign} was begun`);
    const opened = await opening;
    if (opened.done > 0) say(`campaign ${campaign} goes on: ${opened.done} runs are done already`);
    return coordinate(redis, opened.queue, opened.lease, keys, options);
  } catch (error) {
    redis.disconnect();
    if (queue !== undefined) await whileConnected(redis, queue.close(), endAwayMs);
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
  await writeCard(redis, keys, { ...build, hurried: false });
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
  { campaign, build, ahead, silenceMs, leave, say }: QueueExecutorOptions,
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
  /** The campaign's time is over: what no worker holds is left. */
  let hurried = false;
  let jobsRenewedAt = Number.NEGATIVE_INFINITY;

  async function put(id: string, task: RunTask): Promise<void> {
    await queue.add('run', task, { jobId: id });
    await redis.pexpire(queue.toKey(id), keptMs);
  }

  /** What has become of one run. */
  async function look(id: string, entry: Pending): Promise<void> {
    if (!entry.isPut) return;
    const job = (await queue.getJob(id)) as Job<RunTask, unknown> | undefined;
    if (!pending.has(id)) return;
    if (job === undefined && !hurried) return put(id, entry.task);
    if (job?.finishedOn === undefined) {
      if (hurried && (await takeBack(redis, queue.qualifiedName, id))) leaveRun(id, entry);
      else if (job !== undefined) tellProgress(job, entry);
      return;
    }
    pending.delete(id);
    if (job.failedReason !== undefined && job.failedReason !== '')
      return entry.reject(new ExecutorError(entry.task.run, reasonOf(entry.task.run, job.failedReason)));
    const checked = resultSchema.safeParse(job.returnvalue);
    if (checked.success)
      entry.resolve(job.returnvalue as RunResult); // put in by a worker of this build
    else entry.reject(new ExecutorError(entry.task.run, `its result in Redis is damaged: ${checked.error.message}`));
  }

  function leaveRun(id: string, entry: Pending): void {
    if (pending.delete(id)) entry.reject(new RunLeft(entry.task.run));
  }

  function leaveAll(): void {
    failAll((run) => new RunLeft(run));
  }

  /** The campaign's time is over: workers are told, and a Redis that is away is not waited for. */
  function hurryUp(): void {
    if (hurried || closed) return;
    hurried = true;
    const told = writeCard(redis, keys, { ...build, hurried }).then(() => closing.promise);
    // What fails is told anew with the next renewal.
    whileConnected(redis, Promise.race([told.catch(() => closing.promise), closing.promise]), silenceMs).then(
      (isHere) => {
        if (isHere) return;
        say(`campaign ${campaign}: the time is over and Redis is away; what it has is left there`);
        leaveAll();
      },
    );
  }

  /** Puts a run in, or finds it there. */
  async function begin(id: string, entry: Pending): Promise<void> {
    const left = await queue.getJob(id);
    // What failed for an earlier coordinator gets a new chance.
    if (left?.finishedOn !== undefined && left.failedReason) await left.remove();
    await put(id, entry.task);
    entry.isPut = true;
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
    // A campaign whose time is over waits for nobody who would take something.
    if (pending.size === 0 || attended || hurried) {
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
        failAll(() => new CampaignError(`another coordinator has taken over campaign ${campaign}`));
        return;
      }
      // Written anew rather than renewed: a Redis that forgot everything gets it back.
      await writeCard(redis, keys, { ...build, hurried });
      await renewTtl(redis, keys, build);
      if (Date.now() - jobsRenewedAt > renewJobsMs) {
        await renewJobs(redis, keys, build);
        jobsRenewedAt = Date.now();
      }
      await tellLoneliness();
    }),
  ];

  if (leave?.aborted === true) leaveAll();
  else leave?.addEventListener('abort', leaveAll, { once: true });

  async function end(last: () => Promise<void>): Promise<void> {
    leave?.removeEventListener('abort', leaveAll);
    leaveAll();
    const orderly = Promise.all(loops).then(last);
    try {
      // A Redis that is away keeps its things for the next coordinator, or until they run out.
      if (!(await whileConnected(redis, orderly, endAwayMs)))
        say(`campaign ${campaign}: Redis is away; what lies there stays until it is begun again, or runs out`);
    } finally {
      orderly.catch(() => {}); // of a connection that is closed under it
      redis.disconnect();
      await whileConnected(redis, queue.close(), endAwayMs);
    }
  }

  let ended: Promise<void> | undefined;
  return {
    width: ahead,
    async run(task, onProgress, hurry) {
      const onHurry = () => {
        // Told to end, a campaign may be gone on with: then it wants what it would have had.
        if (hurry?.reason === 'time budget') hurryUp();
      };
      if (hurry?.aborted === true) onHurry();
      else hurry?.addEventListener('abort', onHurry, { once: true });
      while (taken >= ahead && !closed) await new Promise<void>((free) => waiting.push(free));
      if (closed) throw new RunLeft(task.run);
      taken++;
      try {
        const id = jobIdOf(task);
        if (pending.has(id)) throw new ExecutorError(task.run, 'it is under way already: a run is played once');
        return await new Promise<RunResult>((resolve, reject) => {
          const entry: Pending = { task, onProgress, resolve, reject, told: '', isPut: false };
          pending.set(id, entry);
          begin(id, entry).catch((error) => {
            if (pending.delete(id)) reject(error);
          });
        });
      } finally {
        hurry?.removeEventListener('abort', onHurry);
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
        if (!(await lease.renew())) {
          say(`another coordinator has taken over campaign ${campaign}: what lies in Redis is left to it`);
          return;
        }
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
