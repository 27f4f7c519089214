import { apiKeys } from '../../../../wire/kafka/apis.ts';
import type { ClusterClient } from '../client/cluster.ts';
import { CallFailed } from '../client/connection.ts';
import { consume } from './batches.ts';
import { isOfLeader, type LoadWorld, partitionOf, topicOf } from './context.ts';

/** What a poll brought, by key; only keys with records. */
export type PolledRecords = Record<string, readonly { readonly offset: number; readonly value: string }[]>;

export interface PollResult {
  readonly records: PolledRecords;
  /** Where to go on, of the keys that were answered. */
  readonly positions: ReadonlyMap<string, number>;
  /** High watermark and last stable offset of the keys that were answered. */
  readonly stable: ReadonlyMap<string, number>;
}

/** Who polls: ends are held against this name. */
export interface Poller {
  readonly name: string;
  readonly maxWaitMs: number;
}

/** Fetches once from the leaders of these keys, each from its position; what cannot be had now is left out. Never rejects. */
export async function poll(
  world: LoadWorld,
  client: ClusterClient,
  wanted: ReadonlyMap<string, number>,
  { name, maxWaitMs }: Poller,
): Promise<PollResult> {
  const byBroker = new Map<number, string[]>();
  const missing = [...wanted.keys()].filter((key) => client.leaderOf(key) === undefined);
  if (missing.length > 0) {
    await client.refresh([...new Set(missing.map(topicOf))]).catch(onlyFailedCalls);
  }
  for (const key of wanted.keys()) {
    const leader = client.leaderOf(key);
    if (leader === undefined) continue;
    const keys = byBroker.get(leader.broker);
    if (keys === undefined) byBroker.set(leader.broker, [key]);
    else keys.push(key);
  }
  const records: PolledRecords = {};
  const positions = new Map<string, number>();
  const stable = new Map<string, number>();

  async function fetchFrom(broker: number, keys: readonly string[]): Promise<void> {
    const topics = [...new Set(keys.map(topicOf))].map((topic) => ({
      topic,
      partitions: keys
        .filter((key) => topicOf(key) === topic)
        .map((key) => ({
          partition: partitionOf(key),
          currentLeaderEpoch: client.leaderOf(key)?.epoch ?? -1,
          fetchOffset: wanted.get(key) ?? 0,
          partitionMaxBytes: 1_048_576,
        })),
    }));
    const answer = await client.call(
      broker,
      apiKeys.Fetch,
      12,
      { maxWaitMs, minBytes: 1, maxBytes: 10_485_760, isolationLevel: 1, topics },
      world.load().timeout + maxWaitMs,
    );
    const bytes = answer.responses
      .flatMap(({ partitions }) => partitions)
      .reduce((sum, part) => sum + (part.records?.length ?? 0), 0);
    for (const { topic, partitions } of answer.responses) {
      for (const part of partitions) {
        const key = `${topic}/${part.partitionIndex}`;
        if (part.errorCode !== 0) {
          if (isOfLeader(part.errorCode)) client.forgetLeader(key);
          continue;
        }
        world.told.ends.push({
          client: name,
          key,
          atMs: world.now(),
          start: known(part.logStartOffset),
          // An answer without an error has one: -1 is none, and steps back.
          highWatermark: part.highWatermark,
          lastStable: known(part.lastStableOffset),
        });
        const from = wanted.get(key) ?? 0;
        world.told.fetches.push({
          client: name,
          key,
          atMs: world.now(),
          offset: from,
          stable: part.lastStableOffset,
          answerBytes: bytes,
        });
        const got = consume(part.records, from, part.abortedTransactions ?? []);
        if (got.records.length > 0) records[key] = got.records;
        positions.set(key, got.next);
        stable.set(key, part.lastStableOffset);
      }
    }
  }

  await Promise.all(
    [...byBroker].map(([broker, keys]) =>
      fetchFrom(broker, keys).catch((error: unknown) => {
        onlyFailedCalls(error);
        for (const key of keys) client.forgetLeader(key);
      }),
    ),
  );
  return { records, positions, stable };
}

const known = (offset: number): number | undefined => (offset < 0 ? undefined : offset);

/** What a broken call says is dealt with by asking again. */
export function onlyFailedCalls(error: unknown): void {
  if (!(error instanceof CallFailed)) throw error;
}
