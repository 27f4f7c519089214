import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Assignments,
  assignCooperative,
  assignRange,
  type MemberSubscription,
} from '../../../../src/engines/streambus/client/assignors.ts';
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  type TopicPartition,
} from '../../../../src/engines/streambus/client/consumerProtocol.ts';

const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;
const member = (memberId: string, topics: string[], owned: TopicPartition[] = []): MemberSubscription => ({
  memberId,
  topics,
  owned,
});
const shown = (assignments: Assignments): Record<string, string[]> =>
  Object.fromEntries([...assignments].map(([id, of]) => [id, of.map(keyOf)]));

const group = fc
  .uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1 })
  .chain((ids) =>
    fc.tuple(...ids.map((id) => fc.subarray(['x', 'y', 'z'], { minLength: 1 }).map((topics) => member(id, topics)))),
  );
const counts = fc
  .record({ x: fc.nat({ max: 9 }), y: fc.nat({ max: 9 }), z: fc.nat({ max: 9 }) })
  .map((record) => new Map(Object.entries(record)));

describe('assignors', () => {
  it('should give each member a run of each topic', () => {
    const members = [member('m2', ['t', 'u']), member('m1', ['t']), member('m3', ['t'])];
    expect(
      shown(
        assignRange(
          members,
          new Map([
            ['t', 7],
            ['u', 2],
          ]),
        ),
      ),
    ).toEqual({
      m1: ['t/0', 't/1', 't/2'],
      m2: ['t/3', 't/4', 'u/0', 'u/1'],
      m3: ['t/5', 't/6'],
    });
  });

  it('should give every partition that somebody reads to exactly one of its readers', () => {
    fc.assert(
      fc.property(group, counts, (members, partitions) => {
        for (const assign of [assignRange, assignCooperative]) {
          const given = [...assign(members, partitions)].flatMap(([id, of]) => of.map((one) => ({ id, one })));
          const read = new Set(members.flatMap(({ topics }) => topics));
          const all = [...partitions].flatMap(([topic, count]) =>
            read.has(topic) ? Array.from({ length: count }, (_, partition) => keyOf({ topic, partition })) : [],
          );
          expect(given.map(({ one }) => keyOf(one)).toSorted()).toEqual(all.toSorted());
          for (const { id, one } of given) {
            expect(members.find(({ memberId }) => memberId === id)?.topics).toContain(one.topic);
          }
        }
      }),
    );
  });

  it('should never move a partition in one round, and settle', () => {
    fc.assert(
      fc.property(group, group, counts, (before, after, partitions) => {
        const held = assignCooperative(before, partitions);
        const withOwned = after.map((one) => ({
          ...one,
          owned: (held.get(one.memberId) ?? []).filter(({ topic }) => one.topics.includes(topic)),
        }));
        const holder = new Map(
          withOwned.flatMap(({ memberId, owned }) => owned.map((one): [string, string] => [keyOf(one), memberId])),
        );
        const first = assignCooperative(withOwned, partitions);
        for (const [id, of] of first) for (const one of of) expect(holder.get(keyOf(one)) ?? id).toBe(id);
        let settled = first;
        for (let round = 0; round < 8; round++) {
          settled = assignCooperative(
            after.map((one) => ({ ...one, owned: settled.get(one.memberId) ?? [] })),
            partitions,
          );
        }
        const read = new Set(after.flatMap(({ topics }) => topics));
        const total = [...partitions].reduce((sum, [topic, count]) => sum + (read.has(topic) ? count : 0), 0);
        expect([...settled.values()].flat()).toHaveLength(total);
        const again = assignCooperative(
          after.map((one) => ({ ...one, owned: settled.get(one.memberId) ?? [] })),
          partitions,
        );
        expect(again).toEqual(settled);
      }),
    );
  });

  it('should carry subscriptions and assignments', () => {
    const owned = [
      { topic: 't', partition: 3 },
      { topic: 'u', partition: 0 },
    ];
    expect(decodeSubscription(encodeSubscription(['t', 'u'], owned))).toEqual({ topics: ['t', 'u'], owned });
    expect(decodeAssignment(encodeAssignment(owned))).toEqual(owned);
    expect(decodeAssignment(new Uint8Array(0))).toEqual([]);
    // Version 0, as kafkajs sends it: no owned partitions.
    expect(decodeSubscription(new Uint8Array(Buffer.from('000000000001000174ffffffff', 'hex')))).toEqual({
      topics: ['t'],
      owned: [],
    });
  });
});
