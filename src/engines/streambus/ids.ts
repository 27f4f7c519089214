import type { RaftId } from '../../consensus/types.ts';

/** Number of a broker, 1..2^31−1: the machine's, for ever. */
export type BrokerId = number;

/** How often a broker has lost what it had promised: 1..65535. A disk that is new, foreign or old gets the next one. */
export type Incarnation = number;

/** Number of a Raft group: 0 meta, then the shards, then partitions from `firstPartitionGroup`; never given twice. */
export type GroupId = number;

export const metaGroup: GroupId = 0;
/** Shards lie below, so that their number can be chosen at format. */
export const firstPartitionGroup: GroupId = 1024;

const incarnationsPerBroker = 65_536;

/** Member of a group: a broker that lost its disk is another member. */
export function raftIdOf(broker: BrokerId, incarnation: Incarnation): RaftId {
  return broker * incarnationsPerBroker + incarnation;
}

export function brokerOf(id: RaftId): BrokerId {
  return Math.floor(id / incarnationsPerBroker);
}

export function incarnationOf(id: RaftId): Incarnation {
  return id % incarnationsPerBroker;
}
