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
  const load = (memberId: string): number => result.get(memberId)?.length ?? 0;
  const leastOf = (topic: string): string | undefined =>
    (interested.get(topic) ?? []).toSorted((a, b) => load(a) - load(b) || (a < b ? -1 : 1))[0];
  const free: TopicPartition[] = [];
  for (const one of all) {
    const [only, ...others] = holders.get(`${one.topic}/${one.partition}`) ?? [];
    // Two that claim the same partition: neither claim is believed.
    if (only !== undefined && others.length === 0) result.get(only)?.push(one);
    else free.push(one);
  }
  for (const one of free) {
    const least = leastOf(one.topic);
    if (least !== undefined) result.get(least)?.push(one);
  }
  balance(result, leastOf);
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

/** Moves partitions to readers that hold at least two fewer. Each move makes the loads more alike, so this ends, and stays. */
function balance(result: Assignments, leastOf: (topic: string) => string | undefined): void {
  for (let hasMoved = true; hasMoved; ) {
    hasMoved = false;
    for (const [memberId, given] of result) {
      for (const one of [...given].reverse()) {
        const least = leastOf(one.topic);
        const target = least === undefined || least === memberId ? undefined : result.get(least);
        if (target === undefined || target.length + 1 >= given.length) continue;
        given.splice(given.indexOf(one), 1);
        target.push(one);
        hasMoved = true;
      }
    }
  }
}
