import type { Redis } from 'ioredis';
import { z } from 'zod';

/** What two machines must share for their runs to be comparable. */
export interface Build {
  /** Commit of the checkout; for an installed package its version. */
  readonly commit: string;
  readonly nodeMajor: number;
}

/** How long Redis keeps anything of a campaign that nobody touches, in milliseconds. */
export const keptMs: number = 7 * 24 * 3_600_000;

/** A campaign in Redis: the names of its keys. All of them hash to one slot of a cluster. */
export interface CampaignKeys {
  /** Says which build the campaign is of; there as long as the campaign is. */
  readonly card: string;
  /** Held by the one coordinator. */
  readonly lease: string;
  /** BullMQ's prefix; its queue is named after the build, so that another build never sees the runs. */
  readonly prefix: string;
}

/** Names of campaigns: they become parts of keys and of command lines. */
export const campaignNamePattern: RegExp = /^[A-Za-z0-9._-]{1,64}$/;

export function keysOf(campaign: string): CampaignKeys {
  const prefix = `hotfire:{${campaign}}`;
  return { card: `${prefix}:card`, lease: `${prefix}:coordinator`, prefix };
}

/** The queue in which runs for this build lie. */
export function queueNameOf(build: Build): string {
  return `${build.commit.replace(/[^A-Za-z0-9._+-]/g, '_')}-node${build.nodeMajor}`;
}

/** For people: `commit 1a2b3c4d5e6f on Node 24`. */
export function describeBuild(build: Build): string {
  const commit = /^[0-9a-f]{40}/.test(build.commit) ? build.commit.slice(0, 12) + build.commit.slice(40) : build.commit;
  return `commit ${commit} on Node ${build.nodeMajor}`;
}

/** What workers are told of a campaign. */
export interface Card extends Build {
  /** Its time is over: failures are made no smaller. */
  readonly hurried: boolean;
}

const cardSchema = z.object({ commit: z.string(), nodeMajor: z.number(), hurried: z.boolean() });

/** The card of the campaign; undefined when there is no such campaign. */
export async function readCard(redis: Redis, keys: CampaignKeys): Promise<Card | undefined> {
  const text = await redis.get(keys.card);
  return text === null ? undefined : cardSchema.parse(JSON.parse(text));
}

export async function writeCard(redis: Redis, keys: CampaignKeys, card: Card): Promise<void> {
  await redis.set(keys.card, JSON.stringify(card), 'PX', keptMs);
}

export function sameBuild(a: Build, b: Build): boolean {
  return a.commit === b.commit && a.nodeMajor === b.nodeMajor;
}

/**
 * What BullMQ keeps of a queue beside its jobs. Lists and sets that run empty vanish, and come back without their TTL.
 * `stalled-check` is left alone: its own short life is the interval of the checks for silent workers.
 */
const queueParts: readonly string[] = [
  'id',
  'meta',
  'wait',
  'paused',
  'active',
  'delayed',
  'prioritized',
  'pc',
  'completed',
  'failed',
  'stalled',
  'marker',
  'events',
];

/** Jobs whose time is renewed by one command. */
const jobsAtATime = 500;

/** Gives the jobs of a campaign their time to live anew: thousands, so once a day will do. */
export async function renewJobs(redis: Redis, keys: CampaignKeys, build: Build): Promise<void> {
  const queue = `${keys.prefix}:${queueNameOf(build)}`;
  const ids = [
    ...(await redis.zrange(`${queue}:completed`, '0', '-1')),
    ...(await redis.zrange(`${queue}:failed`, '0', '-1')),
    ...(await redis.lrange(`${queue}:wait`, 0, -1)),
    ...(await redis.lrange(`${queue}:active`, 0, -1)),
  ];
  for (let at = 0; at < ids.length; at += jobsAtATime) {
    const pipeline = redis.pipeline();
    for (const id of ids.slice(at, at + jobsAtATime)) pipeline.pexpire(`${queue}:${id}`, keptMs);
    await pipeline.exec();
  }
}

/** Gives everything of a campaign but the jobs its time to live anew. */
export async function renewTtl(redis: Redis, keys: CampaignKeys, build: Build): Promise<void> {
  const queue = `${keys.prefix}:${queueNameOf(build)}`;
  const pipeline = redis.pipeline().pexpire(keys.card, keptMs);
  for (const part of queueParts) pipeline.pexpire(`${queue}:${part}`, keptMs);
  await pipeline.exec();
}

/** Removes what a worker may have written after the coordinator had removed the campaign: BullMQ keeps settings, events. */
export async function sweep(redis: Redis, keys: CampaignKeys, build: Build): Promise<void> {
  const queue = `${keys.prefix}:${queueNameOf(build)}`;
  if ((await redis.exists(keys.card)) === 0) await redis.del(`${queue}:meta`, `${queue}:events`, `${queue}:marker`);
  else await renewTtl(redis, keys, build);
}
