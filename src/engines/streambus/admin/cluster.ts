import { z } from 'zod';
import { RpcError } from '../broker/rpc.ts';
import type { BrokerId } from '../ids.ts';
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

const pingName = 'admin.ping';
const pings = 5;
const pingMs = 2_000;

/** Round trips to another broker, in milliseconds; null when it does not answer. */
async function roundTrip({ services }: AdminContext, broker: BrokerId, signal: AbortSignal): Promise<number | null> {
  const { clock } = services.host;
  let sum = 0;
  try {
    for (let n = 0; n < pings; n++) {
      const began = clock.now();
      await services.rpc.call(broker, pingName, new Uint8Array(0), { timeoutMs: pingMs, signal });
      sum += clock.now() - began;
    }
  } catch (error) {
    if (error instanceof RpcError) return null;
    throw error;
  }
  return Math.round((sum / pings) * 1_000) / 1_000;
}

/** Members of the cluster. Also answers the pings of other brokers from now on: call it once. */
export function clusterRoutes(context: AdminContext): readonly AdminRoute[] {
  const { services, runtime } = context;
  const { metadata } = services;
  services.rpc.serve(pingName, async (body) => body);
  return [
    {
      method: 'GET',
      path: '/admin/cluster/latency',
      needs: 'metadata',
      summary: 'Round trips from this broker to the others, averages of five.',
      role: 'read',
      handler: async (request) => {
        const others = [...metadata.brokers.keys()]
          .filter((broker) => broker !== services.broker)
          .sort((a, b) => a - b);
        const times = await Promise.all(others.map((broker) => roundTrip(context, broker, request.signal)));
        return ok({
          from: services.broker,
          round_trips: others.map((broker, at) => ({ to: broker, average_ms: times[at] ?? null })),
        });
      },
    },
    {
      method: 'GET',
      path: '/admin/cluster/members',
      needs: 'metadata',
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
      needs: 'metadata',
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
