import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { OffsetDeleteRequest, OffsetDeleteResponse } from '../../../../wire/kafka/messages/offsetDelete.ts';
import type { RequestContext } from '../api.ts';
import { findGroupCoordinator, isKnownPartition } from './coordinators.ts';

/** OffsetDelete: the group forgets how far it has read in partitions that no member reads now. */
export async function offsetDelete(
  request: OffsetDeleteRequest,
  context: RequestContext,
): Promise<OffsetDeleteResponse> {
  const { groupId } = request;
  if (!context.authorize('delete', 'group', groupId)) {
    return { errorCode: kafkaErrors.GROUP_AUTHORIZATION_FAILED, topics: [] };
  }
  const { coordinator, errorCode } = findGroupCoordinator(context, groupId);
  if (coordinator === undefined) return { errorCode, topics: [] };
  const asked = request.topics.flatMap(({ name, partitions }) => {
    const isAllowed = context.authorize('read', 'topic', name);
    return partitions.map(({ partitionIndex }) => ({
      topic: name,
      partition: partitionIndex,
      refusal: !isAllowed
        ? kafkaErrors.TOPIC_AUTHORIZATION_FAILED
        : isKnownPartition(context.services, name, partitionIndex)
          ? kafkaErrors.NONE
          : kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION,
    }));
  });
  const taken = asked.filter(({ refusal }) => refusal === kafkaErrors.NONE);
  const answer = await coordinator.deleteOffsets(groupId, taken);
  if (answer.errorCode !== kafkaErrors.NONE) return { errorCode: answer.errorCode, topics: [] };
  const results = new Map<object, number>(
    taken.map((one, i) => [one, answer.partitions[i] ?? kafkaErrors.UNKNOWN_SERVER_ERROR]),
  );
  const topics = new Map<string, { partitionIndex: number; errorCode: number }[]>();
  for (const one of asked) {
    const partitions = topics.get(one.topic) ?? [];
    partitions.push({ partitionIndex: one.partition, errorCode: results.get(one) ?? one.refusal });
    topics.set(one.topic, partitions);
  }
  return { errorCode: kafkaErrors.NONE, topics: [...topics].map(([name, partitions]) => ({ name, partitions })) };
}
