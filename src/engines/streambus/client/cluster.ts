import type { Host } from '../../../host/host.ts';
import type { Address } from '../../../host/network.ts';
import type { RandomStream } from '../../../host/random.ts';
import { apiKeys } from '../../../wire/kafka/apis.ts';
import type { ResponseOutput } from '../../../wire/kafka/messages.ts';
import { ClientError, isRetriable, kafkaError, type OperationKind } from './clientError.ts';
import type { BrokerConnection } from './connection.ts';
import { openConnection } from './handshake.ts';
import { type ClientOptions, type ClientSettings, settingsOf } from './options.ts';

/** A partition as the last metadata showed it. */
export interface PartitionView {
  readonly partition: number;
  /** -1: nobody leads. */
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly replicas: readonly number[];
}

export interface TopicView {
  readonly name: string;
  /** 16 bytes. */
  readonly id: Uint8Array;
  readonly partitions: ReadonlyMap<number, PartitionView>;
}

/** Where an operation goes. */
export type CoordinatorKind = 'group' | 'transaction';

const retryMsMax = 1_000;

/** The brokers as a client knows them: connections, metadata, coordinators, and how often to try again. */
export class Cluster {
  readonly host: Host;
  readonly settings: ClientSettings;
  readonly #random: RandomStream;
  readonly #brokers = new Map<number, Address>();
  readonly #connections = new Map<string, Promise<BrokerConnection>>();
  readonly #topics = new Map<string, TopicView>();
  readonly #coordinators = new Map<string, number>();
  readonly #abort = new AbortController();
  #controller = -1;
  #clusterId: string | undefined;

  constructor(host: Host, options: ClientOptions) {
    this.host = host;
    this.settings = settingsOf(options);
    this.#random = host.random.stream('client');
  }

  /** Aborted when the client closes. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Brokers of the last metadata, by id. */
  get brokers(): ReadonlyMap<number, Address> {
    return this.#brokers;
  }

  get clusterId(): string | undefined {
    return this.#clusterId;
  }

  /** Id of the broker that calls itself controller; -1 when none is known. */
  get controller(): number {
    return this.#controller;
  }

  #assertOpen(): void {
    if (this.#abort.signal.aborted) throw new ClientError('CLOSED', 'definite', 'the client is closed');
  }

  async #connectionAt(address: Address): Promise<BrokerConnection> {
    this.#assertOpen();
    const key = `${address.host}:${address.port}`;
    const known = this.#connections.get(key);
    if (known !== undefined) {
      const connection = await known;
      if (connection.isOpen) return connection;
      if (this.#connections.get(key) === known) this.#connections.delete(key);
      return await this.#connectionAt(address);
    }
    const opening = openConnection(this.host, address, this.settings, this.#abort.signal);
    this.#connections.set(key, opening);
    // A failed attempt is forgotten before its error is seen, so that the next one tries anew.
    opening.catch(() => {
      if (this.#connections.get(key) === opening) this.#connections.delete(key);
    });
    return await opening;
  }

  /** The connection to a broker; made when there is none. Rejects `definite`. */
  async connectionTo(broker: number): Promise<BrokerConnection> {
    const address = this.#brokers.get(broker);
    if (address === undefined) {
      throw new ClientError('CONNECTION', 'definite', `broker ${broker} is not in the metadata`);
    }
    return await this.#connectionAt(address);
  }

  /** A connection to any broker that answers: known ones first, in random order, then those that were given to ask first. */
  async anyConnection(): Promise<BrokerConnection> {
    this.#assertOpen();
    const candidates = [
      ...this.#random.shuffle([...this.#brokers.values()]),
      ...this.#random.shuffle(this.settings.bootstrap),
    ];
    let failure: unknown;
    for (const address of candidates) {
      try {
        return await this.#connectionAt(address);
      } catch (error) {
        failure = error;
        if (error instanceof ClientError && (error.code === 'AUTHENTICATION' || error.code === 'CLOSED')) throw error;
      }
    }
    throw failure;
  }

  /** Asks for fresh metadata of these topics (undefined: all) and of the brokers. Rejects when no broker answers. */
  async refresh(topics?: readonly string[], allowAutoTopicCreation = false): Promise<ResponseOutput<3>> {
    const connection = await this.anyConnection();
    const answer = await connection.request(apiKeys.Metadata, {
      topics: topics === undefined ? null : topics.map((name) => ({ name })),
      allowAutoTopicCreation,
    });
    if (answer.brokers.length > 0) {
      this.#brokers.clear();
      for (const { nodeId, host, port } of answer.brokers) this.#brokers.set(nodeId, { host, port });
    }
    this.#controller = answer.controllerId;
    this.#clusterId = answer.clusterId ?? undefined;
    if (topics === undefined) this.#topics.clear();
    for (const topic of answer.topics) this.#learn(topic);
    return answer;
  }

  #learn(topic: ResponseOutput<3>['topics'][number]): void {
    if (topic.name === null) return;
    if (topic.errorCode !== 0) {
      this.#topics.delete(topic.name);
      return;
    }
    const partitions = new Map<number, PartitionView>();
    for (const { partitionIndex, leaderId, leaderEpoch, replicaNodes } of topic.partitions) {
      partitions.set(partitionIndex, {
        partition: partitionIndex,
        leader: leaderId,
        leaderEpoch,
        replicas: replicaNodes,
      });
    }
    this.#topics.set(topic.name, { name: topic.name, id: topic.topicId, partitions });
  }

  /** What the last metadata said of a topic. */
  knownTopic(name: string): TopicView | undefined {
    return this.#topics.get(name);
  }

  /** A topic's view; asked for when it is not known. Rejects with 3 when there is none. */
  async topic(name: string, allowAutoTopicCreation = false): Promise<TopicView> {
    const known = this.#topics.get(name);
    if (known !== undefined) return known;
    const answer = await this.refresh([name], allowAutoTopicCreation);
    const found = this.#topics.get(name);
    if (found !== undefined) return found;
    const errorCode = answer.topics.find((topic) => topic.name === name)?.errorCode ?? 3;
    // Learnt, and forgotten by somebody else's failure before this turn: it is asked for again.
    if (errorCode === 0) return await this.topic(name, allowAutoTopicCreation);
    throw kafkaError('read', `metadata of topic ${name}`, errorCode);
  }

  /** The leader's connection, with what is known of the partition. Rejects `definite`; the next call asks for new metadata. */
  async leaderOf(
    topic: string,
    partition: number,
  ): Promise<{ readonly connection: BrokerConnection; readonly view: PartitionView }> {
    const view = (await this.topic(topic)).partitions.get(partition);
    try {
      if (view === undefined) throw kafkaError('read', `partition ${topic}/${partition}`, 3);
      if (view.leader < 0) throw kafkaError('read', `partition ${topic}/${partition}`, 5);
      return { connection: await this.connectionTo(view.leader), view };
    } catch (error) {
      this.forgetTopic(topic);
      throw error;
    }
  }

  /** The next use of the topic asks for new metadata. */
  forgetTopic(topic: string): void {
    this.#topics.delete(topic);
  }

  /** The connection to the coordinator of a group or a transactional id. Rejects `definite`. */
  async coordinatorOf(kind: CoordinatorKind, key: string): Promise<BrokerConnection> {
    const name = `${kind} ${key}`;
    const known = this.#coordinators.get(name);
    try {
      if (known !== undefined) return await this.connectionTo(known);
      const connection = await this.anyConnection();
      const answer = await connection.request(apiKeys.FindCoordinator, {
        key,
        keyType: kind === 'group' ? 0 : 1,
        coordinatorKeys: [key],
      });
      const found = answer.coordinators.find((one) => one.key === key) ?? answer;
      if (found.errorCode !== 0)
        throw kafkaError('read', `coordinator of ${name}`, found.errorCode, found.errorMessage);
      this.#brokers.set(found.nodeId, { host: found.host, port: found.port });
      this.#coordinators.set(name, found.nodeId);
      return await this.connectionTo(found.nodeId);
    } catch (error) {
      this.forgetCoordinator(kind, key);
      throw error instanceof ClientError && error.outcome === 'indeterminate'
        ? new ClientError(error.code, 'definite', error.message, error.errorNumber, error)
        : error;
    }
  }

  forgetCoordinator(kind: CoordinatorKind, key: string): void {
    this.#coordinators.delete(`${kind} ${key}`);
  }

  /** The pause before repeat number `attempt` (from 0): doubled each time, between half of it and all of it. */
  pauseMs(attempt: number): number {
    const most = Math.min(retryMsMax, this.settings.retryMs * (1 << Math.min(attempt, 10)));
    return most / 2 + (most / 2) * this.#random.float();
  }

  async pause(attempt: number): Promise<void> {
    try {
      await this.host.clock.sleep(this.pauseMs(attempt), this.#abort.signal);
    } catch {
      throw new ClientError('CLOSED', 'definite', 'the client was closed');
    }
  }

  /**
   * Tries until it works, fails for good or the time is over. The error that comes out is `indeterminate` when any attempt was.
   */
  async retrying<T>(
    kind: OperationKind,
    attempt: () => Promise<T>,
    timeoutMs = this.settings.operationTimeoutMs,
    isPassing: (error: ClientError) => boolean = isRetriable,
  ): Promise<T> {
    const deadline = this.host.clock.now() + timeoutMs;
    let wasOpen = false;
    for (let count = 0; ; count++) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
        if (kind !== 'read' && error.outcome === 'indeterminate') wasOpen = true;
        if (!isPassing(error) || this.host.clock.now() >= deadline) throw wasOpen ? error.asIndeterminate() : error;
        await this.pause(count).catch((closed: ClientError) => {
          throw wasOpen ? closed.asIndeterminate() : closed;
        });
      }
    }
  }

  /** Asks the coordinator, looks for a new one when it moved, until the time is over. `check` throws for an error number. */
  async askCoordinator<T>(
    kind: CoordinatorKind,
    key: string,
    ask: (connection: BrokerConnection) => Promise<T>,
    timeoutMs?: number,
  ): Promise<T> {
    return await this.retrying(
      'coordinate',
      async () => {
        const connection = await this.coordinatorOf(kind, key);
        try {
          return await ask(connection);
        } catch (error) {
          // Any doubt about the coordinator: the next attempt asks who it is.
          if (isRetriable(error)) this.forgetCoordinator(kind, key);
          throw error;
        }
      },
      timeoutMs,
    );
  }

  /** Drops all connections; whatever is under way fails. Idempotent. */
  close(): void {
    this.#abort.abort(new ClientError('CLOSED', 'definite', 'the client was closed'));
    for (const connection of this.#connections.values()) {
      connection.then(
        (open) => open.close(),
        () => undefined,
      );
    }
    this.#connections.clear();
  }
}
