import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { JoinGroupRequest, JoinGroupResponse } from '../../../../wire/kafka/messages/joinGroup.ts';
import { joinRefused } from '../../groups/rebalance.ts';
import type { RequestContext } from '../api.ts';
import { findGroupCoordinator } from './coordinators.ts';

/** First version whose members come again with the id that they are told (KIP-394). */
const knownMemberIdFrom = 4;
const nullProtocolFrom = 7;
const skipAssignmentFrom = 9;

/** JoinGroup: answers when the group's next generation is complete. */
export async function joinGroup(request: JoinGroupRequest, context: RequestContext): Promise<JoinGroupResponse> {
  const { version } = context;
  const answer = await join(request, context);
  context.waited(answer.waitedMs);
  return {
    errorCode: answer.errorCode,
    generationId: answer.generationId,
    protocolType: answer.protocolType ?? null,
    protocolName: answer.protocolName ?? (version >= nullProtocolFrom ? null : ''),
    leader: answer.leader,
    skipAssignment: answer.skipAssignment,
    memberId: answer.memberId,
    members: answer.members.map(({ memberId, groupInstanceId, metadata }) => ({
      memberId,
      groupInstanceId: groupInstanceId ?? null,
      metadata,
    })),
  };
}

async function join(request: JoinGroupRequest, context: RequestContext) {
  const { groupId, memberId } = request;
  if (!context.authorize('read', 'group', groupId))
    return joinRefused(kafkaErrors.GROUP_AUTHORIZATION_FAILED, memberId);
  const { coordinator, errorCode } = findGroupCoordinator(context, groupId);
  if (coordinator === undefined) return joinRefused(errorCode, memberId);
  return coordinator.join({
    groupId,
    memberId,
    groupInstanceId: request.groupInstanceId ?? undefined,
    clientId: context.clientId,
    clientHost: context.clientHost,
    sessionTimeoutMs: request.sessionTimeoutMs,
    // Version 0 has one time for both.
    rebalanceTimeoutMs: request.rebalanceTimeoutMs < 0 ? request.sessionTimeoutMs : request.rebalanceTimeoutMs,
    protocolType: request.protocolType,
    protocols: request.protocols,
    requireKnownMemberId: context.version >= knownMemberIdFrom,
    supportsSkippingAssignment: context.version >= skipAssignmentFrom,
  });
}
