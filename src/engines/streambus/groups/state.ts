import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import type { CommittedEntry } from '../broker/group.ts';
import { decodeJson, encodeJson, type GroupEntry, type LoggedMember, type LoggedOffset } from './entries.ts';

/** An offset that is committed. */
export interface CommittedOffset {
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string;
  /** Wall time of the leader at the commit. */
  readonly wall: number;
  readonly retentionMs: number | null;
  /** Version of the metadata in which its topic existed: if a later one lacks the topic, it was deleted since. */
  readonly metadataVersion: number;
  /** Id of its topic in hex; undefined: an early entry did not say. */
  readonly topicId: string | undefined;
  /** Index of the entry that brought it: the later one wins, also between a commit and a transaction's end. */
  readonly at: number;
}

/** Offsets by topic and partition. */
export type Offsets<T> = Map<string, Map<number, T>>;

/** A consumer group as every replica knows it. */
export interface LoggedGroup {
  readonly groupId: string;
  generation: number;
  /** Empty: only consumers that assign themselves have used it. */
  protocolType: string;
  protocol: string | null;
  leader: string | null;
  members: Map<string, LoggedMember>;
  /** The leader of this generation has said who does what. */
  assigned: boolean;
  /** Wall time at which it got its present members. */
  changedWall: number;
  readonly offsets: Offsets<CommittedOffset>;
  /** Offsets of open transactions, by producer id. */
  readonly pending: Map<number, Offsets<CommittedOffset>>;
}

/** A producer that has committed offsets in transactions of this shard. */
export interface ProducerRecord {
  epoch: number;
  coordinatorEpoch: number;
  /** The last transaction of it that ended here; 0: none. */
  transaction: number;
  /** Index of the entry that ended it; 0: none. */
  lastEnd: number;
  /** Wall time at which it was heard of last. */
  wall: number;
}

/** The replicated state of a shard. Entries change it; only `apply` does. */
export interface ShardState {
  readonly groups: Map<string, LoggedGroup>;
  readonly producers: Map<number, ProducerRecord>;
}

export function emptyState(): ShardState {
  return { groups: new Map(), producers: new Map() };
}

/** Applies an entry; what comes back is an error number for those that can be refused, else 0. */
export function applyGroupEntry(state: ShardState, committed: CommittedEntry): number {
  // The form is ours: entries are written by `encodeJson` from a GroupEntry only.
  const entry = decodeJson(committed.data) as GroupEntry;
  switch (entry.kind) {
    case 'generation': {
      const group = groupOf(state, entry.group, entry.wall);
      group.generation = entry.generation;
      group.protocolType = entry.protocolType;
      group.protocol = entry.protocol;
      group.leader = entry.leader;
      group.members = new Map(entry.members.map((member) => [member.memberId, member]));
      group.assigned = false;
      group.changedWall = entry.wall;
      return kafkaErrors.NONE;
    }
    case 'assignment': {
      const group = state.groups.get(entry.group);
      if (group === undefined || group.generation !== entry.generation) return kafkaErrors.ILLEGAL_GENERATION;
      for (const [memberId, assignment] of entry.assignments) {
        const member = group.members.get(memberId);
        if (member !== undefined) group.members.set(memberId, { ...member, assignment });
      }
      group.assigned = true;
      group.changedWall = entry.wall;
      return kafkaErrors.NONE;
    }
    case 'replaced':
      return replaceMember(state.groups.get(entry.group), entry.former, entry.member);
    case 'offsets': {
      const group = groupOf(state, entry.group, entry.wall);
      for (const offset of entry.offsets) {
        put(group.offsets, offset, committedOffset(offset, entry, entry.retentionMs, committed.index));
      }
      return kafkaErrors.NONE;
    }
    case 'transaction-offsets':
      return applyTransactionOffsets(state, entry, committed.index);
    case 'transaction-end':
      return applyTransactionEnd(state, entry, committed.index);
    case 'expire':
      return applyExpiry(state, entry);
    case 'delete-offsets': {
      const group = state.groups.get(entry.group);
      for (const [topic, partition] of entry.partitions)
        if (group !== undefined) remove(group.offsets, topic, partition);
      return kafkaErrors.NONE;
    }
    case 'delete-group':
      state.groups.delete(entry.group);
      return kafkaErrors.NONE;
  }
}

function replaceMember(group: LoggedGroup | undefined, former: string, member: LoggedMember): number {
  const old = group?.members.get(former);
  if (group === undefined || old === undefined) return kafkaErrors.UNKNOWN_MEMBER_ID;
  // Rebuilt, so that the member keeps its place in the order.
  group.members = new Map(
    [...group.members].map(([id, other]) =>
      id === former ? [member.memberId, { ...member, assignment: old.assignment }] : [id, other],
    ),
  );
  if (group.leader === former) group.leader = member.memberId;
  return kafkaErrors.NONE;
}

function applyTransactionOffsets(
  state: ShardState,
  entry: GroupEntry & { readonly kind: 'transaction-offsets' },
  index: number,
): number {
  const producer = producerOf(state, entry.producerId, entry.producerEpoch, entry.wall);
  if (entry.producerEpoch < producer.epoch) return kafkaErrors.INVALID_PRODUCER_EPOCH;
  // The transaction ended while this was under way: taken now, the offsets would belong to the next one.
  if (producer.lastEnd !== entry.lastEnd) return kafkaErrors.CONCURRENT_TRANSACTIONS;
  producer.epoch = entry.producerEpoch;
  producer.wall = entry.wall;
  const group = groupOf(state, entry.group, entry.wall);
  let pending = group.pending.get(entry.producerId);
  if (pending === undefined) {
    pending = new Map();
    group.pending.set(entry.producerId, pending);
  }
  for (const offset of entry.offsets) put(pending, offset, committedOffset(offset, entry, null, index));
  return kafkaErrors.NONE;
}

function applyTransactionEnd(
  state: ShardState,
  entry: GroupEntry & { readonly kind: 'transaction-end' },
  index: number,
): number {
  const producer = producerOf(state, entry.producerId, entry.producerEpoch, entry.wall);
  if (entry.coordinatorEpoch < producer.coordinatorEpoch) return kafkaErrors.CONCURRENT_TRANSACTIONS;
  if (entry.transaction <= producer.transaction) return kafkaErrors.NONE;
  if (entry.producerEpoch < producer.epoch) return kafkaErrors.INVALID_PRODUCER_EPOCH;
  producer.epoch = entry.producerEpoch;
  producer.coordinatorEpoch = entry.coordinatorEpoch;
  producer.transaction = entry.transaction;
  producer.lastEnd = index;
  producer.wall = entry.wall;
  for (const groupId of entry.groups) {
    const group = state.groups.get(groupId);
    const pending = group?.pending.get(entry.producerId);
    if (group === undefined || pending === undefined) continue;
    group.pending.delete(entry.producerId);
    if (entry.commit) merge(group.offsets, pending);
  }
  return kafkaErrors.NONE;
}

function applyExpiry(state: ShardState, entry: GroupEntry & { readonly kind: 'expire' }): number {
  for (const [groupId, topic, partition, at] of entry.offsets) {
    const group = state.groups.get(groupId);
    if (group?.offsets.get(topic)?.get(partition)?.at === at) remove(group.offsets, topic, partition);
  }
  for (const groupId of entry.groups) {
    const group = state.groups.get(groupId);
    if (group !== undefined && isForgettable(group)) state.groups.delete(groupId);
  }
  for (const [producerId, wall] of entry.producers) {
    if (state.producers.get(producerId)?.wall === wall) state.producers.delete(producerId);
  }
  return kafkaErrors.NONE;
}

/** Nobody is in it and nothing is kept for it. */
export function isForgettable(group: LoggedGroup): boolean {
  return group.members.size === 0 && group.offsets.size === 0 && group.pending.size === 0;
}

/** Whether an open transaction has an offset for the partition. */
export function hasPendingOffset(group: LoggedGroup, topic: string, partition: number): boolean {
  for (const offsets of group.pending.values()) if (offsets.get(topic)?.has(partition) === true) return true;
  return false;
}

function groupOf(state: ShardState, groupId: string, wall: number): LoggedGroup {
  let group = state.groups.get(groupId);
  if (group === undefined) {
    group = {
      groupId,
      generation: 0,
      protocolType: '',
      protocol: null,
      leader: null,
      members: new Map(),
      assigned: false,
      changedWall: wall,
      offsets: new Map(),
      pending: new Map(),
    };
    state.groups.set(groupId, group);
  }
  return group;
}

function producerOf(state: ShardState, producerId: number, epoch: number, wall: number): ProducerRecord {
  let producer = state.producers.get(producerId);
  if (producer === undefined) {
    producer = { epoch, coordinatorEpoch: 0, transaction: 0, lastEnd: 0, wall };
    state.producers.set(producerId, producer);
  }
  return producer;
}

function committedOffset(
  { offset, leaderEpoch, metadata, topicId }: LoggedOffset,
  { wall, metadataVersion }: { readonly wall: number; readonly metadataVersion: number },
  retentionMs: number | null,
  at: number,
): CommittedOffset {
  return { offset, leaderEpoch, metadata, wall, retentionMs, metadataVersion, topicId, at };
}

function put<T>(offsets: Offsets<T>, key: { readonly topic: string; readonly partition: number }, value: T): void {
  let partitions = offsets.get(key.topic);
  if (partitions === undefined) {
    partitions = new Map();
    offsets.set(key.topic, partitions);
  }
  partitions.set(key.partition, value);
}

function remove<T>(offsets: Offsets<T>, topic: string, partition: number): void {
  const partitions = offsets.get(topic);
  partitions?.delete(partition);
  if (partitions?.size === 0) offsets.delete(topic);
}

function merge(into: Offsets<CommittedOffset>, from: Offsets<CommittedOffset>): void {
  for (const [topic, partitions] of from) {
    for (const [partition, offset] of partitions) {
      const present = into.get(topic)?.get(partition);
      if (present === undefined || present.at < offset.at) put(into, { topic, partition }, offset);
    }
  }
}

interface SavedGroup extends Omit<LoggedGroup, 'members' | 'offsets' | 'pending'> {
  readonly members: readonly LoggedMember[];
  readonly offsets: SavedOffsets;
  readonly pending: readonly (readonly [number, SavedOffsets])[];
}

type SavedOffsets = readonly (readonly [topic: string, partitions: readonly (readonly [number, CommittedOffset])[]])[];

interface SavedState {
  readonly format: 1;
  readonly groups: readonly SavedGroup[];
  readonly producers: readonly (readonly [number, ProducerRecord])[];
}

/** The whole state as bytes: for snapshot files, and for replicas that the log no longer reaches. */
export function encodeState(state: ShardState): Uint8Array {
  const saved: SavedState = {
    format: 1,
    groups: [...state.groups.values()].map((group) => ({
      ...group,
      members: [...group.members.values()],
      offsets: saveOffsets(group.offsets),
      pending: [...group.pending].map(([producerId, offsets]) => [producerId, saveOffsets(offsets)] as const),
    })),
    producers: [...state.producers],
  };
  return encodeJson(saved);
}

/** Throws on bytes of another format. */
export function decodeState(bytes: Uint8Array): ShardState {
  // The form is ours, or of a later version: its number is checked before anything else is read.
  const saved = decodeJson(bytes) as SavedState;
  if (saved.format !== 1) throw new Error(`state of consumer groups: expected format 1, got ${String(saved.format)}`);
  return {
    groups: new Map(
      saved.groups.map((group) => [
        group.groupId,
        {
          ...group,
          members: new Map(group.members.map((member) => [member.memberId, member])),
          offsets: loadOffsets(group.offsets),
          pending: new Map(group.pending.map(([producerId, offsets]) => [producerId, loadOffsets(offsets)])),
        },
      ]),
    ),
    producers: new Map(saved.producers),
  };
}

function saveOffsets(offsets: Offsets<CommittedOffset>): SavedOffsets {
  return [...offsets].map(([topic, partitions]) => [topic, [...partitions]]);
}

function loadOffsets(offsets: SavedOffsets): Offsets<CommittedOffset> {
  return new Map(offsets.map(([topic, partitions]) => [topic, new Map(partitions)]));
}
