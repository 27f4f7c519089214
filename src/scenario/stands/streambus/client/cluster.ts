import type { Host } from '../../../../host/host.ts';
import type { Address } from '../../../../host/network.ts';
import type { ApiKey } from '../../../../wire/kafka/apis.ts';
import { apiKeys } from '../../../../wire/kafka/apis.ts';
import type { RequestInput, ResponseOutput } from '../../../../wire/kafka/messages.ts';
import { CallFailed, KafkaConnection } from './connection.ts';

export interface ClusterClientOptions {
  readonly clientId: string;
  /** Brokers to ask first. */
  readonly seeds: readonly Address[];
  /** Of a call, connecting included. */
  readonly timeoutMs: number;
}

interface Leader {
  readonly broker: number;
  readonly epoch: number;
}

/** Kind of what a coordinator keeps. */
export type CoordinatorKind = 'group' | 'transaction';

/** A client of the whole cluster: who leads what, one connection a broker, and no retries of its own. */
export class ClusterClient {
  readonly host: Host;
  readonly #options: ClusterClientOptions;
  readonly #brokers = new Map<number, Address>();
  readonly #leaders = new Map<string, Leader>();
  /** Highest epoch that anybody told of, by partition: who is behind it is asked nothing. */
  readonly #epochs = new Map<string, number>();
  readonly #coordinators = new Map<string, number>();
  readonly #connections = new Map<string, Promise<KafkaConnection>>();
  #seed = 0;

  constructor(host: Host, options: ClusterClientOptions) {
    this.host = host;
    this.#options = options;
    this.#seed = host.random.stream(`${options.clientId} seeds`).integer(0, options.seeds.length - 1);
  }

  /** Leader of a partition as far as known. */
  leaderOf(key: string): Leader | undefined {
    return this.#leaders.get(key);
  }

  /** Some broker that was told of; undefined before the first answer. */
  anyBroker(): number | undefined {
    const brokers = [...this.#brokers.keys()];
    return brokers[this.#seed % Math.max(1, brokers.length)];
  }

  /** Every broker that was told of. */
  get brokers(): readonly number[] {
    return [...this.#brokers.keys()];
  }

  addressOf(broker: number): string {
    const address = this.#brokers.get(broker);
    return address === undefined ? `broker ${broker}` : address.host;
  }

  /** Asks any broker for the leaders of these topics, once. Throws `CallFailed`. */
  async refresh(topics: readonly string[]): Promise<void> {
    const answer = await this.#callAny(apiKeys.Metadata, 12, {
      topics: topics.map((name) => ({ name })),
      allowAutoTopicCreation: false,
    });
    for (const { nodeId, host, port } of answer.brokers) this.#brokers.set(nodeId, { host, port });
    for (const topic of answer.topics) {
      for (const partition of topic.partitions) {
        const key = `${topic.name}/${partition.partitionIndex}`;
        const newest = this.#epochs.get(key) ?? -1;
        if (partition.leaderEpoch < newest) continue;
        this.#epochs.set(key, partition.leaderEpoch);
        if (partition.leaderId < 0) this.#leaders.delete(key);
        else this.#leaders.set(key, { broker: partition.leaderId, epoch: partition.leaderEpoch });
      }
    }
  }

  /** The broker that leads a partition; asks when it is not known. Throws `CallFailed` with `NO_LEADER` when nobody does. */
  async leader(key: string): Promise<number> {
    if (!this.#leaders.has(key)) await this.refresh([key.slice(0, key.lastIndexOf('/'))]);
    const leader = this.#leaders.get(key);
    if (leader === undefined) throw new CallFailed('NO_LEADER', false, `nobody leads ${key}`);
    return leader.broker;
  }

  /** It is not who it was: asked for anew at the next use. */
  forgetLeader(key: string): void {
    this.#leaders.delete(key);
  }

  async coordinator(kind: CoordinatorKind, name: string): Promise<number> {
    const known = this.#coordinators.get(`${kind} ${name}`);
    if (known !== undefined) return known;
    const answer = await this.#callAny(apiKeys.FindCoordinator, 4, {
      keyType: kind === 'group' ? 0 : 1,
      coordinatorKeys: [name],
    });
    const found = answer.coordinators[0];
    if (found === undefined || found.errorCode !== 0) {
      throw new CallFailed(`KAFKA_${found?.errorCode ?? 'NOTHING'}`, false, `no coordinator for ${name}`);
    }
    this.#brokers.set(found.nodeId, { host: found.host, port: found.port });
    this.#coordinators.set(`${kind} ${name}`, found.nodeId);
    return found.nodeId;
  }

  forgetCoordinator(kind: CoordinatorKind, name: string): void {
    this.#coordinators.delete(`${kind} ${name}`);
  }

  /** Calls one broker. Throws `CallFailed`. */
  async call<K extends ApiKey>(
    broker: number,
    key: K,
    version: number,
    body: RequestInput<K>,
    timeoutMs: number = this.#options.timeoutMs,
  ): Promise<ResponseOutput<K>> {
    const connection = await this.connection(broker);
    return connection.call(key, version, body, timeoutMs);
  }

  /** The connection to a broker, made when there is none. Throws `CallFailed`, of which nothing was sent. */
  connection(broker: number): Promise<KafkaConnection> {
    const address = this.#brokers.get(broker);
    if (address === undefined) return Promise.reject(new CallFailed('UNKNOWN_BROKER', false, `no broker ${broker}`));
    return this.#connect(address);
  }

  close(): void {
    for (const connecting of this.#connections.values())
      void connecting.then(
        (open) => open.close(),
        () => undefined,
      );
    this.#connections.clear();
  }

  async #connect(address: Address): Promise<KafkaConnection> {
    const at = `${address.host}:${address.port}`;
    const known = this.#connections.get(at);
    if (known !== undefined) {
      const open = await known;
      if (!open.isBroken) return open;
      if (this.#connections.get(at) === known) this.#connections.delete(at);
      return this.#connect(address);
    }
    const connecting = KafkaConnection.open(this.host, address, this.#options.clientId, this.#options.timeoutMs);
    this.#connections.set(at, connecting);
    try {
      return await connecting;
    } catch (error) {
      if (this.#connections.get(at) === connecting) this.#connections.delete(at);
      throw error;
    }
  }

  /** Any broker will do: the seeds one after the other. What this asks changes nothing, so that asking twice is harmless. */
  async #callAny<K extends ApiKey>(key: K, version: number, body: RequestInput<K>): Promise<ResponseOutput<K>> {
    const { seeds, timeoutMs } = this.#options;
    let failed: unknown;
    for (let tried = 0; tried < seeds.length; tried++) {
      const seed = seeds[this.#seed % seeds.length];
      if (seed === undefined) break;
      try {
        const connection = await this.#connect(seed);
        return await connection.call(key, version, body, Math.min(timeoutMs, 3_000));
      } catch (error) {
        if (!(error instanceof CallFailed)) throw error;
        failed = error;
        this.#seed++;
      }
    }
    throw failed instanceof CallFailed
      ? new CallFailed(failed.code, false, `no broker answers: ${failed.message}`)
      : new CallFailed('NO_SEEDS', false, 'no broker to ask');
  }
}
