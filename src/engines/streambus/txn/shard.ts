import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import type { CommittedEntry, GroupHandle, MachineCheckpoint, MachineSnapshot, MachineUse } from '../broker/group.ts';
import { RpcRefusal } from '../broker/rpc.ts';
import { append, Unavailable, unavailability } from '../groups/runtime.ts';
import type { BrokerId } from '../ids.ts';
import type { TransactionCoordinator, TransactionShard } from './coordinator.ts';
import { Lead } from './lead.ts';
import { deliverMarkers, type MarkerServices } from './markers.ts';
import type { ProducerIds } from './pids.ts';
import { openLimit, type RequestsBody, TransactionRequests } from './requests.ts';
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
import { completed, decideFence } from './transitions.ts';

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

/** How often the leader looks for ids that were not used. */
const idSweepMs = 60_000;
const retryMs = 100;

/** Opens a shard of transactions from its last checkpoint, or from nothing. */
export function openTransactionMachine(
  options: TransactionShardOptions,
  handle: GroupHandle,
  checkpoint: MachineCheckpoint | undefined,
): TransactionShard {
  return new Shard(options, handle, checkpoint);
}

/** The replicated part: what is folded from the log, and what its leader does by itself: markers, time-outs, expiry. */
class Shard implements TransactionShard {
  readonly broker: BrokerId;
  readonly handle: GroupHandle;
  readonly #options: TransactionShardOptions;
  #state: TransactionsState;
  readonly #open = new Set<string>();
  readonly #requests: TransactionRequests;
  #index: number;
  #term: number;
  #lead: Lead | undefined;

  constructor(options: TransactionShardOptions, handle: GroupHandle, checkpoint: MachineCheckpoint | undefined) {
    this.broker = options.broker;
    this.handle = handle;
    this.#options = options;
    this.#index = checkpoint?.index ?? 0;
    this.#term = checkpoint?.term ?? 0;
    this.#state = new Map();
    if (checkpoint !== undefined) this.#load(checkpoint.data);
    this.#requests = new TransactionRequests(this.#body());
  }

  get coordinator(): TransactionCoordinator {
    return this.#requests;
  }

  get leading(): boolean {
    return this.#lead !== undefined;
  }

  get use(): MachineUse {
    if (this.#open.size > 0) return 'busy';
    return this.#state.size === 0 ? 'none' : 'idle';
  }

  get #oldestOpenWallMs(): number | undefined {
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

  /** Sends the markers of a decided transaction until all are written, then completes it. */
  async #deliver(lead: Lead, record: TransactionRecord): Promise<void> {
    // It begins within `apply`: what it sends may be answered by another group of this broker, which must not be entered from there.
    await Promise.resolve();
    const { host } = this.#options;
    if (!(await deliverMarkers(this.#options, record, lead.term, lead.signal))) return;
    while (this.#lead === lead) {
      try {
        await this.#requests.step(record.transactionalId, async () => {
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
      await this.#requests.step(transactionalId, async () => {
        const record = this.#state.get(transactionalId);
        if (record?.state !== 'Ongoing' || !lead.timeouts.isDue(transactionalId)) return;
        host.telemetry.logger.info('a transaction was open for longer than its time-out and is aborted', {
          transactional_id: transactionalId,
          timeout_ms: record.timeoutMs,
        });
        await this.#requests.carryOut(
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

  /** What the requests see; it is there when they ask for it. */
  #body(): RequestsBody {
    const shard = this;
    return {
      options: this.#options,
      handle: this.handle,
      applied: (entry) => this.#applied(entry),
      get state() {
        return shard.#state;
      },
      get unavailable() {
        return unavailability(shard);
      },
      get openCount() {
        return shard.#open.size;
      },
      get oldestOpenWallMs() {
        return shard.#oldestOpenWallMs;
      },
      get lead() {
        return shard.#lead;
      },
    };
  }
}
