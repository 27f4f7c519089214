import type { Host } from '../../../../host/host.ts';
import type { RandomStream } from '../../../../host/random.ts';
import { apiKeys } from '../../../../wire/kafka/apis.ts';
import type { ClusterClient } from '../client/cluster.ts';
import { CallFailed } from '../client/connection.ts';
import { decodeAssignment, encodeAssignment, encodeSubscription } from './assignment.ts';
import { kafka, type LoadWorld, openCluster, partitionOf, pause, topicOf } from './context.ts';
import { poll } from './fetching.ts';

const retryAfterMs = 200;
/** A rebalance waits this long for its members. */
const rebalanceTimeoutMs = 10_000;

/** A member of a consumer group: joins, owns, reads, commits, leaves, until the load stops. */
export async function runMember(world: LoadWorld, host: Host, group: string, index: number): Promise<void> {
  const client = openCluster(world, host, `${group}-member-${index}`);
  const member = new Member(world, client, group, `${group}-member-${index}`);
  while (!world.isStopped()) {
    if (index >= world.load().members) await pause(world, host, 1_000);
    else await member.live();
  }
  await member.end();
  client.close();
}

class Member {
  readonly #world: LoadWorld;
  readonly #client: ClusterClient;
  readonly #group: string;
  readonly #name: string;
  readonly #process: number;
  readonly #random: RandomStream;
  #id = '';
  #generation = -1;

  constructor(world: LoadWorld, client: ClusterClient, group: string, name: string) {
    this.#world = world;
    this.#client = client;
    this.#group = group;
    this.#name = name;
    this.#process = world.nextProcess();
    this.#random = client.host.random.stream(name);
    world.history.invoke({ process: this.#process, f: 'subscribe', input: { keys: world.plainKeys } }).ok({});
  }

  /** One membership: from joining to the next rebalance. */
  async live(): Promise<void> {
    const keys = await this.#join();
    if (keys === undefined) return this.#rest();
    const positions = await this.#positions(keys);
    if (positions === undefined) return this.#rest();
    const { churn, session, 'commit every': commitEvery } = this.#world.load();
    const began = this.#world.now();
    let heartbeatAt = began;
    let commitAt = began + commitEvery;
    const dirty = new Map<string, number>();
    if (this.#random.chance(0.2)) await this.#commitLate(positions);
    while (!this.#world.isStopped()) {
      const now = this.#world.now();
      if (churn !== undefined && now - began > churn) {
        await this.#commit(dirty);
        // Half of the time it is gone without a word: its session has to run out.
        if (this.#random.chance(0.5)) return this.leave();
        this.#id = '';
        await pause(this.#world, this.#client.host, session);
        return;
      }
      if (now >= heartbeatAt) {
        heartbeatAt = now + session / 4;
        const answer = await this.#heartbeat();
        if (answer === 'rejoin') {
          await this.#commit(dirty);
          return;
        }
      }
      if (now >= commitAt) {
        commitAt = now + commitEvery;
        if (!(await this.#commit(dirty))) return;
      }
      await this.#poll(positions, dirty);
      await pause(this.#world, this.#client.host, this.#world.load()['poll every']);
    }
    await this.#commit(dirty);
  }

  /** Its last word, if it has one: whoever goes without is missed when its session has run out. */
  async end(): Promise<void> {
    const { vanish } = this.#world.load();
    if (vanish === 0 || !this.#random.chance(vanish / 100)) await this.leave();
  }

  async leave(): Promise<void> {
    const member = this.#id;
    this.#id = '';
    if (member === '') return;
    await this.#ask((broker) =>
      this.#client.call(broker, apiKeys.LeaveGroup, 4, { groupId: this.#group, members: [{ memberId: member }] }),
    );
  }

  async #poll(positions: Map<string, number>, dirty: Map<string, number>): Promise<void> {
    if (positions.size === 0) return;
    const operation = this.#world.history.invoke({
      process: this.#process,
      f: 'poll',
      input: [{ kind: 'poll', records: {} }],
    });
    const result = await poll(this.#world, this.#client, positions, { name: this.#name, maxWaitMs: 100 });
    operation.ok([{ kind: 'poll', records: result.records }]);
    for (const [key, next] of result.positions) {
      if (positions.get(key) !== next) dirty.set(key, next);
      positions.set(key, next);
    }
  }

  /** Joins and learns what it owns; undefined when it has to try again. */
  async #join(): Promise<readonly string[] | undefined> {
    const topics = [...new Set(this.#world.plainKeys.map(topicOf))];
    const joined = await this.#ask((broker) =>
      this.#client.call(
        broker,
        apiKeys.JoinGroup,
        7,
        {
          groupId: this.#group,
          sessionTimeoutMs: this.#world.load().session,
          rebalanceTimeoutMs,
          memberId: this.#id,
          protocolType: 'consumer',
          protocols: [{ name: 'range', metadata: encodeSubscription(topics) }],
        },
        rebalanceTimeoutMs + this.#world.load().timeout,
      ),
    );
    if (joined === undefined) return undefined;
    if (joined.errorCode === kafka.memberIdRequired) this.#id = joined.memberId;
    else if (joined.errorCode === kafka.unknownMember) this.#id = '';
    if (joined.errorCode !== kafka.none) return this.#refused(joined.errorCode);
    this.#id = joined.memberId;
    this.#generation = joined.generationId;
    const assignments =
      joined.leader === joined.memberId
        ? encodeAssignment(
            joined.members.map(({ memberId }) => memberId),
            this.#world.plainKeys,
          )
        : [];
    const synced = await this.#ask((broker) =>
      this.#client.call(
        broker,
        apiKeys.SyncGroup,
        5,
        {
          groupId: this.#group,
          generationId: this.#generation,
          memberId: this.#id,
          protocolType: 'consumer',
          protocolName: 'range',
          assignments,
        },
        rebalanceTimeoutMs + this.#world.load().timeout,
      ),
    );
    if (synced === undefined) return undefined;
    if (synced.errorCode === kafka.unknownMember) this.#id = '';
    if (synced.errorCode !== kafka.none) return this.#refused(synced.errorCode);
    const keys = decodeAssignment(synced.assignment);
    this.#world.told.assignments.push({
      group: this.#group,
      generation: this.#generation,
      member: this.#id,
      keys,
      atMs: this.#world.now(),
    });
    return keys;
  }

  /** Where the group has got to in these keys; undefined when nobody can say now. */
  async #positions(keys: readonly string[]): Promise<Map<string, number> | undefined> {
    if (keys.length === 0) return new Map();
    const invokedAt = this.#world.now();
    const answer = await this.#ask((broker) =>
      this.#client.call(broker, apiKeys.OffsetFetch, 7, {
        groupId: this.#group,
        topics: [...new Set(keys.map(topicOf))].map((name) => ({
          name,
          partitionIndexes: keys.filter((key) => topicOf(key) === name).map(partitionOf),
        })),
        requireStable: true,
      }),
    );
    if (answer === undefined) return undefined;
    if (answer.errorCode !== kafka.none) return this.#refused(answer.errorCode);
    const offsets: Record<string, number> = {};
    for (const { name, partitions } of answer.topics) {
      for (const { partitionIndex, committedOffset, errorCode } of partitions) {
        if (errorCode !== kafka.none) return undefined;
        if (committedOffset >= 0) offsets[`${name}/${partitionIndex}`] = committedOffset;
      }
    }
    this.#world.told.offsetFetches.push({
      group: this.#group,
      keys,
      offsets,
      invokedAt,
      completedAt: this.#world.now(),
    });
    return new Map(keys.map((key) => [key, offsets[key] ?? 0]));
  }

  async #heartbeat(): Promise<'stay' | 'rejoin'> {
    const answer = await this.#ask((broker) =>
      this.#client.call(broker, apiKeys.Heartbeat, 4, {
        groupId: this.#group,
        generationId: this.#generation,
        memberId: this.#id,
      }),
    );
    if (answer === undefined || answer.errorCode === kafka.none) return 'stay';
    if (answer.errorCode === kafka.unknownMember) this.#id = '';
    this.#refused(answer.errorCode);
    return [kafka.notCoordinator, kafka.coordinatorLoading, kafka.coordinatorNotAvailable].includes(
      answer.errorCode as 14 | 15 | 16, // `includes` asks for a member of the list
    )
      ? 'stay'
      : 'rejoin';
  }

  /** What a member does that has not heard of the last rebalance: its commit must be refused. */
  async #commitLate(positions: ReadonlyMap<string, number>): Promise<void> {
    const generation = this.#generation;
    this.#generation = generation - 1;
    await this.#commit(new Map(positions));
    this.#generation = generation;
  }

  /** False when this membership is over. */
  async #commit(dirty: Map<string, number>): Promise<boolean> {
    if (dirty.size === 0 || this.#id === '') return true;
    const offsets = Object.fromEntries(dirty);
    dirty.clear();
    const seen: LoadWorld['told']['commits'][number] = {
      group: this.#group,
      generation: this.#generation,
      offsets,
      invokedAt: this.#world.now(),
      completedAt: Number.POSITIVE_INFINITY,
      outcome: 'info',
    };
    this.#world.told.commits.push(seen);
    const keys = Object.keys(offsets);
    const answer = await this.#ask((broker) =>
      this.#client.call(broker, apiKeys.OffsetCommit, 8, {
        groupId: this.#group,
        generationIdOrMemberEpoch: this.#generation,
        memberId: this.#id,
        topics: [...new Set(keys.map(topicOf))].map((name) => ({
          name,
          partitions: keys
            .filter((key) => topicOf(key) === name)
            .map((key) => ({
              partitionIndex: partitionOf(key),
              committedOffset: offsets[key] ?? 0,
              committedMetadata: '',
            })),
        })),
      }),
    );
    if (answer === undefined) return true;
    const codes = answer.topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode));
    const error = codes.find((code) => code !== kafka.none);
    // What a coordinator that lost its place answers leaves it open.
    if (error === undefined) seen.outcome = 'ok';
    else if (![-1, 7, 14, 15, 16].includes(error) && codes.every((code) => code !== kafka.none)) seen.outcome = 'fail';
    if (seen.outcome !== 'info') seen.completedAt = this.#world.now();
    if (error === undefined) return true;
    if (error === kafka.unknownMember) this.#id = '';
    this.#refused(error);
    return ![kafka.illegalGeneration, kafka.unknownMember, kafka.rebalanceInProgress].includes(
      error as 22 | 25 | 27, // `includes` asks for a member of the list
    );
  }

  #refused(errorCode: number): undefined {
    if ([14, 15, 16].includes(errorCode)) this.#client.forgetCoordinator('group', this.#group);
    return undefined;
  }

  /** Calls the coordinator once; undefined when no answer came. */
  async #ask<Answer>(call: (broker: number) => Promise<Answer>): Promise<Answer | undefined> {
    try {
      return await call(await this.#client.coordinator('group', this.#group));
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error;
      this.#client.forgetCoordinator('group', this.#group);
      await this.#client.host.clock.sleep(retryAfterMs);
      return undefined;
    }
  }

  async #rest(): Promise<void> {
    await this.#client.host.clock.sleep(retryAfterMs);
  }
}
