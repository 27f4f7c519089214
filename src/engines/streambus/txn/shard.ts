import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import type { CommittedEntry, GroupHandle, MachineCheckpoint, MachineSnapshot, MachineUse } from '../broker/group.ts';
import { RpcRefusal } from '../broker/rpc.ts';
import { append, confirmed, Unavailable, unavailability, within } from '../groups/runtime.ts';
import type { BrokerId, GroupId } from '../ids.ts';
import { MetaError } from '../meta/commands.ts';
import type {
  EndRequest,
  InitAnswer,
  InitRequest,
  TopicPartition,
  TransactionCoordinator,
  TransactionDescription,
  TransactionRequest,
  TransactionShard,
  VerifyRequest,
} from './coordinator.ts';
import { Lead } from './lead.ts';
import { deliverMarkers, type MarkerServices } from './markers.ts';
import type { ProducerIds } from './pids.ts';
import {
  applyTransactionEntry,
  decodeTransactions,
  encodeTransactions,
  isEnding,
  isOpen,
  type TransactionEntry,
  type TransactionRecord,
  type TransactionsState,
} from './state.ts';
import {
  type Additions,
  completed,
  type Decision,
  decideAdd,
  decideEnd,
  decideFence,
  decideInit,
  firstRecord,
  missing,
  needsProducerId,
  producerError,
} from './transitions.ts';

/** Times of transactions, in milliseconds. */
export interface TransactionSettings {
  readonly maxTimeoutMs: number;
  /** Ids that were not used for so long are forgotten. */
  readonly idExpirationMs: number;
}

/** What a shard of transactions needs of its broker. */
export interface TransactionShardOptions extends MarkerServices {
  readonly broker: BrokerId;
  readonly settings: TransactionSettings;
  readonly producerIds: ProducerIds;
  /** Open transactions of the other shards that this broker leads. */
  otherOpen(): number;
}

/** Transactions that are open on one broker; beyond, none is begun (51). */
export const openLimit = 10_000;

/** Transactional ids of one shard; beyond, new ones are refused (15) until some expire. */
const idLimit = 100_000;

/** How often the leader looks for ids that were not used. */
const idSweepMs = 60_000;
/** A request that finds the last transaction of its id ending waits so long for it before it is told 51. */
const endWaitMs = 1_000;
const retryMs = 100;
const noProducer = { producerId: -1, producerEpoch: -1 } as const;

/** Opens a shard of transactions from its last checkpoint, or from nothing. */
export function openTransactionMachine(
  options: TransactionShardOptions,
  handle: GroupHandle,
  checkpoint: MachineCheckpoint | undefined,
): TransactionShard {
  return new Shard(options, handle, checkpoint);
}

class Shard implements TransactionShard, TransactionCoordinator {
  readonly shard: GroupId;
  readonly broker: BrokerId;
  readonly handle: GroupHandle;
  readonly #options: TransactionShardOptions;
  #state: TransactionsState;
  readonly #open = new Set<string>();
  #index: number;
  #term: number;
  #lead: Lead | undefined;

  constructor(options: TransactionShardOptions, handle: GroupHandle, checkpoint: MachineCheckpoint | undefined) {
    this.shard = handle.group;
    this.broker = options.broker;
    this.handle = handle;
    this.#options = options;
    this.#index = checkpoint?.index ?? 0;
    this.#term = checkpoint?.term ?? 0;
    this.#state = new Map();
    if (checkpoint !== undefined) this.#load(checkpoint.data);
  }

  get coordinator(): TransactionCoordinator {
    return this;
  }

  get leading(): boolean {
    return this.#lead !== undefined;
  }

  get unavailable(): number {
    return unavailability(this);
  }

  get openCount(): number {
    return this.#open.size;
  }

  get use(): MachineUse {
    if (this.#open.size > 0) return 'busy';
    return this.#state.size === 0 ? 'none' : 'idle';
  }

  get oldestOpenWallMs(): number | undefined {
    let oldest: number | undefined;
    for (const { startedWall } of this.#openRecords()) {
      if (oldest === undefined || startedWall < oldest) oldest = startedWall;
    }
    return oldest;
  }

  apply(entry: CommittedEntry): number {
    this.#index = entry.index;
    this.#term = entry.term;
    if (entry.data.length > 0) this.#applied(applyTransactionEntry(this.#state, entry));
    return kafkaErrors.NONE;
  }

  lead(term: number): void {
    const lead = new Lead(this.#options.host, term, (id) => void this.#abortLate(lead, id));
    this.#lead = lead;
    for (const record of [...this.#openRecords()]) {
      const mustDeliver = isEnding(record.state);
      this.#options.host.telemetry.sometimes('marker retried by a new leader', mustDeliver);
      if (mustDeliver) void this.#deliver(lead, record);
      else lead.timeouts.arm(record.transactionalId, record.timeoutMs);
    }
    this.#armIdSweep(lead);
  }

  follow(): void {
    const lead = this.#lead;
    this.#lead = undefined;
    lead?.end();
  }

  async checkpoint(): Promise<MachineCheckpoint> {
    return { index: this.#index, term: this.#term, data: this.snapshot() };
  }

  snapshot(): Uint8Array {
    return encodeTransactions(this.#state);
  }

  async restore(snapshot: MachineSnapshot): Promise<void> {
    this.#load(snapshot.data);
    this.#index = snapshot.index;
    this.#term = snapshot.term;
  }

  async answerPeer(): Promise<Uint8Array> {
    throw new RpcRefusal(
      'NOT_SUPPORTED',
      'a shard of transactions is whole in its snapshot: nothing can be asked of it',
    );
  }

  async close(): Promise<void> {
    this.follow();
  }

  async init(request: InitRequest): Promise<InitAnswer> {
    const { timeoutMs, transactionalId } = request;
    if (transactionalId === '') return { errorCode: kafkaErrors.INVALID_REQUEST, ...noProducer };
    if (timeoutMs <= 0 || timeoutMs > this.#options.settings.maxTimeoutMs) {
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
      this.#step(transactionalId, async () => {
        const freshId = await this.#freshId(transactionalId);
        const wall = this.#options.host.clock.wall();
        return this.#carryOut(decideEnd(this.#state.get(transactionalId), request, freshId, wall));
      }),
    );
  }

  async verify(request: VerifyRequest): Promise<number> {
    const { partitions, groupId, transactionalId } = request;
    const groups = groupId === undefined ? [] : [groupId];
    if (request.add) return this.#add(request, { partitions, groups, raisesEpoch: true });
    try {
      // Only a leader that is one for sure knows that nobody has ended the transaction meanwhile.
      await confirmed(this.handle);
    } catch (error) {
      if (error instanceof Unavailable) return error.code;
      throw error;
    }
    const record = this.#state.get(transactionalId);
    const error = producerError(record, request);
    if (error !== kafkaErrors.NONE || record === undefined) return error;
    if (isEnding(record.state)) return kafkaErrors.CONCURRENT_TRANSACTIONS;
    if (record.state !== 'Ongoing') return kafkaErrors.INVALID_TXN_STATE;
    const left = missing(record, { partitions, groups });
    return left.partitions.length + left.groups.length === 0 ? kafkaErrors.NONE : kafkaErrors.INVALID_TXN_STATE;
  }

  async describe(transactionalId: string): Promise<TransactionDescription> {
    const errorCode = await this.#confirmed();
    const record = errorCode === kafkaErrors.NONE ? this.#state.get(transactionalId) : undefined;
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
      transactions: errorCode === kafkaErrors.NONE ? [...this.#state.values()].map(describeRecord) : [],
    };
  }

  #load(data: Uint8Array): void {
    this.#state = decodeTransactions(data);
    this.#open.clear();
    for (const record of this.#state.values()) if (isOpen(record)) this.#open.add(record.transactionalId);
  }

  *#openRecords(): Iterable<TransactionRecord> {
    for (const id of this.#open) {
      const record = this.#state.get(id);
      if (record === undefined) throw new Error(`transactional id ${id}: expected a record of an open transaction`);
      yield record;
    }
  }

  /** What follows from an entry, on every replica and at the leader. */
  #applied(entry: TransactionEntry): void {
    if (entry.kind === 'forget') return;
    const record = this.#state.get(entry.record.transactionalId);
    if (record === undefined) throw new Error('expected the record that was just put');
    const id = record.transactionalId;
    if (isOpen(record)) this.#open.add(id);
    else this.#open.delete(id);
    const lead = this.#lead;
    if (lead === undefined) return;
    if (record.state !== 'Ongoing') lead.timeouts.disarm(id);
    else if (entry.begins) lead.timeouts.arm(id, record.timeoutMs);
    if (isEnding(record.state)) void this.#deliver(lead, record);
    if (!isOpen(record)) lead.wake(id);
  }

  async #init(request: InitRequest): Promise<InitAnswer> {
    const { transactionalId } = request;
    const freshId = await this.#freshId(transactionalId);
    const wall = this.#options.host.clock.wall();
    const record = this.#state.get(transactionalId);
    if (record === undefined) {
      if (this.#state.size >= idLimit) throw new Unavailable(kafkaErrors.COORDINATOR_NOT_AVAILABLE);
      return this.#write(firstRecord(request, freshId, wall), false);
    }
    const decision = decideInit(record, request, freshId, wall);
    this.#options.host.telemetry.sometimes(
      'epoch overflow',
      'answer' in decision && decision.answer.producerId === freshId,
    );
    return this.#carryOut(decision, record);
  }

  async #add(request: TransactionRequest, wanted: Omit<Additions, 'metadataVersion'>): Promise<number> {
    const { transactionalId } = request;
    if (transactionalId === '') return kafkaErrors.INVALID_REQUEST;
    const answer = await this.#answered(() =>
      this.#whenEnded(transactionalId, async () => {
        const { host, metadata } = this.#options;
        const record = this.#state.get(transactionalId);
        const additions = { ...wanted, metadataVersion: metadata.version };
        const decision = decideAdd(record, request, additions, host.clock.wall());
        const begins = 'begins' in decision && decision.begins;
        if (begins && this.openCount + this.#options.otherOpen() >= openLimit) {
          return { errorCode: kafkaErrors.CONCURRENT_TRANSACTIONS, ...noProducer };
        }
        // Nothing to write: that the transaction is open is true only if this is the leader for sure.
        if (decision.errorCode === kafkaErrors.NONE && !('next' in decision)) await confirmed(this.handle);
        return this.#carryOut(decision);
      }),
    );
    return answer.errorCode;
  }

  #step<T>(transactionalId: string, work: () => Promise<T>): Promise<T> {
    return this.#serving().step(transactionalId, work);
  }

  /** A step that needs the last transaction of the id to be over: it is tried once more when that has ended. */
  async #whenEnded(transactionalId: string, work: () => Promise<InitAnswer>): Promise<InitAnswer> {
    const answer = await this.#step(transactionalId, work);
    if (answer.errorCode !== kafkaErrors.CONCURRENT_TRANSACTIONS) return answer;
    await this.#untilEnded(transactionalId);
    return this.#step(transactionalId, work);
  }

  /** Resolves when the transaction that is ending has ended, the lead is lost, or it took too long. */
  async #untilEnded(transactionalId: string): Promise<void> {
    const lead = this.#serving();
    const record = this.#state.get(transactionalId);
    if (record === undefined || !isEnding(record.state)) return;
    await lead.untilWoken(transactionalId, endWaitMs);
  }

  /** Writes what was decided, and gives the answer. */
  async #carryOut(decision: Decision, record?: TransactionRecord): Promise<InitAnswer> {
    if (!('answer' in decision)) return { errorCode: decision.errorCode, ...noProducer };
    if (!('next' in decision)) return { errorCode: decision.errorCode, ...decision.answer };
    if (record !== undefined && this.#options.host.telemetry.mutant('epoch-not-bumped')) {
      const { producerEpoch } = record;
      const answer = await this.#write({ ...decision.next, producerEpoch }, decision.begins);
      return { ...answer, errorCode: decision.errorCode };
    }
    await this.#write(decision.next, decision.begins);
    return { errorCode: decision.errorCode, ...decision.answer };
  }

  async #write(record: TransactionRecord, begins: boolean): Promise<InitAnswer> {
    const entry: TransactionEntry = { kind: 'put', record, begins };
    if (isEnding(record.state) && this.#options.host.telemetry.mutant('marker-unlogged')) this.#keepUnlogged(record);
    else await append(this.handle, entry);
    return { errorCode: kafkaErrors.NONE, producerId: record.producerId, producerEpoch: record.producerEpoch };
  }

  /** The planted bug: the decision is known to this leader's memory alone while its markers are on their way. */
  #keepUnlogged(record: TransactionRecord): void {
    this.#state.set(record.transactionalId, record);
    this.#applied({ kind: 'put', record, begins: false });
  }

  /** A producer id in case the step needs one; -1 when it will not. */
  async #freshId(transactionalId: string): Promise<number> {
    const record = this.#state.get(transactionalId);
    if (record !== undefined && !needsProducerId(record)) return -1;
    try {
      return await this.#options.producerIds.next();
    } catch (error) {
      if (error instanceof MetaError) throw new Unavailable(kafkaErrors.COORDINATOR_NOT_AVAILABLE);
      throw error;
    }
  }

  async #answered(work: () => Promise<InitAnswer>): Promise<InitAnswer> {
    try {
      this.#serving();
      return await within(this.#options.host, work());
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      // Older clients give up at 7. At 16 all of them look for the coordinator and ask again, which is safe whatever came of it.
      const isLate = error.code === kafkaErrors.REQUEST_TIMED_OUT;
      return { errorCode: isLate ? kafkaErrors.NOT_COORDINATOR : error.code, ...noProducer };
    }
  }

  #serving(): Lead {
    const code = this.unavailable;
    if (code !== kafkaErrors.NONE || this.#lead === undefined) throw new Unavailable(code);
    return this.#lead;
  }

  async #confirmed(): Promise<number> {
    try {
      this.#serving();
      await confirmed(this.handle);
      this.#serving();
      return kafkaErrors.NONE;
    } catch (error) {
      if (error instanceof Unavailable) return error.code;
      throw error;
    }
  }

  /** Sends the markers of a decided transaction until all are written, then completes it. */
  async #deliver(lead: Lead, record: TransactionRecord): Promise<void> {
    // It begins within `apply`: what it sends may be answered by another group of this broker, which must not be entered from there.
    await Promise.resolve();
    const { host } = this.#options;
    if (!(await deliverMarkers(this.#options, record, lead.term, lead.signal))) return;
    while (this.#lead === lead) {
      try {
        await this.#step(record.transactionalId, async () => {
          const present = this.#state.get(record.transactionalId);
          if (present === undefined || present.transaction !== record.transaction || !isEnding(present.state)) return;
          await append(this.handle, { kind: 'put', record: completed(present, host.clock.wall()), begins: false });
        });
        return;
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error;
        await host.clock.sleep(retryMs, lead.signal).catch(() => {});
      }
    }
  }

  /** Aborts a transaction whose time is up; its producer is fenced, or a late commit could follow. */
  async #abortLate(lead: Lead, transactionalId: string): Promise<void> {
    const { host } = this.#options;
    try {
      await this.#step(transactionalId, async () => {
        const record = this.#state.get(transactionalId);
        if (record?.state !== 'Ongoing' || !lead.timeouts.isDue(transactionalId)) return;
        host.telemetry.logger.info('a transaction was open for longer than its time-out and is aborted', {
          transactional_id: transactionalId,
          timeout_ms: record.timeoutMs,
        });
        await this.#carryOut(
          { errorCode: kafkaErrors.NONE, next: decideFence(record, host.clock.wall()), begins: false, answer: record },
          record,
        );
      });
    } catch (error) {
      // The next sweep, or the next leader, tries again.
      if (!(error instanceof Unavailable)) throw error;
    }
  }

  #armIdSweep(lead: Lead): void {
    const { host, settings } = this.#options;
    lead.idSweep = host.clock.timer(idSweepMs, () => {
      this.#armIdSweep(lead);
      const until = host.clock.wall() - settings.idExpirationMs;
      const ids = [...this.#state.values()]
        .filter((record) => !isOpen(record) && record.changedWall <= until)
        .slice(0, openLimit)
        .map(({ transactionalId, changedWall }) => [transactionalId, changedWall] as const);
      if (ids.length === 0) return;
      append(this.handle, { kind: 'forget', ids }).catch((error: unknown) => {
        if (!(error instanceof Unavailable)) throw error;
      });
    });
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
