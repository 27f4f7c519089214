import type { Timer } from '../../host/clock.ts';
import { DiskError, isNoSpace } from '../../host/disk.ts';
import type { Context as TraceContext } from '../../host/tracing.ts';
import { CommitPolicy } from './commit.ts';
import { type Context, messageOf } from './context.ts';
import { JournalError, type Outcome } from './errors.ts';
import { AppendQueue, type PendingBatch } from './queue.ts';
import type { Segments } from './segments.ts';
import type { Spare } from './space.ts';
import type { StateKeeper } from './state.ts';
import { LogTail, type TailStart } from './tail.ts';
import type { JournalTuning, Lsn, RecordIn, Ticket } from './types.ts';
import type { Witness } from './witness.ts';

/** How often a journal that is read-only for want of a witness looks whether it can be written again. */
const witnessPollMs = 1_000;

/**
 * The one writer: takes appends, decides when to write, keeps one durable write in flight, acknowledges in order. Nothing
 * is written after a write that failed, but for lack of space.
 */
export class Writer {
  readonly #context: Context;
  readonly #states: StateKeeper;
  readonly #witness: Witness;
  readonly #tail: LogTail;
  readonly #policy: CommitPolicy;
  readonly #queue: AppendQueue;
  readonly #listeners = new Set<(durable: Lsn) => void>();
  #busy = false;
  #kicked = false;
  #waiters: (() => void)[] = [];
  #timer: Timer | undefined;
  #urgentLsn = 0;
  #inFlight: PendingBatch | undefined;
  #ignoreTarget = false;
  /** Aborted when the journal is closing: nothing waits for a witness that cannot be written. */
  readonly #end = new AbortController();
  maxWaitMs: number;
  durableLsn: Lsn;

  constructor(
    context: Context,
    parts: { states: StateKeeper; segments: Segments; spare: Spare; witness: Witness },
    start: TailStart,
  ) {
    const { settings, mutants, metrics } = context;
    this.#context = context;
    this.#states = parts.states;
    this.#witness = parts.witness;
    this.#queue = new AppendQueue(context, start.recordSalt, start.durableLsn + 1);
    this.#policy = new CommitPolicy({
      maxWaitMs: settings.maxWaitMs,
      maxBatchBytes: settings.maxBatchBytes,
      fixedWait: mutants.has('fixed-wait'),
      noGather: mutants.has('no-gather'),
    });
    this.#tail = new LogTail(
      context,
      {
        ...parts,
        durableLsn: () => this.durableLsn,
        averageMs: () => this.#policy.averageMs,
        onRefusal: (error, during) => {
          if (during === 'seal') this.#refuseAll(undefined, error);
          else this.#refuseAfterRotation(error);
        },
      },
      start,
    );
    this.maxWaitMs = settings.maxWaitMs;
    this.durableLsn = start.durableLsn;
    metrics.setWatermark('durableLsn', start.durableLsn);
    metrics.observe(
      () => this.#tail.inflightMs,
      () => ({ bytes: this.#queue.pendingBytes, records: this.#queue.pendingRecords }),
    );
  }

  get queue(): AppendQueue {
    return this.#queue;
  }

  get policy(): CommitPolicy {
    return this.#policy;
  }

  get tail(): LogTail {
    return this.#tail;
  }

  onDurable(fn: (durable: Lsn) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  configure(tuning: JournalTuning): void {
    this.#policy.setLimits(tuning);
    if (tuning.maxWaitMs !== undefined) this.maxWaitMs = tuning.maxWaitMs;
    if (tuning.maxBatchBytes !== undefined) this.#queue.maxBatchBytes = tuning.maxBatchBytes;
    if (tuning.slowFsyncMs !== undefined) this.#tail.slowMs = tuning.slowFsyncMs;
  }

  append(records: readonly RecordIn[], trace?: TraceContext): Ticket {
    const refusal = this.#states.refusal();
    if (refusal !== undefined) throw refusal;
    const ticket = this.#queue.append(records, trace);
    this.kick();
    return ticket;
  }

  /** Everything appended so far, without further waiting. */
  flush(): Promise<void> {
    const last = this.#queue.last ?? this.#inFlight;
    if (last === undefined) return Promise.resolve();
    this.#urgentLsn = last.buffer.lastLsn;
    this.kick();
    return last.outcome.promise();
  }

  /** Everything appended so far, as the journal closes: nothing waits any longer for a witness that cannot be written. */
  finish(): Promise<void> {
    this.#end.abort();
    return this.flush();
  }

  /** Nothing is durable that is not acknowledged: the log can be sealed. */
  get isWhole(): boolean {
    return this.#tail.active.lastLsn === this.durableLsn;
  }

  /** Asks, once this turn's appends are in, whether to write. */
  kick(): void {
    if (this.#kicked || this.#busy) return;
    this.#kicked = true;
    queueMicrotask(() => {
      this.#kicked = false;
      this.#decide();
    });
  }

  #decide(): void {
    if (this.#busy || this.#queue.head === undefined || this.#states.state === 'closed') return;
    const { clock, telemetry } = this.#context.host;
    const now = clock.now();
    if (this.#queue.head.buffer.firstLsn <= this.#urgentLsn || telemetry.buggify('flush-early')) {
      this.#policy.interrupt();
    } else {
      if (!this.#policy.gathering) this.#ignoreTarget = telemetry.buggify('gather-full-wait');
      const until = this.#policy.decide(now, this.#queue.queuedAppends, this.#queue.queuedBytes, this.#ignoreTarget);
      telemetry.sometimes('gather met', this.#policy.lastGather === 'met');
      telemetry.sometimes('gather missed', this.#policy.lastGather === 'missed');
      telemetry.sometimes('back-off at 63', this.#policy.backOff === 63);
      if (until > now) {
        this.#wait(until - now);
        return;
      }
      if (this.#policy.gatherBegan < now)
        this.#context.metrics.groupWait.observe((now - this.#policy.gatherBegan) / 1000);
      else this.#context.metrics.groupWait.observe(0);
    }
    this.#timer?.cancel();
    this.#timer = undefined;
    void this.exclusive(() => this.#writeNext());
  }

  /** Waits under a millisecond are turns of the event loop: its timers are no finer than that. */
  #wait(ms: number): void {
    if (this.#timer !== undefined) return;
    this.#timer = this.#context.host.clock.timer(ms < 1 ? 0 : Math.floor(ms), () => {
      this.#timer = undefined;
      this.#decide();
    });
  }

  /** Runs `fn` while nothing else writes. Those that wait go before the next batch. */
  async exclusive<T>(fn: () => Promise<T>): Promise<T> {
    while (this.#busy) await new Promise<void>((resolve) => this.#waiters.push(resolve));
    this.#busy = true;
    try {
      return await fn();
    } finally {
      this.#busy = false;
      const waiter = this.#waiters.shift();
      if (waiter !== undefined) waiter();
      else this.kick();
    }
  }

  async #writeNext(): Promise<void> {
    const { telemetry } = this.#context.host;
    const head = this.#queue.head;
    if (head === undefined) return;
    head.full = true;
    if (!this.#tail.hasRoomFor(head.buffer.usedBytes) || telemetry.buggify('roll-now')) {
      telemetry.sometimes('rotation under load', this.#queue.queuedAppends >= 2);
      if (!(await this.#tail.rotate())) return;
    }
    await this.#writeBatch(this.#queue.take());
  }

  async #writeBatch(batch: PendingBatch): Promise<void> {
    const { mutants, metrics, settings } = this.#context;
    const { buffer } = batch;
    if (buffer.firstLsn !== this.durableLsn + 1 && !mutants.has('keep-lsn-after-reject')) {
      throw new Error(`batch begins at LSN ${buffer.firstLsn} behind ${this.durableLsn}`);
    }
    this.#inFlight = batch;
    const failure = await this.#tail.submit(buffer, {
      flags: 0,
      submitted: () => {
        if (mutants.has('ack-before-sync')) this.#acknowledge(batch);
      },
      trace: batch.outcome.trace?.submitted({
        firstLsn: buffer.firstLsn,
        lastLsn: buffer.lastLsn,
        records: buffer.recordCount,
        bytes: buffer.usedBytes,
        appends: batch.appends,
        segmentId: this.#tail.active.header.segmentId,
      }),
    });
    if (failure !== undefined) {
      this.#inFlight = undefined;
      this.#refuseAll({ batch, isSubmitted: failure.isSubmitted }, failure.error);
      return;
    }
    metrics.batchRecords.observe(buffer.recordCount);
    const isWitnessed = !settings.strictTail || (await this.#untilWitnessed());
    this.#inFlight = undefined;
    if (!isWitnessed) {
      this.#giveUp(batch);
      return;
    }
    this.#policy.completed(this.#tail.lastBatch?.ms ?? 0, batch.appends, this.#queue.queuedAppends);
    if (!batch.outcome.settled) this.#acknowledge(batch);
    this.#queue.settled(batch);
  }

  #acknowledge(batch: PendingBatch): void {
    this.durableLsn = batch.buffer.lastLsn;
    this.#context.metrics.setWatermark('durableLsn', this.durableLsn);
    for (const fn of this.#listeners) fn(this.durableLsn);
    batch.outcome.acknowledge();
  }

  /** A write has failed: turns the journal read-only or failed, and rejects everything that is pending. */
  #refuseAll(
    taken: { readonly batch: PendingBatch; readonly isSubmitted: boolean } | undefined,
    error: unknown,
    isFatal = false,
  ): void {
    const { host, logger, mutants } = this.#context;
    logger.error('disk error', { operation: 'write', error: messageOf(error) });
    const isSpace = !isFatal && isNoSpace(error) && !(error instanceof DiskError && error.operation === 'sync');
    if (isSpace) this.#states.hold('no_space', messageOf(error));
    else this.#states.fail(messageOf(error), error);
    host.telemetry.sometimes('failed with >= 2 queued', !isSpace && this.#queue.queuedAppends >= 2);
    const queued = this.#queue.clear();
    if (taken !== undefined) {
      const { batch, isSubmitted } = taken;
      this.#queue.settled(batch);
      if (!batch.outcome.settled) {
        const isKnownAbsent = !isSubmitted || mutants.has('submitted-as-not-applied');
        batch.outcome.reject(this.#rejection(isKnownAbsent ? 'not_applied' : 'indeterminate', error));
      }
    }
    const outcome = mutants.has('queued-as-indeterminate') ? 'indeterminate' : 'not_applied';
    for (const batch of queued) batch.outcome.reject(this.#rejection(outcome, error));
    if (!mutants.has('keep-lsn-after-reject')) this.#queue.nextLsn = this.durableLsn + 1;
    this.#urgentLsn = 0;
    this.#policy.interrupt();
  }

  #rejection(outcome: Outcome, cause: unknown): JournalError {
    const what = outcome === 'indeterminate' ? 'the write failed after it was submitted' : 'nothing of it was written';
    if (this.#states.state === 'read-only') {
      const message = `the journal is read-only: ${this.#states.why}; ${what}`;
      return new JournalError('JournalReadOnly', message, { outcome, cause, reason: 'no_space' });
    }
    return new JournalError('JournalFailed', `${messageOf(cause)}; ${what}`, { outcome, cause });
  }

  /** Under strict_tail: waits for the slot, read-only after three failures, a try a second; false when the journal closes. */
  async #untilWitnessed(): Promise<boolean> {
    const { clock } = this.#context.host;
    for (let tries = 3; ; tries = 0) {
      try {
        await this.#witness.write(this.#tail.note(false), tries);
        this.#states.release('witness');
        return true;
      } catch (error) {
        this.#states.hold('witness', `the witness cannot be written: ${messageOf(error)}`);
        if (!this.#end.signal.aborted) await clock.sleep(witnessPollMs, this.#end.signal).catch(() => undefined);
        if (this.#end.signal.aborted) return false;
      }
    }
  }

  /** The journal closes before the witness has noted a durable batch: it is not acknowledged, nor is anything behind it. */
  #giveUp(batch: PendingBatch): void {
    const what = 'closed before the witness had noted the write';
    const queued = this.#queue.clear();
    this.#queue.settled(batch);
    batch.outcome.reject(new JournalError('JournalClosed', what, { outcome: 'indeterminate' }));
    for (const { outcome } of queued) outcome.reject(new JournalError('JournalClosed', `${what} before this one`));
  }

  /** No successor: for lack of space it comes later; a rename or a directory sync that failed is the end. */
  #refuseAfterRotation(error: unknown): void {
    if (!(error instanceof JournalError) || error.reason === undefined) {
      this.#refuseAll(undefined, error, true);
      return;
    }
    this.#states.hold(error.reason, error.message);
    for (const batch of this.#queue.clear()) batch.outcome.reject(this.#states.refusal() ?? error);
    this.#queue.nextLsn = this.durableLsn + 1;
    this.#urgentLsn = 0;
    this.#policy.interrupt();
  }

  /** Tells the witness what recovery has made durable, so that it cannot be lost unseen. */
  async noteRecovered(): Promise<void> {
    await this.#tail.noteNow();
  }

  /** Tells the witness that everything is durable and sealed. */
  async noteClean(): Promise<void> {
    await this.#witness.write(this.#tail.note(true), 0);
  }

  /** Ends: rejects what is left, closes the file. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    const refusal = this.#states.refusal();
    for (const batch of this.#queue.clear()) {
      batch.outcome.reject(refusal ?? new JournalError('JournalClosed', 'the journal is closed'));
    }
    await this.#tail.close();
  }
}
