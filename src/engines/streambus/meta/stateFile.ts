import { decodeJson, encodeJson } from './json.ts';
import type { AclBinding, PartitionInfo, Quota, QuotaEntity, ScramCredential, ShardInfo } from './metadata.ts';
import { aclKey, type BrokerRecord, entityKey, MetaState } from './model.ts';

/** Version of the form below. */
const format = 1;

interface StoredTopic {
  readonly name: string;
  readonly id: Uint8Array;
  readonly createdWall: number;
  readonly configs: readonly (readonly [string, string])[];
  readonly partitions: readonly Omit<PartitionInfo, 'topic' | 'partition'>[];
}

interface StoredState {
  readonly format: number;
  readonly clusterId: string;
  readonly nextGroup: number;
  readonly nextProducerId: number;
  readonly readOnly?: string;
  readonly shards: readonly ShardInfo[];
  readonly brokers: readonly BrokerRecord[];
  readonly topics: readonly StoredTopic[];
  readonly acls: readonly AclBinding[];
  readonly credentials: readonly (readonly [string, readonly ScramCredential[]])[];
  readonly quotas: readonly { readonly entity: QuotaEntity; readonly quota: Partial<Quota> }[];
  readonly results: readonly (readonly [string, unknown])[];
}

function byText<T>(key: (value: T) => string): (left: T, right: T) => number {
  return (left, right) => (key(left) < key(right) ? -1 : key(left) > key(right) ? 1 : 0);
}

/** The state as bytes: the same state gives the same ones, in whatever order it came about. */
export function encodeState(state: MetaState): Uint8Array {
  const stored: StoredState = {
    format,
    clusterId: state.clusterId,
    nextGroup: state.nextGroup,
    nextProducerId: state.nextProducerId,
    ...(state.readOnly === undefined ? {} : { readOnly: state.readOnly }),
    shards: state.shards.map(({ group, kind, replicas, founders }) => ({ group, kind, replicas, founders })),
    brokers: [...state.brokers.values()].sort((left, right) => left.broker - right.broker).map(storedBroker),
    topics: [...state.topics.values()].sort(byText(({ name }) => name)).map((topic) => ({
      name: topic.name,
      id: topic.id,
      createdWall: topic.createdWall,
      configs: [...topic.configs].sort(byText(([name]) => name)),
      partitions: topic.partitions.map(({ group, generation, replicas, founders }) => ({
        group,
        generation,
        replicas,
        founders,
      })),
    })),
    acls: [...state.acls].sort(byText(([key]) => key)).map(([, binding]) => binding),
    credentials: [...state.credentials].sort(byText(([user]) => user)),
    quotas: [...state.quotas].sort(byText(([key]) => key)).map(([, record]) => record),
    results: [...state.results],
  };
  return encodeJson(stored);
}

function storedBroker(broker: BrokerRecord): BrokerRecord {
  const {
    broker: id,
    incarnation,
    kafka,
    rpc,
    http,
    rack,
    storage,
    startCount,
    state,
    voter,
    session,
    journalEnd,
  } = broker;
  return { broker: id, incarnation, kafka, rpc, http, rack, storage, startCount, state, voter, session, journalEnd };
}

/** The other direction of `encodeState`. Throws for a form that this version does not know. */
export function decodeState(bytes: Uint8Array): MetaState {
  // Written by `encodeState`, and held whole by the checksum of the file or message it came in.
  const stored = decodeJson(bytes) as StoredState;
  if (stored.format !== format) {
    throw new Error(`metadata of format ${stored.format}: this version reads ${format}; use the version that wrote it`);
  }
  const state = new MetaState();
  state.clusterId = stored.clusterId;
  state.nextGroup = stored.nextGroup;
  state.nextProducerId = stored.nextProducerId;
  state.readOnly = stored.readOnly;
  state.shards = stored.shards;
  for (const broker of stored.brokers) state.brokers.set(broker.broker, { ...broker, rack: broker.rack });
  for (const topic of stored.topics) {
    state.setTopic({
      name: topic.name,
      id: topic.id,
      createdWall: topic.createdWall,
      configs: new Map(topic.configs),
      partitions: topic.partitions.map((partition, number) => ({ topic: topic.name, partition: number, ...partition })),
    });
  }
  for (const binding of stored.acls) state.acls.set(aclKey(binding), binding);
  for (const [user, credentials] of stored.credentials) state.credentials.set(user, credentials);
  for (const { entity, quota } of stored.quotas) {
    const full: QuotaEntity = { user: entity.user, clientId: entity.clientId };
    state.quotas.set(entityKey(full), { entity: full, quota: { ...noQuota, ...quota } });
  }
  for (const [id, result] of stored.results) state.results.set(id, result);
  return state;
}

/** No limit of any kind. */
export const noQuota: Quota = {
  produceRate: undefined,
  fetchRate: undefined,
  produceBytesRate: undefined,
  fetchBytesRate: undefined,
};
