import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type {
  DescribeTransactionsRequest,
  DescribeTransactionsResponse,
} from '../../../../wire/kafka/messages/describeTransactions.ts';
import type { TopicPartition } from '../../txn/coordinator.ts';
import type { RequestContext } from '../api.ts';
import { findTransactionCoordinator } from './coordinators.ts';

type Described = DescribeTransactionsResponse['transactionStates'][number];

/** DescribeTransactions: state, producer and partitions of transactional ids. */
export async function describeTransactions(
  request: DescribeTransactionsRequest,
  context: RequestContext,
): Promise<DescribeTransactionsResponse> {
  return { transactionStates: await Promise.all(request.transactionalIds.map((id) => describe(id, context))) };
}

async function describe(transactionalId: string, context: RequestContext): Promise<Described> {
  if (!context.authorize('describe', 'transactional-id', transactionalId)) {
    return undescribed(transactionalId, kafkaErrors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  }
  if (transactionalId === '') return undescribed(transactionalId, kafkaErrors.INVALID_REQUEST);
  const found = findTransactionCoordinator(context, transactionalId);
  if (found.coordinator === undefined) return undescribed(transactionalId, found.errorCode);
  const view = await found.coordinator.describe(transactionalId);
  if (view.errorCode !== kafkaErrors.NONE) return undescribed(transactionalId, view.errorCode);
  return {
    errorCode: kafkaErrors.NONE,
    transactionalId,
    transactionState: view.state,
    transactionTimeoutMs: view.timeoutMs,
    transactionStartTimeMs: view.startedWallMs,
    producerId: view.producerId,
    producerEpoch: view.producerEpoch,
    topics: byTopic(view.partitions.filter(({ topic }) => context.authorize('describe', 'topic', topic))),
  };
}

function byTopic(partitions: readonly TopicPartition[]): Described['topics'] {
  return Map.groupBy(partitions, ({ topic }) => topic)
    .entries()
    .map(([topic, own]) => ({ topic, partitions: own.map(({ partition }) => partition) }))
    .toArray();
}

function undescribed(transactionalId: string, errorCode: number): Described {
  return {
    errorCode,
    transactionalId,
    transactionState: '',
    transactionTimeoutMs: 0,
    transactionStartTimeMs: -1,
    producerId: -1,
    producerEpoch: -1,
    topics: [],
  };
}
