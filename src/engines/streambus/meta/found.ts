import type { RaftId } from '../../../consensus/types.ts';
import { type BrokerId, metaGroup, raftIdOf } from '../ids.ts';
import { Load, metaVoters, place } from './assign.ts';
import type { Endpoint } from './commands.ts';
import type { ShardInfo } from './metadata.ts';
import { MetaState } from './model.ts';
import { decodeState, encodeState } from './stateFile.ts';

/** A broker with which a cluster begins. */
export interface Founder {
  readonly broker: BrokerId;
  readonly kafka: Endpoint;
  readonly rpc: Endpoint;
  readonly http: Endpoint;
  readonly rack: string | undefined;
}

/** What a new cluster is to be. */
export interface Founding {
  readonly clusterId: string;
  readonly founders: readonly Founder[];
  /** How many shards of each kind; fixed for ever. */
  readonly shards: { readonly groups: number; readonly transactions: number };
}

/** Replicas of a shard where there are brokers enough. */
const shardReplication = 3;
const firstIncarnation = 1;

/** The metadata with which a cluster begins, as bytes: everything follows from what is given. */
export function foundCluster({ clusterId, founders, shards }: Founding): Uint8Array {
  const state = new MetaState();
  state.clusterId = clusterId;
  const load = new Load();
  const begin = (kind: ShardInfo['kind'], group: number, count: number): ShardInfo => {
    const replicas = place(founders, count, load);
    if (replicas === undefined) throw new Error(`a cluster of ${founders.length} brokers cannot begin`);
    const members = replicas.map((broker) => raftIdOf(broker, firstIncarnation)).sort((left, right) => left - right);
    return { group, kind, replicas, founders: members };
  };
  const replication = Math.min(shardReplication, founders.length);
  const meta = begin('meta', metaGroup, metaVoters(founders.length));
  const first = metaGroup + 1;
  state.shards = [
    meta,
    ...Array.from({ length: shards.groups }, (_, at) => begin('groups', first + at, replication)),
    ...Array.from({ length: shards.transactions }, (_, at) =>
      begin('transactions', first + shards.groups + at, replication),
    ),
  ];
  for (const founder of founders) {
    state.brokers.set(founder.broker, {
      ...founder,
      incarnation: firstIncarnation,
      storage: '',
      startCount: 0,
      state: 'active',
      voter: meta.replicas.includes(founder.broker),
      session: '',
      journalEnd: 0,
    });
  }
  return encodeState(state);
}

/** The voters with which the metadata's group begins, from the bytes of `foundCluster`. */
export function metaFounders(founded: Uint8Array): readonly RaftId[] {
  return decodeState(founded).shards.find(({ kind }) => kind === 'meta')?.founders ?? [];
}
