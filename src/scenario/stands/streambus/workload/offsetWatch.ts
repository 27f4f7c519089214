import type { Host } from '../../../../host/host.ts';
import { apiKeys } from '../../../../wire/kafka/apis.ts';
import type { ClusterClient } from '../client/cluster.ts';
import { kafka, type LoadWorld, openCluster, partitionOf, pause, topicOf } from './context.ts';
import { onlyFailedCalls } from './fetching.ts';

/** Tools wait no longer. */
const patienceMs = 1_000;

/**
 * Asks for the offsets of groups until the load stops: half of the time whoever answered last, as a tool does that does not look for the
 * coordinator again, else anybody. Who is not the coordinator any more must say so, or tell what is true now.
 */
export async function runOffsetWatch(world: LoadWorld, host: Host): Promise<void> {
  const random = host.random.stream('offset watch');
  const client = openCluster(world, host, 'offset-watch');
  const answered = new Map<string, number>();
  while (!world.isStopped()) {
    const { 'watch offsets': every, groups } = world.load();
    await pause(world, host, every ?? 1_000);
    if (every === undefined || groups === 0 || world.isStopped()) continue;
    if (client.brokers.length === 0) await client.refresh([]).catch(onlyFailedCalls);
    if (client.brokers.length === 0) continue;
    const group = `group-${random.integer(0, groups - 1)}`;
    const last = random.chance(0.5) ? answered.get(group) : undefined;
    const broker = last ?? random.pick(client.brokers);
    const hasAnswered = await ask(world, client, broker, group).catch((error: unknown) => {
      onlyFailedCalls(error);
      return false;
    });
    if (hasAnswered) answered.set(group, broker);
  }
  client.close();
}

/** Whether the broker has told of the group's offsets. */
async function ask(world: LoadWorld, client: ClusterClient, broker: number, group: string): Promise<boolean> {
  const invokedAt = world.now();
  const topics = [...new Set(world.plainKeys.map(topicOf))].map((name) => ({
    name,
    partitionIndexes: world.plainKeys.filter((key) => topicOf(key) === name).map(partitionOf),
  }));
  const answer = await client.call(
    broker,
    apiKeys.OffsetFetch,
    7,
    { groupId: group, topics, requireStable: true },
    patienceMs,
  );
  if (answer.errorCode !== kafka.none) return false;
  const keys: string[] = [];
  const offsets: Record<string, number> = {};
  for (const { name, partitions } of answer.topics) {
    for (const { partitionIndex, committedOffset, errorCode } of partitions) {
      if (errorCode !== kafka.none) continue;
      const key = `${name}/${partitionIndex}`;
      keys.push(key);
      if (committedOffset >= 0) offsets[key] = committedOffset;
    }
  }
  world.told.offsetFetches.push({ group, keys, offsets, invokedAt, completedAt: world.now() });
  return true;
}
