import { offsetCommit } from '../../../../src/engines/streambus/kafka/apis/offsetCommit.ts';
import { offsetFetch } from '../../../../src/engines/streambus/kafka/apis/offsetFetch.ts';
import { txnOffsetCommit } from '../../../../src/engines/streambus/kafka/apis/txnOffsetCommit.ts';
import type { OffsetCommitRequest } from '../../../../src/wire/kafka/messages/offsetCommit.ts';
import type { TxnOffsetCommitRequest } from '../../../../src/wire/kafka/messages/txnOffsetCommit.ts';
import type { CallOptions, Coordination } from './coordination.ts';
import type { Member } from './groupMembers.ts';

/** An offset of topic `orders`, and what a client adds to it. */
export interface Commit {
  readonly topic?: string;
  readonly partition?: number;
  readonly offset: number;
  readonly metadata?: string;
}

function topicsOf(commits: readonly Commit[]): TxnOffsetCommitRequest['topics'] {
  return commits.map(({ topic = 'orders', partition = 0, offset, metadata = '' }) => ({
    name: topic,
    partitions: [
      {
        partitionIndex: partition,
        committedOffset: offset,
        committedLeaderEpoch: 3,
        commitTimestamp: -1,
        committedMetadata: metadata,
      },
    ],
  }));
}

/** OffsetCommit, by a member or (undefined) by a consumer that assigns itself; resolves to the error of each. */
export async function commitOffsets(
  world: Coordination,
  member: Member | undefined,
  commits: readonly Commit[],
  more: Partial<OffsetCommitRequest> = {},
  options: CallOptions = {},
): Promise<number[]> {
  const request: OffsetCommitRequest = {
    groupId: member?.groupId ?? 'g',
    generationIdOrMemberEpoch: member?.generation ?? -1,
    memberId: member?.id ?? '',
    groupInstanceId: member?.groupInstanceId ?? null,
    retentionTimeMs: -1,
    // The request's own type has a time that only version 1 knew.
    topics: topicsOf(commits) as OffsetCommitRequest['topics'],
    ...more,
  };
  const { topics } = await world.call(offsetCommit, request, { version: 8, ...options });
  return topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode));
}

/** Offsets of topic `orders` by partition, for a group; an error number below zero in place of one. */
export async function fetchOffsets(
  world: Coordination,
  groupId = 'g',
  options: CallOptions & { readonly requireStable?: boolean; readonly partitions?: readonly number[] } = {},
): Promise<{ readonly errorCode: number; readonly offsets: readonly number[] }> {
  const { requireStable = false, partitions = [0], ...call } = options;
  const groups = [{ groupId, topics: [{ name: 'orders', partitionIndexes: [...partitions] }] }];
  const answer = await world.call(
    offsetFetch,
    { groupId: '', topics: [], groups, requireStable },
    { version: 8, ...call },
  );
  const [group] = answer.groups ?? [];
  if (group === undefined) throw new Error('expected one group');
  return {
    errorCode: group.errorCode ?? 0,
    offsets: group.topics.flatMap((topic) =>
      topic.partitions.map(({ errorCode, committedOffset }) => (errorCode === 0 ? committedOffset : -errorCode)),
    ),
  };
}

/** TxnOffsetCommit of partition 0 of `orders`; resolves to its error. */
export async function commitInTransaction(
  world: Coordination,
  producer: { readonly transactionalId: string; readonly producerId: number; readonly producerEpoch: number },
  offset: number,
  more: Partial<TxnOffsetCommitRequest> = {},
  options: CallOptions = {},
): Promise<number> {
  const request: TxnOffsetCommitRequest = {
    ...producer,
    groupId: 'g',
    generationId: -1,
    memberId: '',
    groupInstanceId: null,
    topics: topicsOf([{ offset }]),
    ...more,
  };
  const { topics } = await world.call(txnOffsetCommit, request, { version: 3, ...options });
  return topics[0]?.partitions[0]?.errorCode ?? -1;
}
