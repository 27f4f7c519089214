import type { Host } from '../../../../host/host.ts';
import { apiKeys } from '../../../../wire/kafka/apis.ts';
import type { ClusterClient } from '../client/cluster.ts';
import { CallFailed } from '../client/connection.ts';
import { kafka, type LoadWorld, openCluster, topicOf } from './context.ts';
import { onlyFailedCalls } from './fetching.ts';
import { sendOnce } from './send.ts';

/** The topic that passes. */
export const passingPartitions: readonly string[] = ['passing/0', 'passing/1'];
const topic = topicOf(passingPartitions[0] ?? '');

/** Bytes of a record: so large that a sync of a segment has something to do. */
const textBytes = 16 * 1024;
const againMs = 200;
/** Between an answer and the next record: on fast disks it would be thousands a second, and nothing else of the run. */
const thinkMs = 50;
const topicExists = 36;

/**
 * Makes a topic, writes to it steadily, and deletes it in the midst of that, again and again until the load stops: the files of a
 * partition go while checkpoints, syncs and reads of them are under way. What became of its records nobody asks.
 */
export async function runPassing(world: LoadWorld, host: Host): Promise<void> {
  const client = openCluster(world, host, 'passing');
  while (!world.isStopped()) {
    const isThere = await create(world, client).catch(onlyFailedCalls);
    if (isThere !== true) {
      await host.clock.sleep(againMs);
      continue;
    }
    const until = host.clock.now() + (world.load().passing ?? againMs);
    const isOver = (): boolean => world.isStopped() || host.clock.now() >= until;
    const writing = world.passingKeys.map((key) => write(world, client, key, isOver));
    while (!isOver()) await host.clock.sleep(Math.max(1, Math.min(againMs, until - host.clock.now())));
    // Its writers have not been answered yet: that is the moment.
    if (!world.isStopped()) await remove(world, client).catch(onlyFailedCalls);
    await Promise.all(writing);
  }
  client.close();
}

async function write(world: LoadWorld, client: ClusterClient, key: string, isOver: () => boolean): Promise<void> {
  const values = ['p'.repeat(textBytes)];
  while (!isOver()) {
    const { kind } = await sendOnce(client, { key, values }, { acks: -1, version: 9, timeoutMs: world.load().timeout });
    await client.host.clock.sleep(kind === 'ok' ? thinkMs : againMs / 4);
  }
}

/** True when the topic is there. */
async function create(world: LoadWorld, client: ClusterClient): Promise<boolean> {
  const answer = await client.call(await anyBroker(client), apiKeys.CreateTopics, 7, {
    topics: [
      {
        name: topic,
        numPartitions: world.passingKeys.length,
        replicationFactor: Math.min(world.load().replication, world.seeds.length),
        configs: [],
      },
    ],
    timeoutMs: 10_000,
  });
  const code = answer.topics[0]?.errorCode;
  return code === kafka.none || code === topicExists;
}

async function remove(world: LoadWorld, client: ClusterClient): Promise<void> {
  for (const key of world.passingKeys) client.forgetLeader(key);
  await client.call(await anyBroker(client), apiKeys.DeleteTopics, 5, { topicNames: [topic], timeoutMs: 10_000 });
}

async function anyBroker(client: ClusterClient): Promise<number> {
  await client.refresh([]);
  const broker = client.anyBroker();
  if (broker === undefined) throw new CallFailed('UNKNOWN_BROKER', false, 'nobody told of a broker');
  return broker;
}
