import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type {
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse,
} from '../../../../wire/kafka/messages/offsetForLeaderEpoch.ts';
import type { RequestContext } from '../api.ts';
import { checkEpoch, findLed } from './partitionLookup.ts';

type PartitionAnswer = OffsetForLeaderEpochResponse['topics'][number]['partitions'][number];
type PartitionQuestion = OffsetForLeaderEpochRequest['topics'][number]['partitions'][number];

/** OffsetForLeaderEpoch: where an epoch of a partition ended, so that a client sees whether its position was truncated (KIP-320). */
export async function offsetForLeaderEpoch(
  request: OffsetForLeaderEpochRequest,
  context: RequestContext,
): Promise<OffsetForLeaderEpochResponse> {
  return {
    topics: request.topics.map(({ topic, partitions }) => {
      const mayDescribe = context.authorize('describe', 'topic', topic);
      return {
        topic,
        partitions: partitions.map((question) =>
          mayDescribe
            ? answerOne(topic, question, context)
            : { partition: question.partition, errorCode: kafkaErrors.TOPIC_AUTHORIZATION_FAILED },
        ),
      };
    }),
  };
}

function answerOne(topic: string, question: PartitionQuestion, { services }: RequestContext): PartitionAnswer {
  const { partition } = question;
  const found = findLed(services, services.metadata.topics.get(topic), partition);
  if (found.replica === undefined) return { partition, errorCode: found.errorCode };
  const errorCode = checkEpoch(found.replica, question.currentLeaderEpoch);
  if (errorCode !== kafkaErrors.NONE) return { partition, errorCode };
  const { epoch, endOffset } = found.replica.endOfEpoch(question.leaderEpoch);
  return { partition, errorCode, leaderEpoch: epoch, endOffset };
}
