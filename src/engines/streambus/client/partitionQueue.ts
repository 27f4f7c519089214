import type { Timer } from '../../../host/clock.ts';
import { kafkaErrors } from '../../../wire/kafka/errors.ts';
import type { RecordInput } from '../../../wire/kafka/records.ts';
import { ClientError, isRetriable } from './clientError.ts';
import type { Cluster } from './cluster.ts';
import { ProducerBatch, type ProducerIdentity, recordBytes, type SentRecord } from './producerBatch.ts';

/** What the queues of one producer share. */
export interface QueueOwner {
  readonly cluster: Cluster;
  readonly lingerMs: number;
  readonly batchBytes: number;
  readonly deliveryTimeoutMs: number;
  /** Batches of one partition under way at once. More than one keeps their order only with an identity. */
  readonly inFlightMax: number;
  readonly isTransactional: boolean;
  /** Sends the batch once and acknowledges it, or rejects with `ClientError`. */
  sendOnce(batch: ProducerBatch): Promise<void>;
  /** The identity for new batches; undefined when there is none yet, or none is used. */
  readonly identity: ProducerIdentity | undefined;
  /** Whether new batches wait for an identity. */
  readonly lacksIdentity: boolean;
  /** Gets one. Rejects with `ClientError`. */
  acquireIdentity(): Promise<unknown>;
  /** A batch was given up. When it was numbered, its numbers are a gap, and its identity is of no more use. */
  abandoned(batch: ProducerBatch, error: ClientError): void;
}

/**
 * The batches of one partition, in order. Up to `inFlightMax` are under way; when one fails, nothing new is sent until all of them
 * are settled, then the failed ones go again, in their order and under their old numbers. So a repeat never overtakes.
 */
export class PartitionQueue {
  readonly #owner: QueueOwner;
  readonly #topic: string;
  readonly #partition: number;
  #queued: ProducerBatch[] = [];
  #inFlight: ProducerBatch[] = [];
  #timer: Timer | undefined;
  #isDraining = false;
  #pauses = 0;
  readonly #idle: (() => void)[] = [];
  /** Identity of which the partition has acknowledged a batch; undefined also when none is used. */
  #proven: ProducerIdentity | undefined;

  constructor(owner: QueueOwner, topic: string, partition: number) {
    this.#owner = owner;
    this.#topic = topic;
    this.#partition = partition;
  }

  get isIdle(): boolean {
    return this.#queued.length === 0 && this.#inFlight.length === 0;
  }

  /** Adds a record; resolves when it is acknowledged. */
  add(record: RecordInput): Promise<SentRecord> {
    return new Promise((resolve, reject) => {
      const { cluster, batchBytes, deliveryTimeoutMs } = this.#owner;
      let batch = this.#queued.at(-1);
      if (batch === undefined || !batch.isOpen || batch.bytes + recordBytes(record) > batchBytes) {
        batch = new ProducerBatch(this.#topic, this.#partition, cluster.host.clock.now() + deliveryTimeoutMs);
        this.#queued.push(batch);
      }
      batch.add(record, { resolve, reject });
      this.#schedule(batch.bytes >= batchBytes || this.#queued.length > 1 ? 0 : this.#owner.lingerMs);
    });
  }

  /** Sends what is there without lingering; resolves when nothing is left. */
  async flush(): Promise<void> {
    if (this.isIdle) return;
    this.#drain();
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Gives up all batches that are not under way. */
  abandonQueued(error: ClientError): void {
    for (const batch of this.#queued.splice(0)) batch.abandon(error);
    this.#wakeIdle();
  }

  #schedule(delayMs: number): void {
    if (this.#pauses > 0 || this.#isDraining) return;
    if (delayMs > 0) {
      this.#timer ??= this.#owner.cluster.host.clock.timer(delayMs, () => this.#drain());
      return;
    }
    this.#isDraining = true;
    // After the caller's turn: records that it adds at once go together.
    queueMicrotask(() => {
      this.#isDraining = false;
      this.#drain();
    });
  }

  #drain(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#pauses > 0 || this.#inFlight.some((batch) => batch.state === 'failed')) return;
    if (this.#owner.lacksIdentity && this.#queued.some((batch) => batch.isOpen)) {
      void this.#acquire();
      return;
    }
    for (;;) {
      const next = this.#queued[0];
      if (next === undefined) break;
      const identity = next.identity ?? this.#owner.identity;
      // A partition that does not know the producer takes any first number: the second batch could overtake the first.
      const most = identity === this.#proven ? this.#owner.inFlightMax : 1;
      if (this.#inFlight.length >= most) break;
      // Numbers of another identity must wait until those of the one before are in the log.
      if (this.#inFlight.some((batch) => batch.identity !== identity)) break;
      this.#queued.shift();
      this.#inFlight.push(next);
      // Numbers are given here, in order, not when the leader is found.
      next.encode(identity, this.#owner.isTransactional);
      void this.#send(next);
    }
    this.#wakeIdle();
  }

  /** Gets an identity, however often it takes, and goes on. */
  async #acquire(): Promise<void> {
    this.#pauses += 1;
    try {
      for (let attempt = 0; this.#queued.length > 0; attempt++) {
        try {
          await this.#owner.acquireIdentity();
          break;
        } catch (error) {
          if (!(error instanceof ClientError) || !isRetriable(error)) throw error;
          await this.#owner.cluster.pause(attempt);
          this.#expire(this.#owner.cluster.host.clock.now());
        }
      }
    } catch (error) {
      const failure =
        error instanceof ClientError ? error : new ClientError('STATE', 'definite', String(error), undefined, error);
      this.abandonQueued(failure);
    } finally {
      this.#pauses -= 1;
    }
    this.#drain();
  }

  async #send(batch: ProducerBatch): Promise<void> {
    batch.state = 'sent';
    batch.attempts += 1;
    try {
      await this.#owner.sendOnce(batch);
      this.#proven = batch.identity;
    } catch (error) {
      batch.state = 'failed';
      batch.isBehind = this.#inFlight[0] !== batch;
      batch.failure =
        error instanceof ClientError
          ? error
          : new ClientError('STATE', 'indeterminate', String(error), undefined, error);
      if (batch.failure.outcome === 'indeterminate') batch.mayBeAppended = true;
    }
    this.#settle();
  }

  #settle(): void {
    this.#inFlight = this.#inFlight.filter((batch) => batch.state !== 'done');
    if (this.#inFlight.some((batch) => batch.state === 'failed')) {
      if (this.#inFlight.some((batch) => batch.state === 'sent')) return;
      this.#repeat();
      return;
    }
    this.#drain();
  }

  /** All that was under way has settled, and what remains failed. */
  #repeat(): void {
    const failed = this.#inFlight;
    this.#inFlight = [];
    const again: ProducerBatch[] = [];
    const now = this.#owner.cluster.host.clock.now();
    let hasGap = false;
    for (const batch of failed) {
      const error = batch.failure;
      if (error === undefined) throw new Error('a failed batch has its error');
      // A gap before a batch closes when the earlier ones arrive; before the first one it is for good.
      const isEarly = batch.isBehind && error.errorNumber === kafkaErrors.OUT_OF_ORDER_SEQUENCE_NUMBER;
      if ((isRetriable(error) || isEarly) && now < batch.deadline && !hasGap) {
        again.push(batch);
        continue;
      }
      if (hasGap && !batch.mayBeAppended && now < batch.deadline) {
        batch.renumber();
        again.push(batch);
        continue;
      }
      if (batch.identity !== undefined) hasGap = true;
      this.#owner.abandoned(batch, error);
      batch.abandon(error);
    }
    for (const batch of again) batch.state = 'queued';
    this.#queued.unshift(...again);
    this.#expire(now);
    if (again.length === 0) {
      this.#schedule(0);
      this.#wakeIdle();
      return;
    }
    this.#pauses += 1;
    const pauseMs = this.#owner.cluster.pauseMs((again[0]?.attempts ?? 1) - 1);
    this.#owner.cluster.host.clock.timer(pauseMs, () => {
      this.#pauses -= 1;
      this.#drain();
    });
  }

  /** Batches that were never sent and whose time is over. */
  #expire(now: number): void {
    const isLate = (batch: ProducerBatch): boolean => batch.identity === undefined && now >= batch.deadline;
    const late = this.#queued.filter(isLate);
    this.#queued = this.#queued.filter((batch) => !isLate(batch));
    for (const batch of late) {
      const error = new ClientError('TIMEOUT', 'definite', `${this.#topic}/${this.#partition}: not sent in time`);
      this.#owner.abandoned(batch, error);
      batch.abandon(error);
    }
    if (late.length > 0) this.#wakeIdle();
  }

  #wakeIdle(): void {
    if (!this.isIdle) return;
    for (const wake of this.#idle.splice(0)) wake();
  }
}
