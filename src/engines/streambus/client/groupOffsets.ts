import { apiKeys } from '../../../wire/kafka/apis.ts';
import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import { kafkaError } from './clientError.ts';
import type { Cluster } from './cluster.ts';
import type { TopicPartition } from './consumerProtocol.ts';
import { type OffsetToCommit, offsetsByTopic } from './transaction.ts';

export interface CommittedOffset extends TopicPartition {
  /** -1: nothing is committed. */
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string;
}

/** The member that commits; nobody: the group must be empty. */
export interface CommittingMember {
  readonly generationId: number;
  readonly memberId: string;
  readonly groupInstanceId: string | undefined;
}

/** Commits offsets of a group. Rejects with the first error of a partition. */
export async function commitOffsets(
  cluster: Cluster,
  groupId: string,
  offsets: readonly OffsetToCommit[],
  member?: CommittingMember,
): Promise<void> {
  if (offsets.length === 0) return;
  await cluster.askCoordinator('group', groupId, async (connection) => {
    const answer = await connection.request(apiKeys.OffsetCommit, {
      groupId,
      generationIdOrMemberEpoch: member?.generationId ?? -1,
      memberId: member?.memberId ?? '',
      groupInstanceId: member?.groupInstanceId ?? null,
      topics: offsetsByTopic(offsets),
    });
    for (const { name, partitions } of answer.topics) {
      const failed = partitions.find((one) => one.errorCode !== 0);
      if (failed !== undefined) {
        throw kafkaError('coordinate', `commit of ${groupId} for ${name}/${failed.partitionIndex}`, failed.errorCode);
      }
    }
  });
}

/**
 * Committed offsets of a group, of these partitions or of all it has. `isStable` waits for transactions that have offsets
 * pending (KIP-447).
 */
export async function committedOffsets(
  cluster: Cluster,
  groupId: string,
  partitions: readonly TopicPartition[] | undefined,
  isStable = false,
): Promise<CommittedOffset[]> {
  const topics =
    partitions === undefined
      ? null
      : [...Map.groupBy(partitions, (one) => one.topic)].map(([name, of]) => ({
          name,
          partitionIndexes: of.map((one) => one.partition),
        }));
  return await cluster.retrying('read', async () => {
    const connection = await cluster.coordinatorOf('group', groupId);
    try {
      const answer = await connection.request(apiKeys.OffsetFetch, {
        groupId,
        topics,
        groups: [{ groupId, topics }],
        requireStable: isStable,
      });
      const group = answer.groups[0] ?? answer;
      if (group.errorCode !== 0) throw kafkaError('read', `offsets of ${groupId}`, group.errorCode);
      return group.topics.flatMap(({ name, partitions: of }) =>
        of.map(({ partitionIndex, committedOffset, committedLeaderEpoch, metadata, errorCode }) => {
          if (errorCode !== 0)
            throw kafkaError('read', `offset of ${groupId} for ${name}/${partitionIndex}`, errorCode);
          return {
            topic: name,
            partition: partitionIndex,
            offset: committedOffset,
            leaderEpoch: committedLeaderEpoch,
            metadata: metadata ?? '',
          };
        }),
      );
    } catch (error) {
      const number = error instanceof Error && 'errorNumber' in error ? error.errorNumber : undefined;
      if (number !== kafkaErrors.UNSTABLE_OFFSET_COMMIT) cluster.forgetCoordinator('group', groupId);
      throw error;
    }
  });
}
