import { describe, expect, test } from 'vitest';
import { openGroupShard } from '../../../../src/engines/streambus/groups/open.ts';
import { deleteGroups } from '../../../../src/engines/streambus/kafka/apis/deleteGroups.ts';
import { listGroups } from '../../../../src/engines/streambus/kafka/apis/listGroups.ts';
import { offsetDelete } from '../../../../src/engines/streambus/kafka/apis/offsetDelete.ts';
import { offsetFetch } from '../../../../src/engines/streambus/kafka/apis/offsetFetch.ts';
import { kafkaErrors } from '../../../../src/wire/kafka/errors.ts';
import { withCoordination } from '../support/coordination.ts';
import { Member, stableGroup } from '../support/groupMembers.ts';
import { commitOffsets, fetchOffsets } from '../support/offsetCalls.ts';
import { SoloGroup } from '../support/soloGroup.ts';

describe('committed offsets', () => {
  test('should be what is fetched, with metadata and epoch, also by a replica that only followed', () =>
    withCoordination(async (world) => {
      const [a] = await stableGroup(world, 1);
      expect(
        await commitOffsets(world, a, [
          { offset: 7, metadata: 'naïve ☃' },
          { partition: 2, offset: 9 },
        ]),
      ).toEqual([0, 0]);
      const asked = { groupId: 'g', topics: null, groups: [], requireStable: false };
      const { topics } = await world.call(offsetFetch, asked, { version: 7 });
      expect(topics).toEqual([
        {
          name: 'orders',
          partitions: [
            { partitionIndex: 0, committedOffset: 7, committedLeaderEpoch: 3, metadata: 'naïve ☃', errorCode: 0 },
            { partitionIndex: 2, committedOffset: 9, committedLeaderEpoch: 3, metadata: '', errorCode: 0 },
          ],
        },
      ]);
      const other = await openGroupShard(world.services, new SoloGroup({ group: 1 }), undefined);
      for (const entry of world.groups.log) other.apply(entry);
      expect(Buffer.from(other.snapshot()).equals(world.groupShard.snapshot())).toBe(true);
      expect(await fetchOffsets(world, 'g', { partitions: [0, 1, 2] })).toEqual({ errorCode: 0, offsets: [7, -1, 9] });
    }));

  test('should survive a fail-over once they are acknowledged, and not be believed on a deposed leader', () =>
    withCoordination(async (world) => {
      await commitOffsets(world, undefined, [{ offset: 1 }]);
      world.groups.bounce();
      expect(await fetchOffsets(world)).toEqual({ errorCode: 0, offsets: [1] });
      world.groups.lose({ leader: 2 });
      expect(await fetchOffsets(world)).toEqual({ errorCode: kafkaErrors.NOT_COORDINATOR, offsets: [] });
    }));

  test.each([
    [0, 1],
    [1, 5],
  ])('should be open after a lost commit: with %i of its entries surviving it is offset %i', (survive, offset) =>
    withCoordination(async (world) => {
      await commitOffsets(world, undefined, [{ offset: 1 }]);
      world.groups.hold();
      const committing = commitOffsets(world, undefined, [{ offset: 5 }]);
      await world.sleep(1);
      world.groups.bounce({ survive });
      world.groups.release();
      expect(await committing).toEqual([kafkaErrors.NOT_COORDINATOR]);
      expect(await fetchOffsets(world)).toEqual({ errorCode: 0, offsets: [offset] });
    }),
  );

  test('should be lost in a fail-over when they are not logged', () =>
    withCoordination(
      async (world) => {
        expect(await commitOffsets(world, undefined, [{ offset: 5 }])).toEqual([0]);
        const other = await openGroupShard(world.services, new SoloGroup({ group: 1 }), undefined);
        for (const entry of world.groups.log) other.apply(entry);
        expect(Buffer.from(other.snapshot()).equals(world.groupShard.snapshot())).toBe(false);
      },
      { mutants: ['offsets-unlogged'] },
    ));

  test('should be answered by a deposed leader when nobody asks whether it leads', () =>
    withCoordination(
      async (world) => {
        await commitOffsets(world, undefined, [{ offset: 5 }]);
        world.groups.lose({ leader: 2 });
        expect(await fetchOffsets(world)).toEqual({ errorCode: 0, offsets: [5] });
      },
      { mutants: ['offset-fetch-stale'] },
    ));

  test('should wait for a majority, and after 5 s say that the end is open', () =>
    withCoordination(async (world) => {
      world.groups.hold();
      const begin = world.host.clock.now();
      expect(await commitOffsets(world, undefined, [{ offset: 5 }])).toEqual([kafkaErrors.REQUEST_TIMED_OUT]);
      expect(world.host.clock.now() - begin).toBeCloseTo(5_000, -2);
      world.groups.refusal = 'busy';
      expect(await commitOffsets(world, undefined, [{ offset: 6 }])).toEqual([kafkaErrors.COORDINATOR_NOT_AVAILABLE]);
    }));
});

describe('who may commit', () => {
  test('should be members of this generation, and nobody else while there are members', () =>
    withCoordination(async (world) => {
      const [a, b] = await stableGroup(world, 2);
      if (a === undefined || b === undefined) throw new Error('expected two members');
      expect(await commitOffsets(world, undefined, [{ offset: 1 }])).toEqual([kafkaErrors.UNKNOWN_MEMBER_ID]);
      expect(await commitOffsets(world, a, [{ offset: 1 }], { memberId: 'other' })).toEqual([25]);
      expect(await commitOffsets(world, a, [{ offset: 1 }], { generationIdOrMemberEpoch: 0 })).toEqual([22]);
      const joining = a.join();
      await world.sleep(1);
      // Being revoked, a member commits what it has done.
      expect(await commitOffsets(world, b, [{ offset: 3 }])).toEqual([0]);
      const old = b.generation;
      await Promise.all([joining, b.join()]);
      expect(await commitOffsets(world, b, [{ offset: 4 }], { generationIdOrMemberEpoch: old })).toEqual([22]);
      expect(await commitOffsets(world, b, [{ offset: 4 }])).toEqual([kafkaErrors.REBALANCE_IN_PROGRESS]);
      expect(await fetchOffsets(world)).toEqual({ errorCode: 0, offsets: [3] });
    }));

  test('should be members of older generations when they are not told apart', () =>
    withCoordination(
      async (world) => {
        const [a] = await stableGroup(world, 1);
        expect(await commitOffsets(world, a, [{ offset: 1 }], { generationIdOrMemberEpoch: 0 })).toEqual([0]);
      },
      { mutants: ['old-generation-commits'] },
    ));

  test('should be consumers that assign themselves while the group is empty', () =>
    withCoordination(async (world) => {
      expect(await commitOffsets(world, undefined, [{ offset: 1 }])).toEqual([0]);
      expect(await commitOffsets(world, undefined, [{ offset: 1 }], { generationIdOrMemberEpoch: 1 })).toEqual([25]);
      expect(
        await commitOffsets(world, undefined, [{ offset: 1 }], { groupId: 'new', generationIdOrMemberEpoch: 1 }),
      ).toEqual([kafkaErrors.ILLEGAL_GENERATION]);
      expect(await commitOffsets(world, undefined, [{ offset: 1 }], { groupId: '' })).toEqual([24]);
    }));

  test('should be told of each partition by itself', () =>
    withCoordination(async (world) => {
      const commits = [
        { offset: 1 },
        { partition: 1, offset: 1, metadata: 'x'.repeat(4_097) },
        { partition: 9, offset: 1 },
        { topic: 'gone', offset: 1 },
        { topic: 'payments', offset: 1 },
        { partition: 3, offset: 2, metadata: 'x'.repeat(4_096) },
      ];
      const authorize = (_: string, type: string, name: string) => type !== 'topic' || name !== 'payments';
      expect(await commitOffsets(world, undefined, commits, {}, { authorize })).toEqual([0, 12, 3, 3, 29, 0]);
      expect(await commitOffsets(world, undefined, commits, {}, { authorize: () => false })).toEqual(
        commits.map(() => 30),
      );
      expect((await fetchOffsets(world, 'g', { authorize: () => false })).errorCode).toBe(30);
    }));
});

describe('the end of offsets and groups', () => {
  test('should be the retention after the group was last used, and not while it has members', () =>
    withCoordination(
      async (world) => {
        await commitOffsets(world, undefined, [{ offset: 1 }], { groupId: 'alone' });
        await commitOffsets(world, undefined, [{ offset: 1 }], { groupId: 'short', retentionTimeMs: 600_000 });
        const a = new Member(world, { groupId: 'used' });
        await a.enter();
        await a.sync([a]);
        await commitOffsets(world, a, [{ offset: 5 }]);
        for (let second = 0; second < 4_000; second += 5) {
          await world.sleep(5_000);
          expect(await a.heartbeat()).toBe(0);
          if (second === 800) expect((await fetchOffsets(world, 'short')).offsets).toEqual([-1]);
          if (second === 3_400) expect((await fetchOffsets(world, 'alone')).offsets).toEqual([1]);
        }
        expect((await fetchOffsets(world, 'alone')).offsets).toEqual([-1]);
        expect((await fetchOffsets(world, 'used')).offsets).toEqual([5]);
        const { groups } = await world.call(listGroups, { statesFilter: [] });
        expect(groups.map(({ groupId }) => groupId)).toEqual(['used']);
        await a.leave();
        await world.sleep(3_500_000);
        expect((await fetchOffsets(world, 'used')).offsets).toEqual([5]);
        await world.sleep(300_000);
        expect((await world.call(listGroups, { statesFilter: [] })).groups).toEqual([]);
        expect(world.groupShard.coordinator.groupCount).toBe(0);
      },
      { toMs: 4 * 3_600_000, config: { consumer_groups: { offsets_retention: '1h' } } },
    ));

  test('should be DeleteGroups for a group without members', () =>
    withCoordination(async (world) => {
      const [a] = await stableGroup(world, 1);
      if (a === undefined) throw new Error('expected a member');
      await commitOffsets(world, a, [{ offset: 1 }]);
      const groupsNames = ['g', 'never', ''];
      const codes = async () =>
        (await world.call(deleteGroups, { groupsNames })).results.map(({ errorCode }) => errorCode);
      expect(await codes()).toEqual([kafkaErrors.NON_EMPTY_GROUP, kafkaErrors.GROUP_ID_NOT_FOUND, 24]);
      await a.leave();
      expect(await codes()).toEqual([0, kafkaErrors.GROUP_ID_NOT_FOUND, 24]);
      expect((await fetchOffsets(world)).offsets).toEqual([-1]);
      world.groups.bounce();
      expect((await fetchOffsets(world)).offsets).toEqual([-1]);
    }));

  test('should be that of their topic, also while the group has members', () =>
    withCoordination(async (world) => {
      const [a] = await stableGroup(world, 1);
      if (a === undefined) throw new Error('expected a member');
      await commitOffsets(world, a, [{ offset: 1 }, { topic: 'payments', offset: 2 }]);
      world.deleteTopic('payments');
      for (let second = 0; second < 6; second++) {
        await world.sleep(1_000);
        await a.heartbeat();
      }
      const asked = { groupId: 'g', topics: null, groups: [], requireStable: false };
      const { topics } = await world.call(offsetFetch, asked, { version: 7 });
      expect(topics?.map(({ name }) => name)).toEqual(['orders']);
    }));

  test('should be that of their topic, also when another one gets its name at once', () =>
    withCoordination(async (world) => {
      await commitOffsets(world, undefined, [{ offset: 9 }, { topic: 'payments', offset: 2 }]);
      // The next leader knows the ids as well, if the entry of this one comes to nothing.
      world.groups.refusal = 'busy';
      world.deleteTopic('orders');
      world.createTopic('orders', 4);
      expect(await fetchOffsets(world)).toEqual({ errorCode: 0, offsets: [-1] });
      world.groups.refusal = undefined;
      world.groups.bounce();
      expect(await fetchOffsets(world)).toEqual({ errorCode: 0, offsets: [-1] });
      expect(await commitOffsets(world, undefined, [{ partition: 1, offset: 4 }])).toEqual([0]);
      const before = world.groups.log.length;
      await world.sleep(5_001);
      expect(world.groups.log.length).toBe(before + 1);
      expect(await fetchOffsets(world, 'g', { partitions: [0, 1] })).toEqual({ errorCode: 0, offsets: [-1, 4] });
      // Without hindrance the entry is there at once.
      world.deleteTopic('payments');
      world.createTopic('payments', 2);
      await world.sleep(1);
      expect(world.groups.log.length).toBe(before + 2);
      const asked = { groupId: 'g', topics: null, groups: [], requireStable: false };
      const { topics } = await world.call(offsetFetch, asked, { version: 7 });
      expect(topics?.map(({ name }) => name)).toEqual(['orders']);
      // A commit that was under way at the deletion belongs to the topic that is gone.
      world.groups.hold();
      const committing = commitOffsets(world, undefined, [{ offset: 7 }]);
      await world.sleep(1);
      world.deleteTopic('orders');
      world.createTopic('orders', 4);
      world.groups.release();
      expect(await committing).toEqual([0]);
      expect(await fetchOffsets(world)).toEqual({ errorCode: 0, offsets: [-1] });
    }));

  test('should be OffsetDelete for topics that nobody reads', () =>
    withCoordination(async (world) => {
      const a = new Member(world);
      await a.enter();
      await a.sync([a]);
      await commitOffsets(world, a, [{ offset: 1 }, { topic: 'payments', offset: 1 }]);
      const topics = ['orders', 'payments', 'gone'].map((name) => ({ name, partitions: [{ partitionIndex: 0 }] }));
      const remove = async (groupId = 'g') => {
        const answer = await world.call(offsetDelete, { groupId, topics });
        return [answer.errorCode, ...answer.topics.map(({ partitions }) => partitions[0]?.errorCode)];
      };
      // The members of these tests do not say in the consumers' form what they read.
      expect(await remove()).toEqual([kafkaErrors.NON_EMPTY_GROUP]);
      await a.leave();
      expect(await remove()).toEqual([0, 0, 0, kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION]);
      expect((await fetchOffsets(world)).offsets).toEqual([-1]);
      expect(await remove('never')).toEqual([kafkaErrors.GROUP_ID_NOT_FOUND]);
    }));
});
