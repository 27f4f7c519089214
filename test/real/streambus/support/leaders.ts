import { z } from 'zod';
import type { BrokerCluster } from '../../../support/brokerCluster.ts';

const raftStatus = z.object({ raft_id: z.number(), leader_id: z.number().nullable() });
const partitionList = z.object({
  partitions: z.array(
    z.object({
      topic: z.string(),
      partition: z.number(),
      leader: z.number().nullable(),
      replicas: z.array(z.number()),
      in_sync: z.array(z.number()),
    }),
  ),
});

/** What a cluster's administration says. */
async function ask<T>(cluster: BrokerCluster, broker: number, path: string, shape: z.ZodType<T>): Promise<T> {
  const answer = await fetch(`${cluster.http(broker)}${path}`, { signal: AbortSignal.timeout(5_000) });
  if (!answer.ok) throw new Error(`${path} of broker ${broker}: ${answer.status} ${await answer.text()}`);
  return shape.parse(await answer.json());
}

/** The broker that leads the metadata, as this broker knows it; undefined when it knows none. A raft id is broker × 65,536 + incarnation. */
export async function metaLeader(cluster: BrokerCluster, askedOf = 1): Promise<number | undefined> {
  const { leader_id: leader } = await ask(cluster, askedOf, '/admin/raft/status', raftStatus);
  return leader === null || leader === 0 ? undefined : Math.floor(leader / 65_536);
}

/** Every partition with its leader. */
export async function partitionsOf(
  cluster: BrokerCluster,
  askedOf = 1,
): Promise<z.infer<typeof partitionList>['partitions']> {
  return (await ask(cluster, askedOf, '/admin/partitions', partitionList)).partitions;
}

/** Waits until every partition has a leader and all of its replicas are in sync. */
export async function untilInSync(cluster: BrokerCluster, askedOf = 1, limitMs = 30_000): Promise<void> {
  const until = performance.now() + limitMs;
  for (;;) {
    const partitions = await partitionsOf(cluster, askedOf);
    const behind = partitions.filter(
      ({ leader, replicas, in_sync }) => leader === null || in_sync.length < replicas.length,
    );
    if (behind.length === 0) return;
    if (performance.now() > until) throw new Error(`not in sync after ${limitMs} ms: ${JSON.stringify(behind)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
