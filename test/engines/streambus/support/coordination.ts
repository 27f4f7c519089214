import { type Rpc, RpcError, type RpcHandler, RpcRefusal } from '../../../../src/engines/streambus/broker/rpc.ts';
import { streamBusConfigSchema } from '../../../../src/engines/streambus/config.ts';
import type { GroupShard } from '../../../../src/engines/streambus/groups/coordinator.ts';
import { openGroupShard } from '../../../../src/engines/streambus/groups/open.ts';
import type { GroupId } from '../../../../src/engines/streambus/ids.ts';
import type { ApiHandler, RequestContext } from '../../../../src/engines/streambus/kafka/api.ts';
import type { PartitionReplica, TransactionMarker } from '../../../../src/engines/streambus/log/replica.ts';
import { streamBusPoints } from '../../../../src/engines/streambus/points.ts';
import type { BrokerServices } from '../../../../src/engines/streambus/services.ts';
import type { TransactionShard } from '../../../../src/engines/streambus/txn/coordinator.ts';
import { createConnectionFence } from '../../../../src/engines/streambus/txn/fence.ts';
import { openTransactionShard } from '../../../../src/engines/streambus/txn/open.ts';
import { serveTransactions } from '../../../../src/engines/streambus/txn/serve.ts';
import type { Host } from '../../../../src/host/host.ts';
import { World, type WorldOptions } from '../../../../src/sim/world.ts';
import { SoloGroup } from './soloGroup.ts';

const groupShard: GroupId = 1;
const transactionShard: GroupId = 9;
const firstPartition: GroupId = 1024;

/** A marker as a partition got it. */
export interface SeenMarker extends TransactionMarker {
  readonly topic: string;
  readonly partition: number;
}

/** One broker with one shard of consumer groups and one of transactions, whose partitions only note the markers they get. */
export interface Coordination {
  readonly host: Host;
  readonly services: BrokerServices;
  readonly groups: SoloGroup;
  readonly transactions: SoloGroup;
  readonly groupShard: GroupShard;
  readonly transactionShard: TransactionShard;
  readonly markers: SeenMarker[];
  /** What partitions answer markers with; by default 0. */
  markerCode: (marker: SeenMarker) => number;
  /** Requests between brokers fail so; undefined: they arrive. */
  rpcFailure: RpcError | undefined;
  /** Names of the requests between brokers, in order. */
  readonly calls: string[];
  /** What DeleteTopics does to the metadata. */
  deleteTopic(name: string): void;
  /** What CreateTopics does to it: the topic has another id than one that had its name before. */
  createTopic(name: string, partitions: number): void;
  /** Groups that have begun a generation, in order. */
  readonly rebalances: string[];
  /** Calls a handler as a connection of a client would. */
  call<Req, Res>(handler: ApiHandler<Req, Res>, request: Req, options?: CallOptions): Promise<Res>;
  sleep(ms: number): Promise<void>;
}

export interface CallOptions {
  /** Default 9, which has everything. */
  readonly version?: number;
  readonly connection?: number;
  readonly clientId?: string;
  /** What is allowed; default everything. */
  readonly authorize?: RequestContext['authorize'];
  readonly waited?: (ms: number) => void;
}

export interface CoordinationOptions extends Partial<WorldOptions> {
  readonly config?: Record<string, unknown>;
  readonly topics?: Readonly<Record<string, number>>;
  /** Virtual time by which the script must have ended. Default 10 minutes. */
  readonly toMs?: number;
}

/** Runs `script` on a machine of its own, in virtual time. Rejects when it throws. */
export async function withCoordination(
  script: (coordination: Coordination) => Promise<void>,
  options: CoordinationOptions = {},
): Promise<void> {
  const world = new World({ seed: 1, points: streamBusPoints, ...options });
  let outcome: { readonly error?: unknown } | undefined;
  world.addMachine('broker').start('broker', async (host) => {
    try {
      await script(await makeCoordination(host, options));
      outcome = {};
    } catch (error) {
      outcome = { error };
    }
  });
  await world.run({ toMs: options.toMs ?? 600_000, until: () => outcome !== undefined });
  if (outcome === undefined) throw new Error('the script did not come to its end within the time of the world');
  if ('error' in outcome) throw outcome.error;
}

async function makeCoordination(host: Host, options: CoordinationOptions): Promise<Coordination> {
  const groups = new SoloGroup({ group: groupShard });
  const transactions = new SoloGroup({ group: transactionShard });
  const topics = topicsOf(options.topics ?? { orders: 4, payments: 2 });
  const markers: SeenMarker[] = [];
  const shards: { groups?: GroupShard; transactions?: TransactionShard } = {};
  let nextId = 1_000;
  const coordination = { markerCode: (_: SeenMarker): number => 0, rpcFailure: undefined as RpcError | undefined };
  const calls: string[] = [];
  let version = 1;
  const watchers = new Set<() => void>();
  const rebalances: string[] = [];
  const served = new Map<string, RpcHandler>();

  const call: Rpc['call'] = async (broker, name, body, callOptions) => {
    await host.clock.sleep(1);
    calls.push(name);
    if (coordination.rpcFailure !== undefined) throw coordination.rpcFailure;
    const handler = served.get(name);
    if (handler === undefined) throw new RpcError('refused', `nobody serves ${name}`, 'UNKNOWN');
    try {
      return await handler(body, broker, callOptions?.signal ?? new AbortController().signal);
    } catch (error) {
      if (error instanceof RpcRefusal) throw new RpcError('refused', error.message, error.code);
      throw error;
    }
  };

  // Only what coordinators and their handlers use of a broker is here: the rest would never be called.
  const services = {
    host,
    config: streamBusConfigSchema.parse(options.config ?? {}),
    broker: 1,
    rpc: {
      serve: (name: string, handler: RpcHandler) => void served.set(name, handler),
      call,
      callLeader: (_: GroupId, name: string, body: Uint8Array) => call(1, name, body),
    },
    metadata: {
      get version() {
        return version;
      },
      topics,
      onChange: (fn: () => void) => {
        watchers.add(fn);
        return () => watchers.delete(fn);
      },
      brokers: new Map([[1, { broker: 1, kafka: { host: 'broker', port: 9092 } }]]),
      shards: [
        { group: groupShard, kind: 'groups', replicas: [1] },
        { group: transactionShard, kind: 'transactions', replicas: [1] },
      ],
      shardOf: (kind: 'groups' | 'transactions') => (kind === 'groups' ? groupShard : transactionShard),
    },
    groupIds: [groupShard, transactionShard],
    leaderOf: (group: GroupId) => {
      const handle = group === groupShard ? groups : group === transactionShard ? transactions : undefined;
      return handle?.leader === undefined && handle !== undefined ? undefined : { broker: 1, term: 1 };
    },
    groupCoordinator: (id: GroupId) => (id === groupShard ? shards.groups?.coordinator : undefined),
    transactionCoordinator: (id: GroupId) => (id === transactionShard ? shards.transactions?.coordinator : undefined),
    partition: (topic: string, partition: number) => partitionOf(topic, partition),
    producerIds: { next: async () => nextId++ },
    connectionFence: createConnectionFence(host),
  } as unknown as BrokerServices;

  function partitionOf(topic: string, partition: number): PartitionReplica {
    return {
      handle: { serving: true },
      endTransaction: async (marker: TransactionMarker) => {
        const seen = { ...marker, topic, partition };
        const errorCode = coordination.markerCode(seen);
        if (errorCode === 0) markers.push(seen);
        return { errorCode };
      },
    } as unknown as PartitionReplica;
  }

  serveTransactions(services);
  shards.groups = await openGroupShard(services, groups, undefined, {
    rebalanced: (groupId) => rebalances.push(groupId),
  });
  shards.transactions = await openTransactionShard(services, transactions, undefined);
  groups.attach(shards.groups);
  transactions.attach(shards.transactions);
  return Object.assign(coordination, {
    host,
    services,
    groups,
    transactions,
    groupShard: shards.groups,
    transactionShard: shards.transactions,
    markers,
    calls,
    deleteTopic(name: string) {
      topics.delete(name);
      version += 1;
      for (const fn of watchers) fn();
    },
    createTopic(name: string, partitions: number) {
      version += 1;
      for (const [key, topic] of topicsOf({ [name]: partitions }, version)) topics.set(key, topic);
      for (const fn of watchers) fn();
    },
    rebalances,
    call: async <Req, Res>(handler: ApiHandler<Req, Res>, request: Req, callOptions: CallOptions = {}) => {
      const answer = await handler(request, contextOf(services, callOptions));
      if (answer === undefined) throw new Error('expected an answer');
      return answer;
    },
    sleep: (ms: number) => host.clock.sleep(ms),
  });
}

function contextOf(services: BrokerServices, options: CallOptions): RequestContext {
  return {
    services,
    apiKey: -1,
    version: options.version ?? 9,
    clientId: options.clientId ?? 'app',
    principal: 'User:ANONYMOUS',
    clientHost: '10.0.0.7',
    connection: options.connection ?? 1,
    authorize: options.authorize ?? (() => true),
    authorizeSome: (operation, type) => options.authorize?.(operation, type, '') ?? true,
    signal: new AbortController().signal,
    waited: options.waited ?? (() => {}),
  };
}

function topicsOf(counts: Readonly<Record<string, number>>, version = 1) {
  let group = firstPartition;
  return new Map(
    Object.entries(counts).map(([name, count]) => [
      name,
      {
        name,
        id: new Uint8Array(16).fill(version),
        partitions: Array.from({ length: count }, (_, partition) => ({ topic: name, partition, group: group++ })),
      },
    ]),
  );
}
