import { apiKeys } from '../../../wire/kafka/apis.ts';
import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import type { KafkaRecord } from '../../../wire/kafka/records.ts';
import { ClientError, isRetriable, kafkaError } from './clientError.ts';
import type { Cluster } from './cluster.ts';
import type { BrokerConnection } from './connection.ts';
import type { TopicPartition } from './consumerProtocol.ts';
import { recordsFrom } from './fetchedRecords.ts';
import { GroupMember, type GroupOptions } from './groupMember.ts';
import { type CommittedOffset, commitOffsets, committedOffsets } from './groupOffsets.ts';
import { offsetOf } from './offsets.ts';
import type { OffsetToCommit } from './transaction.ts';

export interface ConsumerOptions {
  /** The group whose offsets are used, and which is joined by `subscribe`. */
  readonly group?: GroupOptions;
  /** Default read-uncommitted. */
  readonly isolation?: 'read-uncommitted' | 'read-committed';
  /** Where to begin without a committed offset, and after the position was trimmed away. `none` fails. Default earliest. */
  readonly offsetReset?: 'earliest' | 'latest' | 'none';
  /** Bytes of one answer, of all partitions and of one. Default 16 MiB and 1 MiB. */
  readonly maxBytes?: number;
  readonly partitionMaxBytes?: number;
  /** Called before partitions are given up in a rebalance; commit here. */
  readonly onRevoked?: (partitions: readonly TopicPartition[]) => Promise<void> | void;
  /** Called when partitions were given. */
  readonly onAssigned?: (partitions: readonly TopicPartition[], generationId: number) => Promise<void> | void;
}

/** A record with its place. */
export interface ConsumedRecord extends KafkaRecord {
  readonly topic: string;
  readonly partition: number;
}

const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;

/**
 * Reads records: of partitions that are named (`assign`) or given by a group (`subscribe`). Everything happens inside `poll`, but
 * the heartbeats. Positions only move past what `poll` has returned. One `poll` at a time.
 */
export class Consumer {
  readonly #cluster: Cluster;
  readonly #options: ConsumerOptions;
  readonly #isCommitted: boolean;
  #assigned = new Map<string, TopicPartition>();
  /** Next offset to read; missing until it is known. */
  readonly #positions = new Map<string, number>();
  #topics: readonly string[] = [];
  readonly #member: GroupMember | undefined;
  #isClosed = false;
  #isPolling = false;

  constructor(cluster: Cluster, options: ConsumerOptions = {}) {
    this.#cluster = cluster;
    this.#options = options;
    this.#isCommitted = options.isolation === 'read-committed';
    if (options.group !== undefined) this.#member = new GroupMember(cluster, options.group);
  }

  /** The partitions that are read now. */
  get assignment(): readonly TopicPartition[] {
    return [...this.#assigned.values()];
  }

  /** Who this consumer is in its group: for offsets in a transaction. */
  get membership(): { readonly groupId: string; readonly generationId: number; readonly memberId: string } | undefined {
    const member = this.#member;
    return member === undefined
      ? undefined
      : { groupId: member.groupId, generationId: member.generationId, memberId: member.memberId };
  }

  /** Reads exactly these partitions, without a group's help. */
  assign(partitions: readonly TopicPartition[]): void {
    this.#topics = [];
    this.#take(partitions);
  }

  /** Reads what the group gives of these topics, from the next `poll` on. */
  subscribe(topics: readonly string[]): void {
    if (this.#member === undefined) throw new ClientError('STATE', 'definite', 'subscribing needs a group');
    this.#topics = topics;
    this.#member.rejoin();
  }

  #take(partitions: readonly TopicPartition[]): void {
    this.#assigned = new Map(partitions.map((one) => [keyOf(one), one]));
    for (const key of this.#positions.keys()) if (!this.#assigned.has(key)) this.#positions.delete(key);
  }

  /** The next `poll` reads from here. */
  seek(partition: TopicPartition, offset: number): void {
    this.#positions.set(keyOf(partition), offset);
  }

  /** Offset of the next record that `poll` will look at; undefined before the first poll. */
  position(partition: TopicPartition): number | undefined {
    return this.#positions.get(keyOf(partition));
  }

  /**
   * The next records, in the order of their offsets in each partition; empty when there were none in `maxWaitMs`. Joining the
   * group may take longer. Rejects with `ClientError` when a partition cannot be read for a reason that waiting does not heal.
   */
  async poll(maxWaitMs = 500): Promise<ConsumedRecord[]> {
    if (this.#isClosed) throw new ClientError('CLOSED', 'definite', 'the consumer is closed');
    if (this.#isPolling) throw new ClientError('STATE', 'definite', 'one poll at a time');
    this.#isPolling = true;
    const deadline = this.#cluster.host.clock.now() + maxWaitMs;
    try {
      for (let attempt = 0; ; attempt++) {
        await this.#rebalance();
        const records = await this.#fetchAll(Math.max(0, deadline - this.#cluster.host.clock.now()));
        if (records.length > 0 || this.#cluster.host.clock.now() >= deadline) return records;
        await this.#cluster.pause(Math.min(attempt, 2));
      }
    } finally {
      this.#isPolling = false;
    }
  }

  async #rebalance(): Promise<void> {
    const member = this.#member;
    if (member === undefined || this.#topics.length === 0) return;
    member.assertAlive();
    for (let overtaken = 0; member.mustJoin; ) {
      const before = [...this.#assigned.values()];
      if (!member.isCooperative || member.generationId < 0) await this.#revoke(before);
      const membership = await member.join(this.#topics, [...this.#assigned.values()]);
      if (membership === undefined) {
        // The first time is the rule: a new member is told its id and joins again.
        if (overtaken > 0) await this.#cluster.pause(overtaken);
        overtaken += 1;
        continue;
      }
      const given = new Set(membership.assignment.map(keyOf));
      const lost = [...this.#assigned.values()].filter((one) => !given.has(keyOf(one)));
      const added = membership.assignment.filter((one) => !this.#assigned.has(keyOf(one)));
      if (lost.length > 0) await this.#revoke(lost);
      this.#take(membership.assignment);
      await this.#options.onAssigned?.(added, membership.generationId);
      // What was given up is free for others only in another round.
      if (lost.length > 0) member.rejoin();
    }
  }

  async #revoke(partitions: readonly TopicPartition[]): Promise<void> {
    if (partitions.length === 0) return;
    await this.#options.onRevoked?.(partitions);
    const gone = new Set(partitions.map(keyOf));
    this.#take([...this.#assigned.values()].filter((one) => !gone.has(keyOf(one))));
  }

  async #fetchAll(maxWaitMs: number): Promise<ConsumedRecord[]> {
    await this.#locate();
    const byBroker = new Map<BrokerConnection, { at: TopicPartition; leaderEpoch: number }[]>();
    for (const at of this.#assigned.values()) {
      if (!this.#positions.has(keyOf(at))) continue;
      try {
        const { connection, view } = await this.#cluster.leaderOf(at.topic, at.partition);
        byBroker.set(connection, [...(byBroker.get(connection) ?? []), { at, leaderEpoch: view.leaderEpoch }]);
      } catch (error) {
        if (!isRetriable(error)) throw error;
      }
    }
    // With several leaders nobody may hold the others' records back.
    const waitMs = Math.floor(byBroker.size > 1 ? Math.min(maxWaitMs, 100) : maxWaitMs);
    const answers = await Promise.all(
      [...byBroker].map(([connection, partitions]) => this.#fetch(connection, partitions, waitMs)),
    );
    return answers.flat();
  }

  /** Finds where to begin in partitions without a position: the committed offset, else as `offsetReset` says. */
  async #locate(): Promise<void> {
    const missing = [...this.#assigned.values()].filter((one) => !this.#positions.has(keyOf(one)));
    if (missing.length === 0) return;
    const group = this.#options.group?.groupId;
    const committed =
      group === undefined ? [] : await committedOffsets(this.#cluster, group, missing, this.#isCommitted);
    for (const { topic, partition, offset } of committed) {
      if (offset >= 0) this.#positions.set(keyOf({ topic, partition }), offset);
    }
    for (const one of missing) if (!this.#positions.has(keyOf(one))) await this.#reset(one);
  }

  async #reset(at: TopicPartition): Promise<void> {
    const reset = this.#options.offsetReset ?? 'earliest';
    if (reset === 'none') {
      throw kafkaError('read', `${keyOf(at)} has no position to begin at`, kafkaErrors.OFFSET_OUT_OF_RANGE);
    }
    const { offset } = await offsetOf(this.#cluster, at, reset, this.#isCommitted);
    this.#positions.set(keyOf(at), offset);
  }

  async #fetch(
    connection: BrokerConnection,
    partitions: readonly { readonly at: TopicPartition; readonly leaderEpoch: number }[],
    maxWaitMs: number,
  ): Promise<ConsumedRecord[]> {
    const asked = new Map<string, number>();
    const topics = [...Map.groupBy(partitions, ({ at }) => at.topic)].map(([topic, of]) => ({
      topic,
      topicId: this.#cluster.knownTopic(topic)?.id,
      partitions: of.map(({ at, leaderEpoch }) => {
        const fetchOffset = this.#positions.get(keyOf(at)) ?? 0;
        asked.set(keyOf(at), fetchOffset);
        return {
          partition: at.partition,
          currentLeaderEpoch: leaderEpoch,
          fetchOffset,
          partitionMaxBytes: this.#options.partitionMaxBytes ?? 1_048_576,
        };
      }),
    }));
    try {
      const answer = await connection.request(
        apiKeys.Fetch,
        {
          maxWaitMs,
          minBytes: 1,
          maxBytes: this.#options.maxBytes ?? 16 * 1_048_576,
          isolationLevel: this.#isCommitted ? 1 : 0,
          topics,
        },
        { timeoutMs: maxWaitMs + this.#cluster.settings.requestTimeoutMs },
      );
      if (answer.errorCode !== 0) throw kafkaError('read', 'fetch', answer.errorCode);
      const names = new Map(topics.map(({ topic, topicId }) => [hex(topicId), topic]));
      const records: ConsumedRecord[] = [];
      for (const one of answer.responses) {
        const topic = one.topic === '' ? names.get(hex(one.topicId)) : one.topic;
        if (topic === undefined) continue;
        for (const partition of one.partitions) {
          const at = { topic, partition: partition.partitionIndex };
          const position = asked.get(keyOf(at));
          if (position !== undefined) records.push(...(await this.#accept(at, position, partition)));
        }
      }
      return records;
    } catch (error) {
      for (const { topic } of topics) this.#cluster.forgetTopic(topic);
      if (isRetriable(error)) return [];
      throw error;
    }
  }

  async #accept(
    at: TopicPartition,
    position: number,
    answer: {
      readonly errorCode: number;
      readonly records: Uint8Array | null;
      readonly abortedTransactions: readonly { readonly producerId: number; readonly firstOffset: number }[] | null;
    },
  ): Promise<ConsumedRecord[]> {
    const key = keyOf(at);
    // Sought or taken away while the answer was under way.
    if (this.#positions.get(key) !== position) return [];
    if (answer.errorCode === kafkaErrors.OFFSET_OUT_OF_RANGE) {
      await this.#reset(at);
      return [];
    }
    if (answer.errorCode !== 0) {
      const error = kafkaError('read', `fetch of ${key} at ${position}`, answer.errorCode);
      this.#cluster.forgetTopic(at.topic);
      if (isRetriable(error)) return [];
      throw error;
    }
    if (answer.records === null) return [];
    const aborted = this.#isCommitted ? (answer.abortedTransactions ?? []) : undefined;
    const { records, nextOffset } = recordsFrom(answer.records, position, aborted);
    this.#positions.set(key, nextOffset);
    return records.map((record) => ({ ...record, topic: at.topic, partition: at.partition }));
  }

  /** Commits offsets of the group: the given ones, or the positions of all partitions. */
  async commit(offsets?: readonly OffsetToCommit[]): Promise<void> {
    const group = this.#options.group?.groupId;
    if (group === undefined) throw new ClientError('STATE', 'definite', 'committing needs a group');
    const member = this.#topics.length > 0 ? this.#member : undefined;
    const positions = [...this.#assigned.values()].flatMap((at) => {
      const offset = this.#positions.get(keyOf(at));
      return offset === undefined ? [] : [{ ...at, offset }];
    });
    try {
      await commitOffsets(this.#cluster, group, offsets ?? positions, member);
    } catch (error) {
      if (error instanceof ClientError && error.errorNumber !== undefined) member?.heed(error.errorNumber);
      throw error;
    }
  }

  /** What the group has committed for partitions; -1: nothing. */
  async committed(partitions: readonly TopicPartition[]): Promise<CommittedOffset[]> {
    const group = this.#options.group?.groupId;
    if (group === undefined) throw new ClientError('STATE', 'definite', 'committed offsets need a group');
    return await committedOffsets(this.#cluster, group, partitions, this.#isCommitted);
  }

  /** Leaves the group. Nothing is committed by itself. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#member?.leave();
  }
}

function hex(id: Uint8Array | undefined): string {
  return id === undefined ? '' : Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('hex');
}
