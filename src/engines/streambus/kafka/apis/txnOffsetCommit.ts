import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type {
  TxnOffsetCommitRequest,
  TxnOffsetCommitResponse,
} from '../../../../wire/kafka/messages/txnOffsetCommit.ts';
import type { RequestContext } from '../api.ts';
import { commitEach, refuseEach } from './committedOffsets.ts';
import { findGroupCoordinator } from './coordinators.ts';

/** First version that knows 120. */
const abortableFrom = 4;
/** First version whose clients leave it to the broker to add the group to the transaction. */
const addsGroupFrom = 5;

/** TxnOffsetCommit: offsets that count when the transaction is committed. */
export async function txnOffsetCommit(
  request: TxnOffsetCommitRequest,
  context: RequestContext,
): Promise<TxnOffsetCommitResponse> {
  const { transactionalId, groupId, topics } = request;
  if (!context.authorize('write', 'transactional-id', transactionalId)) {
    return { topics: refuseEach(topics, kafkaErrors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED) };
  }
  if (!context.authorize('read', 'group', groupId)) {
    return { topics: refuseEach(topics, kafkaErrors.GROUP_AUTHORIZATION_FAILED) };
  }
  context.services.connectionFence.check('offsets', transactionalId, context.connection);
  const { coordinator, errorCode } = findGroupCoordinator(context, groupId);
  if (coordinator === undefined) return { topics: refuseEach(topics, errorCode) };
  const answered = await commitEach(topics, context, async (offsets) => {
    const errors = await coordinator.commitTransactionalOffsets(
      {
        groupId,
        transactionalId,
        producerId: request.producerId,
        producerEpoch: request.producerEpoch,
        memberId: request.memberId,
        groupInstanceId: request.groupInstanceId ?? undefined,
        generationId: request.generationId,
        offsets,
        retentionMs: undefined,
      },
      context.version >= addsGroupFrom,
    );
    return errors.map((code) => inWordsOf(context.version, code));
  });
  return { topics: answered };
}

/** The group does not belong to an open transaction: newer clients are told that they can abort and go on. */
function inWordsOf(version: number, errorCode: number): number {
  const isAbortable = errorCode === kafkaErrors.INVALID_TXN_STATE && version >= abortableFrom;
  return isAbortable ? kafkaErrors.TRANSACTION_ABORTABLE : errorCode;
}
