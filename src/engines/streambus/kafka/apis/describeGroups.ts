import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { DescribeGroupsRequest, DescribeGroupsResponse } from '../../../../wire/kafka/messages/describeGroups.ts';
import { undescribed } from '../../groups/views.ts';
import type { RequestContext } from '../api.ts';
import { authorizedOperations } from './authorizedOperations.ts';
import { findGroupCoordinator } from './coordinators.ts';

/** DescribeGroups: state and members. A group that nobody ever used is `Dead`. */
export async function describeGroups(
  request: DescribeGroupsRequest,
  context: RequestContext,
): Promise<DescribeGroupsResponse> {
  const groups = await Promise.all(
    request.groups.map(async (groupId) => {
      const group = await describe(groupId, context);
      const operations = request.includeAuthorizedOperations
        ? { authorizedOperations: authorizedOperations(context, 'group', groupId) }
        : {};
      return {
        ...operations,
        errorCode: group.errorCode,
        groupId,
        groupState: group.errorCode === kafkaErrors.NONE ? group.state : '',
        protocolType: group.protocolType,
        protocolData: group.protocolName,
        members: group.members.map((member) => ({
          memberId: member.memberId,
          groupInstanceId: member.groupInstanceId ?? null,
          clientId: member.clientId,
          clientHost: member.clientHost,
          memberMetadata: member.metadata,
          memberAssignment: member.assignment,
        })),
      };
    }),
  );
  return { groups };
}

async function describe(groupId: string, context: RequestContext) {
  if (!context.authorize('describe', 'group', groupId)) {
    return undescribed(groupId, kafkaErrors.GROUP_AUTHORIZATION_FAILED);
  }
  const { coordinator, errorCode } = findGroupCoordinator(context, groupId);
  return coordinator === undefined ? undescribed(groupId, errorCode) : coordinator.describe(groupId);
}
