import type { Timer } from '../../../host/clock.ts';
import type { ClassicState, JoinAnswer, MemberProtocol, SyncAnswer } from './coordinator.ts';
import type { LoggedMember } from './entries.ts';
import type { LoggedGroup } from './state.ts';

/** Somebody waits for an answer. */
export interface Waiting<Answer> {
  readonly resolve: (answer: Answer) => void;
  readonly sinceMs: number;
}

/** A member as the leader of the shard sees it. Times are of the monotonic clock. */
export interface LiveMember {
  memberId: string;
  readonly groupInstanceId: string | undefined;
  clientId: string;
  clientHost: string;
  sessionTimeoutMs: number;
  rebalanceTimeoutMs: number;
  protocols: readonly MemberProtocol[];
  assignment: Uint8Array;
  /** Without a word until then it is gone. */
  deadlineMs: number;
  session: Timer | undefined;
  joining: Waiting<JoinAnswer> | undefined;
  syncing: Waiting<SyncAnswer> | undefined;
  /** It asked for its assignment in this generation. */
  synced: boolean;
}

/** A group as the leader of the shard sees it: what is logged, and what lasts as long as the lead. */
export interface LiveGroup {
  readonly groupId: string;
  state: ClassicState;
  generation: number;
  protocolType: string;
  protocol: string | null;
  leader: string | null;
  readonly members: Map<string, LiveMember>;
  /** Member ids by group instance id. */
  readonly statics: Map<string, string>;
  /** Member ids that were given out (79) and have not come back; the timer forgets one. */
  readonly announced: Map<string, Timer>;
  /** Ends the rebalance that is being prepared. */
  joinTimer: Timer | undefined;
  /** While an empty group waits for its first members: what is left of the time by which the wait may grow; else undefined. */
  initialLeftMs: number | undefined;
  /** Somebody joined since the initial wait was last armed. */
  joinedSince: boolean;
  /** Ends the patience with those who joined and do not ask for their assignment. */
  syncTimer: Timer | undefined;
  /** An entry that changes the group is under way: whoever wants to see or change it waits for its end. Never rejects. */
  entry: Promise<void> | undefined;
}

/** A group without members. */
export function newLiveGroup(groupId: string, logged?: LoggedGroup): LiveGroup {
  return {
    groupId,
    state: 'Empty',
    generation: logged?.generation ?? 0,
    protocolType: logged?.protocolType ?? '',
    protocol: null,
    leader: null,
    members: new Map(),
    statics: new Map(),
    announced: new Map(),
    joinTimer: undefined,
    initialLeftMs: undefined,
    joinedSince: false,
    syncTimer: undefined,
    entry: undefined,
  };
}

/** A member as its entry keeps it. */
export function loggedMember(member: LiveMember): LoggedMember {
  return {
    memberId: member.memberId,
    groupInstanceId: member.groupInstanceId ?? null,
    clientId: member.clientId,
    clientHost: member.clientHost,
    sessionTimeoutMs: member.sessionTimeoutMs,
    rebalanceTimeoutMs: member.rebalanceTimeoutMs,
    protocols: member.protocols,
    assignment: member.assignment,
  };
}

/** A member as its entry left it: nobody waits yet. */
export function liveMember(logged: LoggedMember): LiveMember {
  return {
    memberId: logged.memberId,
    groupInstanceId: logged.groupInstanceId ?? undefined,
    clientId: logged.clientId,
    clientHost: logged.clientHost,
    sessionTimeoutMs: logged.sessionTimeoutMs,
    rebalanceTimeoutMs: logged.rebalanceTimeoutMs,
    protocols: logged.protocols,
    assignment: logged.assignment,
    deadlineMs: 0,
    session: undefined,
    joining: undefined,
    syncing: undefined,
    synced: logged.assignment.length > 0,
  };
}

/** The longest time that a member of the group grants a rebalance. */
export function rebalanceTimeoutMs(group: LiveGroup): number {
  let longest = 0;
  for (const member of group.members.values()) longest = Math.max(longest, member.rebalanceTimeoutMs);
  return longest;
}

/** What a protocol says of the member; empty when it does not speak it. */
export function metadataOf(member: LiveMember, protocol: string | null): Uint8Array {
  return member.protocols.find((one) => one.name === protocol)?.metadata ?? new Uint8Array(0);
}

/** Protocols that every one of these members speaks, in the first one's order. */
export function commonProtocols(members: Iterable<{ readonly protocols: readonly MemberProtocol[] }>): string[] {
  let common: string[] | undefined;
  for (const { protocols } of members) {
    const names = protocols.map(({ name }) => name);
    common = common === undefined ? names : common.filter((name) => names.includes(name));
  }
  return common ?? [];
}

/** The protocol that most members prefer among those that all speak; null without members. Of equals the first. */
export function voteProtocol(members: readonly { readonly protocols: readonly MemberProtocol[] }[]): string | null {
  const candidates = commonProtocols(members);
  const votes = new Map(candidates.map((name) => [name, 0]));
  for (const { protocols } of members) {
    const favourite = protocols.find(({ name }) => votes.has(name))?.name;
    if (favourite !== undefined) votes.set(favourite, (votes.get(favourite) ?? 0) + 1);
  }
  let best: string | null = null;
  for (const [name, count] of votes) if (best === null || count > (votes.get(best) ?? 0)) best = name;
  return best;
}

/** Whether both lists say the same, byte for byte and in the same order: then a repeated join changes nothing. */
export function sameProtocols(a: readonly MemberProtocol[], b: readonly MemberProtocol[]): boolean {
  return (
    a.length === b.length &&
    a.every((one, i) => {
      const other = b[i];
      return other !== undefined && one.name === other.name && Buffer.compare(one.metadata, other.metadata) === 0;
    })
  );
}
