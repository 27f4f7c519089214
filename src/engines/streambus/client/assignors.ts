import type { TopicPartition } from './consumerProtocol.ts';

/** A member as the group's leader sees it. */
export interface MemberSubscription {
  readonly memberId: string;
  readonly topics: readonly string[];
  /** Partitions that it holds now (cooperative members tell). */
  readonly owned: readonly TopicPartition[];
}

/** Who gets what, by member. Every member has an entry. */
export type Assignments = Map<string, TopicPartition[]>;

export type AssignorName = 'range' | 'cooperative-sticky';

function subscribers(members: readonly MemberSubscription[]): Map<string, string[]> {
  const byTopic = new Map<string, string[]>();
  for (const { memberId, topics } of members) {
    for (const topic of topics) byTopic.set(topic, [...(byTopic.get(topic) ?? []), memberId]);
  }
  return byTopic;
}

function empty(members: readonly MemberSubscription[]): Assignments {
  return new Map(members.map(({ memberId }): [string, TopicPartition[]] => [memberId, []]));
}

/** Kafka's range assignor: each topic's partitions in equal runs over its members in the order of their ids. */
export function assignRange(
  members: readonly MemberSubscription[],
  partitions: ReadonlyMap<string, number>,
): Assignments {
  const result = empty(members);
  for (const [topic, unsorted] of subscribers(members)) {
    const ids = unsorted.toSorted();
    const count = partitions.get(topic) ?? 0;
    const each = Math.floor(count / ids.length);
    const extra = count % ids.length;
    ids.forEach((memberId, n) => {
      const start = each * n + Math.min(n, extra);
      const length = each + (n < extra ? 1 : 0);
      for (let partition = start; partition < start + length; partition++) {
        result.get(memberId)?.push({ topic, partition });
      }
    });
  }
  return result;
}

/**
 * Balanced, and members keep what they hold as far as that allows. A partition that changes hands is given to nobody in this
 * round: its holder gives it up first and joins again (KIP-429).
 */
export function assignCooperative(
  members: readonly MemberSubscription[],
  partitions: ReadonlyMap<string, number>,
): Assignments {
  const result = empty(members);
  const interested = subscribers(members);
  const holders = new Map<string, string[]>();
  for (const { memberId, owned, topics } of members) {
    for (const { topic, partition } of owned) {
      if (!topics.includes(topic)) continue;
      const key = `${topic}/${partition}`;
      holders.set(key, [...(holders.get(key) ?? []), memberId]);
    }
  }
  const all: TopicPartition[] = [...interested.keys()]
    .toSorted()
    .flatMap((topic) => Array.from({ length: partitions.get(topic) ?? 0 }, (_, partition) => ({ topic, partition })));
  const most = Math.ceil(all.length / Math.max(1, members.length));
  const load = (memberId: string): number => result.get(memberId)?.length ?? 0;
  const waiting: TopicPartition[] = [];
  for (const one of all) {
    const holder = holders.get(`${one.topic}/${one.partition}`);
    // Two that claim the same partition: neither claim is believed.
    const [only] = holder ?? [];
    if (holder?.length === 1 && only !== undefined && load(only) < most) result.get(only)?.push(one);
    else waiting.push(one);
  }
  for (const one of waiting) {
    const least = (interested.get(one.topic) ?? []).toSorted((a, b) => load(a) - load(b) || (a < b ? -1 : 1))[0];
    if (least !== undefined) result.get(least)?.push(one);
  }
  for (const [memberId, given] of result) {
    result.set(
      memberId,
      given.filter(({ topic, partition }) => {
        const holder = holders.get(`${topic}/${partition}`);
        return holder === undefined || holder.every((id) => id === memberId);
      }),
    );
  }
  return result;
}
