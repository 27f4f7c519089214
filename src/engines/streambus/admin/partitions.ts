import { z } from 'zod';
import type { BrokerId } from '../ids.ts';
import type { PartitionInfo } from '../meta/metadata.ts';
import { AdminRefusal, type AdminRoute, ok, queryOf } from './answer.ts';
import type { AdminContext } from './context.ts';
import { type BrokerReport, type GroupReport, gatherReports } from './report.ts';

type Reports = ReadonlyMap<BrokerId, BrokerReport | undefined>;

/** One thing that is wrong with a replica. */
export interface Unhealthy {
  readonly topic: string;
  readonly partition: number;
  /** Null: it is wrong on no broker in particular. */
  readonly broker: BrokerId | null;
  readonly reason: string;
  /** Offsets that are concerned; null where it is about no offsets. */
  readonly first_offset: number | null;
  readonly last_offset: number | null;
}

/** Groups by number, for each broker that answered. */
function byGroup(reports: Reports): ReadonlyMap<number, ReadonlyMap<BrokerId, GroupReport>> {
  const groups = new Map<number, Map<BrokerId, GroupReport>>();
  for (const [broker, report] of reports) {
    for (const group of report?.groups ?? []) {
      const known = groups.get(group.group) ?? new Map<BrokerId, GroupReport>();
      groups.set(group.group, known.set(broker, group));
    }
  }
  return groups;
}

/** The leader of a group among the reports: the one of the highest term. */
function leaderAmong(reports: ReadonlyMap<BrokerId, GroupReport> | undefined): GroupReport | undefined {
  return [...(reports?.values() ?? [])]
    .filter(({ state }) => state === 'leader')
    .sort((left, right) => right.term - left.term)[0];
}

function partitionsOf({ services }: AdminContext, topic: string | undefined): readonly PartitionInfo[] {
  const { topics } = services.metadata;
  if (topic !== undefined && !topics.has(topic)) {
    throw new AdminRefusal(404, 'UNKNOWN_TOPIC', `there is no topic ${topic}`);
  }
  return [...topics.values()]
    .filter(({ name }) => topic === undefined || name === topic)
    .sort((left, right) => (left.name < right.name ? -1 : 1))
    .flatMap(({ partitions }) => partitions);
}

/** What is wrong with the partitions of the cluster, by what the brokers say. */
export function findUnhealthy(context: AdminContext, reports: Reports): readonly Unhealthy[] {
  const groups = byGroup(reports);
  return partitionsOf(context, undefined).flatMap((info): Unhealthy[] => {
    const { topic, partition } = info;
    const at = (broker: BrokerId | null, reason: string): Unhealthy => ({
      topic,
      partition,
      broker,
      reason,
      first_offset: null,
      last_offset: null,
    });
    const here = groups.get(info.group);
    const leader = leaderAmong(here);
    const found: Unhealthy[] = leader === undefined ? [at(null, 'no leader')] : [];
    for (const broker of info.replicas) {
      const replica = here?.get(broker);
      if (reports.get(broker) === undefined) found.push(at(broker, 'broker does not answer'));
      else if (replica === undefined) found.push(at(broker, 'no replica yet'));
      else if (replica.mode !== 'normal') found.push(at(broker, replica.mode));
      else if (leader !== undefined && !leader.inSync.includes(broker)) found.push(at(broker, 'behind'));
      for (const { reason, firstOffset, lastOffset } of replica?.log?.damage ?? []) {
        found.push({ ...at(broker, reason), first_offset: firstOffset, last_offset: lastOffset });
      }
    }
    return found;
  });
}

/** Partitions of the cluster as their leaders see them, and what is wrong with them. */
export function partitionRoutes(context: AdminContext): readonly AdminRoute[] {
  const topicQuery = z.strictObject({ topic: z.string().optional() });
  return [
    {
      method: 'GET',
      path: '/admin/partitions',
      needs: 'quorum',
      summary: 'Every partition as its leader sees it.',
      role: 'read',
      schema: { query: topicQuery },
      handler: async (request) => {
        const { topic } = queryOf(request, topicQuery);
        const infos = partitionsOf(context, topic);
        const groups = byGroup(await gatherReports(context, request.signal));
        return ok({
          partitions: infos.map((info) => {
            const leader = leaderAmong(groups.get(info.group));
            return {
              topic: info.topic,
              partition: info.partition,
              group: info.group,
              leader: leader?.broker ?? context.runtime.leaderOf(info.group)?.broker ?? null,
              replicas: info.replicas,
              in_sync: leader?.inSync ?? [],
              term: leader?.term ?? null,
              start: leader?.log?.start ?? null,
              high_watermark: leader?.log?.highWatermark ?? null,
              bytes: leader?.log?.sizeBytes ?? null,
            };
          }),
        });
      },
    },
    {
      method: 'GET',
      path: '/admin/partitions/health',
      needs: 'quorum',
      summary: 'How many partitions are as they should be, and what is wrong with the others.',
      role: 'read',
      handler: async (request) => {
        const unhealthy = findUnhealthy(context, await gatherReports(context, request.signal));
        const bad = new Set(unhealthy.map(({ topic, partition }) => `${topic}/${partition}`));
        return ok({ healthy: partitionsOf(context, undefined).length - bad.size, unhealthy });
      },
    },
    {
      method: 'GET',
      path: '/admin/raft/quorum',
      needs: 'metadata',
      summary: 'Of every group of the cluster: its voters, those that its leader hears, its leader and term.',
      role: 'read',
      handler: async (request) => {
        const reports = await gatherReports(context, request.signal);
        const groups = byGroup(reports);
        const { metadata } = context.services;
        const all = [
          ...metadata.shards.map(({ group, kind, replicas }) => ({
            group,
            name: kind === 'meta' ? 'metadata' : `${kind}-${group}`,
            replicas,
          })),
          ...partitionsOf(context, undefined).map(({ group, topic, partition, replicas }) => ({
            group,
            name: `${topic}/${partition}`,
            replicas,
          })),
        ];
        return ok({
          groups: all.map(({ group, name, replicas }) => {
            const leader = leaderAmong(groups.get(group));
            return {
              group: name,
              voters: replicas,
              reachable: replicas.filter(
                (broker) => leader?.reachable.includes(broker) ?? reports.get(broker) !== undefined,
              ),
              leader: leader?.broker ?? null,
              term: leader?.term ?? null,
            };
          }),
        });
      },
    },
  ];
}
