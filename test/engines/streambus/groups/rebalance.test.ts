import { describe, expect, test } from 'vitest';
import { describeGroups } from '../../../../src/engines/streambus/kafka/apis/describeGroups.ts';
import { heartbeat } from '../../../../src/engines/streambus/kafka/apis/heartbeat.ts';
import { leaveGroup } from '../../../../src/engines/streambus/kafka/apis/leaveGroup.ts';
import { listGroups } from '../../../../src/engines/streambus/kafka/apis/listGroups.ts';
import { kafkaErrors } from '../../../../src/wire/kafka/errors.ts';
import { type Coordination, withCoordination } from '../support/coordination.ts';
import { assignmentOf, join, Member, stableGroup, sync } from '../support/groupMembers.ts';

async function describeOne(world: Coordination, groupId = 'g') {
  const { groups } = await world.call(describeGroups, { groups: [groupId], includeAuthorizedOperations: false });
  const [group] = groups;
  if (group === undefined) throw new Error('expected one group');
  return group;
}

describe('a consumer group', () => {
  test('should tell a member its id first, and expect it back with it', () =>
    withCoordination(async (world) => {
      const first = await join(world, { memberId: '' });
      expect(first.errorCode).toBe(kafkaErrors.MEMBER_ID_REQUIRED);
      expect(first.memberId).toMatch(/^app-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      const second = await join(world, { memberId: first.memberId });
      expect(second).toMatchObject({ errorCode: 0, memberId: first.memberId, leader: first.memberId, generationId: 1 });
      expect(second.members).toHaveLength(1);
    }));

  test('should wait 3 s for more members before its first generation, and 3 s again for each wave of them', () =>
    withCoordination(async (world) => {
      const begin = world.host.clock.now();
      const waits: number[] = [];
      const a = join(world, { memberId: '', version: 3 }, { waited: (ms) => waits.push(ms) });
      await world.sleep(2_000);
      const b = join(world, { memberId: '', version: 3 });
      const [one, two] = await Promise.all([a, b]);
      expect(world.host.clock.now() - begin).toBeCloseTo(6_000, -2);
      expect(one.generationId).toBe(1);
      expect(two.generationId).toBe(1);
      expect(one.members).toHaveLength(2);
      expect(two.members).toEqual([]);
      expect(waits[0]).toBeCloseTo(6_000, -2);
    }));

  test('should give everybody what the leader assigned, and be stable then', () =>
    withCoordination(async (world) => {
      const members = await stableGroup(world, 3);
      for (const member of members) {
        expect(member.assignment).toEqual(assignmentOf(member.id));
        expect(await member.heartbeat()).toBe(0);
      }
      expect(await describeOne(world)).toMatchObject({
        groupState: 'Stable',
        protocolType: 'consumer',
        protocolData: 'range',
      });
      expect((await describeOne(world)).members.map(({ memberAssignment }) => memberAssignment)).toEqual(
        members.map(({ id }) => assignmentOf(id)),
      );
      const { groups } = await world.call(listGroups, { statesFilter: ['Stable'] });
      expect(groups).toEqual([{ groupId: 'g', protocolType: 'consumer', groupState: 'Stable' }]);
    }));

  test('should choose the protocol that most members prefer among those that all speak', () =>
    withCoordination(async (world) => {
      const speak = (...names: string[]) => names.map((name) => ({ name, metadata: new Uint8Array([1]) }));
      const joins = [
        join(world, { memberId: '', protocols: speak('range', 'sticky'), version: 3 }),
        join(world, { memberId: '', protocols: speak('sticky', 'range', 'own'), version: 3 }),
        join(world, { memberId: '', protocols: speak('sticky', 'range'), version: 3 }),
      ];
      for (const { protocolName } of await Promise.all(joins)) expect(protocolName).toBe('sticky');
      const stranger = await join(world, { memberId: '', protocols: speak('own'), version: 3 });
      expect(stranger.errorCode).toBe(kafkaErrors.INCONSISTENT_GROUP_PROTOCOL);
    }));

  test('should have the others join again when one leaves, and when one comes', () =>
    withCoordination(async (world) => {
      const [a, b, c] = await stableGroup(world, 3);
      if (a === undefined || b === undefined || c === undefined) throw new Error('expected three members');
      const left = await world.call(
        leaveGroup,
        { groupId: 'g', memberId: '', members: [{ memberId: c.id, groupInstanceId: null, reason: null }] },
        { version: 5 },
      );
      expect(left.members?.[0]?.errorCode).toBe(0);
      expect(await a.heartbeat()).toBe(kafkaErrors.REBALANCE_IN_PROGRESS);
      const answers = await Promise.all([a.join(), b.join()]);
      expect(answers.map(({ generationId }) => generationId)).toEqual([2, 2]);
      expect(await c.heartbeat()).toBe(kafkaErrors.UNKNOWN_MEMBER_ID);
      await Promise.all([a.sync([a, b]), b.sync()]);
      const d = new Member(world);
      const joining = d.enter();
      await world.sleep(1);
      expect(await b.heartbeat()).toBe(kafkaErrors.REBALANCE_IN_PROGRESS);
      await Promise.all([joining, a.join(), b.join()]);
      expect(d.generation).toBe(3);
    }));

  test('should remove who is silent for its session, and not wait for it longer than the rebalance time-out', () =>
    withCoordination(async (world) => {
      const [a, b] = await stableGroup(world, 2);
      if (a === undefined || b === undefined) throw new Error('expected two members');
      for (let i = 0; i < 12; i++) {
        await world.sleep(1_000);
        const code = await a.heartbeat();
        if (code !== 0) expect(code).toBe(kafkaErrors.REBALANCE_IN_PROGRESS);
        expect(code === 0, `after ${i + 1} s`).toBe(i < 9);
      }
      const answer = await a.join();
      expect(answer.members.map(({ memberId }) => memberId)).toEqual([a.id]);
      expect(await b.heartbeat()).toBe(kafkaErrors.UNKNOWN_MEMBER_ID);
    }));

  test('should go on without members that do not come back within the rebalance time-out', () =>
    withCoordination(async (world) => {
      const [a, b] = await stableGroup(world, 2);
      if (a === undefined || b === undefined) throw new Error('expected two members');
      const begin = world.host.clock.now();
      const joining = new Member(world).enter();
      const again = a.join();
      // It lives, but does not join.
      const beats = (async () => {
        for (let i = 0; i < 9; i++) {
          await world.sleep(2_000);
          await b.heartbeat();
        }
      })();
      await Promise.all([joining, again]);
      expect(world.host.clock.now() - begin).toBeCloseTo(20_000, -2);
      await beats;
      expect(await b.heartbeat()).toBe(kafkaErrors.UNKNOWN_MEMBER_ID);
    }));

  test('should remove members that joined and never ask for their assignment', () =>
    withCoordination(async (world) => {
      const [a, b] = await stableGroup(world, 2);
      if (a === undefined || b === undefined) throw new Error('expected two members');
      const leaderJoins = a.join();
      await Promise.all([leaderJoins, b.join()]);
      await a.sync([a, b]);
      for (let i = 0; i < 11; i++) {
        await world.sleep(2_000);
        await b.heartbeat();
        await a.heartbeat();
      }
      expect(await b.heartbeat()).toBe(kafkaErrors.UNKNOWN_MEMBER_ID);
      expect(await a.heartbeat()).toBe(kafkaErrors.REBALANCE_IN_PROGRESS);
    }));

  test('should be empty when all have gone, and keep counting generations', () =>
    withCoordination(async (world) => {
      const [a] = await stableGroup(world, 1);
      if (a === undefined) throw new Error('expected a member');
      await a.leave();
      await world.sleep(1);
      expect(await describeOne(world)).toMatchObject({ groupState: 'Empty', members: [] });
      expect(await describeOne(world, 'never-used')).toMatchObject({ errorCode: 0, groupState: 'Dead' });
      const next = new Member(world);
      await next.enter();
      expect(next.generation).toBe(3);
      expect(world.rebalances).toEqual(['g', 'g', 'g']);
    }));

  test('should answer a repeated join of a follower without rebalancing, and rebalance when the leader joins again', () =>
    withCoordination(async (world) => {
      const [a, b] = await stableGroup(world, 2);
      if (a === undefined || b === undefined) throw new Error('expected two members');
      expect(await b.join()).toMatchObject({ errorCode: 0, generationId: 1, members: [] });
      expect(await a.heartbeat()).toBe(0);
      const joining = a.join();
      await world.sleep(1);
      expect(await b.heartbeat()).toBe(kafkaErrors.REBALANCE_IN_PROGRESS);
      await b.join();
      expect(await joining).toMatchObject({ errorCode: 0, generationId: 2 });
    }));
});

describe('a static member', () => {
  test('should keep its place, without a rebalance, when it comes back without its id; its former self is fenced', () =>
    withCoordination(async (world) => {
      const a = new Member(world, { groupInstanceId: 'i-1' });
      const b = new Member(world, { groupInstanceId: 'i-2' });
      await Promise.all([a.enter(), b.enter()]);
      await Promise.all([a.sync([a, b]), b.sync()]);
      const former = b.id;
      const b2 = new Member(world, { groupInstanceId: 'i-2' });
      await b2.enter();
      expect(b2.id).not.toBe(former);
      expect(b2.generation).toBe(1);
      await b2.sync();
      expect(b2.assignment).toEqual(assignmentOf(former));
      expect(await a.heartbeat()).toBe(0);
      expect(await b.heartbeat()).toBe(kafkaErrors.FENCED_INSTANCE_ID);
      expect((await b.join()).errorCode).toBe(kafkaErrors.FENCED_INSTANCE_ID);
      world.groups.bounce();
      expect(await b2.heartbeat()).toBe(0);
      expect(await b.heartbeat()).toBe(kafkaErrors.FENCED_INSTANCE_ID);
    }));

  test('should be told to keep the assignment when it was the leader and its client can hear that', () =>
    withCoordination(async (world) => {
      const a = new Member(world, { groupInstanceId: 'i-1' });
      const b = new Member(world, { groupInstanceId: 'i-2' });
      await Promise.all([a.enter(), b.enter()]);
      await Promise.all([a.sync([a, b]), b.sync()]);
      const former = a.id;
      const old = await join(world, { memberId: '', groupInstanceId: 'i-1', version: 8 });
      expect(old).toMatchObject({ errorCode: 0, leader: former, skipAssignment: false, members: [] });
      const young = await join(world, { memberId: '', groupInstanceId: 'i-1', version: 9 });
      expect(young).toMatchObject({ errorCode: 0, leader: young.memberId, skipAssignment: true });
      expect(young.members).toHaveLength(2);
    }));

  test('should be removed by its instance id alone, and by the end of its session', () =>
    withCoordination(async (world) => {
      const a = new Member(world, { groupInstanceId: 'i-1' });
      const b = new Member(world, { groupInstanceId: 'i-2' });
      await Promise.all([a.enter(), b.enter()]);
      await Promise.all([a.sync([a, b]), b.sync()]);
      const members = [
        { memberId: '', groupInstanceId: 'i-2', reason: null },
        { memberId: '', groupInstanceId: 'i-9', reason: null },
      ];
      const left = await world.call(leaveGroup, { groupId: 'g', memberId: '', members }, { version: 5 });
      expect(left.members?.map(({ errorCode }) => errorCode)).toEqual([0, kafkaErrors.UNKNOWN_MEMBER_ID]);
      expect(await a.heartbeat()).toBe(kafkaErrors.REBALANCE_IN_PROGRESS);
      await world.sleep(31_000);
      expect(await a.heartbeat()).toBe(kafkaErrors.UNKNOWN_MEMBER_ID);
    }));
});

describe('what a coordinator refuses', () => {
  test('should be answered with the number that Kafka has for it', () =>
    withCoordination(async (world) => {
      const codeOf = async (request: Parameters<typeof join>[1]) => (await join(world, request)).errorCode;
      expect(await codeOf({ groupId: '' })).toBe(kafkaErrors.INVALID_GROUP_ID);
      expect(await codeOf({ sessionTimeoutMs: 5_999 })).toBe(kafkaErrors.INVALID_SESSION_TIMEOUT);
      expect(await codeOf({ sessionTimeoutMs: 1_800_001 })).toBe(kafkaErrors.INVALID_SESSION_TIMEOUT);
      expect(await codeOf({ protocols: [] })).toBe(kafkaErrors.INCONSISTENT_GROUP_PROTOCOL);
      expect(await codeOf({ memberId: 'nobody' })).toBe(kafkaErrors.UNKNOWN_MEMBER_ID);
      const [a] = await stableGroup(world, 1);
      if (a === undefined) throw new Error('expected a member');
      expect(await codeOf({ memberId: 'nobody' })).toBe(kafkaErrors.UNKNOWN_MEMBER_ID);
      expect(await codeOf({ memberId: '', protocolType: 'connect' })).toBe(kafkaErrors.INCONSISTENT_GROUP_PROTOCOL);
      const beat = { groupId: 'g', memberId: a.id, groupInstanceId: null, generationId: 7 };
      expect((await world.call(heartbeat, beat)).errorCode).toBe(kafkaErrors.ILLEGAL_GENERATION);
      expect((await sync(world, a, 7)).errorCode).toBe(kafkaErrors.ILLEGAL_GENERATION);
      const named = await sync(world, a, 1, { protocolName: 'other' });
      expect(named.errorCode).toBe(kafkaErrors.INCONSISTENT_GROUP_PROTOCOL);
      const denied = await world.call(heartbeat, beat, { authorize: () => false });
      expect(denied.errorCode).toBe(kafkaErrors.GROUP_AUTHORIZATION_FAILED);
    }));

  test('should be the thousand-and-first member', () =>
    withCoordination(async (world) => {
      const joins = Array.from({ length: 1_000 }, () => join(world, { memberId: '', version: 3 }));
      await world.sleep(1);
      expect((await join(world, { memberId: '' })).errorCode).toBe(kafkaErrors.GROUP_MAX_SIZE_REACHED);
      expect((await Promise.all(joins)).every(({ errorCode }) => errorCode === 0)).toBe(true);
    }));

  test('should be members that say more of themselves than one entry may hold', () =>
    withCoordination(async (world) => {
      const large = [{ name: 'range', metadata: new Uint8Array(3 * 2 ** 20) }];
      const joins = [1, 2].map(() => join(world, { memberId: '', version: 3, protocols: large }));
      await world.sleep(1);
      const third = await join(world, { memberId: '', version: 3, protocols: large });
      expect(third.errorCode).toBe(kafkaErrors.GROUP_MAX_SIZE_REACHED);
      expect((await Promise.all(joins)).map(({ errorCode }) => errorCode)).toEqual([0, 0]);
    }));

  test('should be everything while another broker leads, with 14 while this one has just begun to', () =>
    withCoordination(async (world) => {
      const [a] = await stableGroup(world, 1);
      if (a === undefined) throw new Error('expected a member');
      world.groups.lose({ leader: 2 });
      expect(await a.heartbeat()).toBe(kafkaErrors.NOT_COORDINATOR);
      expect((await a.join()).errorCode).toBe(kafkaErrors.NOT_COORDINATOR);
      world.groups.leader = 1;
      expect(await a.heartbeat()).toBe(kafkaErrors.COORDINATOR_LOAD_IN_PROGRESS);
      world.groups.lead();
      expect(await a.heartbeat()).toBe(0);
    }));
});

describe('a fail-over of the coordinator', () => {
  test('should leave a stable group as it is, and give every member its session time again', () =>
    withCoordination(async (world) => {
      const [a, b] = await stableGroup(world, 2);
      if (a === undefined || b === undefined) throw new Error('expected two members');
      await world.sleep(8_000);
      await a.heartbeat();
      world.groups.bounce();
      await world.sleep(8_000);
      expect(await a.heartbeat()).toBe(0);
      expect(await describeOne(world)).toMatchObject({ groupState: 'Stable' });
      await world.sleep(3_000);
      expect(await a.heartbeat()).toBe(kafkaErrors.REBALANCE_IN_PROGRESS);
      expect(await b.heartbeat()).toBe(kafkaErrors.UNKNOWN_MEMBER_ID);
    }));

  test('should not notice the silent when timers are not renewed', () =>
    withCoordination(
      async (world) => {
        const [a] = await stableGroup(world, 2);
        world.groups.bounce();
        for (let i = 0; i < 8; i++) {
          await world.sleep(5_000);
          expect(await a?.heartbeat()).toBe(0);
        }
      },
      { mutants: ['timers-not-renewed'] },
    ));

  test('should answer those who wait in a rebalance with 16, and let them begin anew with the members of before', () =>
    withCoordination(async (world) => {
      const [a, b] = await stableGroup(world, 2);
      if (a === undefined || b === undefined) throw new Error('expected two members');
      const joining = a.join();
      await world.sleep(1);
      world.groups.bounce();
      expect((await joining).errorCode).toBe(kafkaErrors.NOT_COORDINATOR);
      expect(await a.heartbeat()).toBe(0);
      const answers = await Promise.all([a.join(), b.join()]);
      expect(answers.map(({ generationId }) => generationId)).toEqual([2, 2]);
    }));

  test.each([0, 1])('should never use a generation twice when %i of its entries survive', (survive) =>
    withCoordination(async (world) => {
      const [a, b] = await stableGroup(world, 2);
      if (a === undefined || b === undefined) throw new Error('expected two members');
      world.groups.hold();
      const joins = [a.join(), b.join()];
      await world.sleep(1);
      expect(world.groups.pending).toBe(1);
      world.groups.bounce({ survive });
      world.groups.release();
      for (const { errorCode } of await Promise.all(joins)) expect(errorCode).toBe(kafkaErrors.NOT_COORDINATOR);
      expect(await a.heartbeat()).toBe(survive === 0 ? 0 : kafkaErrors.ILLEGAL_GENERATION);
      const [one, two] = await Promise.all([a.join(), b.join()]);
      // If the entry survived, the members are told of the generation that it made; else the leader's join makes it.
      expect(one.generationId).toBe(2);
      if (survive === 1) expect(two.generationId).toBe(2);
    }),
  );

  test.each([0, 1])('should hand out an assignment only once it is logged, when %i of its entries survive', (survive) =>
    withCoordination(async (world) => {
      const a = new Member(world);
      await a.enter();
      world.groups.hold();
      const syncing = a.sync([a]);
      await world.sleep(1);
      world.groups.bounce({ survive });
      world.groups.release();
      expect(await syncing).toBe(kafkaErrors.NOT_COORDINATOR);
      expect(await describeOne(world)).toMatchObject({ groupState: survive === 1 ? 'Stable' : 'CompletingRebalance' });
      expect(await a.sync([a])).toBe(0);
      expect(a.assignment).toEqual(assignmentOf(a.id));
    }),
  );

  test('should wait for an entry that cannot be proposed now, and try again', () =>
    withCoordination(async (world) => {
      const [a, b] = await stableGroup(world, 2);
      if (a === undefined || b === undefined) throw new Error('expected two members');
      world.groups.refusal = 'busy';
      const joins = Promise.all([a.join(), b.join()]);
      await world.sleep(450);
      world.groups.refusal = undefined;
      for (const { errorCode } of await joins) expect(errorCode).toBe(0);
    }));
});
