import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { EndTxnRequest, EndTxnResponse } from '../../../../wire/kafka/messages/endTxn.ts';
import type { RequestContext } from '../api.ts';
import { findTransactionCoordinator } from './coordinators.ts';
import { dropIfLate } from './lateRequests.ts';
import { fencedError } from './producerErrors.ts';

const fencedFrom = 2;
/** First version of transaction version 2 (KIP-890): the end raises the epoch. */
const raisesEpochFrom = 5;

/** EndTxn: answers once the decision is committed; from then on nothing changes it. */
export async function endTxn(request: EndTxnRequest, context: RequestContext): Promise<EndTxnResponse> {
  const { transactionalId, producerId, producerEpoch, committed } = request;
  if (!context.authorize('write', 'transactional-id', transactionalId)) {
    return { errorCode: kafkaErrors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED };
  }
  const found = findTransactionCoordinator(context, transactionalId);
  dropIfLate(context, { transactionalId, producerId, producerEpoch }, found.coordinator);
  if (found.coordinator === undefined) return { errorCode: found.errorCode };
  const raisesEpoch = context.version >= raisesEpochFrom;
  const identity = { transactionalId, producerId, producerEpoch };
  const answer = await found.coordinator.end({ ...identity, commit: committed, raisesEpoch });
  const errorCode = fencedError(answer.errorCode, context.version, fencedFrom);
  if (errorCode !== kafkaErrors.NONE || !raisesEpoch) return { errorCode };
  return { errorCode, producerId: answer.producerId, producerEpoch: answer.producerEpoch };
}
