import { z } from 'zod';
import { digestPartition, rebuildIndexes, scrubPartition } from '../log/jobs.ts';
import { retain, roll } from '../log/maintenance.ts';
import type { Partition } from '../log/partition.ts';
import { encodeJson } from '../meta/json.ts';
import { millisOf } from '../quantities.ts';
import { AdminRefusal, type AdminRoute, bodyOf, ok, queryOf } from './answer.ts';
import type { AdminContext } from './context.ts';
import { forwardTo } from './forward.ts';
import type { Job } from './jobs.ts';

const partitionBody = z.strictObject({ topic: z.string().optional(), partition: z.int().min(0).optional() });
const trimBody = z.strictObject({
  topic: z.string().optional(),
  before: z
    .union([z.number(), z.string()])
    .refine((before) => typeof before === 'number' || millisOf(before) !== undefined, {
      error: 'expected milliseconds since 1970, or an age such as 7d',
    })
    .optional(),
});
/** `scope=broker`: at the one that is asked, as brokers ask each other. */
const scopeQuery = z.strictObject({ scope: z.enum(['broker', 'cluster']).default('cluster') });
const compactQuery = scopeQuery.extend({ aggressive: z.enum(['true', 'false']).default('false') });
const digestBody = z.strictObject({
  topic: z.string(),
  partition: z.int().min(0),
  from: z.int().min(0),
  to: z.int().min(0),
});

/** How long a digest waits for this replica to have applied what it is asked about. */
const digestPatienceMs = 15_000;
const lookEveryMs = 200;

/** Files of the log: what an operator can have done with them. */
export function storageRoutes(context: AdminContext): readonly AdminRoute[] {
  const { jobs, services, runtime } = context;
  const { clock } = services.host;

  /** A moment in milliseconds since 1970, from one or from an age. */
  const momentOf = (before: number | string | undefined): number | undefined =>
    typeof before === 'string' ? clock.wall() - (millisOf(before) ?? 0) : before;

  /** The replicas here that a body names. @throws AdminRefusal 404 */
  function replicas(topic: string | undefined, partition?: number): readonly Partition[] {
    if (topic !== undefined && !services.metadata.topics.has(topic)) {
      throw new AdminRefusal(404, 'UNKNOWN_TOPIC', `there is no topic ${topic}`);
    }
    return [...runtime.all].flatMap(({ spec }) => {
      const found = context.partition(spec.group);
      const fits =
        found !== undefined &&
        (topic === undefined || found.info.topic === topic) &&
        (partition === undefined || found.info.partition === partition);
      return fits ? [found] : [];
    });
  }

  async function overAll<T>(
    given: readonly Partition[],
    progress: (share: number) => void,
    work: (partition: Partition) => Promise<T>,
  ): Promise<T[]> {
    const results: T[] = [];
    for (const [at, partition] of given.entries()) {
      results.push(await work(partition));
      progress((at + 1) / given.length);
    }
    return results;
  }

  const begun = (job: Job) => ok({ job: job.job, state: job.state, progress: job.progress }, 202);
  const label = (topic: string | undefined, partition?: number) =>
    topic === undefined ? '' : partition === undefined ? `-${topic}` : `-${topic}-${partition}`;

  /** Lets the leaders on this broker drop what may go. */
  function trimHere(topic: string | undefined, before: number | undefined, rolls: boolean): number {
    let trimmed = 0;
    for (const partition of replicas(topic)) {
      if (rolls) roll(partition);
      if (retain(partition, clock.wall(), before) !== undefined) trimmed += 1;
    }
    return trimmed;
  }

  /** Has every broker trim what it leads; this broker asks the others. */
  async function trimEverywhere(
    path: string,
    query: Readonly<Record<string, string>>,
    body: Uint8Array,
    here: () => number,
    signal: AbortSignal,
  ): Promise<{ trimmed: number; unreachable: number[] }> {
    let trimmed = here();
    const unreachable: number[] = [];
    for (const broker of services.metadata.brokers.keys()) {
      if (broker === services.broker) continue;
      try {
        const request = { method: 'POST', path, query: { ...query, scope: 'broker' }, body } as const;
        const answer = await forwardTo(context, broker, request, signal);
        const counted = (answer.body as { readonly trimmed?: number }).trimmed; // what this route answers with this scope
        if (answer.status === 200 && counted !== undefined) trimmed += counted;
        else unreachable.push(broker);
      } catch (error) {
        if (!(error instanceof AdminRefusal)) throw error;
        unreachable.push(broker);
      }
    }
    return { trimmed, unreachable };
  }

  return [
    {
      method: 'POST',
      path: '/admin/storage/trim',
      needs: 'metadata',
      summary: 'Drops what retention lets go, on all replicas alike; with `before` only what is older than that.',
      schema: { body: trimBody, query: scopeQuery },
      handler: async (request) => {
        const { scope } = queryOf(request, scopeQuery);
        const { topic, before } = bodyOf(request, trimBody);
        const here = () => trimHere(topic, momentOf(before), false);
        replicas(topic);
        if (scope === 'broker') return ok({ trimmed: here() });
        return begun(
          jobs.start(`trim${label(topic)}`, (_, signal) =>
            trimEverywhere('/admin/storage/trim', {}, encodeJson({ topic, before }), here, signal),
          ),
        );
      },
    },
    {
      method: 'POST',
      path: '/admin/storage/compact',
      needs: 'metadata',
      summary:
        'Applies retention now in the whole cluster; ?aggressive=true closes active segments first, so that they can go.',
      schema: { query: compactQuery },
      handler: async (request) => {
        const { aggressive, scope } = queryOf(request, compactQuery);
        const here = () => trimHere(undefined, undefined, aggressive === 'true');
        if (scope === 'broker') return ok({ trimmed: here() });
        const query = aggressive === 'true' ? { aggressive } : {};
        return begun(
          jobs.start(aggressive === 'true' ? 'compact-aggressive' : 'compact', (_, signal) =>
            trimEverywhere('/admin/storage/compact', query, new Uint8Array(0), here, signal),
          ),
        );
      },
    },
    {
      method: 'POST',
      path: '/admin/storage/scrub',
      needs: 'metadata',
      summary:
        'Reads every batch of the replicas on this broker from the device and checks it; damage is repaired from the others.',
      schema: { body: partitionBody },
      handler: async (request) => {
        const { topic, partition } = bodyOf(request, partitionBody);
        const chosen = replicas(topic, partition);
        return begun(
          jobs.start(`scrub${label(topic, partition)}`, async (progress, signal) => {
            const reports = await overAll(chosen, progress, (one) => scrubPartition(one, signal));
            const sum = (of: (report: (typeof reports)[number]) => number) =>
              reports.reduce((all, one) => all + of(one), 0);
            return {
              partitions: chosen.length,
              batches: sum(({ batches }) => batches),
              bytes: sum(({ bytes }) => bytes),
              damaged: sum(({ damaged }) => damaged),
              unrepaired: chosen.reduce((all, one) => all + one.damage.length, 0),
            };
          }),
        );
      },
    },
    {
      method: 'POST',
      path: '/admin/storage/rebuild-index',
      needs: 'metadata',
      summary: 'Makes the indexes of the segments on this broker anew.',
      schema: { body: partitionBody },
      handler: async (request) => {
        const { topic, partition } = bodyOf(request, partitionBody);
        const chosen = replicas(topic, partition);
        return begun(
          jobs.start(`rebuild-index${label(topic, partition)}`, async (progress, signal) => {
            const entries = await overAll(chosen, progress, (one) => rebuildIndexes(one, signal));
            return { partitions: chosen.length, entries: entries.reduce((all, count) => all + count, 0) };
          }),
        );
      },
    },
    {
      method: 'POST',
      path: '/admin/storage/digest',
      needs: 'metadata',
      summary:
        'Reads a replica on this broker and gives the SHA-256 of its batches between two offsets, or how far it is when it is behind.',
      schema: { body: digestBody },
      handler: async (request) => {
        const { topic, partition, from, to } = bodyOf(request, digestBody);
        const [replica] = replicas(topic, partition);
        if (replica === undefined) {
          throw new AdminRefusal(
            404,
            'NO_REPLICA',
            `broker ${services.broker} has no replica of ${topic}/${partition}`,
          );
        }
        return begun(
          jobs.start(`digest-${topic}-${partition}-${from}-${to}`, async (_, signal) => {
            const until = clock.now() + digestPatienceMs;
            while (replica.highWatermark < to) {
              if (clock.now() >= until) return { behind: { end: replica.highWatermark, wanted: to } };
              await clock.sleep(lookEveryMs, signal);
            }
            return digestPartition(replica, signal, Math.max(from, replica.logStartOffset), to);
          }),
        );
      },
    },
  ];
}
