import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type {
  AddOffsetsToTxnRequest,
  AddOffsetsToTxnResponse,
} from '../../../../wire/kafka/messages/addOffsetsToTxn.ts';
import type { RequestContext } from '../api.ts';
import { findTransactionCoordinator } from './coordinators.ts';
import { dropIfLate } from './lateRequests.ts';
import { fencedError } from './producerErrors.ts';

const fencedFrom = 2;

/** AddOffsetsToTxn: offsets of a consumer group will be committed within the transaction. */
export async function addOffsetsToTxn(
  request: AddOffsetsToTxnRequest,
  context: RequestContext,
): Promise<AddOffsetsToTxnResponse> {
  const { transactionalId, producerId, producerEpoch, groupId } = request;
  if (!context.authorize('write', 'transactional-id', transactionalId)) {
    return { errorCode: kafkaErrors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED };
  }
  if (!context.authorize('read', 'group', groupId)) return { errorCode: kafkaErrors.GROUP_AUTHORIZATION_FAILED };
  if (groupId === '') return { errorCode: kafkaErrors.INVALID_GROUP_ID };
  const found = findTransactionCoordinator(context, transactionalId);
  dropIfLate(context, { transactionalId, producerId, producerEpoch }, found.coordinator);
  if (found.coordinator === undefined) return { errorCode: found.errorCode };
  const errorCode = await found.coordinator.addOffsets({ transactionalId, producerId, producerEpoch }, groupId);
  return { errorCode: fencedError(errorCode, context.version, fencedFrom) };
}
