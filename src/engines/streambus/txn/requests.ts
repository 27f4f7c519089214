import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import type { GroupHandle } from '../broker/group.ts';
import { append, confirmed, Unavailable, within } from '../groups/runtime.ts';
import type { GroupId } from '../ids.ts';
import { MetaError } from '../meta/commands.ts';
import type {
  EndRequest,
  InitAnswer,
  InitRequest,
  TopicPartition,
  TransactionCoordinator,
  TransactionDescription,
  TransactionRequest,
  VerifyRequest,
} from './coordinator.ts';
import type { Lead } from './lead.ts';
import type { TransactionShardOptions } from './shard.ts';
import { isEnding, type TransactionEntry, type TransactionRecord, type TransactionsState } from './state.ts';
import {
  type Additions,
  type Decision,
  decideAdd,
  decideEnd,
  decideInit,
  firstRecord,
  missing,
  needsProducerId,
  producerError,
} from './transitions.ts';

/** Transactions that are open on one broker; beyond, none is begun (51). */
export const openLimit = 10_000;

/** Transactional ids of one shard; beyond, new ones are refused (15) until some expire. */
const idLimit = 100_000;

/** A request that finds the last transaction of its id ending waits so long for it before it is told 51. */
const endWaitMs = 1_000;
const noProducer = { producerId: -1, producerEpoch: -1 } as const;

/** A shard's replica as its requests see it. */
export interface RequestsBody {
  readonly options: TransactionShardOptions;
  readonly handle: GroupHandle;
  readonly state: TransactionsState;
  readonly unavailable: number;
  readonly openCount: number;
  readonly oldestOpenWallMs: number | undefined;
  /** Undefined while it does not lead. */
  readonly lead: Lead | undefined;
  /** What follows from an entry. */
  applied(entry: TransactionEntry): void;
}

/** What producers and administrators ask of a shard of transactions: each request decided, written, answered, by its leader. */
export class TransactionRequests implements TransactionCoordinator {
  readonly #body: RequestsBody;

  constructor(body: RequestsBody) {
    this.#body = body;
  }

  get shard(): GroupId {
    return this.#body.handle.group;
  }

  get unavailable(): number {
    return this.#body.unavailable;
  }

  get openCount(): number {
    return this.#body.openCount;
  }

  get oldestOpenWallMs(): number | undefined {
    return this.#body.oldestOpenWallMs;
  }

  isFenced({ transactionalId, producerId, producerEpoch }: TransactionRequest): boolean {
    const record = this.#body.state.get(transactionalId);
    // Epochs never go back: what is fenced by what was applied stays so.
    return record?.producerId === producerId && record.producerEpoch > producerEpoch;
  }

  async init(request: InitRequest): Promise<InitAnswer> {
    const { timeoutMs, transactionalId } = request;
    if (transactionalId === '') return { errorCode: kafkaErrors.INVALID_REQUEST, ...noProducer };
    if (timeoutMs <= 0 || timeoutMs > this.#body.options.settings.maxTimeoutMs) {
      return { errorCode: kafkaErrors.INVALID_TRANSACTION_TIMEOUT, ...noProducer };
    }
    return this.#answered(() => this.#whenEnded(transactionalId, () => this.#init(request)));
  }

  async addPartitions(request: TransactionRequest, partitions: readonly TopicPartition[]): Promise<number> {
    return this.#add(request, { partitions, groups: [], raisesEpoch: false });
  }

  async addOffsets(request: TransactionRequest, groupId: string): Promise<number> {
    return this.#add(request, { partitions: [], groups: [groupId], raisesEpoch: false });
  }

  end(request: EndRequest): Promise<InitAnswer> {
    const { transactionalId } = request;
    return this.#answered(() =>
      this.step(transactionalId, async () => {
        const freshId = await this.#freshId(transactionalId);
        const wall = this.#body.options.host.clock.wall();
        return this.carryOut(decideEnd(this.#body.state.get(transactionalId), request, freshId, wall));
      }),
    );
  }

  async verify(request: VerifyRequest): Promise<number> {
    const { partitions, groupId, transactionalId } = request;
    const groups = groupId === undefined ? [] : [groupId];
    if (request.add) return this.#add(request, { partitions, groups, raisesEpoch: true });
    try {
      // Only a leader that is one for sure knows that nobody has ended the transaction meanwhile.
      await confirmed(this.#body.handle);
    } catch (error) {
      if (error instanceof Unavailable) return error.code;
      throw error;
    }
    const record = this.#body.state.get(transactionalId);
    const error = producerError(record, request);
    if (error !== kafkaErrors.NONE || record === undefined) return error;
    if (isEnding(record.state)) return kafkaErrors.CONCURRENT_TRANSACTIONS;
    if (record.state !== 'Ongoing') return kafkaErrors.INVALID_TXN_STATE;
    const left = missing(record, { partitions, groups });
    return left.partitions.length + left.groups.length === 0 ? kafkaErrors.NONE : kafkaErrors.INVALID_TXN_STATE;
  }

  async describe(transactionalId: string): Promise<TransactionDescription> {
    const errorCode = await this.#confirmed();
    const record = errorCode === kafkaErrors.NONE ? this.#body.state.get(transactionalId) : undefined;
    if (record !== undefined) return describeRecord(record);
    return {
      ...noProducer,
      transactionalId,
      errorCode: errorCode === kafkaErrors.NONE ? kafkaErrors.TRANSACTIONAL_ID_NOT_FOUND : errorCode,
      state: 'Empty',
      timeoutMs: 0,
      startedWallMs: -1,
      partitions: [],
      groups: [],
    };
  }

  async list(): ReturnType<TransactionCoordinator['list']> {
    const errorCode = await this.#confirmed();
    return {
      errorCode,
      transactions: errorCode === kafkaErrors.NONE ? [...this.#body.state.values()].map(describeRecord) : [],
    };
  }

  async #init(request: InitRequest): Promise<InitAnswer> {
    const { transactionalId } = request;
    const freshId = await this.#freshId(transactionalId);
    const wall = this.#body.options.host.clock.wall();
    const record = this.#body.state.get(transactionalId);
    if (record === undefined) {
      if (this.#body.state.size >= idLimit) throw new Unavailable(kafkaErrors.COORDINATOR_NOT_AVAILABLE);
      return this.#write(firstRecord(request, freshId, wall), false);
    }
    const decision = decideInit(record, request, freshId, wall);
    this.#body.options.host.telemetry.sometimes(
      'epoch overflow',
      'answer' in decision && decision.answer.producerId === freshId,
    );
    return this.carryOut(decision, record);
  }

  async #add(request: TransactionRequest, wanted: Omit<Additions, 'metadataVersion'>): Promise<number> {
    const { transactionalId } = request;
    if (transactionalId === '') return kafkaErrors.INVALID_REQUEST;
    const answer = await this.#answered(() =>
      this.#whenEnded(transactionalId, async () => {
        const { host, metadata } = this.#body.options;
        const record = this.#body.state.get(transactionalId);
        const additions = { ...wanted, metadataVersion: metadata.version };
        const decision = decideAdd(record, request, additions, host.clock.wall());
        const begins = 'begins' in decision && decision.begins;
        if (begins && this.openCount + this.#body.options.otherOpen() >= openLimit) {
          return { errorCode: kafkaErrors.CONCURRENT_TRANSACTIONS, ...noProducer };
        }
        // Nothing to write: that the transaction is open is true only if this is the leader for sure.
        if (decision.errorCode === kafkaErrors.NONE && !('next' in decision)) await confirmed(this.#body.handle);
        return this.carryOut(decision);
      }),
    );
    return answer.errorCode;
  }

  /** Runs a step of an id behind those before it. Rejects with `Unavailable` where the lead is lost. */
  step<T>(transactionalId: string, work: () => Promise<T>): Promise<T> {
    return this.#serving().step(transactionalId, work);
  }

  /** A step that needs the last transaction of the id to be over: it is tried once more when that has ended. */
  async #whenEnded(transactionalId: string, work: () => Promise<InitAnswer>): Promise<InitAnswer> {
    const answer = await this.step(transactionalId, work);
    if (answer.errorCode !== kafkaErrors.CONCURRENT_TRANSACTIONS) return answer;
    await this.#untilEnded(transactionalId);
    return this.step(transactionalId, work);
  }

  /** Resolves when the transaction that is ending has ended, the lead is lost, or it took too long. */
  async #untilEnded(transactionalId: string): Promise<void> {
    const lead = this.#serving();
    const record = this.#body.state.get(transactionalId);
    if (record === undefined || !isEnding(record.state)) return;
    await lead.untilWoken(transactionalId, endWaitMs);
  }

  /** Writes what was decided, and gives the answer. */
  async carryOut(decision: Decision, record?: TransactionRecord): Promise<InitAnswer> {
    if (!('answer' in decision)) return { errorCode: decision.errorCode, ...noProducer };
    if (!('next' in decision)) return { errorCode: decision.errorCode, ...decision.answer };
    if (record !== undefined && this.#body.options.host.telemetry.mutant('epoch-not-bumped')) {
      const { producerEpoch } = record;
      const answer = await this.#write({ ...decision.next, producerEpoch }, decision.begins);
      return { ...answer, errorCode: decision.errorCode };
    }
    await this.#write(decision.next, decision.begins);
    return { errorCode: decision.errorCode, ...decision.answer };
  }

  async #write(record: TransactionRecord, begins: boolean): Promise<InitAnswer> {
    const entry: TransactionEntry = { kind: 'put', record, begins };
    if (isEnding(record.state) && this.#body.options.host.telemetry.mutant('marker-unlogged'))
      this.#keepUnlogged(record);
    else await append(this.#body.handle, entry);
    return { errorCode: kafkaErrors.NONE, producerId: record.producerId, producerEpoch: record.producerEpoch };
  }

  /** The planted bug: the decision is known to this leader's memory alone while its markers are on their way. */
  #keepUnlogged(record: TransactionRecord): void {
    this.#body.state.set(record.transactionalId, record);
    this.#body.applied({ kind: 'put', record, begins: false });
  }

  /** A producer id in case the step needs one; -1 when it will not. */
  async #freshId(transactionalId: string): Promise<number> {
    const record = this.#body.state.get(transactionalId);
    if (record !== undefined && !needsProducerId(record)) return -1;
    try {
      return await this.#body.options.producerIds.next();
    } catch (error) {
      if (error instanceof MetaError) throw new Unavailable(kafkaErrors.COORDINATOR_NOT_AVAILABLE);
      throw error;
    }
  }

  async #answered(work: () => Promise<InitAnswer>): Promise<InitAnswer> {
    try {
      this.#serving();
      return await within(this.#body.options.host, work());
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      // Older clients give up at 7. At 16 all of them look for the coordinator and ask again, which is safe whatever came of it.
      const isLate = error.code === kafkaErrors.REQUEST_TIMED_OUT;
      return { errorCode: isLate ? kafkaErrors.NOT_COORDINATOR : error.code, ...noProducer };
    }
  }

  #serving(): Lead {
    const { unavailable, lead } = this.#body;
    if (unavailable !== kafkaErrors.NONE || lead === undefined) throw new Unavailable(unavailable);
    return lead;
  }

  async #confirmed(): Promise<number> {
    try {
      this.#serving();
      await confirmed(this.#body.handle);
      this.#serving();
      return kafkaErrors.NONE;
    } catch (error) {
      if (error instanceof Unavailable) return error.code;
      throw error;
    }
  }
}

function describeRecord(record: TransactionRecord): TransactionDescription {
  const { transactionalId, producerId, producerEpoch, state, timeoutMs, startedWall, partitions, groups } = record;
  return {
    errorCode: kafkaErrors.NONE,
    transactionalId,
    producerId,
    producerEpoch,
    state,
    timeoutMs,
    startedWallMs: startedWall,
    partitions,
    groups,
  };
}
