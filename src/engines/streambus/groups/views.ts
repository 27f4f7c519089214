import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import type { ClassicState, EndOf, GroupDescription, GroupFigures, GroupSummary } from './coordinator.ts';
import { type LiveGroup, metadataOf } from './live.ts';
import { type GroupRuntime, isOrphan } from './runtime.ts';

/** A group whose last member left is empty to those who look, also while that is being logged. */
function stateOf(live: LiveGroup): ClassicState {
  const isLeft = live.state === 'PreparingRebalance' && live.members.size === 0 && live.announced.size === 0;
  return isLeft ? 'Empty' : live.state;
}

/** What DescribeGroups shows of a group, as the leader sees it now. */
export function describeGroup(runtime: GroupRuntime, groupId: string): GroupDescription {
  const live = runtime.live.get(groupId);
  const logged = runtime.state.groups.get(groupId);
  const protocol = live?.protocol ?? null;
  return {
    errorCode: kafkaErrors.NONE,
    groupId,
    protocolType: live?.protocolType ?? logged?.protocolType ?? '',
    state: live === undefined ? (logged === undefined ? 'Dead' : 'Empty') : stateOf(live),
    generationId: live?.generation ?? logged?.generation ?? -1,
    protocolName: protocol ?? '',
    leader: live?.leader ?? '',
    members: [...(live?.members.values() ?? [])].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      metadata: metadataOf(member, protocol),
      assignment: member.assignment,
    })),
  };
}

/** A group of the shard that cannot be described now. */
export function undescribed(groupId: string, errorCode: number): GroupDescription {
  const state: ClassicState = 'Dead';
  return { errorCode, groupId, protocolType: '', state, generationId: -1, protocolName: '', leader: '', members: [] };
}

/** Every group of the shard. */
export function listGroups(runtime: GroupRuntime): GroupSummary[] {
  const ids = new Set([...runtime.state.groups.keys(), ...runtime.unlogged]);
  return [...ids].map((groupId) => {
    const live = runtime.live.get(groupId);
    const logged = runtime.state.groups.get(groupId);
    return {
      groupId,
      protocolType: live?.protocolType ?? logged?.protocolType ?? '',
      state: live === undefined ? 'Empty' : stateOf(live),
    };
  });
}

/** Groups of the shard, how many members each has, and how far each is behind the ends of its partitions. */
export function groupFigures(runtime: GroupRuntime, endOf: EndOf): GroupFigures[] {
  const ids = new Set([...runtime.state.groups.keys(), ...runtime.unlogged]);
  return [...ids].map((groupId) => ({
    groupId,
    members: runtime.live.get(groupId)?.members.size ?? 0,
    lag: lagOf(runtime, groupId, endOf),
  }));
}

function lagOf(runtime: GroupRuntime, groupId: string, endOf: EndOf): number | undefined {
  let lag: number | undefined;
  for (const [topic, offsets] of runtime.state.groups.get(groupId)?.offsets ?? []) {
    for (const [partition, found] of offsets) {
      if (isOrphan(runtime.topics, topic, found)) continue;
      const end = endOf(topic, partition);
      if (end !== undefined) lag = (lag ?? 0) + Math.max(0, end - found.offset);
    }
  }
  return lag;
}
