import { z } from 'zod';
import { type BrokerId, firstPartitionGroup } from '../ids.ts';
import type { Metadata } from '../meta/metadata.ts';
import { type AdminRoute, ok } from './answer.ts';
import type { AdminContext } from './context.ts';
import { brokerNamed } from './forward.ts';
import { gatherReports } from './report.ts';

/** Groups with a replica on each broker. */
function replicasOf(metadata: Metadata, broker: BrokerId) {
  const partitions = [...metadata.topics.values()]
    .flatMap((topic) => topic.partitions)
    .filter(({ replicas }) => replicas.includes(broker));
  const shards = metadata.shards.filter(({ kind, replicas }) => kind !== 'meta' && replicas.includes(broker));
  const votes = metadata.shards.filter(({ kind, replicas }) => kind === 'meta' && replicas.includes(broker)).length;
  return { partitions, shards, votes };
}

/** Members of the cluster. */
export function clusterRoutes(context: AdminContext): readonly AdminRoute[] {
  const { services, runtime } = context;
  const { metadata } = services;
  return [
    {
      method: 'GET',
      path: '/admin/cluster/members',
      summary: 'The brokers of the cluster: where they are, whether they answer, what they lead.',
      role: 'read',
      handler: async (request) => {
        const reports = await gatherReports(context, request.signal);
        const groups = [...metadata.topics.values()].flatMap(({ partitions }) => partitions.map(({ group }) => group));
        const leaders = groups.map((group) => runtime.leaderOf(group)?.broker);
        const members = [...metadata.brokers.values()]
          .sort((left, right) => left.broker - right.broker)
          .map((info) => {
            const report = reports.get(info.broker);
            const meta = report?.groups.find(({ group }) => group === 0);
            return {
              broker_id: info.broker,
              address: `${info.kafka.host}:${info.kafka.port}`,
              http: `${info.http.host}:${info.http.port}`,
              incarnation: info.incarnation,
              state:
                info.state === 'left'
                  ? 'left'
                  : report === undefined
                    ? 'down'
                    : report.isDraining
                      ? 'draining'
                      : info.state,
              voter: info.voter,
              raft_state: meta?.state ?? null,
              rack: info.rack ?? null,
              leaders: leaders.filter((leader) => leader === info.broker).length,
              replicas: replicasOf(metadata, info.broker).partitions.length,
              read_only: report?.readOnly ?? null,
              disk: report?.disk === undefined ? null : { free: report.disk.freeBytes, total: report.disk.totalBytes },
            };
          });
        return ok({ cluster_id: metadata.clusterId, members });
      },
    },
    {
      method: 'GET',
      path: '/admin/brokers/{id}/partitions',
      summary: 'What lies on a broker: replicas of partitions, shards, votes of the metadata.',
      role: 'read',
      schema: { query: z.strictObject({}) },
      handler: async (request) => {
        const broker = brokerNamed(context, request.parameters.id ?? '');
        const { partitions, shards, votes } = replicasOf(metadata, broker);
        return ok({
          count: partitions.length + shards.length + votes,
          partitions: partitions.map(({ topic, partition }) => `${topic}/${partition}`),
          shards: shards.map(({ kind, group }) => `${kind}-${group}`),
          votes,
        });
      },
    },
  ];
}

/** Whether a group belongs to a partition. */
export function isPartitionGroup(group: number): boolean {
  return group >= firstPartitionGroup;
}
