import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { InitProducerIdRequest, InitProducerIdResponse } from '../../../../wire/kafka/messages/initProducerId.ts';
import { MetaError } from '../../meta/commands.ts';
import type { RequestContext } from '../api.ts';
import { clusterName } from './authorizedOperations.ts';
import { findTransactionCoordinator } from './coordinators.ts';
import { fencedError } from './producerErrors.ts';

const fencedFrom = 4;

/** InitProducerId: an identity for an idempotent producer, or the next epoch of a transactional id. */
export async function initProducerId(
  request: InitProducerIdRequest,
  context: RequestContext,
): Promise<InitProducerIdResponse> {
  const { services } = context;
  const { transactionalId, producerId, producerEpoch } = request;
  if (transactionalId === null) return idempotent(context);
  if (!context.authorize('write', 'transactional-id', transactionalId)) {
    return { errorCode: kafkaErrors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED };
  }
  if (producerId < 0 !== producerEpoch < 0) return { errorCode: kafkaErrors.INVALID_REQUEST };
  services.connectionFence.check('transaction', transactionalId, context.connection);
  const { coordinator, errorCode } = findTransactionCoordinator(context, transactionalId);
  if (coordinator === undefined) return { errorCode };
  const answer = await coordinator.init({
    transactionalId,
    timeoutMs: request.transactionTimeoutMs,
    producerId,
    producerEpoch,
  });
  if (answer.errorCode !== kafkaErrors.NONE) {
    return { errorCode: fencedError(answer.errorCode, context.version, fencedFrom) };
  }
  return { errorCode: kafkaErrors.NONE, producerId: answer.producerId, producerEpoch: answer.producerEpoch };
}

/** Without a transactional id nobody is remembered: every start is another producer. */
async function idempotent(context: RequestContext): Promise<InitProducerIdResponse> {
  // Who may write anywhere may do so without duplicates (KIP-679).
  if (!context.authorize('idempotent-write', 'cluster', clusterName) && !context.authorizeSome('write', 'topic')) {
    return { errorCode: kafkaErrors.CLUSTER_AUTHORIZATION_FAILED };
  }
  try {
    return { errorCode: kafkaErrors.NONE, producerId: await context.services.producerIds.next(), producerEpoch: 0 };
  } catch (error) {
    if (error instanceof MetaError) return { errorCode: kafkaErrors.COORDINATOR_NOT_AVAILABLE };
    throw error;
  }
}
