import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import type { HeartbeatRequest, LeaveAnswer, LeaveRequest, SyncAnswer, SyncRequest } from './coordinator.ts';
import { owned } from './entries.ts';
import { memberError, withdraw } from './join.ts';
import type { LiveGroup, LiveMember } from './live.ts';
import { answerSync, exclusively, isCurrent, removeMember, renewSession, syncRefused } from './rebalance.ts';
import { appendEntry, type GroupRuntime, groupLimits, whenSettled } from './runtime.ts';

/** SyncGroup: the leader says who does what, the others wait for it. Throws `Unavailable`. */
export async function syncGroup(runtime: GroupRuntime, request: SyncRequest): Promise<SyncAnswer> {
  if (request.groupId === '') return syncRefused(kafkaErrors.INVALID_GROUP_ID);
  return whenSettled(runtime, request.groupId, (group) => syncSettled(runtime, group, request));
}

function syncSettled(
  runtime: GroupRuntime,
  group: LiveGroup | undefined,
  request: SyncRequest,
): SyncAnswer | Promise<SyncAnswer> {
  if (group === undefined) return syncRefused(kafkaErrors.UNKNOWN_MEMBER_ID);
  const error = memberError(runtime, group, request.memberId, request.groupInstanceId);
  if (error !== kafkaErrors.NONE) return syncRefused(error);
  const member = group.members.get(request.memberId);
  if (member === undefined) return syncRefused(kafkaErrors.UNKNOWN_MEMBER_ID);
  if (request.generationId !== group.generation) return syncRefused(kafkaErrors.ILLEGAL_GENERATION);
  if (
    (request.protocolType !== undefined && request.protocolType !== group.protocolType) ||
    (request.protocolName !== undefined && request.protocolName !== group.protocol)
  ) {
    return syncRefused(kafkaErrors.INCONSISTENT_GROUP_PROTOCOL);
  }
  if (group.state === 'PreparingRebalance') return syncRefused(kafkaErrors.REBALANCE_IN_PROGRESS);
  if (group.state !== 'Stable' && group.state !== 'CompletingRebalance')
    return syncRefused(kafkaErrors.UNKNOWN_MEMBER_ID);
  const bytes = request.assignments.reduce((sum, { assignment }) => sum + assignment.length, 0);
  if (bytes > groupLimits.bytes) return syncRefused(kafkaErrors.INVALID_REQUEST);
  member.synced = true;
  renewSession(runtime, group, member);
  if (group.state === 'Stable') return syncAccepted(group, member);
  answerSync(runtime, member, syncRefused(kafkaErrors.REBALANCE_IN_PROGRESS));
  const { promise, resolve } = Promise.withResolvers<SyncAnswer>();
  member.syncing = { resolve, sinceMs: runtime.host.clock.now() };
  if (group.leader === member.memberId) void assign(runtime, group, member, request);
  return promise;
}

function syncAccepted(group: LiveGroup, member: LiveMember): SyncAnswer {
  return {
    errorCode: kafkaErrors.NONE,
    protocolType: group.protocolType,
    protocolName: group.protocol ?? '',
    assignment: member.assignment,
    waitedMs: 0,
  };
}

/** The assignment is logged before anybody is told: who reads what then survives the leader of the shard. */
async function assign(
  runtime: GroupRuntime,
  group: LiveGroup,
  leader: LiveMember,
  request: SyncRequest,
): Promise<void> {
  const given = new Map(request.assignments.map(({ memberId, assignment }) => [memberId, owned(assignment)]));
  const assignments = [...group.members.keys()].map(
    (memberId) => [memberId, given.get(memberId) ?? new Uint8Array(0)] as const,
  );
  await exclusively(
    group,
    () =>
      appendEntry(runtime, {
        kind: 'assignment',
        group: group.groupId,
        generation: group.generation,
        assignments,
        wall: runtime.host.clock.wall(),
      }),
    (errorCode) => {
      if (!isCurrent(runtime, group)) return;
      if (errorCode !== kafkaErrors.NONE) {
        answerSync(runtime, leader, syncRefused(errorCode));
        return;
      }
      group.state = 'Stable';
      for (const [memberId, assignment] of assignments) {
        const member = group.members.get(memberId);
        if (member === undefined) continue;
        member.assignment = assignment;
        answerSync(runtime, member, syncAccepted(group, member));
        renewSession(runtime, group, member);
      }
    },
  );
}

/** Heartbeat: renews the session; 27 tells the member to join again. Throws `Unavailable`. */
export async function heartbeat(runtime: GroupRuntime, request: HeartbeatRequest): Promise<number> {
  if (request.groupId === '') return kafkaErrors.INVALID_GROUP_ID;
  return whenSettled(runtime, request.groupId, (group) => beat(runtime, group, request));
}

function beat(runtime: GroupRuntime, group: LiveGroup | undefined, request: HeartbeatRequest): number {
  if (group === undefined) return kafkaErrors.UNKNOWN_MEMBER_ID;
  const error = memberError(runtime, group, request.memberId, request.groupInstanceId);
  if (error !== kafkaErrors.NONE) return error;
  const member = group.members.get(request.memberId);
  if (member === undefined) return kafkaErrors.UNKNOWN_MEMBER_ID;
  if (request.generationId !== group.generation) return kafkaErrors.ILLEGAL_GENERATION;
  renewSession(runtime, group, member);
  return group.state === 'PreparingRebalance' ? kafkaErrors.REBALANCE_IN_PROGRESS : kafkaErrors.NONE;
}

/** LeaveGroup: the members go at once, the rest rebalances. Throws `Unavailable`. */
export async function leaveGroup(runtime: GroupRuntime, request: LeaveRequest): Promise<LeaveAnswer> {
  const refuse = (errorCode: number): LeaveAnswer => ({
    errorCode,
    members: request.members.map(() => errorCode),
  });
  if (request.groupId === '') return refuse(kafkaErrors.INVALID_GROUP_ID);
  const members: number[] = [];
  for (const { memberId, groupInstanceId } of request.members) {
    // Looked up for each: the last one's departure may have begun an entry.
    members.push(
      await whenSettled(runtime, request.groupId, (group) => leave(runtime, group, memberId, groupInstanceId)),
    );
  }
  return { errorCode: kafkaErrors.NONE, members };
}

function leave(
  runtime: GroupRuntime,
  group: LiveGroup | undefined,
  memberId: string,
  groupInstanceId: string | undefined,
): number {
  if (group === undefined) return kafkaErrors.UNKNOWN_MEMBER_ID;
  // An operator removes a static member by its instance id alone.
  const holder = groupInstanceId === undefined ? undefined : group.statics.get(groupInstanceId);
  const id = memberId === '' && holder !== undefined ? holder : memberId;
  if (groupInstanceId === undefined && group.announced.has(id)) {
    withdraw(runtime, group, id);
    return kafkaErrors.NONE;
  }
  const error = memberError(runtime, group, id, groupInstanceId);
  if (error !== kafkaErrors.NONE) return error;
  const member = group.members.get(id);
  if (member === undefined) return kafkaErrors.UNKNOWN_MEMBER_ID;
  removeMember(runtime, group, member);
  return kafkaErrors.NONE;
}
