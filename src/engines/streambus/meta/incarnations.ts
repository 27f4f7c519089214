import type { RaftId } from '../../../consensus/types.ts';
import { type BrokerId, type GroupId, type Incarnation, metaGroup, raftIdOf } from '../ids.ts';
import type { RegisterBroker, RegisterBrokerResult } from './commands.ts';
import type { BrokerInfo, Metadata } from './metadata.ts';
import type { BrokerRecord, MetaState } from './model.ts';

/** A broker that lost its disk more often than this has to be given another number. */
export const lastIncarnation = 65_535;

/**
 * Registers a start of a broker. Its storage vouches for what it promised in votes and acknowledgements: another storage, a
 * registration without an identity, a count of starts that the cluster has seen already or a journal that was longer at an earlier
 * start make it another member, and the old one is fenced for ever.
 */
export function registerBroker(
  state: MetaState,
  command: RegisterBroker,
  acceptsRollback: boolean,
): RegisterBrokerResult {
  const known = state.brokers.get(command.broker);
  const { verdict, incarnation } = judge(known, command, acceptsRollback);
  if (verdict === 'outrun' || isRepeated(known, command)) return { verdict, incarnation, clusterId: state.clusterId };
  if (incarnation > lastIncarnation) {
    return { verdict: 'exhausted', incarnation: lastIncarnation, clusterId: state.clusterId };
  }
  const record: BrokerRecord = {
    broker: command.broker,
    incarnation,
    kafka: command.kafka,
    rpc: command.rpc,
    http: command.http,
    rack: command.rack,
    storage: command.storage,
    startCount: command.startCount,
    state: known?.state === 'draining' ? 'draining' : 'active',
    voter: state.shards.some(({ kind, replicas }) => kind === 'meta' && replicas.includes(command.broker)),
    session: command.session,
    journalEnd: command.durableEnd,
  };
  state.brokers.set(command.broker, record);
  return { verdict, incarnation, clusterId: state.clusterId };
}

/** What it asked for it was given before. Meanwhile it may have registered itself: how far its journal was durable then stays known. */
function isRepeated(known: BrokerRecord | undefined, { incarnation, session, storage }: RegisterBroker): boolean {
  return incarnation === 0 && known?.session === session && known.storage === storage;
}

function judge(
  known: BrokerRecord | undefined,
  command: RegisterBroker,
  acceptsRollback: boolean,
): Pick<RegisterBrokerResult, 'verdict' | 'incarnation'> {
  const claimed = command.incarnation;
  if (known === undefined) return { verdict: 'joined', incarnation: claimed + 1 };
  const next = Math.max(known.incarnation, claimed) + 1;
  // The same start again: the answer was lost, or it has taken over the incarnation that it was given.
  if (known.session === command.session) {
    const isNew = claimed !== known.incarnation;
    return { verdict: isNew ? 'replaced' : 'known', incarnation: known.incarnation };
  }
  if (command.seen !== undefined && command.seen !== known.incarnation) {
    return { verdict: 'outrun', incarnation: known.incarnation };
  }
  if (claimed === 0) return { verdict: 'replaced', incarnation: next };
  if (known.storage !== '' && known.storage !== command.storage) return { verdict: 'replaced', incarnation: next };
  if (claimed < known.incarnation) return { verdict: 'fenced', incarnation: next };
  if (claimed > known.incarnation) return { verdict: 'replaced', incarnation: next };
  const isOlder = command.startCount <= known.startCount || command.journalEnd < known.journalEnd;
  if (isOlder && !acceptsRollback) return { verdict: 'rolled-back', incarnation: next };
  return { verdict: 'known', incarnation: known.incarnation };
}

/** Member of every group that a broker is now. */
export function memberOf(metadata: Pick<Metadata, 'brokers'>, broker: BrokerId): RaftId | undefined {
  const info = metadata.brokers.get(broker);
  return info === undefined ? undefined : raftIdOf(broker, info.incarnation);
}

/**
 * Who should belong to a group: its replicas in their current incarnations vote, the preferred leader first; of the metadata's group
 * every other broker is a learner, so that metadata is local everywhere. Undefined: no such group.
 */
export function desiredMembers(
  metadata: Pick<Metadata, 'brokers' | 'shards' | 'partitionOf'>,
  group: GroupId,
): { readonly voters: readonly RaftId[]; readonly learners: readonly RaftId[] } | undefined {
  const replicas =
    metadata.shards.find((shard) => shard.group === group)?.replicas ?? metadata.partitionOf(group)?.replicas;
  if (replicas === undefined) return undefined;
  const members = (brokers: Iterable<BrokerId>) => [...brokers].flatMap((broker) => memberOf(metadata, broker) ?? []);
  const others = (): BrokerInfo[] =>
    [...metadata.brokers.values()].filter(({ broker, state }) => state !== 'left' && !replicas.includes(broker));
  return {
    voters: members(replicas),
    learners: group === metaGroup ? members(others().map(({ broker }) => broker)).sort((a, b) => a - b) : [],
  };
}

/** Whether a message of this broker may count: neither of an incarnation that was replaced nor of a disk that was rolled back. */
export function isCurrent(
  metadata: Pick<Metadata, 'brokers'>,
  broker: BrokerId,
  incarnation: Incarnation,
  startCount: number,
): boolean {
  const info = metadata.brokers.get(broker);
  if (info === undefined) return true;
  if (incarnation !== info.incarnation) return incarnation > info.incarnation;
  return startCount >= info.startCount;
}
