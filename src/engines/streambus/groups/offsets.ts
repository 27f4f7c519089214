import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import type {
  CommitRequest,
  FetchedOffset,
  FetchOffsetsRequest,
  MemberIdentity,
  OffsetsMarker,
  OffsetToCommit,
  TransactionalCommitRequest,
} from './coordinator.ts';
import type { GroupEntry, LoggedOffset } from './entries.ts';
import { memberError } from './join.ts';
import type { LiveGroup } from './live.ts';
import { renewSession } from './rebalance.ts';
import {
  appendEntryWithin,
  assertServing,
  confirmed,
  type GroupRuntime,
  groupLimits,
  isOrphan,
  type KnownTopics,
  ownedOffsets,
  whenSettled,
} from './runtime.ts';
import { applyGroupEntry, hasPendingOffset, type LoggedGroup } from './state.ts';

const encoder = new TextEncoder();

/** OffsetCommit: an error number for each offset of the request. Throws `Unavailable`. */
export function commitOffsets(runtime: GroupRuntime, request: CommitRequest): Promise<readonly number[]> {
  const all = (code: number) => request.offsets.map(() => code);
  return whenSettled(runtime, request.groupId, (group) => {
    const error = committerError(runtime, group, request);
    if (error !== kafkaErrors.NONE) return all(error);
    if (group?.state === 'CompletingRebalance') return all(kafkaErrors.REBALANCE_IN_PROGRESS);
    if (group === undefined && runtime.groupsOnBroker() >= groupLimits.groups) {
      return all(kafkaErrors.COORDINATOR_NOT_AVAILABLE);
    }
    return commit(runtime, request.offsets, (offsets) => ({
      kind: 'offsets',
      group: request.groupId,
      offsets,
      wall: runtime.host.clock.wall(),
      retentionMs: request.retentionMs ?? null,
      metadataVersion: runtime.topics.version,
    }));
  });
}

/**
 * TxnOffsetCommit: the offsets stay pending until the marker of the transaction comes. The first ones of a transaction are taken
 * only if its coordinator says that the group belongs to it. Throws `Unavailable`.
 */
export async function commitTransactionalOffsets(
  runtime: GroupRuntime,
  request: TransactionalCommitRequest,
  add: boolean,
): Promise<readonly number[]> {
  const { producerId, producerEpoch, groupId, transactionalId } = request;
  const errorOf = (group: LiveGroup | undefined) => transactionalCommitterError(runtime, group, request);
  // What has ended up to here is known to the coordinator of the transaction; what ends from here on is seen when applied.
  const lastEnd = runtime.state.producers.get(producerId)?.lastEnd ?? 0;
  let error = await whenSettled(runtime, groupId, errorOf);
  const isVerified =
    hasOpenOffsets(runtime, groupId, producerId, producerEpoch) || runtime.host.telemetry.mutant('no-verify');
  if (error === kafkaErrors.NONE && !isVerified) {
    error = await runtime.verifyOffsets({ transactionalId, producerId, producerEpoch, groupId, add });
  }
  if (error !== kafkaErrors.NONE) return request.offsets.map(() => error);
  return whenSettled(runtime, groupId, (group) => {
    const last = errorOf(group);
    if (last !== kafkaErrors.NONE) return request.offsets.map(() => last);
    return commit(runtime, request.offsets, (offsets) => ({
      kind: 'transaction-offsets',
      group: groupId,
      producerId,
      producerEpoch,
      lastEnd,
      offsets,
      wall: runtime.host.clock.wall(),
      metadataVersion: runtime.topics.version,
    }));
  });
}

function hasOpenOffsets(runtime: GroupRuntime, groupId: string, producerId: number, epoch: number): boolean {
  const pending = runtime.state.groups.get(groupId)?.pending.has(producerId) === true;
  return pending && runtime.state.producers.get(producerId)?.epoch === epoch;
}

/** Proposes those offsets that can be taken; the others have an error each. */
async function commit(
  runtime: GroupRuntime,
  offsets: readonly OffsetToCommit[],
  entryOf: (offsets: readonly LoggedOffset[]) => GroupEntry,
): Promise<readonly number[]> {
  const errors = offsets.map(({ topic, metadata }) => {
    // The topic was there when the request came: it was deleted while its group was busy.
    if (runtime.topics.idOf(topic) === undefined) return kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION;
    const isLong = encoder.encode(metadata).length > groupLimits.metadataBytes;
    return isLong ? kafkaErrors.OFFSET_METADATA_TOO_LARGE : kafkaErrors.NONE;
  });
  const taken = ownedOffsets(
    runtime,
    offsets.filter((_, i) => errors[i] === kafkaErrors.NONE),
  );
  if (taken.length === 0) return errors;
  const entry = entryOf(taken);
  const result = runtime.host.telemetry.mutant('offsets-unlogged')
    ? keepUnlogged(runtime, entry)
    : await appendEntryWithin(runtime, entry);
  if (entry.kind === 'offsets' || entry.kind === 'transaction-offsets') runtime.unlogged.delete(entry.group);
  return errors.map((error) => (error === kafkaErrors.NONE ? result : error));
}

/** The planted bug: only the leader's memory knows. */
function keepUnlogged(runtime: GroupRuntime, entry: GroupEntry): number {
  const data = new TextEncoder().encode(JSON.stringify(entry));
  return applyGroupEntry(runtime.state, { index: Number.MAX_SAFE_INTEGER, term: runtime.handle.term, data });
}

/** Who may commit: members of the present generation, and consumers that assign themselves while the group is empty. */
function committerError(runtime: GroupRuntime, group: LiveGroup | undefined, request: CommitRequest): number {
  const { memberId, generationId, groupInstanceId } = request;
  if (request.groupId === '') return kafkaErrors.INVALID_GROUP_ID;
  if (group === undefined) return generationId < 0 ? kafkaErrors.NONE : kafkaErrors.ILLEGAL_GENERATION;
  if (generationId < 0 && memberId === '' && groupInstanceId === undefined) {
    const isFree = group.members.size === 0 && group.state === 'Empty';
    return isFree ? kafkaErrors.NONE : kafkaErrors.UNKNOWN_MEMBER_ID;
  }
  // Some clients name themselves also when they assign themselves.
  if (generationId < 0 && group.state === 'Empty') return kafkaErrors.NONE;
  return currentMemberError(runtime, group, request, generationId);
}

/** Within a transaction, a consumer of an older client does not say who it is: it is fenced by its producer's epoch alone. */
function transactionalCommitterError(
  runtime: GroupRuntime,
  group: LiveGroup | undefined,
  request: TransactionalCommitRequest,
): number {
  const { generationId, memberId, groupInstanceId } = request;
  if (request.groupId === '') return kafkaErrors.INVALID_GROUP_ID;
  const producer = runtime.state.producers.get(request.producerId);
  if (producer !== undefined && request.producerEpoch < producer.epoch) return kafkaErrors.INVALID_PRODUCER_EPOCH;
  if (generationId < 0 && memberId === '' && groupInstanceId === undefined) return kafkaErrors.NONE;
  if (group === undefined) return generationId < 0 ? kafkaErrors.NONE : kafkaErrors.ILLEGAL_GENERATION;
  return currentMemberError(runtime, group, request, generationId);
}

function currentMemberError(
  runtime: GroupRuntime,
  group: LiveGroup,
  who: MemberIdentity,
  generationId: number,
): number {
  const isOld = generationId !== group.generation;
  if (isOld && runtime.host.telemetry.mutant('old-generation-commits')) return kafkaErrors.NONE;
  const error = memberError(runtime, group, who.memberId, who.groupInstanceId);
  if (error !== kafkaErrors.NONE) return error;
  if (isOld) return kafkaErrors.ILLEGAL_GENERATION;
  const member = group.members.get(who.memberId);
  if (member !== undefined) renewSession(runtime, group, member);
  return kafkaErrors.NONE;
}

/** OffsetFetch. Confirmed by ReadIndex: a leader that was deposed does not answer with what has been overtaken. Throws `Unavailable`. */
export async function fetchOffsets(
  runtime: GroupRuntime,
  request: FetchOffsetsRequest,
): Promise<{ readonly errorCode: number; readonly offsets: readonly FetchedOffset[] }> {
  if (!runtime.host.telemetry.mutant('offset-fetch-stale')) {
    assertServing(runtime);
    await confirmed(runtime.handle);
    assertServing(runtime);
  }
  const group = runtime.state.groups.get(request.groupId);
  const asked = request.partitions ?? (group === undefined ? [] : allPartitions(runtime.topics, group));
  const offsets = asked.map(({ topic, partition }) =>
    fetchedOffset(runtime.topics, group, { topic, partition }, request.requireStable),
  );
  return { errorCode: kafkaErrors.NONE, offsets };
}

function fetchedOffset(
  topics: KnownTopics,
  group: LoggedGroup | undefined,
  { topic, partition }: { readonly topic: string; readonly partition: number },
  requireStable: boolean,
): FetchedOffset {
  const none = { topic, partition, offset: -1, leaderEpoch: -1, metadata: '' };
  if (group !== undefined && requireStable && hasPendingOffset(group, topic, partition)) {
    return { ...none, errorCode: kafkaErrors.UNSTABLE_OFFSET_COMMIT };
  }
  const found = group?.offsets.get(topic)?.get(partition);
  if (found === undefined || isOrphan(topics, topic, found)) return { ...none, errorCode: kafkaErrors.NONE };
  const { offset, leaderEpoch, metadata } = found;
  return { topic, partition, errorCode: kafkaErrors.NONE, offset, leaderEpoch, metadata };
}

function allPartitions(topics: KnownTopics, group: LoggedGroup): { topic: string; partition: number }[] {
  return [...group.offsets].flatMap(([topic, partitions]) =>
    [...partitions].flatMap(([partition, found]) => (isOrphan(topics, topic, found) ? [] : [{ topic, partition }])),
  );
}

/** The end of a transaction: its offsets become visible, or vanish. Throws `Unavailable`. */
export async function endOffsetsTransaction(runtime: GroupRuntime, marker: OffsetsMarker): Promise<number> {
  assertServing(runtime);
  return appendEntryWithin(runtime, {
    kind: 'transaction-end',
    producerId: marker.producerId,
    producerEpoch: marker.producerEpoch,
    coordinatorEpoch: marker.coordinatorEpoch,
    transaction: marker.transaction,
    commit: marker.commit,
    groups: [...marker.groups],
    wall: runtime.host.clock.wall(),
  });
}
