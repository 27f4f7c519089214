import type { Host } from '../../../../host/host.ts';
import { apiKeys } from '../../../../wire/kafka/apis.ts';
import type { ClusterClient } from '../client/cluster.ts';
import { CallFailed } from '../client/connection.ts';
import { type LoadWorld, openCluster, partitionOf, pause, topicOf } from './context.ts';
import { onlyFailedCalls } from './fetching.ts';
import { sendOnce } from './send.ts';

/** Makes the topics of a load, until they are there; gives up when the load stops. */
export async function createTopics(world: LoadWorld, host: Host): Promise<void> {
  const client = openCluster(world, host, 'admin-topics');
  while (world.topicsLeft.size > 0 && !world.isStopped()) {
    await create(world, client).catch(onlyFailedCalls);
    if (world.topicsLeft.size > 0) await host.clock.sleep(300);
  }
  client.close();
}

/** Asks once for the topics that a load has stopped too early to see. */
export async function createTopicsLeft(world: LoadWorld, host: Host): Promise<void> {
  if (world.topicsLeft.size === 0) return;
  const client = openCluster(world, host, 'last-admin-topics');
  await create(world, client).catch(onlyFailedCalls);
  client.close();
}

/** Asks any broker for the topics that are left, and notes those that are there now. */
async function create(world: LoadWorld, client: ClusterClient): Promise<void> {
  const keys = [...world.plainKeys, ...world.transactionalKeys, ...world.shortLivedKeys];
  await client.refresh([]);
  const broker = client.anyBroker();
  if (broker === undefined) throw new CallFailed('UNKNOWN_BROKER', false, 'nobody told of a broker');
  const answer = await client.call(broker, apiKeys.CreateTopics, 7, {
    topics: [...world.topicsLeft].map((name) => ({
      name,
      numPartitions: keys.filter((key) => topicOf(key) === name).length,
      replicationFactor: Math.min(world.load().replication, world.seeds.length),
      configs: configsOf(world, name),
    })),
    timeoutMs: 10_000,
  });
  const exists = 36;
  for (const { name, errorCode } of answer.topics) {
    if (errorCode === 0 || errorCode === exists) world.topicsLeft.delete(name);
  }
}

function configsOf(world: LoadWorld, topic: string): { readonly name: string; readonly value: string }[] {
  const keptMs = world.load()['short-lived'];
  if (keptMs === undefined || !world.shortLivedKeys.some((key) => topicOf(key) === topic)) return [];
  return [{ name: 'retention.ms', value: String(keptMs) }];
}

/** Writes to the short-lived topic until the load stops; nobody asks what became of it but the checks of the files. */
export async function runShortLived(world: LoadWorld, host: Host): Promise<void> {
  const random = host.random.stream('short-lived');
  const client = openCluster(world, host, 'short-lived');
  for (let number = 0; !world.isStopped(); number++) {
    await pause(world, host, 100);
    const key = random.pick(world.shortLivedKeys);
    await sendOnce(client, { key, values: [`s-${number}`] }, { acks: -1, version: 9, timeoutMs: world.load().timeout });
  }
  client.close();
}

/** Asks about topics, groups, configurations and offsets until the load stops: what tools do all day. */
export async function runAdmin(world: LoadWorld, host: Host): Promise<void> {
  const random = host.random.stream('admin');
  const client = openCluster(world, host, 'admin');
  while (!world.isStopped()) {
    const every = world.load().admin;
    await pause(world, host, every ?? 1_000);
    if (every === undefined || world.isStopped()) continue;
    const key = random.pick([...world.plainKeys, ...world.transactionalKeys]);
    await ask(world, client, key, random.pick(['offsets', 'groups', 'configs'])).catch(onlyFailedCalls);
  }
  client.close();
}

async function ask(
  world: LoadWorld,
  client: ClusterClient,
  key: string,
  what: 'offsets' | 'groups' | 'configs',
): Promise<void> {
  const broker = await client.leader(key);
  if (what === 'groups') {
    await client.call(broker, apiKeys.ListGroups, 4, { statesFilter: [] });
    return;
  }
  if (what === 'configs') {
    await client.call(broker, apiKeys.DescribeConfigs, 4, {
      resources: [{ resourceType: 2, resourceName: topicOf(key), configurationKeys: null }],
    });
    return;
  }
  const latest = -1;
  const answer = await client.call(broker, apiKeys.ListOffsets, 7, {
    isolationLevel: 0,
    topics: [{ name: topicOf(key), partitions: [{ partitionIndex: partitionOf(key), timestamp: latest }] }],
  });
  const part = answer.topics[0]?.partitions[0];
  if (part === undefined || part.errorCode !== 0) return client.forgetLeader(key);
  world.told.ends.push({
    client: 'admin',
    key,
    atMs: world.now(),
    start: undefined,
    highWatermark: part.offset,
    lastStable: undefined,
  });
}
