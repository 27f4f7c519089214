import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse,
} from '../../../../wire/kafka/messages/describeTopicPartitions.ts';
import { zeroUuid } from '../../../../wire/kafka/schema/types.ts';
import { refuseName } from '../../meta/topicCommands.ts';
import type { RequestContext } from '../api.ts';
import { authorizedOperations } from './authorizedOperations.ts';
import { describePartition } from './metadata.ts';

type TopicAnswer = DescribeTopicPartitionsResponse['topics'][number];

/** Most partitions in one answer, whatever was asked for. */
const maxPartitions = 2_000;

/** DescribeTopicPartitions: topics by name, page by page (KIP-966). */
export async function describeTopicPartitions(
  request: DescribeTopicPartitionsRequest,
  context: RequestContext,
): Promise<DescribeTopicPartitionsResponse> {
  const { services } = context;
  const { cursor } = request;
  const asked =
    request.topics.length === 0
      ? [...services.metadata.topics.keys()].filter((name) => context.authorize('describe', 'topic', name))
      : [...new Set(request.topics.map(({ name }) => name))];
  const names = asked.filter((name) => cursor === null || name >= cursor.topicName).sort(compare);
  let left = Math.min(Math.max(request.responsePartitionLimit, 1), maxPartitions);
  const topics: TopicAnswer[] = [];
  for (const name of names) {
    if (left <= 0) return { topics, nextCursor: { topicName: name, partitionIndex: 0 } };
    const from = cursor?.topicName === name ? Math.max(0, cursor.partitionIndex) : 0;
    const { answer, next } = describe(name, from, left, context);
    topics.push(answer);
    left -= answer.partitions.length;
    if (next !== undefined) return { topics, nextCursor: { topicName: name, partitionIndex: next } };
  }
  return { topics, nextCursor: null };
}

/** Code units, not the language of the machine. */
function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** One topic's partitions from a number on, at most `limit`; `next` is the first that did not fit. */
function describe(
  name: string,
  from: number,
  limit: number,
  context: RequestContext,
): { readonly answer: TopicAnswer; readonly next?: number | undefined } {
  const { services } = context;
  const refused = (errorCode: number) => ({ answer: { errorCode, name, topicId: zeroUuid, partitions: [] } });
  if (refuseName(name) !== undefined) return refused(kafkaErrors.INVALID_TOPIC_EXCEPTION);
  if (!context.authorize('describe', 'topic', name)) return refused(kafkaErrors.TOPIC_AUTHORIZATION_FAILED);
  const topic = services.metadata.topics.get(name);
  if (topic === undefined) return refused(kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION);
  const to = Math.min(topic.partitions.length, from + limit);
  const indexes = Array.from({ length: Math.max(0, to - from) }, (_, at) => from + at);
  const answer = {
    errorCode: kafkaErrors.NONE,
    name,
    topicId: topic.id,
    partitions: indexes.map((partition) => ({
      ...describePartition(services, topic, partition),
      eligibleLeaderReplicas: null,
      lastKnownElr: null,
    })),
    topicAuthorizedOperations: authorizedOperations(context, 'topic', name),
  };
  return { answer, next: to < topic.partitions.length ? to : undefined };
}
