import { addOffsetsToTxn } from '../../../../src/engines/streambus/kafka/apis/addOffsetsToTxn.ts';
import { addPartitionsToTxn } from '../../../../src/engines/streambus/kafka/apis/addPartitionsToTxn.ts';
import { describeTransactions } from '../../../../src/engines/streambus/kafka/apis/describeTransactions.ts';
import { endTxn } from '../../../../src/engines/streambus/kafka/apis/endTxn.ts';
import { initProducerId } from '../../../../src/engines/streambus/kafka/apis/initProducerId.ts';
import { verifyOrAdd } from '../../../../src/engines/streambus/txn/verify.ts';
import type { Coordination } from './coordination.ts';

/** A transactional producer as a client library would be one, a request at a time. */
export class TransactionalClient {
  producerId = -1;
  producerEpoch = -1;
  connection = 1;
  readonly world: Coordination;
  readonly transactionalId: string;
  /** 1, or 2 (KIP-890). */
  readonly version: 1 | 2;

  constructor(world: Coordination, options: { readonly transactionalId?: string; readonly version?: 1 | 2 } = {}) {
    this.world = world;
    this.transactionalId = options.transactionalId ?? 't';
    this.version = options.version ?? 1;
  }

  get identity() {
    const { transactionalId, producerId, producerEpoch } = this;
    return { transactionalId, producerId, producerEpoch };
  }

  /** InitProducerId; `again` gives the present identity (KIP-360). */
  async init(
    options: { readonly again?: boolean; readonly timeoutMs?: number; readonly version?: number } = {},
  ): Promise<number> {
    const identity = options.again === true ? this.identity : { producerId: -1, producerEpoch: -1 };
    const answer = await this.world.call(
      initProducerId,
      { ...identity, transactionalId: this.transactionalId, transactionTimeoutMs: options.timeoutMs ?? 60_000 },
      { version: options.version ?? 4, connection: this.connection },
    );
    if (answer.errorCode === 0) this.#take(answer);
    return answer.errorCode;
  }

  /** AddPartitionsToTxn of partitions of `orders`, or what Produce 12 does in its place. */
  async add(...partitions: number[]): Promise<number> {
    if (this.version === 2) return this.verify(true, ...partitions);
    const topics = [{ name: 'orders', partitions }];
    const options = { version: 3, connection: this.connection };
    const { results } = await this.world.call(addPartitionsToTxn, { ...this.identity, topics }, options);
    return results[0]?.results[0]?.partitionErrorCode ?? -1;
  }

  /** What a broker asks before it appends the first batch. */
  verify(add: boolean, ...partitions: number[]): Promise<number> {
    const list = partitions.map((partition) => ({ topic: 'orders', partition }));
    return verifyOrAdd(this.world.services, { ...this.identity, partitions: list, groupId: undefined, add });
  }

  async addOffsets(groupId = 'g'): Promise<number> {
    const options = { version: 3, connection: this.connection };
    return (await this.world.call(addOffsetsToTxn, { ...this.identity, groupId }, options)).errorCode;
  }

  async end(committed: boolean): Promise<number> {
    const version = this.version === 2 ? 5 : 3;
    const answer = await this.world.call(
      endTxn,
      { ...this.identity, committed },
      { version, connection: this.connection },
    );
    if (answer.errorCode === 0 && this.version === 2) this.#take(answer);
    return answer.errorCode;
  }

  /** State as tools see it, and partitions of `orders`. */
  async describe(): Promise<{ readonly state: string; readonly partitions: readonly number[] }> {
    const request = { transactionalIds: [this.transactionalId] };
    const { transactionStates } = await this.world.call(describeTransactions, request, { version: 0 });
    const [one] = transactionStates;
    if (one === undefined) throw new Error('expected one transaction');
    const state = one.errorCode === 0 ? one.transactionState : `error ${one.errorCode}`;
    return { state, partitions: one.topics.flatMap(({ partitions }) => partitions) };
  }

  async state(): Promise<string> {
    return (await this.describe()).state;
  }

  #take(answer: { readonly producerId?: number | undefined; readonly producerEpoch?: number | undefined }): void {
    this.producerId = answer.producerId ?? -1;
    this.producerEpoch = answer.producerEpoch ?? -1;
  }
}
