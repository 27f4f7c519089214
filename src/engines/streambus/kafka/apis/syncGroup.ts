import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { SyncGroupRequest, SyncGroupResponse } from '../../../../wire/kafka/messages/syncGroup.ts';
import { syncRefused } from '../../groups/rebalance.ts';
import type { RequestContext } from '../api.ts';
import { findGroupCoordinator } from './coordinators.ts';

/** SyncGroup: what the member shall read, once the group's leader has said so. */
export async function syncGroup(request: SyncGroupRequest, context: RequestContext): Promise<SyncGroupResponse> {
  const answer = await sync(request, context);
  context.waited(answer.waitedMs);
  return {
    errorCode: answer.errorCode,
    protocolType: answer.protocolType ?? null,
    protocolName: answer.protocolName ?? null,
    assignment: answer.assignment,
  };
}

async function sync(request: SyncGroupRequest, context: RequestContext) {
  const { groupId } = request;
  if (!context.authorize('read', 'group', groupId)) return syncRefused(kafkaErrors.GROUP_AUTHORIZATION_FAILED);
  const { coordinator, errorCode } = findGroupCoordinator(context, groupId);
  if (coordinator === undefined) return syncRefused(errorCode);
  return coordinator.sync({
    groupId,
    memberId: request.memberId,
    groupInstanceId: request.groupInstanceId ?? undefined,
    generationId: request.generationId,
    protocolType: request.protocolType ?? undefined,
    protocolName: request.protocolName ?? undefined,
    assignments: request.assignments,
  });
}
