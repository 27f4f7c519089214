import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type {
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse,
} from '../../../../wire/kafka/messages/addPartitionsToTxn.ts';
import type { RequestContext } from '../api.ts';
import { findTransactionCoordinator, isKnownPartition } from './coordinators.ts';
import { dropIfLate } from './lateRequests.ts';
import { fencedError } from './producerErrors.ts';

const fencedFrom = 2;

/** AddPartitionsToTxn: all partitions are added, or, where one of them cannot be, none (55 for those that could). */
export async function addPartitionsToTxn(
  request: AddPartitionsToTxnRequest,
  context: RequestContext,
): Promise<AddPartitionsToTxnResponse> {
  const { transactionalId, producerId, producerEpoch } = request;
  if (!context.authorize('write', 'transactional-id', transactionalId)) {
    return answerAll(request, () => kafkaErrors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  }
  const partitions = request.topics.flatMap(({ name, partitions: indexes }) =>
    indexes.map((partition) => ({ topic: name, partition })),
  );
  const refusalOf = (topic: string, partition: number) => refusal(context, topic, partition);
  if (partitions.some(({ topic, partition }) => refusalOf(topic, partition) !== kafkaErrors.NONE)) {
    return answerAll(request, (topic, partition) => {
      const errorCode = refusalOf(topic, partition);
      return errorCode === kafkaErrors.NONE ? kafkaErrors.OPERATION_NOT_ATTEMPTED : errorCode;
    });
  }
  const found = findTransactionCoordinator(context, transactionalId);
  dropIfLate(context, { transactionalId, producerId, producerEpoch }, found.coordinator);
  if (found.coordinator === undefined) return answerAll(request, () => found.errorCode);
  const errorCode = await found.coordinator.addPartitions({ transactionalId, producerId, producerEpoch }, partitions);
  return answerAll(request, () => fencedError(errorCode, context.version, fencedFrom));
}

function refusal(context: RequestContext, topic: string, partition: number): number {
  if (!context.authorize('write', 'topic', topic)) return kafkaErrors.TOPIC_AUTHORIZATION_FAILED;
  return isKnownPartition(context.services, topic, partition)
    ? kafkaErrors.NONE
    : kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION;
}

function answerAll(
  request: AddPartitionsToTxnRequest,
  errorOf: (topic: string, partition: number) => number,
): AddPartitionsToTxnResponse {
  return {
    results: request.topics.map(({ name, partitions }) => ({
      name,
      results: partitions.map((partitionIndex) => ({
        partitionIndex,
        partitionErrorCode: errorOf(name, partitionIndex),
      })),
    })),
  };
}
