import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import {
  type ListOffsetsRequest,
  type ListOffsetsResponse,
  maxTimestamp,
} from '../../../../wire/kafka/messages/listOffsets.ts';
import type { RequestContext } from '../api.ts';
import { codeOfFailure } from './failure.ts';
import { checkEpoch, findLed } from './partitionLookup.ts';

type PartitionAnswer = ListOffsetsResponse['topics'][number]['partitions'][number];
type PartitionQuestion = ListOffsetsRequest['topics'][number]['partitions'][number];

/** First version that knows the place of the largest time. */
const maxTimestampFrom = 7;

/** ListOffsets: where a time, the start or the end of partitions lies; confirmed by a majority. */
export async function listOffsets(request: ListOffsetsRequest, context: RequestContext): Promise<ListOffsetsResponse> {
  const topics = await Promise.all(
    request.topics.map(async ({ name, partitions }) => ({
      name,
      partitions: context.authorize('describe', 'topic', name)
        ? await Promise.all(partitions.map((question) => answerOne(request, name, question, context)))
        : partitions.map(({ partitionIndex }) => ({
            partitionIndex,
            errorCode: kafkaErrors.TOPIC_AUTHORIZATION_FAILED,
          })),
    })),
  );
  return { topics };
}

async function answerOne(
  request: ListOffsetsRequest,
  topic: string,
  question: PartitionQuestion,
  { services, version }: RequestContext,
): Promise<PartitionAnswer> {
  const { partitionIndex, timestamp } = question;
  const found = findLed(services, services.metadata.topics.get(topic), partitionIndex);
  if (found.replica === undefined) return { partitionIndex, errorCode: found.errorCode };
  const badEpoch = checkEpoch(found.replica, question.currentLeaderEpoch);
  if (badEpoch !== kafkaErrors.NONE) return { partitionIndex, errorCode: badEpoch };
  if (timestamp < maxTimestamp || (timestamp === maxTimestamp && version < maxTimestampFrom)) {
    return { partitionIndex, errorCode: kafkaErrors.UNSUPPORTED_VERSION };
  }
  const isolation = request.isolationLevel === 1 ? 'read-committed' : 'read-uncommitted';
  try {
    const { errorCode, offset, timestampMs, leaderEpoch } = await found.replica.offsetFor(timestamp, isolation);
    return { partitionIndex, errorCode, offset, timestamp: timestampMs, leaderEpoch };
  } catch (error) {
    return { partitionIndex, errorCode: codeOfFailure(error) };
  }
}
