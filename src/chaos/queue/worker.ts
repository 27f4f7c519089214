import { hostname } from 'node:os';
import { type Job, Worker as QueueWorker, WaitingError } from 'bullmq';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Executor, RunProgress, RunTask } from '../executor.ts';
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
  sweep,
} from './card.ts';
import { whileConnected } from './connected.ts';
import { openRedis, type RedisAddress } from './connection.ts';
import { reasonOf, runOf } from './runJob.ts';

export interface CampaignWorkerOptions {
  readonly address: RedisAddress;
  readonly campaign: string;
  readonly build: Build;
  /** Plays the runs; as many at a time as it is wide. It is closed at the end. */
  readonly executor: Executor;
  /** A worker that is silent for so long is taken for dead, and its runs are given to others, in milliseconds. */
  readonly silenceMs: number;
  /** Ends when the campaign has ended, instead of waiting for the next of its name. */
  readonly untilDone: boolean;
  /** Aborted: takes no further run, ends those under way, and returns. */
  readonly stop: AbortSignal;
  /** Aborted: gives the runs under way back to the queue, and returns. */
  readonly giveBack: AbortSignal;
  readonly say: (line: string) => void;
}

/** This worker's results could not be compared with those of the campaign. */
export class BuildMismatch extends Error {
  override readonly name = 'BuildMismatch';
}

/** So many workers may die with one run before the run is taken for the cause. */
const stalledMax = 3;

/** How often the campaign's card is looked at, in milliseconds. */
const lookMs = 1_000;

/** How long giving runs back may take, in milliseconds. */
const giveBackMs = 5_000;

/** Shortest time between two words about one run's progress, in milliseconds. */
const progressMs = 1_000;

/** What the coordinator of this very build put in. */
const taskSchema = z.looseObject({
  engine: z.string(),
  run: z.string(),
  mutants: z.array(z.string()),
  shrinkRunsMax: z.number(),
});

/**
 * Takes runs from the queue and plays them until it is stopped (or the campaign is over). While the executor computes in its
 * threads, this thread renews the locks; when it dies, the locks run out and other workers get the runs.
 *
 * @returns how many runs were played to their end here
 * @throws BuildMismatch when the campaign is of another commit or Node major
 * @throws RedisError when Redis cannot be used
 */
export async function workOnCampaign(options: CampaignWorkerOptions): Promise<number> {
  const { campaign, build, stop, say } = options;
  const keys = keysOf(campaign);
  // Whoever is told to end before Redis answers ends; the attempt to connect ends with its process.
  const redis = await unlessStopped(openRedis(options.address, say), stop);
  let played = 0;
  if (redis === undefined) {
    await options.executor.close();
    return played;
  }
  try {
    while (!stop.aborted) {
      if (!(await waitForCard(redis, keys, options))) break;
      say(
        `campaign ${campaign}, ${describeBuild(build)}: ${options.executor.width} ${options.executor.width === 1 ? 'run' : 'runs'} at a time`,
      );
      played += await workOnQueue(redis, keys, options);
      if (options.untilDone) break;
    }
    return played;
  } finally {
    await options.executor.close();
    redis.disconnect();
  }
}

/** True: the campaign is there. False: told to stop before it came. */
async function waitForCard(redis: Redis, keys: CampaignKeys, options: CampaignWorkerOptions): Promise<boolean> {
  let told = false;
  while (!options.stop.aborted) {
    if ((await unlessStopped(cardOf(redis, keys, options), options.stop)) !== undefined) return true;
    if (!told && !options.stop.aborted) options.say(`waiting for a campaign ${options.campaign}`);
    told = true;
    await pause(lookMs, options.stop);
  }
  return false;
}

async function cardOf(redis: Redis, keys: CampaignKeys, { campaign, build }: CampaignWorkerOptions) {
  const card = await readCard(redis, keys);
  if (card !== undefined && !sameBuild(card, build))
    throw new BuildMismatch(
      `campaign ${campaign} is of ${describeBuild(card)}, this worker of ${describeBuild(build)}: results of the two cannot be compared. Bring both to the same commit and Node major`,
    );
  return card;
}

/** Plays runs until the campaign is over or the worker is stopped; how many. */
async function workOnQueue(redis: Redis, keys: CampaignKeys, options: CampaignWorkerOptions): Promise<number> {
  const { build, executor, silenceMs, stop, giveBack, say } = options;
  let played = 0;
  let underWay = 0;
  let hurry = new AbortController();
  const over = new AbortController();
  const abandon = AbortSignal.any([giveBack, over.signal]);
  const worker = new QueueWorker<RunTask, RunResult>(
    queueNameOf(build),
    async (job, token) => {
      underWay++;
      try {
        const result = await play(job, token, redis, keys, options, abandon, hurry.signal);
        played++;
        return result;
      } finally {
        underWay--;
      }
    },
    {
      connection: redis,
      prefix: keys.prefix,
      // Stands in each of its runs while it has them.
      name: `${hostname()} pid ${process.pid}`,
      concurrency: executor.width,
      lockDuration: silenceMs,
      // Each check marks, the next one moves what is still marked and has no lock.
      stalledInterval: silenceMs / 2,
      maxStalledCount: stalledMax,
      runRetryDelay: 500,
    },
  );
  const gone = new Set<string>();
  worker.on('error', (error) => {
    const text = String(error);
    const [, run] = /(?:Missing (?:key|lock)|could not renew lock) for job (.+)-[0-9a-f]{12}\b/.exec(text) ?? [];
    // The connection tells of its own losses.
    if (/ECONN|Connection is closed|EPIPE|LOADING|ETIMEDOUT|ENOTFOUND|EAI_AGAIN/.test(text)) return;
    if (run === undefined) say(text);
    else if (!gone.has(run)) say(`run ${run} is not this worker's any more: another has it, or nobody waits for it`);
    if (run !== undefined) gone.add(run);
  });
  worker.on('stalled', (id) => say(`run ${runOf(id)}: its worker fell silent; it is given out again`));
  worker.on('failed', (job, error) => {
    if (job === undefined) return say(firstLine(error.message));
    const run = runOf(job.id ?? job.name);
    say(`run ${run}: ${reasonOf(run, firstLine(error.message))}`);
  });
  try {
    let missing = 0;
    while (!stop.aborted && missing < 2) {
      await pause(lookMs, stop);
      if (redis.status !== 'ready') continue;
      const card = await unlessStopped(cardOf(redis, keys, options), stop);
      if (stop.aborted) break;
      // Twice: a Redis that came back empty gets the card anew from the coordinator.
      missing = card === undefined ? missing + 1 : 0;
      if (card?.hurried === true && !hurry.signal.aborted) {
        // First: a run that ends now would be followed by the next, which the coordinator is about to take back.
        await worker.pause(true);
        hurry.abort();
      } else if (card?.hurried === false && hurry.signal.aborted) {
        hurry = new AbortController();
        await worker.resume();
      }
      if (card !== undefined) await unlessStopped(renewTtl(redis, keys, build), stop);
    }
    // Nobody waits for what is still under way.
    if (missing > 0) over.abort();
  } finally {
    // Waits for the runs under way: they end, or are given back.
    const closed = worker.close();
    closed.catch(() => {}); // of a connection that is closed under it
    await Promise.race([closed, closedWhileAway(redis, giveBack, () => underWay > 0)]);
    await whileConnected(redis, sweep(redis, keys, build), 0);
  }
  return played;
}

/**
 * A Redis that is away takes nothing back: then the locks do their work when it is there again. What is under way is played
 * on until it must be given back; a worker that has nothing does not wait for Redis.
 */
async function closedWhileAway(redis: Redis, giveBack: AbortSignal, isBusy: () => boolean): Promise<void> {
  while (!giveBack.aborted && (isBusy() || redis.status === 'ready')) await pause(lookMs, giveBack);
  if (redis.status === 'ready') await new Promise((resolve) => setTimeout(resolve, giveBackMs));
}

async function play(
  job: Job<RunTask, RunResult>,
  token: string | undefined,
  redis: Redis,
  keys: CampaignKeys,
  { build, executor }: CampaignWorkerOptions,
  abandon: AbortSignal,
  hurry: AbortSignal,
): Promise<RunResult> {
  const task = taskSchema.parse(job.data) as RunTask; // the rest of its shape is vouched for by the build
  // Not waited for: a Redis that is away does not keep a run from being played.
  if (job.id !== undefined) redis.pexpire(`${keys.prefix}:${queueNameOf(build)}:${job.id}`, keptMs).catch(() => {}); // the coordinator renews it too
  let toldAt = 0;
  const onProgress = (progress: RunProgress) => {
    if (Date.now() - toldAt < progressMs) return;
    toldAt = Date.now();
    job.updateProgress({ ...progress }).catch(() => {}); // lost words about progress are no loss
  };
  let giveUp = (): void => {};
  const abandoned = new Promise<never>((_, reject) => {
    giveUp = () => reject(new WaitingError());
  });
  if (abandon.aborted) giveUp();
  else abandon.addEventListener('abort', giveUp, { once: true });
  try {
    return await Promise.race([executor.run(task, onProgress, hurry), abandoned]);
  } catch (error) {
    // Of a campaign that is over there is no queue to give it back to.
    if (error instanceof WaitingError) await whileConnected(redis, job.moveToWait(token), 0).catch(() => {});
    throw error;
  } finally {
    abandon.removeEventListener('abort', giveUp);
  }
}

function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (stop.aborted) return resolve();
    const over = () => {
      clearTimeout(timer);
      stop.removeEventListener('abort', over);
      resolve();
    };
    const timer = setTimeout(over, ms);
    stop.addEventListener('abort', over, { once: true });
  });
}

/** What comes of the work, or undefined once the worker is told to stop: a Redis that is away may never answer. */
async function unlessStopped<T>(work: Promise<T>, stop: AbortSignal): Promise<T | undefined> {
  let give = (): void => {};
  const stopped = new Promise<undefined>((resolve) => {
    give = () => resolve(undefined);
  });
  if (stop.aborted) give();
  else stop.addEventListener('abort', give, { once: true });
  try {
    return await Promise.race([work, stopped]);
  } finally {
    stop.removeEventListener('abort', give);
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
