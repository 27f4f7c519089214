import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { DeleteRecordsRequest, DeleteRecordsResponse } from '../../../../wire/kafka/messages/deleteRecords.ts';
import type { RequestContext } from '../api.ts';
import { codeOfFailure } from './failure.ts';
import { findLed } from './partitionLookup.ts';

type PartitionAnswer = DeleteRecordsResponse['topics'][number]['partitions'][number];

/** DeleteRecords: moves the start of partitions forward; it is an entry of their logs, so it happens alike on every replica. */
export async function deleteRecords(
  request: DeleteRecordsRequest,
  context: RequestContext,
): Promise<DeleteRecordsResponse> {
  const topics = await Promise.all(
    request.topics.map(async ({ name, partitions }) => {
      const mayDelete = context.authorize('delete', 'topic', name);
      const answers = partitions.map(({ partitionIndex, offset }): Promise<PartitionAnswer> | PartitionAnswer =>
        mayDelete
          ? deleteOne(name, partitionIndex, offset, context)
          : { partitionIndex, lowWatermark: -1, errorCode: kafkaErrors.TOPIC_AUTHORIZATION_FAILED },
      );
      return { name, partitions: await Promise.all(answers) };
    }),
  );
  return { topics };
}

async function deleteOne(
  topic: string,
  partitionIndex: number,
  offset: number,
  { services }: RequestContext,
): Promise<PartitionAnswer> {
  const found = findLed(services, services.metadata.topics.get(topic), partitionIndex);
  if (found.replica === undefined) return { partitionIndex, lowWatermark: -1, errorCode: found.errorCode };
  if (offset < -1) return { partitionIndex, lowWatermark: -1, errorCode: kafkaErrors.OFFSET_OUT_OF_RANGE };
  try {
    const { errorCode, logStartOffset } = await found.replica.deleteBefore(offset);
    return { partitionIndex, lowWatermark: errorCode === 0 ? logStartOffset : -1, errorCode };
  } catch (error) {
    return { partitionIndex, lowWatermark: -1, errorCode: codeOfFailure(error) };
  }
}
