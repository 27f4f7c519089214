import type { Host } from '../../../host/host.ts';
import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import { RpcError } from '../broker/rpc.ts';
import { decodeJson, encodeJson } from '../groups/entries.ts';
import type { BrokerId, GroupId } from '../ids.ts';
import type { BrokerServices } from '../services.ts';
import type { TopicPartition } from './coordinator.ts';
import type { TransactionRecord } from './state.ts';

/** Name of the request with which markers go to the leaders of partitions and of shards of consumer groups. */
export const markerRpc = 'txn.marker';

/** The end of one transaction, for what one broker leads of it. */
export interface MarkerRequest {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly commit: boolean;
  /** Term of the shard of transactions. */
  readonly coordinatorEpoch: number;
  /** Which transaction of the producer: see `TransactionRecord`. */
  readonly transaction: number;
  readonly partitions: readonly TopicPartition[];
  readonly groups: readonly string[];
}

/** An error number for each, in the order of the request. */
export interface MarkerAnswer {
  readonly partitions: readonly number[];
  readonly groups: readonly number[];
}

/** What of the broker is used. */
export type MarkerServices = Pick<BrokerServices, 'host' | 'metadata' | 'rpc' | 'leaderOf'>;

/** Waits between rounds; the last one from then on. Each is shortened by up to half at random. */
const backoffMs = [50, 100, 200, 400, 800] as const;
const backoffMostMs = 1_000;

interface Targets {
  partitions: readonly TopicPartition[];
  groups: readonly string[];
}

/**
 * Tells every partition and group of a transaction how it ended, again and again until each has said that it is written. Resolves
 * to false when the signal fired first.
 */
export async function deliverMarkers(
  services: MarkerServices,
  record: TransactionRecord,
  coordinatorEpoch: number,
  signal: AbortSignal,
): Promise<boolean> {
  let left: Targets = record;
  for (let attempt = 0; ; attempt++) {
    left = await sendRound(services, record, coordinatorEpoch, left, signal);
    if (signal.aborted) return false;
    if (left.partitions.length + left.groups.length === 0) return true;
    await backOff(services.host, attempt, signal);
    if (signal.aborted) return false;
  }
}

async function backOff(host: Host, attempt: number, signal: AbortSignal): Promise<void> {
  const most = backoffMs[attempt] ?? backoffMostMs;
  const ms = most * (0.5 + host.random.stream('backoff').float() / 2);
  // An abort ends the wait: the caller looks at the signal.
  await host.clock.sleep(ms, signal).catch(() => {});
}

/** One request to every leader that is known; resolves to what is left. */
async function sendRound(
  services: MarkerServices,
  record: TransactionRecord,
  coordinatorEpoch: number,
  targets: Targets,
  signal: AbortSignal,
): Promise<Targets> {
  const { byBroker, unknown } = byLeader(services, record, targets);
  const rests = await Promise.all(
    [...byBroker].map(async ([broker, own]) => {
      const rest = await send(services, broker, requestOf(record, coordinatorEpoch, own), signal);
      // A marker that comes twice must do nothing, also when the next transaction of the producer has begun.
      if (services.host.telemetry.buggify('marker sent twice')) {
        await send(services, broker, requestOf(record, coordinatorEpoch, own), signal);
      }
      return rest;
    }),
  );
  const all = [unknown, ...rests];
  return { partitions: all.flatMap(({ partitions }) => partitions), groups: all.flatMap(({ groups }) => groups) };
}

function requestOf(record: TransactionRecord, coordinatorEpoch: number, targets: Targets): MarkerRequest {
  const { producerId, producerEpoch, transaction } = record;
  const commit = record.state === 'PrepareCommit';
  return { producerId, producerEpoch, commit, coordinatorEpoch, transaction, ...targets };
}

async function send(
  { host, rpc }: MarkerServices,
  broker: BrokerId,
  request: MarkerRequest,
  signal: AbortSignal,
): Promise<Targets> {
  try {
    // The form is ours: `serveMarkers` writes it.
    const answer = decodeJson(await rpc.call(broker, markerRpc, encodeJson(request), { signal })) as MarkerAnswer;
    return {
      partitions: request.partitions.filter((_, i) => !isDone(answer.partitions[i])),
      groups: request.groups.filter((_, i) => !isDone(answer.groups[i])),
    };
  } catch (error) {
    if (!(error instanceof RpcError) && !signal.aborted) throw error;
    host.telemetry.logger.debug('markers could not be delivered and are sent again', { broker });
    return request;
  }
}

/** Written; or a later epoch of the producer is there, which nobody can have before this end was written. */
function isDone(errorCode: number | undefined): boolean {
  return errorCode === kafkaErrors.NONE || errorCode === kafkaErrors.INVALID_PRODUCER_EPOCH;
}

function byLeader(
  services: MarkerServices,
  record: TransactionRecord,
  targets: Targets,
): { readonly byBroker: Map<BrokerId, Targets>; readonly unknown: Targets } {
  const { metadata } = services;
  const byBroker = new Map<BrokerId, { partitions: TopicPartition[]; groups: string[] }>();
  const unknown: { partitions: TopicPartition[]; groups: string[] } = { partitions: [], groups: [] };
  const ofLeader = (group: GroupId) => {
    const leader = services.leaderOf(group);
    if (leader === undefined) return unknown;
    let own = byBroker.get(leader.broker);
    if (own === undefined) {
      own = { partitions: [], groups: [] };
      byBroker.set(leader.broker, own);
    }
    return own;
  };
  for (const one of targets.partitions) {
    const info = metadata.topics.get(one.topic)?.partitions.find(({ partition }) => partition === one.partition);
    if (info !== undefined) ofLeader(info.group).partitions.push(one);
    // Gone, if this broker's metadata is not older than what the partition was added with: nobody is left to be told.
    else if (metadata.version < record.metadataVersion) unknown.partitions.push(one);
  }
  for (const groupId of targets.groups) ofLeader(metadata.shardOf('groups', groupId)).groups.push(groupId);
  return { byBroker, unknown };
}
