import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import type { JoinAnswer, JoinRequest, MemberProtocol } from './coordinator.ts';
import { owned } from './entries.ts';
import {
  commonProtocols,
  type LiveGroup,
  type LiveMember,
  loggedMember,
  newLiveGroup,
  sameProtocols,
  voteProtocol,
} from './live.ts';
import {
  completeIfAllJoined,
  dismiss,
  exclusively,
  isCurrent,
  joinAccepted,
  joinedMembers,
  joinRefused,
  prepareRebalance,
  renewSession,
} from './rebalance.ts';
import { appendEntry, type GroupRuntime, groupLimits, whenSettled } from './runtime.ts';

/** JoinGroup. Throws `Unavailable`. */
export async function joinGroup(runtime: GroupRuntime, request: JoinRequest): Promise<JoinAnswer> {
  const refuse = (code: number) => joinRefused(code, request.memberId);
  if (request.groupId === '') return refuse(kafkaErrors.INVALID_GROUP_ID);
  const { sessionMinMs, sessionMaxMs } = runtime.settings;
  if (request.sessionTimeoutMs < sessionMinMs || request.sessionTimeoutMs > sessionMaxMs) {
    return refuse(kafkaErrors.INVALID_SESSION_TIMEOUT);
  }
  if (request.protocolType === '' || request.protocols.length === 0)
    return refuse(kafkaErrors.INCONSISTENT_GROUP_PROTOCOL);
  return whenSettled(runtime, request.groupId, (group) => joinSettled(runtime, group, request));
}

function joinSettled(
  runtime: GroupRuntime,
  known: LiveGroup | undefined,
  request: JoinRequest,
): JoinAnswer | Promise<JoinAnswer> {
  const refuse = (code: number) => joinRefused(code, request.memberId);
  let group = known;
  if (group === undefined) {
    // Nobody was ever told this id by this group.
    if (request.memberId !== '') return refuse(kafkaErrors.UNKNOWN_MEMBER_ID);
    if (runtime.groupsOnBroker() >= groupLimits.groups) return refuse(kafkaErrors.COORDINATOR_NOT_AVAILABLE);
    group = newLiveGroup(request.groupId);
    runtime.live.set(request.groupId, group);
    runtime.unlogged.add(request.groupId);
  }
  if (!speaksWith(group, request)) {
    forgetUnused(runtime, group);
    return refuse(kafkaErrors.INCONSISTENT_GROUP_PROTOCOL);
  }
  if (bytesWith(group, request) > groupLimits.bytes) {
    forgetUnused(runtime, group);
    return refuse(kafkaErrors.GROUP_MAX_SIZE_REACHED);
  }
  const own = {
    ...request,
    protocols: request.protocols.map(({ name, metadata }) => ({ name, metadata: owned(metadata) })),
  };
  return request.memberId === '' ? joinUnknown(runtime, group, own) : joinKnown(runtime, group, own);
}

/** Whether the member could take part: the same type of protocol, and one that everybody else speaks too. */
function speaksWith(group: LiveGroup, request: JoinRequest): boolean {
  const replaced = request.groupInstanceId === undefined ? undefined : group.statics.get(request.groupInstanceId);
  const others = [...group.members.values()].filter(
    ({ memberId }) => memberId !== request.memberId && memberId !== replaced,
  );
  if (others.length === 0) return true;
  return request.protocolType === group.protocolType && commonProtocols([...others, request]).length > 0;
}

/** What all members would say of themselves together. */
function bytesWith(group: LiveGroup, request: JoinRequest): number {
  let bytes = bytesOf(request.protocols);
  for (const { memberId, protocols } of group.members.values())
    if (memberId !== request.memberId) bytes += bytesOf(protocols);
  return bytes;
}

function bytesOf(protocols: readonly MemberProtocol[]): number {
  return protocols.reduce((sum, { name, metadata }) => sum + name.length + metadata.length, 0);
}

/** A member that has no id yet, or a static one that forgot it. */
function joinUnknown(runtime: GroupRuntime, group: LiveGroup, request: JoinRequest): Promise<JoinAnswer> {
  const { groupInstanceId } = request;
  const memberId = newMemberId(runtime, groupInstanceId ?? request.clientId);
  if (groupInstanceId !== undefined) {
    const former = group.members.get(group.statics.get(groupInstanceId) ?? '');
    if (former !== undefined) return replaceStatic(runtime, group, former, memberId, request);
  }
  if (isFull(group)) return Promise.resolve(joinRefused(kafkaErrors.GROUP_MAX_SIZE_REACHED, ''));
  if (groupInstanceId === undefined && request.requireKnownMemberId) {
    announce(runtime, group, memberId, request.sessionTimeoutMs);
    return Promise.resolve(joinRefused(kafkaErrors.MEMBER_ID_REQUIRED, memberId));
  }
  return addMember(runtime, group, memberId, request);
}

function joinKnown(runtime: GroupRuntime, group: LiveGroup, request: JoinRequest): Promise<JoinAnswer> {
  const { memberId, groupInstanceId } = request;
  const refuse = (code: number) => Promise.resolve(joinRefused(code, memberId));
  const announced = group.announced.get(memberId);
  if (announced !== undefined) {
    // An id that was told to somebody without an instance id is not a static member's.
    if (groupInstanceId !== undefined) return refuse(kafkaErrors.UNKNOWN_MEMBER_ID);
    if (group.members.size >= groupLimits.members) return refuse(kafkaErrors.GROUP_MAX_SIZE_REACHED);
    announced.cancel();
    group.announced.delete(memberId);
    return addMember(runtime, group, memberId, request);
  }
  const error = memberError(runtime, group, memberId, groupInstanceId);
  if (error !== kafkaErrors.NONE) return refuse(error);
  const member = group.members.get(memberId);
  if (member === undefined) return refuse(kafkaErrors.UNKNOWN_MEMBER_ID);
  const unchanged = sameProtocols(member.protocols, request.protocols);
  const leads = group.leader === memberId;
  // The answer to its join was lost; or a follower joins again without news. The leader's join is how it asks for a rebalance.
  if (unchanged && (group.state === 'CompletingRebalance' || (group.state === 'Stable' && !leads))) {
    renewSession(runtime, group, member);
    return Promise.resolve(joinAccepted(group, member, 0));
  }
  updateMember(member, request);
  return awaitRebalance(runtime, group, member);
}

/** 0 when this member id (and instance) belongs to the group, 25 unknown, 82 when another one took its instance over. */
export function memberError(
  runtime: GroupRuntime,
  group: LiveGroup,
  memberId: string,
  groupInstanceId: string | undefined,
): number {
  if (groupInstanceId !== undefined) {
    const holder = group.statics.get(groupInstanceId);
    if (holder === undefined) return kafkaErrors.UNKNOWN_MEMBER_ID;
    const fenced = holder !== memberId;
    runtime.host.telemetry.sometimes('static member fenced', fenced);
    if (fenced) return kafkaErrors.FENCED_INSTANCE_ID;
  }
  return group.members.has(memberId) ? kafkaErrors.NONE : kafkaErrors.UNKNOWN_MEMBER_ID;
}

function isFull(group: LiveGroup): boolean {
  return group.members.size + group.announced.size >= groupLimits.members;
}

/** Client id (or instance id) and 122 random bits in the form of a UUID, version 4. */
function newMemberId(runtime: GroupRuntime, prefix: string): string {
  const bytes = runtime.host.random.stream('member-id').bytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString('hex');
  const uuid = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  return `${prefix}-${uuid}`;
}

function announce(runtime: GroupRuntime, group: LiveGroup, memberId: string, sessionTimeoutMs: number): void {
  const timer = runtime.host.clock.timer(sessionTimeoutMs, () => withdraw(runtime, group, memberId));
  group.announced.set(memberId, timer);
}

/** An id that was given out is not waited for any more. */
export function withdraw(runtime: GroupRuntime, group: LiveGroup, memberId: string): void {
  group.announced.get(memberId)?.cancel();
  group.announced.delete(memberId);
  completeIfAllJoined(runtime, group);
  forgetUnused(runtime, group);
}

/** A group that nobody joined in the end and that is not logged leaves nothing behind. */
function forgetUnused(runtime: GroupRuntime, group: LiveGroup): void {
  const used = group.members.size > 0 || group.announced.size > 0 || group.entry !== undefined;
  if (used || group.state !== 'Empty' || !runtime.unlogged.has(group.groupId)) return;
  runtime.live.delete(group.groupId);
  runtime.unlogged.delete(group.groupId);
}

function addMember(
  runtime: GroupRuntime,
  group: LiveGroup,
  memberId: string,
  request: JoinRequest,
): Promise<JoinAnswer> {
  const member: LiveMember = {
    memberId,
    groupInstanceId: request.groupInstanceId,
    clientId: request.clientId,
    clientHost: request.clientHost,
    sessionTimeoutMs: request.sessionTimeoutMs,
    rebalanceTimeoutMs: request.rebalanceTimeoutMs,
    protocols: request.protocols,
    assignment: new Uint8Array(0),
    deadlineMs: 0,
    session: undefined,
    joining: undefined,
    syncing: undefined,
    synced: false,
  };
  if (group.members.size === 0) group.protocolType = request.protocolType;
  group.members.set(memberId, member);
  if (member.groupInstanceId !== undefined) group.statics.set(member.groupInstanceId, memberId);
  group.leader ??= memberId;
  group.joinedSince = true;
  return awaitRebalance(runtime, group, member);
}

function updateMember(member: LiveMember, request: JoinRequest): void {
  member.protocols = request.protocols;
  member.clientId = request.clientId;
  member.clientHost = request.clientHost;
  member.sessionTimeoutMs = request.sessionTimeoutMs;
  member.rebalanceTimeoutMs = request.rebalanceTimeoutMs;
}

function awaitRebalance(runtime: GroupRuntime, group: LiveGroup, member: LiveMember): Promise<JoinAnswer> {
  // An earlier join of the same member waits on a connection that it has given up: it would join again, if it heard at all.
  dismiss(runtime, member, kafkaErrors.REBALANCE_IN_PROGRESS);
  renewSession(runtime, group, member);
  const { promise, resolve } = Promise.withResolvers<JoinAnswer>();
  member.joining = { resolve, sinceMs: runtime.host.clock.now() };
  if (group.state === 'PreparingRebalance') completeIfAllJoined(runtime, group);
  else prepareRebalance(runtime, group);
  return promise;
}

/**
 * A static member came back without its id: it gets a new one, and the former is fenced. If the group is stable and stays with its
 * protocol, nobody rebalances (KIP-345).
 */
function replaceStatic(
  runtime: GroupRuntime,
  group: LiveGroup,
  member: LiveMember,
  memberId: string,
  request: JoinRequest,
): Promise<JoinAnswer> {
  const former = member.memberId;
  const formerLeader = group.leader;
  dismiss(runtime, member, kafkaErrors.FENCED_INSTANCE_ID);
  renameMember(group, member, memberId);
  updateMember(member, request);
  renewSession(runtime, group, member);
  const keepsProtocol = voteProtocol([...group.members.values()]) === group.protocol;
  if (group.state !== 'Stable' || !keepsProtocol) return awaitRebalance(runtime, group, member);
  return exclusively(
    group,
    () => appendEntry(runtime, { kind: 'replaced', group: group.groupId, former, member: loggedMember(member) }),
    (errorCode) => {
      if (!isCurrent(runtime, group)) return joinRefused(kafkaErrors.NOT_COORDINATOR, memberId);
      if (errorCode !== kafkaErrors.NONE) return joinRefused(errorCode, memberId);
      const leads = group.leader === memberId;
      return {
        ...joinAccepted(group, member, 0),
        // Before KIP-814 there is no way to tell a leader not to assign: it is told that its former self leads.
        leader: request.supportsSkippingAssignment ? (group.leader ?? '') : (formerLeader ?? ''),
        skipAssignment: request.supportsSkippingAssignment && leads,
        members: request.supportsSkippingAssignment && leads ? joinedMembers(group) : [],
      };
    },
  );
}

/** Gives the member another id, in the same place. */
function renameMember(group: LiveGroup, member: LiveMember, memberId: string): void {
  const former = member.memberId;
  const members = [...group.members];
  group.members.clear();
  member.memberId = memberId;
  for (const [id, other] of members) group.members.set(id === former ? memberId : id, other);
  if (member.groupInstanceId !== undefined) group.statics.set(member.groupInstanceId, memberId);
  if (group.leader === former) group.leader = memberId;
}
