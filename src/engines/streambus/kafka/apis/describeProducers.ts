import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type {
  DescribeProducersRequest,
  DescribeProducersResponse,
} from '../../../../wire/kafka/messages/describeProducers.ts';
import type { RequestContext } from '../api.ts';
import { findLed } from './partitionLookup.ts';

type PartitionAnswer = DescribeProducersResponse['topics'][number]['partitions'][number];

/** DescribeProducers: what partitions remember of idempotent and transactional producers (KIP-664). */
export async function describeProducers(
  request: DescribeProducersRequest,
  context: RequestContext,
): Promise<DescribeProducersResponse> {
  return {
    topics: request.topics.map(({ name, partitionIndexes }) => {
      const mayRead = context.authorize('read', 'topic', name);
      return {
        name,
        partitions: partitionIndexes.map((partitionIndex) =>
          mayRead
            ? describe(name, partitionIndex, context)
            : { partitionIndex, errorCode: kafkaErrors.TOPIC_AUTHORIZATION_FAILED, activeProducers: [] },
        ),
      };
    }),
  };
}

function describe(topic: string, partitionIndex: number, { services }: RequestContext): PartitionAnswer {
  const found = findLed(services, services.metadata.topics.get(topic), partitionIndex);
  if (found.replica === undefined) return { partitionIndex, errorCode: found.errorCode, activeProducers: [] };
  return {
    partitionIndex,
    errorCode: kafkaErrors.NONE,
    activeProducers: found.replica.producers().map((producer) => ({
      producerId: producer.producerId,
      producerEpoch: producer.producerEpoch,
      lastSequence: producer.lastSequence,
      lastTimestamp: producer.lastTimestampMs,
      coordinatorEpoch: producer.coordinatorEpoch,
      currentTxnStartOffset: producer.currentTransactionStartOffset,
    })),
  };
}
