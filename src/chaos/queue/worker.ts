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
import { openRedis, type RedisAddress } from './connection.ts';

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
  const redis = await openRedis(options.address, say);
  let played = 0;
  try {
    while (!stop.aborted) {
      if (!(await waitForCard(redis, keys, options))) break;
      say(`campaign ${campaign}, ${describeBuild(build)}: ${options.executor.width} runs at a time`);
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
    if (await cardIsThere(redis, keys, options)) return true;
    if (!told) options.say(`waiting for a campaign ${options.campaign}`);
    told = true;
    await pause(lookMs, options.stop);
  }
  return false;
}

async function cardIsThere(redis: Redis, keys: CampaignKeys, { campaign, build }: CampaignWorkerOptions) {
  const card = await readCard(redis, keys);
  if (card !== undefined && !sameBuild(card, build))
    throw new BuildMismatch(
      `campaign ${campaign} is of ${describeBuild(card)}, this worker of ${describeBuild(build)}: results of the two cannot be compared. Bring both to the same commit and Node major`,
    );
  return card !== undefined;
}

/** Plays runs until the campaign is over or the worker is stopped; how many. */
async function workOnQueue(redis: Redis, keys: CampaignKeys, options: CampaignWorkerOptions): Promise<number> {
  const { build, executor, silenceMs, stop, giveBack, say } = options;
  let played = 0;
  const over = new AbortController();
  const abandon = AbortSignal.any([giveBack, over.signal]);
  const worker = new QueueWorker<RunTask, RunResult>(
    queueNameOf(build),
    async (job, token) => {
      const result = await play(job, token, redis, keys, options, abandon);
      played++;
      return result;
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
  worker.on('stalled', (id) => say(`run ${id.replace(/-[^-]*$/, '')}: its worker fell silent; it is given out again`));
  worker.on('failed', (_job, error) => say(error.message.split('\n', 1)[0] ?? ''));
  try {
    let missing = 0;
    while (!stop.aborted && missing < 2) {
      await pause(lookMs, stop);
      if (redis.status !== 'ready') continue;
      // Twice: a Redis that came back empty gets the card anew from the coordinator.
      missing = (await cardIsThere(redis, keys, options)) ? 0 : missing + 1;
      if (missing === 0) await renewTtl(redis, keys, build);
    }
    // Nobody waits for what is still under way.
    if (missing > 0) over.abort();
  } finally {
    // Waits for the runs under way: they end, or are given back.
    await Promise.race([worker.close(), closedWhileAway(redis, giveBack)]);
    if (redis.status === 'ready') await sweep(redis, keys, build);
  }
  return played;
}

/** A Redis that is away takes nothing back: then the locks do their work when it is there again. */
async function closedWhileAway(redis: Redis, giveBack: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    if (giveBack.aborted) resolve();
    else giveBack.addEventListener('abort', () => resolve(), { once: true });
  });
  await new Promise((resolve) => setTimeout(resolve, redis.status === 'ready' ? 5_000 : 0));
}

async function play(
  job: Job<RunTask, RunResult>,
  token: string | undefined,
  redis: Redis,
  keys: CampaignKeys,
  { build, executor }: CampaignWorkerOptions,
  abandon: AbortSignal,
): Promise<RunResult> {
  const task = taskSchema.parse(job.data) as RunTask; // the rest of its shape is vouched for by the build
  if (job.id !== undefined) await redis.pexpire(`${keys.prefix}:${queueNameOf(build)}:${job.id}`, keptMs);
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
    return await Promise.race([executor.run(task, onProgress), abandoned]);
  } catch (error) {
    // Of a campaign that is over there is no queue to give it back to.
    if (error instanceof WaitingError) await job.moveToWait(token).catch(() => {});
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
