import { apiKeys } from '../../../wire/kafka/apis.ts';
import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import { ClientError, kafkaError } from './clientError.ts';
import type { Cluster } from './cluster.ts';
import type { ProducerIdentity } from './producerBatch.ts';

export interface TransactionOptions {
  readonly id: string;
  readonly timeoutMs: number;
  /** Undefined: what the cluster has switched on. */
  readonly version: 1 | 2 | undefined;
}

/** Offset to commit for one partition: of the next record to read. */
export interface OffsetToCommit {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly leaderEpoch?: number;
  readonly metadata?: string;
}

/** Offsets of a consumer group, with the member that has them when it is one. */
export interface GroupOffsets {
  readonly groupId: string;
  readonly offsets: readonly OffsetToCommit[];
  readonly generationId?: number;
  readonly memberId?: string;
  readonly groupInstanceId?: string;
}

/** The last versions of the first protocol of transactions. */
const firstProtocol = { produce: 11, endTxn: 4, txnOffsetCommit: 4 } as const;

/** After these another producer has the id. */
const fencing: ReadonlySet<number> = new Set([
  kafkaErrors.INVALID_PRODUCER_EPOCH,
  kafkaErrors.PRODUCER_FENCED,
  kafkaErrors.INVALID_PRODUCER_ID_MAPPING,
]);

type State = 'new' | 'ready' | 'open' | 'ending' | 'must-abort' | 'undecided' | 'fenced';

/** By-topic lists from single offsets, as the requests want them. */
export function offsetsByTopic(offsets: readonly OffsetToCommit[]): {
  readonly name: string;
  readonly partitions: readonly {
    readonly partitionIndex: number;
    readonly committedOffset: number;
    readonly committedLeaderEpoch: number;
    readonly committedMetadata: string;
  }[];
}[] {
  return [...Map.groupBy(offsets, (one) => one.topic)].map(([name, of]) => ({
    name,
    partitions: of.map(({ partition, offset, leaderEpoch = -1, metadata = '' }) => ({
      partitionIndex: partition,
      committedOffset: offset,
      committedLeaderEpoch: leaderEpoch,
      committedMetadata: metadata,
    })),
  }));
}

/**
 * A transactional producer's side of its transactions. Version 1 names every partition to the coordinator before the first record
 * goes there; in version 2 (KIP-890) the partition's leader does that, and each end gives a new epoch.
 */
export class Transaction {
  readonly id: string;
  readonly #cluster: Cluster;
  readonly #options: TransactionOptions;
  #state: State = 'new';
  #identity: ProducerIdentity | undefined;
  #isSecondProtocol = false;
  #failure: ClientError | undefined;
  /** Partitions named to the coordinator, or on their way. */
  readonly #enlisted = new Map<string, Promise<void>>();
  /** Something may be part of the open transaction: it needs an end. */
  #hasParts = false;
  /** Records were given up: sequence numbers may be missing. */
  #hasGap = false;

  constructor(cluster: Cluster, options: TransactionOptions) {
    this.#cluster = cluster;
    this.#options = options;
    this.id = options.id;
  }

  get identity(): ProducerIdentity | undefined {
    return this.#identity;
  }

  get mustAbort(): boolean {
    return this.#state === 'must-abort';
  }

  #refuse(expected: string): ClientError {
    const why = this.#failure === undefined ? '' : `: ${this.#failure.message}`;
    return new ClientError(
      'STATE',
      'definite',
      `transaction ${this.id}: expected ${expected}, it is ${this.#state}${why}`,
    );
  }

  /** Throws unless records may be sent. */
  assertOpen(): void {
    if (this.#state !== 'open' && this.#state !== 'ending') throw this.#refuse('an open transaction');
  }

  #who(): ProducerIdentity {
    if (this.#identity === undefined) throw this.#refuse('initTransactions first');
    return this.#identity;
  }

  /** Takes over the id. Also the way on after an end whose outcome is unknown. */
  async initialize(): Promise<void> {
    if (this.#state !== 'new' && this.#state !== 'undecided' && this.#state !== 'ready')
      throw this.#refuse('no transaction');
    await this.#takeIdentity({ producerId: -1, producerEpoch: -1 });
    this.#failure = undefined;
    this.#clear('ready');
  }

  /** An abort after lost records leaves a gap in the numbers: the first protocol needs a new epoch to go on. Else nothing. */
  async renew(): Promise<void> {
    if (!this.#hasGap || this.#state !== 'ready') return;
    this.#state = 'undecided';
    if (!this.#isSecondProtocol) await this.#takeIdentity(this.#who());
    this.#hasGap = false;
    this.#state = 'ready';
  }

  /** Asks for an identity; with an earlier one, only while nobody else has taken the id over. */
  async #takeIdentity(before: Pick<ProducerIdentity, 'producerId' | 'producerEpoch'>): Promise<void> {
    const { producerId, producerEpoch } = before;
    const answer = await this.#cluster.askCoordinator('transaction', this.id, async (connection) => {
      const version = this.#options.version ?? (connection.feature('transaction.version') >= 2 ? 2 : 1);
      this.#isSecondProtocol = version === 2;
      const response = await connection.request(apiKeys.InitProducerId, {
        transactionalId: this.id,
        transactionTimeoutMs: this.#options.timeoutMs,
        producerId,
        producerEpoch,
      });
      if (response.errorCode !== 0) throw kafkaError('coordinate', `transaction ${this.id}`, response.errorCode);
      return response;
    });
    this.#identity = { producerId: answer.producerId, producerEpoch: answer.producerEpoch, sequences: new Map() };
    this.#hasGap = false;
  }

  #clear(state: State): void {
    this.#state = state;
    this.#enlisted.clear();
    this.#hasParts = false;
  }

  begin(): void {
    if (this.#state !== 'ready') throw this.#refuse('initTransactions or the end of the last one');
    this.#state = 'open';
  }

  /** Something failed within the transaction: it cannot commit. */
  fail(error: ClientError): void {
    this.#failure = error;
    this.#hasGap = true;
    if (error.errorNumber !== undefined && fencing.has(error.errorNumber)) this.#state = 'fenced';
    else if (this.#state === 'open' || this.#state === 'ending') this.#state = 'must-abort';
  }

  /** The newest Produce version to use; undefined: any. */
  get produceVersionMax(): number | undefined {
    return this.#isSecondProtocol ? undefined : firstProtocol.produce;
  }

  /** Makes a partition part of the transaction, where that is the client's task. */
  async enlist(topic: string, partition: number): Promise<void> {
    this.#hasParts = true;
    if (this.#isSecondProtocol) return;
    const key = `${topic}/${partition}`;
    let enlisting = this.#enlisted.get(key);
    if (enlisting === undefined) {
      enlisting = this.#addPartition(topic, partition);
      this.#enlisted.set(key, enlisting);
      enlisting.catch(() => this.#enlisted.delete(key));
    }
    await enlisting;
  }

  async #addPartition(topic: string, partition: number): Promise<void> {
    const { producerId, producerEpoch } = this.#who();
    try {
      await this.#cluster.askCoordinator('transaction', this.id, async (connection) => {
        const answer = await connection.request(apiKeys.AddPartitionsToTxn, {
          transactionalId: this.id,
          producerId,
          producerEpoch,
          topics: [{ name: topic, partitions: [partition] }],
        });
        const errorCode = answer.results[0]?.results[0]?.partitionErrorCode ?? kafkaErrors.UNKNOWN_SERVER_ERROR;
        if (errorCode !== 0) throw kafkaError('coordinate', `adding ${topic}/${partition} to ${this.id}`, errorCode);
      });
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      this.fail(error);
      // The record itself was not sent.
      throw new ClientError('STATE', 'definite', error.message, undefined, error);
    }
  }

  async sendOffsets(group: GroupOffsets): Promise<void> {
    if (this.#state !== 'open') throw this.#refuse('an open transaction');
    if (group.offsets.length === 0) return;
    const { producerId, producerEpoch } = this.#who();
    const identity = { transactionalId: this.id, producerId, producerEpoch, groupId: group.groupId };
    this.#hasParts = true;
    try {
      if (!this.#isSecondProtocol) {
        await this.#cluster.askCoordinator('transaction', this.id, async (connection) => {
          const { errorCode } = await connection.request(apiKeys.AddOffsetsToTxn, identity);
          if (errorCode !== 0) throw kafkaError('coordinate', `adding group ${group.groupId} to ${this.id}`, errorCode);
        });
      }
      await this.#cluster.askCoordinator('group', group.groupId, async (connection) => {
        const answer = await connection.request(
          apiKeys.TxnOffsetCommit,
          {
            ...identity,
            generationId: group.generationId,
            memberId: group.memberId,
            groupInstanceId: group.groupInstanceId ?? null,
            topics: offsetsByTopic(group.offsets),
          },
          this.#isSecondProtocol ? {} : { maxVersion: firstProtocol.txnOffsetCommit },
        );
        const failed = answer.topics.flatMap((topic) => topic.partitions).find((one) => one.errorCode !== 0);
        if (failed !== undefined) throw kafkaError('coordinate', `offsets of ${group.groupId}`, failed.errorCode);
      });
    } catch (error) {
      if (error instanceof ClientError) this.fail(error);
      throw error;
    }
  }

  /** Ends the transaction. An `indeterminate` failure leaves it undecided: only `initialize` goes on. */
  async end(commit: boolean): Promise<void> {
    if (this.#state !== 'open' && !(this.#state === 'must-abort' && !commit)) {
      throw this.#refuse(commit ? 'an open transaction' : 'a transaction to abort');
    }
    if (!this.#hasParts) {
      this.#clear('ready');
      return;
    }
    this.#state = 'ending';
    const identity = this.#who();
    try {
      const answer = await this.#cluster.askCoordinator('transaction', this.id, async (connection) => {
        const { producerId, producerEpoch } = identity;
        const response = await connection.request(
          apiKeys.EndTxn,
          { transactionalId: this.id, producerId, producerEpoch, committed: commit },
          this.#isSecondProtocol ? {} : { maxVersion: firstProtocol.endTxn },
        );
        if (response.errorCode !== 0) {
          throw kafkaError('coordinate', `${commit ? 'commit' : 'abort'} of ${this.id}`, response.errorCode);
        }
        return response;
      });
      if (
        answer.producerId >= 0 &&
        (answer.producerId !== identity.producerId || answer.producerEpoch !== identity.producerEpoch)
      ) {
        this.#identity = { producerId: answer.producerId, producerEpoch: answer.producerEpoch, sequences: new Map() };
      }
      this.#failure = undefined;
      this.#clear('ready');
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      this.#failure = error;
      if (error.errorNumber !== undefined && fencing.has(error.errorNumber)) this.#state = 'fenced';
      else this.#state = error.outcome === 'indeterminate' ? 'undecided' : 'must-abort';
      throw error;
    }
  }
}
