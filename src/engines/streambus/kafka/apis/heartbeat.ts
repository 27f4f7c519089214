import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { HeartbeatRequest, HeartbeatResponse } from '../../../../wire/kafka/messages/heartbeat.ts';
import type { RequestContext } from '../api.ts';
import { findGroupCoordinator } from './coordinators.ts';

/** Heartbeat: a member is there; it learns whether it must join again. */
export async function heartbeat(request: HeartbeatRequest, context: RequestContext): Promise<HeartbeatResponse> {
  const { groupId, memberId, generationId } = request;
  if (!context.authorize('read', 'group', groupId)) return { errorCode: kafkaErrors.GROUP_AUTHORIZATION_FAILED };
  const { coordinator, errorCode } = findGroupCoordinator(context, groupId);
  if (coordinator === undefined) return { errorCode };
  const groupInstanceId = request.groupInstanceId ?? undefined;
  return { errorCode: await coordinator.heartbeat({ groupId, memberId, groupInstanceId, generationId }) };
}
