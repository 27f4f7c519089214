import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { DeleteGroupsRequest, DeleteGroupsResponse } from '../../../../wire/kafka/messages/deleteGroups.ts';
import type { RequestContext } from '../api.ts';
import { findGroupCoordinator } from './coordinators.ts';

/** DeleteGroups: groups without members go, with their offsets. */
export async function deleteGroups(
  request: DeleteGroupsRequest,
  context: RequestContext,
): Promise<DeleteGroupsResponse> {
  const results = await Promise.all(
    request.groupsNames.map(async (groupId) => ({ groupId, errorCode: await deleteOne(groupId, context) })),
  );
  return { results };
}

async function deleteOne(groupId: string, context: RequestContext): Promise<number> {
  if (!context.authorize('delete', 'group', groupId)) return kafkaErrors.GROUP_AUTHORIZATION_FAILED;
  if (groupId === '') return kafkaErrors.INVALID_GROUP_ID;
  const { coordinator, errorCode } = findGroupCoordinator(context, groupId);
  return coordinator === undefined ? errorCode : coordinator.delete(groupId);
}
