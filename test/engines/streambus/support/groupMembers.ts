import { heartbeat } from '../../../../src/engines/streambus/kafka/apis/heartbeat.ts';
import { joinGroup } from '../../../../src/engines/streambus/kafka/apis/joinGroup.ts';
import { leaveGroup } from '../../../../src/engines/streambus/kafka/apis/leaveGroup.ts';
import { syncGroup } from '../../../../src/engines/streambus/kafka/apis/syncGroup.ts';
import { kafkaErrors } from '../../../../src/wire/kafka/errors.ts';
import type { JoinGroupRequest, JoinGroupResponse } from '../../../../src/wire/kafka/messages/joinGroup.ts';
import type { SyncGroupRequest, SyncGroupResponse } from '../../../../src/wire/kafka/messages/syncGroup.ts';
import type { CallOptions, Coordination } from './coordination.ts';

/** What a test's leader assigns to a member. */
export function assignmentOf(memberId: string): Uint8Array {
  return new TextEncoder().encode(`for ${memberId}`);
}

/** JoinGroup with what members of these tests say: session 10 s, rebalance 20 s. */
export function join(
  world: Coordination,
  request: Partial<JoinGroupRequest> & { readonly version?: number },
  options: CallOptions = {},
): Promise<JoinGroupResponse> {
  const { version = 9, ...fields } = request;
  const whole: JoinGroupRequest = {
    groupId: 'g',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 20_000,
    memberId: '',
    groupInstanceId: null,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: new Uint8Array([0, 1]) }],
    reason: null,
    ...fields,
  };
  return world.call(joinGroup, whole, { version, ...options });
}

export function sync(
  world: Coordination,
  member: Member,
  generationId: number,
  more: Partial<SyncGroupRequest> = {},
): Promise<SyncGroupResponse> {
  return world.call(
    syncGroup,
    {
      groupId: member.groupId,
      generationId,
      memberId: member.id,
      groupInstanceId: member.groupInstanceId,
      protocolType: 'consumer',
      protocolName: 'range',
      assignments: [],
      ...more,
    },
    { version: 5 },
  );
}

/** A member as a client library would be one, a step at a time. */
export class Member {
  id = '';
  generation = -1;
  assignment = new Uint8Array(0);
  readonly world: Coordination;
  readonly groupId: string;
  readonly groupInstanceId: string | null;

  constructor(world: Coordination, options: { readonly groupId?: string; readonly groupInstanceId?: string } = {}) {
    this.world = world;
    this.groupId = options.groupId ?? 'g';
    this.groupInstanceId = options.groupInstanceId ?? null;
  }

  async join(): Promise<JoinGroupResponse> {
    const { groupId, groupInstanceId, id: memberId } = this;
    const answer = await join(this.world, { groupId, groupInstanceId, memberId });
    if (answer.errorCode === 0) {
      this.generation = answer.generationId ?? -1;
      this.id = answer.memberId;
    }
    return answer;
  }

  /** The first join: dynamic members are told their id and come again. */
  async enter(): Promise<void> {
    let answer = await this.join();
    if (answer.errorCode === kafkaErrors.MEMBER_ID_REQUIRED) {
      this.id = answer.memberId;
      answer = await this.join();
    }
    if (answer.errorCode !== 0) throw new Error(`join: error ${answer.errorCode}`);
  }

  /** With `members` as the leader, which assigns to them. */
  async sync(members: readonly Member[] = []): Promise<number> {
    const assignments = members.map(({ id }) => ({ memberId: id, assignment: assignmentOf(id) }));
    const answer = await sync(this.world, this, this.generation, { assignments });
    if (answer.errorCode === 0) this.assignment = new Uint8Array(answer.assignment);
    return answer.errorCode;
  }

  async heartbeat(): Promise<number> {
    const { groupId, groupInstanceId, id: memberId, generation: generationId } = this;
    return (await this.world.call(heartbeat, { groupId, memberId, groupInstanceId, generationId })).errorCode;
  }

  async leave(): Promise<void> {
    const members = [{ memberId: this.id, groupInstanceId: this.groupInstanceId, reason: null }];
    await this.world.call(leaveGroup, { groupId: this.groupId, memberId: '', members }, { version: 5 });
  }
}

/** A group of `count` members that have their assignments; the first one leads. */
export async function stableGroup(world: Coordination, count: number): Promise<Member[]> {
  const members = Array.from({ length: count }, () => new Member(world));
  await Promise.all(members.map((member) => member.enter()));
  const [leader] = members;
  const codes = await Promise.all(members.map((member) => member.sync(member === leader ? members : [])));
  if (codes.some((code) => code !== 0)) throw new Error(`sync: errors ${codes.join(', ')}`);
  return members;
}
