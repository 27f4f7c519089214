import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { OffsetCommitRequest, OffsetCommitResponse } from '../../../../wire/kafka/messages/offsetCommit.ts';
import type { RequestContext } from '../api.ts';
import { commitEach, refuseEach } from './committedOffsets.ts';
import { findGroupCoordinator } from './coordinators.ts';

/** OffsetCommit: how far the group has read. */
export async function offsetCommit(
  request: OffsetCommitRequest,
  context: RequestContext,
): Promise<OffsetCommitResponse> {
  const { groupId, topics } = request;
  if (!context.authorize('read', 'group', groupId)) {
    return { topics: refuseEach(topics, kafkaErrors.GROUP_AUTHORIZATION_FAILED) };
  }
  const { coordinator, errorCode } = findGroupCoordinator(context, groupId);
  if (coordinator === undefined) return { topics: refuseEach(topics, errorCode) };
  const answered = await commitEach(topics, context, (offsets) =>
    coordinator.commitOffsets({
      groupId,
      memberId: request.memberId,
      groupInstanceId: request.groupInstanceId ?? undefined,
      generationId: request.generationIdOrMemberEpoch,
      offsets,
      retentionMs: request.retentionTimeMs < 0 ? undefined : request.retentionTimeMs,
    }),
  );
  return { topics: answered };
}
