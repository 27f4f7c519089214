import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import type { JoinAnswer, SyncAnswer } from './coordinator.ts';
import { type LiveGroup, type LiveMember, loggedMember, metadataOf, rebalanceTimeoutMs, voteProtocol } from './live.ts';
import { appendEntry, type GroupRuntime, Unavailable } from './runtime.ts';

/** An entry that could not be proposed (too much is under way) is tried again after so long. */
const retryMs = 100;
const noBytes = new Uint8Array(0);

/** An answer to JoinGroup that says only what is wrong. */
export function joinRefused(errorCode: number, memberId: string): JoinAnswer {
  return {
    errorCode,
    memberId,
    generationId: -1,
    protocolType: undefined,
    protocolName: undefined,
    leader: '',
    skipAssignment: false,
    members: [],
    waitedMs: 0,
  };
}

/** An answer to SyncGroup that says only what is wrong. */
export function syncRefused(errorCode: number): SyncAnswer {
  return { errorCode, protocolType: undefined, protocolName: undefined, assignment: noBytes, waitedMs: 0 };
}

/** What a member of the present generation is told when it joins. */
export function joinAccepted(group: LiveGroup, member: LiveMember, waitedMs: number): JoinAnswer {
  const leads = group.leader === member.memberId;
  return {
    errorCode: kafkaErrors.NONE,
    memberId: member.memberId,
    generationId: group.generation,
    protocolType: group.protocolType,
    protocolName: group.protocol ?? '',
    leader: group.leader ?? '',
    skipAssignment: false,
    members: leads ? joinedMembers(group) : [],
    waitedMs,
  };
}

/** Everybody, with what the chosen protocol says of them. */
export function joinedMembers(group: LiveGroup): JoinAnswer['members'] {
  return [...group.members.values()].map((one) => ({
    memberId: one.memberId,
    groupInstanceId: one.groupInstanceId,
    metadata: metadataOf(one, group.protocol),
  }));
}

/** Answers whoever waits in the name of the member with this error. */
export function dismiss(runtime: GroupRuntime, member: LiveMember, errorCode: number): void {
  answerJoin(runtime, member, joinRefused(errorCode, member.memberId));
  answerSync(runtime, member, syncRefused(errorCode));
}

export function answerJoin(runtime: GroupRuntime, member: LiveMember, answer: JoinAnswer): void {
  const waiting = member.joining;
  member.joining = undefined;
  waiting?.resolve({ ...answer, waitedMs: runtime.host.clock.now() - waiting.sinceMs });
}

export function answerSync(runtime: GroupRuntime, member: LiveMember, answer: SyncAnswer): void {
  const waiting = member.syncing;
  member.syncing = undefined;
  waiting?.resolve({ ...answer, waitedMs: runtime.host.clock.now() - waiting.sinceMs });
}

/** The member was heard of: its session begins anew. */
export function renewSession(runtime: GroupRuntime, group: LiveGroup, member: LiveMember): void {
  member.deadlineMs = runtime.host.clock.now() + member.sessionTimeoutMs;
  if (member.session === undefined) armSession(runtime, group, member, member.sessionTimeoutMs);
}

/** One timer a member: it is not moved by heartbeats, but looks at the deadline when it fires. */
function armSession(runtime: GroupRuntime, group: LiveGroup, member: LiveMember, ms: number): void {
  member.session = runtime.host.clock.timer(ms, () => {
    member.session = undefined;
    const leftMs = member.deadlineMs - runtime.host.clock.now();
    if (leftMs > 0) armSession(runtime, group, member, leftMs);
    // Whoever waits for an answer is there; and while an entry is under way nothing of the group is changed.
    else if (member.joining !== undefined || member.syncing !== undefined || group.entry !== undefined) {
      armSession(runtime, group, member, retryMs);
    } else {
      runtime.host.telemetry.logger.info('a member of a consumer group was silent for its session and is removed', {
        group: group.groupId,
        member: member.memberId,
      });
      removeMember(runtime, group, member);
    }
  });
}

/** Begins a rebalance unless one is being prepared. Those who wait for an assignment are told to join again (27). */
export function prepareRebalance(runtime: GroupRuntime, group: LiveGroup): void {
  if (group.state === 'PreparingRebalance' || group.state === 'Dead') return;
  for (const member of group.members.values()) {
    answerSync(runtime, member, syncRefused(kafkaErrors.REBALANCE_IN_PROGRESS));
  }
  group.syncTimer?.cancel();
  group.syncTimer = undefined;
  const wasEmpty = group.state === 'Empty';
  group.state = 'PreparingRebalance';
  if (wasEmpty && runtime.settings.initialDelayMs > 0) {
    group.joinedSince = false;
    group.initialLeftMs = Math.max(rebalanceTimeoutMs(group) - runtime.settings.initialDelayMs, 0);
    armInitialDelay(runtime, group, runtime.settings.initialDelayMs);
    return;
  }
  group.initialLeftMs = undefined;
  armJoin(runtime, group, rebalanceTimeoutMs(group));
  completeIfAllJoined(runtime, group);
}

/** KIP-134: the first generation waits for more members, and again for each wave of them, up to the rebalance time-out. */
function armInitialDelay(runtime: GroupRuntime, group: LiveGroup, ms: number): void {
  group.joinTimer = runtime.host.clock.timer(ms, () => {
    const left = group.initialLeftMs ?? 0;
    if (group.joinedSince && left > 0) {
      const next = Math.min(runtime.settings.initialDelayMs, left);
      group.joinedSince = false;
      group.initialLeftMs = left - next;
      armInitialDelay(runtime, group, next);
    } else {
      group.initialLeftMs = undefined;
      void completeJoin(runtime, group);
    }
  });
}

function armJoin(runtime: GroupRuntime, group: LiveGroup, ms: number): void {
  group.joinTimer?.cancel();
  group.joinTimer = runtime.host.clock.timer(ms, () => void completeJoin(runtime, group));
}

/** Ends the preparation when nobody is missing: no member, and none that was told its id and is expected back. */
export function completeIfAllJoined(runtime: GroupRuntime, group: LiveGroup): void {
  if (group.state !== 'PreparingRebalance' || group.initialLeftMs !== undefined || group.entry !== undefined) return;
  if (group.announced.size > 0) return;
  for (const member of group.members.values()) if (member.joining === undefined) return;
  void completeJoin(runtime, group);
}

/** Whoever joined makes the next generation: it is logged before anybody hears of it. */
async function completeJoin(runtime: GroupRuntime, group: LiveGroup): Promise<void> {
  group.joinTimer?.cancel();
  group.joinTimer = undefined;
  dropAbsentees(runtime, group);
  const members = [...group.members.values()];
  const present = members.filter((member) => member.joining !== undefined);
  if (members.length > 0 && present.length === 0) {
    // Only static members, all away: each keeps its place until its session ends.
    armJoin(runtime, group, Math.max(rebalanceTimeoutMs(group), retryMs));
    return;
  }
  if (!present.some((member) => member.memberId === group.leader)) group.leader = present[0]?.memberId ?? null;
  const protocol = voteProtocol(members);
  const generation = group.generation + 1;
  await exclusively(
    group,
    () =>
      appendEntry(runtime, {
        kind: 'generation',
        group: group.groupId,
        generation,
        protocolType: group.protocolType,
        protocol,
        leader: group.leader,
        members: members.map((member) => ({ ...loggedMember(member), assignment: noBytes })),
        wall: runtime.host.clock.wall(),
      }),
    (errorCode) => {
      if (!isCurrent(runtime, group)) return;
      if (errorCode === kafkaErrors.NONE) beginGeneration(runtime, group, generation, protocol);
      else armJoin(runtime, group, retryMs);
    },
  );
}

function dropAbsentees(runtime: GroupRuntime, group: LiveGroup): void {
  for (const member of [...group.members.values()]) {
    if (member.joining === undefined && member.groupInstanceId === undefined) forgetMember(runtime, group, member);
  }
}

function beginGeneration(runtime: GroupRuntime, group: LiveGroup, generation: number, protocol: string | null): void {
  runtime.unlogged.delete(group.groupId);
  runtime.rebalanced(group.groupId);
  group.generation = generation;
  group.protocol = protocol;
  if (group.members.size === 0) {
    group.state = 'Empty';
    group.leader = null;
    return;
  }
  group.state = 'CompletingRebalance';
  for (const member of group.members.values()) {
    member.assignment = noBytes;
    member.synced = false;
    // A static member that is away keeps its place, but is not heard of by that.
    if (member.joining === undefined) continue;
    answerJoin(runtime, member, joinAccepted(group, member, 0));
    renewSession(runtime, group, member);
  }
  armSync(runtime, group);
}

/** Members that joined and then never ask for their assignment would hold the group up: they are removed. */
export function armSync(runtime: GroupRuntime, group: LiveGroup): void {
  group.syncTimer?.cancel();
  group.syncTimer = runtime.host.clock.timer(Math.max(rebalanceTimeoutMs(group), retryMs), () => {
    if (group.entry !== undefined) {
      armSync(runtime, group);
      return;
    }
    group.syncTimer = undefined;
    const late = [...group.members.values()].filter((member) => !member.synced);
    if (late.length === 0) return;
    for (const member of late) forgetMember(runtime, group, member);
    prepareRebalance(runtime, group);
  });
}

/** Takes the member out of the group, and has the others rebalance. */
export function removeMember(runtime: GroupRuntime, group: LiveGroup, member: LiveMember): void {
  forgetMember(runtime, group, member);
  if (group.state === 'Stable' || group.state === 'CompletingRebalance') prepareRebalance(runtime, group);
  else completeIfAllJoined(runtime, group);
}

function forgetMember(runtime: GroupRuntime, group: LiveGroup, member: LiveMember): void {
  member.session?.cancel();
  member.session = undefined;
  group.members.delete(member.memberId);
  if (member.groupInstanceId !== undefined) group.statics.delete(member.groupInstanceId);
  if (group.leader === member.memberId) group.leader = null;
  dismiss(runtime, member, kafkaErrors.UNKNOWN_MEMBER_ID);
}

/**
 * Runs the one entry of a group that may be under way, then `settle` with its error number, also where it was refused or lost;
 * only then do those who wait for the group see it. Resolves to what `settle` gives.
 */
export function exclusively<T>(
  group: LiveGroup,
  write: () => Promise<number>,
  settle: (errorCode: number) => T,
): Promise<T> {
  if (group.entry !== undefined) throw new Error(`group ${group.groupId}: expected no entry under way`);
  const work = write()
    .catch((error: unknown) => {
      if (error instanceof Unavailable) return error.code;
      throw error;
    })
    .then((errorCode) => {
      group.entry = undefined;
      return settle(errorCode);
    });
  group.entry = work.then(
    () => {},
    () => {},
  );
  return work;
}

/** Whether the group is still what the leader serves: after the lead was lost it belongs to nobody. */
export function isCurrent(runtime: GroupRuntime, group: LiveGroup): boolean {
  return runtime.leading && runtime.live.get(group.groupId) === group;
}
