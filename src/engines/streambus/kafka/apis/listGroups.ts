import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { ListGroupsRequest, ListGroupsResponse } from '../../../../wire/kafka/messages/listGroups.ts';
import type { RequestContext } from '../api.ts';
import { clusterName } from './authorizedOperations.ts';

/** ListGroups: the groups that this broker coordinates; clients ask all brokers. */
export async function listGroups(request: ListGroupsRequest, context: RequestContext): Promise<ListGroupsResponse> {
  const { services } = context;
  const coordinators = services.metadata.shards
    .filter(({ kind }) => kind === 'groups')
    .flatMap(({ group }) => services.groupCoordinator(group) ?? [])
    .filter(({ unavailable }) => unavailable !== kafkaErrors.NOT_COORDINATOR);
  const lists = await Promise.all(coordinators.map((coordinator) => coordinator.list()));
  // A shard whose lead was lost meanwhile is listed by its next leader.
  const failed = lists.find(
    ({ errorCode }) => errorCode !== kafkaErrors.NONE && errorCode !== kafkaErrors.NOT_COORDINATOR,
  );
  if (failed !== undefined) return { errorCode: failed.errorCode, groups: [] };
  const seesAll = context.authorize('describe', 'cluster', clusterName);
  const states = new Set(request.statesFilter.map((state) => state.toLowerCase()));
  const groups = lists
    .flatMap((list) => list.groups)
    .filter(({ groupId }) => seesAll || context.authorize('describe', 'group', groupId))
    .filter(({ state }) => states.size === 0 || states.has(state.toLowerCase()))
    .map(({ groupId, protocolType, state }) => ({ groupId, protocolType, groupState: state }));
  return { errorCode: kafkaErrors.NONE, groups };
}
