import { type ApiKey, apiKeys } from '../../../wire/kafka/apis.ts';
import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import type { RequestInput, ResponseOutput } from '../../../wire/kafka/messages.ts';
import { ClientError, isRetriable, kafkaError, type OperationKind } from './clientError.ts';
import type { Cluster, CoordinatorKind, TopicView } from './cluster.ts';
import type { TopicPartition } from './consumerProtocol.ts';
import { type CommittedOffset, commitOffsets, committedOffsets } from './groupOffsets.ts';
import { type OffsetAndTime, offsetOf } from './offsets.ts';
import type { OffsetToCommit } from './transaction.ts';

/** A topic to create. */
export interface NewTopic {
  readonly name: string;
  /** Default: the broker's. */
  readonly partitions?: number;
  readonly replication?: number;
  readonly configs?: Readonly<Record<string, string>>;
}

/** What holds for a topic or a broker. */
export interface ConfigResource {
  readonly type: 'topic' | 'broker';
  readonly name: string;
}

export interface ConfigValue {
  readonly name: string;
  readonly value: string | null;
  readonly isReadOnly: boolean;
  /** Set for this resource, not inherited. */
  readonly isOverride: boolean;
}

/** Limits a second; undefined leaves the limit as it is, null takes it away. */
export interface QuotaChange {
  /** Undefined: for all clients without a limit of their own. */
  readonly clientId?: string;
  readonly user?: string;
  readonly limits: Readonly<Record<string, number | null>>;
}

const resourceTypes = { topic: 2, broker: 4 } as const;
const defaultSource = 5;

/** It is the metadata's leader that answers, and a topic that it does not know is not on its way: to ask again would only take time. */
function isPassingForTopics(error: ClientError): boolean {
  return isRetriable(error) && error.errorNumber !== kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION;
}

/** What operators do, over Kafka's protocol. Every failure is a `ClientError` with its outcome. */
export class Admin {
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /**
   * Any request to any broker (every broker forwards), tried again while no broker answers. `check` throws for an error number.
   * `isPassing`: whether to try again after an error, by default `isRetriable`.
   */
  async ask<K extends ApiKey>(
    kind: OperationKind,
    apiKey: K,
    body: RequestInput<K>,
    check: (answer: ResponseOutput<K>) => void,
    isPassing?: (error: ClientError) => boolean,
  ): Promise<ResponseOutput<K>> {
    const attempt = async () => {
      const connection = await this.#cluster.anyConnection();
      const answer = await connection.request(apiKey, body);
      check(answer);
      return answer;
    };
    return await this.#cluster.retrying(kind, attempt, undefined, isPassing);
  }

  /** The same to the coordinator of a group or a transactional id. */
  async askCoordinator<K extends ApiKey>(
    kind: CoordinatorKind,
    key: string,
    apiKey: K,
    body: RequestInput<K>,
    check: (answer: ResponseOutput<K>) => void,
  ): Promise<ResponseOutput<K>> {
    return await this.#cluster.askCoordinator(kind, key, async (connection) => {
      const answer = await connection.request(apiKey, body);
      check(answer);
      return answer;
    });
  }

  /** Creates topics; resolves when all of them have leaders. Rejects with the first error, 36 when one exists. */
  async createTopics(topics: readonly NewTopic[], timeoutMs = 10_000): Promise<void> {
    const body = {
      topics: topics.map(({ name, partitions = -1, replication = -1, configs = {} }) => ({
        name,
        numPartitions: partitions,
        replicationFactor: replication,
        configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
      })),
      timeoutMs,
    };
    await this.ask('administer', apiKeys.CreateTopics, body, (answer) => {
      for (const { name, errorCode, errorMessage } of answer.topics)
        check(`creating topic ${name}`, errorCode, errorMessage);
    });
    for (const { name } of topics) this.#cluster.forgetTopic(name);
  }

  /** Rejects with the first error, 3 when there is none of a name. */
  async deleteTopics(names: readonly string[], timeoutMs = 10_000): Promise<void> {
    const body = { topics: names.map((name) => ({ name })), topicNames: names, timeoutMs };
    const checkAll = (answer: ResponseOutput<typeof apiKeys.DeleteTopics>) => {
      for (const { name, errorCode, errorMessage } of answer.responses)
        check(`deleting topic ${name}`, errorCode, errorMessage);
    };
    await this.ask('administer', apiKeys.DeleteTopics, body, checkAll, isPassingForTopics);
    for (const name of names) this.#cluster.forgetTopic(name);
  }

  /** Raises the number of a topic's partitions to `count`. */
  async createPartitions(topic: string, count: number, timeoutMs = 10_000): Promise<void> {
    await this.ask(
      'administer',
      apiKeys.CreatePartitions,
      { topics: [{ name: topic, count }], timeoutMs },
      (answer) => {
        for (const { errorCode, errorMessage } of answer.results)
          check(`partitions of ${topic}`, errorCode, errorMessage);
      },
      isPassingForTopics,
    );
    this.#cluster.forgetTopic(topic);
  }

  /** All topics, by name, with partitions and leaders. */
  async topics(): Promise<TopicView[]> {
    const answer = await this.#cluster.retrying('read', () => this.#cluster.refresh());
    return answer.topics
      .map((topic) => this.#cluster.knownTopic(topic.name ?? ''))
      .filter((topic) => topic !== undefined)
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  async describeCluster(): Promise<ResponseOutput<typeof apiKeys.DescribeCluster>> {
    return await this.ask('read', apiKeys.DescribeCluster, {}, (answer) =>
      check('describing the cluster', answer.errorCode, answer.errorMessage),
    );
  }

  /** First or last offset of a partition, or of the first record at or after a time. */
  async offset(
    partition: TopicPartition,
    place: 'earliest' | 'latest' | number,
    isCommitted = false,
  ): Promise<OffsetAndTime> {
    return await offsetOf(this.#cluster, partition, place, isCommitted);
  }

  /** Deletes what lies before an offset (-1: before the high watermark). Resolves to the new beginning. */
  async deleteRecords({ topic, partition }: TopicPartition, before: number, timeoutMs = 10_000): Promise<number> {
    return await this.#cluster.retrying('administer', async () => {
      const { connection } = await this.#cluster.leaderOf(topic, partition);
      try {
        const answer = await connection.request(apiKeys.DeleteRecords, {
          topics: [{ name: topic, partitions: [{ partitionIndex: partition, offset: before }] }],
          timeoutMs,
        });
        const result = answer.topics[0]?.partitions[0];
        check(`deleting records of ${topic}/${partition}`, result?.errorCode ?? kafkaErrors.UNKNOWN_SERVER_ERROR);
        return result?.lowWatermark ?? -1;
      } catch (error) {
        if (isRetriable(error)) this.#cluster.forgetTopic(topic);
        throw error;
      }
    });
  }

  /** Groups of all brokers, each once. */
  async listGroups(): Promise<ResponseOutput<typeof apiKeys.ListGroups>['groups']> {
    return await this.#ofAllBrokers(apiKeys.ListGroups, {}, (answer) => {
      check('listing groups', answer.errorCode);
      return answer.groups.map((group): [string, typeof group] => [group.groupId, group]);
    });
  }

  /** Transactional ids of all brokers, each once. */
  async listTransactions(
    states: readonly string[] = [],
  ): Promise<ResponseOutput<typeof apiKeys.ListTransactions>['transactionStates']> {
    return await this.#ofAllBrokers(
      apiKeys.ListTransactions,
      { stateFilters: states, producerIdFilters: [] },
      (answer) => {
        check('listing transactions', answer.errorCode);
        return answer.transactionStates.map((one): [string, typeof one] => [one.transactionalId, one]);
      },
    );
  }

  async #ofAllBrokers<K extends ApiKey, T>(
    apiKey: K,
    body: RequestInput<K>,
    read: (answer: ResponseOutput<K>) => readonly (readonly [string, T])[],
  ): Promise<T[]> {
    return await this.#cluster.retrying('read', async () => {
      await this.#cluster.refresh([]);
      const found = new Map<string, T>();
      for (const broker of [...this.#cluster.brokers.keys()].toSorted((a, b) => a - b)) {
        const connection = await this.#cluster.connectionTo(broker);
        for (const [key, value] of read(await connection.request(apiKey, body))) found.set(key, value);
      }
      return [...found.values()];
    });
  }

  async describeGroup(groupId: string): Promise<ResponseOutput<typeof apiKeys.DescribeGroups>['groups'][number]> {
    const answer = await this.askCoordinator(
      'group',
      groupId,
      apiKeys.DescribeGroups,
      { groups: [groupId] },
      ({ groups }) => check(`describing group ${groupId}`, groups[0]?.errorCode ?? kafkaErrors.UNKNOWN_SERVER_ERROR),
    );
    const [group] = answer.groups;
    if (group === undefined) throw new ClientError('PROTOCOL', 'definite', `the answer does not name group ${groupId}`);
    return group;
  }

  async deleteGroup(groupId: string): Promise<void> {
    await this.askCoordinator('group', groupId, apiKeys.DeleteGroups, { groupsNames: [groupId] }, ({ results }) =>
      check(`deleting group ${groupId}`, results[0]?.errorCode ?? kafkaErrors.UNKNOWN_SERVER_ERROR),
    );
  }

  /** Committed offsets of a group; of all its partitions when none are named. `isStable`: waits for transactions that end now. */
  async groupOffsets(
    groupId: string,
    partitions?: readonly TopicPartition[],
    isStable = false,
  ): Promise<CommittedOffset[]> {
    return await committedOffsets(this.#cluster, groupId, partitions, isStable);
  }

  /** Sets offsets of a group that has no members. */
  async resetGroupOffsets(groupId: string, offsets: readonly OffsetToCommit[]): Promise<void> {
    await commitOffsets(this.#cluster, groupId, offsets);
  }

  async deleteGroupOffsets(groupId: string, partitions: readonly TopicPartition[]): Promise<void> {
    const topics = [...Map.groupBy(partitions, (one) => one.topic)].map(([name, of]) => ({
      name,
      partitions: of.map(({ partition }) => ({ partitionIndex: partition })),
    }));
    await this.askCoordinator('group', groupId, apiKeys.OffsetDelete, { groupId, topics }, (answer) => {
      check(`offsets of ${groupId}`, answer.errorCode);
      for (const { errorCode } of answer.topics.flatMap((topic) => topic.partitions))
        check(`offsets of ${groupId}`, errorCode);
    });
  }

  async describeTransaction(
    transactionalId: string,
  ): Promise<ResponseOutput<typeof apiKeys.DescribeTransactions>['transactionStates'][number]> {
    const answer = await this.askCoordinator(
      'transaction',
      transactionalId,
      apiKeys.DescribeTransactions,
      { transactionalIds: [transactionalId] },
      ({ transactionStates }) =>
        check(`transaction ${transactionalId}`, transactionStates[0]?.errorCode ?? kafkaErrors.UNKNOWN_SERVER_ERROR),
    );
    const [state] = answer.transactionStates;
    if (state === undefined)
      throw new ClientError('PROTOCOL', 'definite', `the answer does not name ${transactionalId}`);
    return state;
  }

  /** Settings of a topic or a broker. */
  async configs({ type, name }: ConfigResource): Promise<ConfigValue[]> {
    const answer = await this.ask(
      'read',
      apiKeys.DescribeConfigs,
      { resources: [{ resourceType: resourceTypes[type], resourceName: name, configurationKeys: null }] },
      ({ results }) => {
        for (const { errorCode, errorMessage } of results)
          check(`settings of ${type} ${name}`, errorCode, errorMessage);
      },
    );
    return answer.results.flatMap((result) =>
      result.configs.map(({ name: key, value, readOnly, configSource }) => ({
        name: key,
        value,
        isReadOnly: readOnly,
        isOverride: configSource !== defaultSource,
      })),
    );
  }

  /** Changes settings; null goes back to the default. */
  async alterConfigs({ type, name }: ConfigResource, changes: Readonly<Record<string, string | null>>): Promise<void> {
    const configs = Object.entries(changes).map(([key, value]) => ({
      name: key,
      configOperation: value === null ? 1 : 0,
      value,
    }));
    await this.ask(
      'administer',
      apiKeys.IncrementalAlterConfigs,
      { resources: [{ resourceType: resourceTypes[type], resourceName: name, configs }] },
      ({ responses }) => {
        for (const { errorCode, errorMessage } of responses)
          check(`settings of ${type} ${name}`, errorCode, errorMessage);
      },
    );
  }

  /** Sets or removes limits: `producer_byte_rate`, `consumer_byte_rate` and what else the broker knows. */
  async alterQuota({ clientId, user, limits }: QuotaChange): Promise<void> {
    const entity = [
      ...(user === undefined ? [] : [{ entityType: 'user', entityName: user }]),
      ...(user !== undefined && clientId === undefined
        ? []
        : [{ entityType: 'client-id', entityName: clientId ?? null }]),
    ];
    const ops = Object.entries(limits).map(([key, value]) => ({ key, value: value ?? 0, remove: value === null }));
    await this.ask('administer', apiKeys.AlterClientQuotas, { entries: [{ entity, ops }] }, ({ entries }) => {
      for (const { errorCode, errorMessage } of entries) check('quota', errorCode, errorMessage);
    });
  }

  /** All limits. */
  async quotas(): Promise<NonNullable<ResponseOutput<typeof apiKeys.DescribeClientQuotas>['entries']>> {
    const answer = await this.ask('read', apiKeys.DescribeClientQuotas, { components: [], strict: false }, (one) =>
      check('quotas', one.errorCode, one.errorMessage),
    );
    return answer.entries ?? [];
  }

  /** Asks for leaders on the preferred replicas; undefined: of all partitions. Those that lead already are no error. */
  async electPreferredLeaders(partitions?: readonly TopicPartition[]): Promise<void> {
    const topicPartitions =
      partitions === undefined
        ? null
        : [...Map.groupBy(partitions, (one) => one.topic)].map(([topic, of]) => ({
            topic,
            partitions: of.map((one) => one.partition),
          }));
    await this.ask('administer', apiKeys.ElectLeaders, { electionType: 0, topicPartitions }, (answer) => {
      check('electing leaders', answer.errorCode);
      for (const { errorCode, errorMessage } of answer.replicaElectionResults.flatMap((one) => one.partitionResult)) {
        if (errorCode !== kafkaErrors.ELECTION_NOT_NEEDED) check('electing leaders', errorCode, errorMessage);
      }
    });
  }
}

function check(what: string, errorCode: number, message?: string | null): void {
  if (errorCode !== 0) throw kafkaError('administer', what, errorCode, message);
}
