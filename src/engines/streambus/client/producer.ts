import { apiKeys } from '../../../wire/kafka/apis.ts';
import type { RequestInput } from '../../../wire/kafka/messages.ts';
import type { RecordHeader } from '../../../wire/kafka/records.ts';
import { ClientError, isRetriable, kafkaError } from './clientError.ts';
import type { Cluster } from './cluster.ts';
import type { BrokerConnection } from './connection.ts';
import { PartitionQueue, type QueueOwner } from './partitionQueue.ts';
import type { ProducerBatch, ProducerIdentity, SentRecord } from './producerBatch.ts';
import { type GroupOffsets, Transaction } from './transaction.ts';

export interface ProducerOptions {
  /** -1: a majority has it; 1: as the topic says; 0: nobody tells. Default -1. */
  readonly acks?: -1 | 0 | 1;
  /** Repeats are recognised by the broker. Default true with acks -1. */
  readonly isIdempotent?: boolean;
  /** Makes the producer transactional. */
  readonly transactionalId?: string;
  /** After which the broker aborts a transaction. Default 60,000 ms. */
  readonly transactionTimeoutMs?: number;
  /** Protocol of transactions: 2 is KIP-890. Default: what the cluster has switched on. */
  readonly transactionVersion?: 1 | 2;
  /** How long a record waits for others to go with. Default 0: those of the same turn go together. */
  readonly lingerMs?: number;
  /** Bytes of a batch at which the next begins. Default 65,536. */
  readonly batchBytes?: number;
  /** Batches of one partition under way at once. Default 5 with idempotence, the most that the broker remembers; else 1. */
  readonly inFlightMax?: number;
  /** How long a record is tried. Default 30,000 ms. */
  readonly deliveryTimeoutMs?: number;
  /** Time that the broker is given for replication. Default 5,000 ms. */
  readonly replicationTimeoutMs?: number;
}

/** A record to send. Texts are sent as UTF-8. */
export interface OutgoingRecord {
  readonly topic: string;
  readonly partition: number;
  readonly key?: Uint8Array | string | null;
  readonly value: Uint8Array | string | null;
  readonly headers?: readonly RecordHeader[];
  /** Milliseconds since 1970; default now. */
  readonly timestamp?: number;
}

const encoder = new TextEncoder();

function bytesOf(value: Uint8Array | string | null | undefined): Uint8Array | null {
  if (value === undefined || value === null) return null;
  return typeof value === 'string' ? encoder.encode(value) : value;
}

/**
 * Sends records, each partition's in the order of `send`. Every failure is a `ClientError` whose outcome says whether the record
 * may be in the log. With idempotence a repeat is never a second copy.
 */
export class Producer implements QueueOwner {
  readonly cluster: Cluster;
  readonly lingerMs: number;
  readonly batchBytes: number;
  readonly deliveryTimeoutMs: number;
  readonly inFlightMax: number;
  readonly #acks: -1 | 0 | 1;
  readonly #replicationTimeoutMs: number;
  readonly #isIdempotent: boolean;
  readonly #queues = new Map<string, PartitionQueue>();
  readonly #transaction: Transaction | undefined;
  #identity: ProducerIdentity | undefined;
  #identifying: Promise<ProducerIdentity> | undefined;
  #isClosed = false;

  constructor(cluster: Cluster, options: ProducerOptions = {}) {
    this.cluster = cluster;
    this.#acks = options.acks ?? -1;
    this.#isIdempotent = options.isIdempotent ?? this.#acks === -1;
    if ((this.#isIdempotent || options.transactionalId !== undefined) && this.#acks !== -1) {
      throw new RangeError('producer: idempotence and transactions need acks -1');
    }
    this.lingerMs = options.lingerMs ?? 0;
    this.batchBytes = options.batchBytes ?? 65_536;
    this.deliveryTimeoutMs = options.deliveryTimeoutMs ?? 30_000;
    this.inFlightMax = options.inFlightMax ?? (this.#isIdempotent ? 5 : 1);
    this.#replicationTimeoutMs = options.replicationTimeoutMs ?? 5_000;
    if (options.transactionalId !== undefined) {
      this.#transaction = new Transaction(cluster, {
        id: options.transactionalId,
        timeoutMs: options.transactionTimeoutMs ?? 60_000,
        version: options.transactionVersion,
      });
    }
  }

  /** The identity under which new batches go. */
  get identity(): ProducerIdentity | undefined {
    return this.#transaction === undefined ? this.#identity : this.#transaction.identity;
  }

  /** Sends one record; resolves when it is acknowledged. In a transactional producer only between `begin` and `commit` or `abort`. */
  async send(record: OutgoingRecord): Promise<SentRecord> {
    if (this.#isClosed) throw new ClientError('CLOSED', 'definite', 'the producer is closed');
    this.#transaction?.assertOpen();
    const { topic, partition, timestamp = Math.floor(this.cluster.host.clock.wall()), headers = [] } = record;
    const key = `${topic}/${partition}`;
    let queue = this.#queues.get(key);
    if (queue === undefined) {
      queue = new PartitionQueue(this, topic, partition);
      this.#queues.set(key, queue);
    }
    return await queue.add({ timestamp, key: bytesOf(record.key), value: bytesOf(record.value), headers });
  }

  /** Resolves when every record that was sent before is acknowledged or has failed. */
  async flush(): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.flush()));
  }

  /** `QueueOwner`. */
  get isTransactional(): boolean {
    return this.#transaction !== undefined;
  }

  /** `QueueOwner`. A transactional producer has its identity from `initTransactions`. */
  get lacksIdentity(): boolean {
    return this.#isIdempotent && this.#transaction === undefined && this.#identity === undefined;
  }

  /** `QueueOwner`. */
  async acquireIdentity(): Promise<void> {
    if (!this.lacksIdentity) return;
    this.#identifying ??= this.#askIdentity().finally(() => {
      this.#identifying = undefined;
    });
    await this.#identifying;
  }

  async #askIdentity(): Promise<ProducerIdentity> {
    const connection = await this.cluster.anyConnection();
    try {
      const answer = await connection.request(apiKeys.InitProducerId, {
        transactionalId: null,
        transactionTimeoutMs: 60_000,
      });
      if (answer.errorCode !== 0) throw kafkaError('read', 'producer id', answer.errorCode);
      const { producerId, producerEpoch } = answer;
      this.#identity = { producerId, producerEpoch, sequences: new Map() };
      return this.#identity;
    } catch (error) {
      // No record was sent with it: an id that nobody uses is no effect.
      if (!(error instanceof ClientError) || error.outcome === 'definite') throw error;
      throw new ClientError(error.code, 'definite', error.message, error.errorNumber, error);
    }
  }

  /** `QueueOwner`. */
  abandoned(batch: ProducerBatch, error: ClientError): void {
    if (this.#transaction === undefined) {
      if (batch.identity !== undefined && this.#identity === batch.identity) this.#identity = undefined;
      return;
    }
    this.#transaction.fail(error);
    const why = new ClientError('STATE', 'definite', `the transaction must abort: ${error.message}`);
    for (const queue of this.#queues.values()) queue.abandonQueued(why);
  }

  /** `QueueOwner`. */
  async sendOnce(batch: ProducerBatch): Promise<void> {
    const { topic, partition } = batch;
    const transaction = this.#transaction;
    if (transaction !== undefined) {
      transaction.assertOpen();
      await transaction.enlist(topic, partition);
    }
    const { connection } = await this.cluster.leaderOf(topic, partition);
    const maxVersion = transaction?.produceVersionMax;
    const body = {
      transactionalId: transaction?.id ?? null,
      acks: this.#acks,
      timeoutMs: this.#replicationTimeoutMs,
      topicData: [
        {
          name: topic,
          partitionData: [{ index: partition, records: batch.encoded }],
        },
      ],
    };
    if (this.#acks === 0) {
      await connection.send(apiKeys.Produce, body, maxVersion);
      batch.succeed(-1, -1);
      return;
    }
    await this.#produce(batch, connection, body, maxVersion);
  }

  async #produce(
    batch: ProducerBatch,
    connection: BrokerConnection,
    body: RequestInput<typeof apiKeys.Produce>,
    maxVersion: number | undefined,
  ): Promise<void> {
    const { topic, partition } = batch;
    try {
      const answer = await connection.request(apiKeys.Produce, body, maxVersion === undefined ? {} : { maxVersion });
      const result = answer.responses
        .find((one) => one.name === topic)
        ?.partitionResponses.find((one) => one.index === partition);
      if (result === undefined) {
        throw new ClientError(
          'PROTOCOL',
          'indeterminate',
          `${topic}/${partition}: the answer does not name the partition`,
        );
      }
      if (result.errorCode !== 0) {
        throw kafkaError('produce', `${topic}/${partition}`, result.errorCode, result.errorMessage);
      }
      batch.succeed(result.baseOffset, result.logAppendTimeMs);
    } catch (error) {
      if (isRetriable(error)) this.cluster.forgetTopic(topic);
      throw error;
    }
  }

  #transactional(): Transaction {
    if (this.#transaction === undefined) {
      throw new ClientError('STATE', 'definite', 'the producer has no transactional id');
    }
    return this.#transaction;
  }

  /** Takes the transactional id over: what an earlier producer of it had open is aborted, and that producer is fenced. */
  async initTransactions(): Promise<void> {
    await this.#transactional().initialize();
  }

  /** Begins a transaction: records sent from now on belong to it. */
  begin(): void {
    this.#transactional().begin();
  }

  /** Adds a group's offsets to the transaction: they count when it commits. */
  async sendOffsets(offsets: GroupOffsets): Promise<void> {
    await this.#transactional().sendOffsets(offsets);
  }

  /**
   * Commits. When a record failed, rejects with a `definite` error and nothing is committed: abort then. `indeterminate`: nobody
   * knows; `initTransactions` of the same id settles it.
   */
  async commit(): Promise<void> {
    const transaction = this.#transactional();
    await this.flush();
    await transaction.end(true);
  }

  /** Aborts: what was sent since `begin` is never read at read_committed. */
  async abort(): Promise<void> {
    const transaction = this.#transactional();
    const why = new ClientError('STATE', 'definite', 'the transaction was aborted');
    for (const queue of this.#queues.values()) queue.abandonQueued(why);
    await this.flush();
    await transaction.end(false);
    await transaction.renew();
  }

  /** True when only `abort` helps. */
  get mustAbort(): boolean {
    return this.#transaction?.mustAbort ?? false;
  }

  /** Waits for what is under way, then takes no more. An open transaction is left to its time-out. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.flush();
  }
}
