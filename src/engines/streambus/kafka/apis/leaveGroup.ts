import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { LeaveGroupRequest, LeaveGroupResponse } from '../../../../wire/kafka/messages/leaveGroup.ts';
import type { RequestContext } from '../api.ts';
import { findGroupCoordinator } from './coordinators.ts';

/** First version that names many members, and has an error for each. */
const manyFrom = 3;

/** LeaveGroup: members that go at once, not when their session ends. */
export async function leaveGroup(request: LeaveGroupRequest, context: RequestContext): Promise<LeaveGroupResponse> {
  const { groupId } = request;
  if (!context.authorize('read', 'group', groupId)) return { errorCode: kafkaErrors.GROUP_AUTHORIZATION_FAILED };
  const { coordinator, errorCode } = findGroupCoordinator(context, groupId);
  if (coordinator === undefined) return { errorCode };
  const leaving =
    context.version < manyFrom ? [{ memberId: request.memberId, groupInstanceId: null }] : request.members;
  const answer = await coordinator.leave({
    groupId,
    members: leaving.map(({ memberId, groupInstanceId }) => ({
      memberId,
      groupInstanceId: groupInstanceId ?? undefined,
    })),
  });
  if (context.version < manyFrom) {
    return {
      errorCode: answer.errorCode === kafkaErrors.NONE ? (answer.members[0] ?? kafkaErrors.NONE) : answer.errorCode,
    };
  }
  return {
    errorCode: answer.errorCode,
    members: leaving.map(({ memberId, groupInstanceId }, i) => ({
      memberId,
      groupInstanceId,
      errorCode: answer.members[i] ?? kafkaErrors.UNKNOWN_SERVER_ERROR,
    })),
  };
}
