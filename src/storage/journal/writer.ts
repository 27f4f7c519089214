import type { Timer } from '../../host/clock.ts';
import type { DiskFile } from '../../host/disk.ts';
import { DiskError } from '../../host/disk.ts';
import { BatchBuffer } from './batch.ts';
import { CommitPolicy } from './commit.ts';
import { type Context, closeQuietly, isNoSpace, messageOf } from './context.ts';
import { JournalError, type Outcome } from './errors.ts';
import { BatchFlag, pageBytes, segmentFileName } from './format.ts';
import { AppendQueue, type PendingBatch } from './queue.ts';
import { shortenSealed, startSegment } from './rotate.ts';
import type { LogSegment, Segments } from './segments.ts';
import { SlowLog } from './slowLog.ts';
import type { Spare } from './space.ts';
import type { StateKeeper } from './state.ts';
import type { JournalTuning, Lsn, RecordIn, Ticket } from './types.ts';
import type { Witness, WitnessNote } from './witness.ts';

/** Where the log goes on. */
export interface WriterStart {
  readonly journalId: string;
  readonly recordSalt: number;
  readonly durableLsn: Lsn;
  readonly previousCrc: number;
  readonly wallMs: number;
  /** Offset behind the last batch of the active segment. */
  readonly offset: number;
  /** Offset of that batch; 0 when there is none. */
  readonly lastBatchOffset: number;
}

/** How often a journal that is read-only for want of a witness looks whether it can be written again. */
const witnessPollMs = 1_000;

/**
 * The one writer: takes appends, decides when to write, keeps one durable write in flight, acknowledges in order. Nothing
 * is written after a write that failed, but for lack of space.
 */
export class Writer {
  readonly #context: Context;
  readonly #states: StateKeeper;
  readonly #segments: Segments;
  readonly #spare: Spare;
  readonly #witness: Witness;
  readonly #policy: CommitPolicy;
  readonly #queue: AppendQueue;
  readonly #start: WriterStart;
  readonly #slowLog: SlowLog;
  readonly #listeners = new Set<(durable: Lsn) => void>();
  #file: DiskFile | undefined;
  #offset: number;
  #previousCrc: number;
  #wallMs: number;
  #lastBatchOffset: number;
  #busy = false;
  #kicked = false;
  #waiters: (() => void)[] = [];
  #timer: Timer | undefined;
  #urgentLsn = 0;
  #inFlight: PendingBatch | undefined;
  #inFlightSince: number | undefined;
  #ignoreTarget = false;
  #hasErrors = false;
  #isRotating = false;
  /** Aborted when the journal is closing: nothing waits for a witness that cannot be written. */
  readonly #end = new AbortController();
  maxWaitMs: number;
  durableLsn: Lsn;
  lastBatch: { records: number; bytes: number; ms: number } | undefined;

  constructor(
    context: Context,
    parts: { states: StateKeeper; segments: Segments; spare: Spare; witness: Witness },
    start: WriterStart,
  ) {
    const { settings, mutants, metrics, host } = context;
    this.#context = context;
    this.#states = parts.states;
    this.#segments = parts.segments;
    this.#spare = parts.spare;
    this.#witness = parts.witness;
    this.#start = start;
    this.#queue = new AppendQueue(context, start.recordSalt, start.durableLsn + 1);
    this.#policy = new CommitPolicy({
      maxWaitMs: settings.maxWaitMs,
      maxBatchBytes: settings.maxBatchBytes,
      fixedWait: mutants.has('fixed-wait'),
      noGather: mutants.has('no-gather'),
    });
    this.#offset = start.offset;
    this.#lastBatchOffset = start.lastBatchOffset;
    this.#previousCrc = start.previousCrc;
    this.#wallMs = start.wallMs;
    this.#slowLog = new SlowLog(context);
    this.maxWaitMs = settings.maxWaitMs;
    this.durableLsn = start.durableLsn;
    metrics.setWatermark('durableLsn', start.durableLsn);
    // A counter that is born at 1 has no increase: the alert on it would miss the first error after a restart.
    metrics.fsyncErrors.inc({ segment: segmentFileName(this.#active().header.segmentId) }, 0);
    metrics.observe(
      () => (this.#inFlightSince === undefined ? 0 : host.clock.now() - this.#inFlightSince),
      () => ({ bytes: this.#queue.pendingBytes, records: this.#queue.pendingRecords }),
    );
  }

  get queue(): AppendQueue {
    return this.#queue;
  }

  get policy(): CommitPolicy {
    return this.#policy;
  }

  get isRotating(): boolean {
    return this.#isRotating;
  }

  get inflightMs(): number {
    return this.#inFlightSince === undefined ? 0 : this.#context.host.clock.now() - this.#inFlightSince;
  }

  onDurable(fn: (durable: Lsn) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  configure(tuning: JournalTuning): void {
    this.#policy.setLimits(tuning);
    if (tuning.maxWaitMs !== undefined) this.maxWaitMs = tuning.maxWaitMs;
    if (tuning.maxBatchBytes !== undefined) this.#queue.maxBatchBytes = tuning.maxBatchBytes;
    if (tuning.slowFsyncMs !== undefined) this.#slowLog.limitMs = tuning.slowFsyncMs;
  }

  append(records: readonly RecordIn[]): Ticket {
    const refusal = this.#states.refusal();
    if (refusal !== undefined) throw refusal;
    const ticket = this.#queue.append(records);
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
    return this.#active().lastLsn === this.durableLsn;
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
    const needed = Math.ceil(head.buffer.usedBytes / pageBytes) * pageBytes;
    const active = this.#active();
    const hasRoom = !active.sealed && this.#offset + needed + pageBytes <= active.fileBytes;
    if (!hasRoom || telemetry.buggify('roll-now')) {
      telemetry.sometimes('rotation under load', this.#queue.queuedAppends >= 2);
      if (!(await this.rotate())) return;
    }
    await this.#writeBatch(this.#queue.take());
  }

  #active(): LogSegment {
    const active = this.#segments.active;
    if (active === undefined) throw new Error('a running journal has a segment');
    return active;
  }

  async #openActive(): Promise<DiskFile> {
    this.#file ??= await this.#context.host.disk.open(this.#active().path, { mode: 'write' });
    return this.#file;
  }

  async #writeBatch(batch: PendingBatch): Promise<void> {
    const { mutants, metrics, settings } = this.#context;
    const { buffer } = batch;
    if (buffer.firstLsn !== this.durableLsn + 1 && !mutants.has('keep-lsn-after-reject')) {
      throw new Error(`batch begins at LSN ${buffer.firstLsn} behind ${this.durableLsn}`);
    }
    this.#inFlight = batch;
    const written = await this.#submit(buffer, 0, () => {
      if (mutants.has('ack-before-sync')) this.#acknowledge(batch);
    });
    if (written !== undefined) {
      this.#inFlight = undefined;
      this.#refuseAll(batch, written);
      return;
    }
    metrics.batchRecords.observe(buffer.recordCount);
    const isWitnessed = !settings.strictTail || (await this.#untilWitnessed());
    this.#inFlight = undefined;
    if (!isWitnessed) {
      this.#giveUp(batch);
      return;
    }
    this.#policy.completed(this.lastBatch?.ms ?? 0, batch.appends, this.#queue.queuedAppends);
    if (!batch.outcome.settled) this.#acknowledge(batch);
    this.#queue.settled(batch);
  }

  /** Writes one batch durably; resolves to the disk's error, undefined when it is durable. */
  async #submit(buffer: BatchBuffer, flags: number, submitted: () => void): Promise<unknown> {
    const { host, mutants, metrics } = this.#context;
    const segment = this.#active();
    const { segmentId, salt } = segment.header;
    this.#wallMs = Math.max(this.#wallMs, Math.floor(host.clock.wall()));
    const { bytes, headerCrc } = buffer.finish({
      flags,
      segmentId,
      salt,
      fileOffset: this.#offset,
      durableLsn: mutants.has('keep-lsn-after-reject') ? this.durableLsn : buffer.firstLsn - 1,
      previousCrc: this.#previousCrc,
      wallMs: this.#wallMs,
      incarnation: host.incarnation,
    });
    const note: WitnessNote = {
      segmentId,
      batchOffset: this.#offset,
      lastLsn: buffer.lastLsn,
      batchHeaderCrc: headerCrc,
      clean: false,
    };
    if (mutants.has('witness-before-sync')) await this.#witness.write(note).catch(() => undefined);
    const began = host.clock.now();
    this.#inFlightSince = began;
    let failure: unknown;
    try {
      const file = await this.#openActive();
      const write = file.write(this.#offset, [bytes], { durable: !mutants.has('ack-on-write') });
      submitted();
      await write;
    } catch (error) {
      failure = await this.#withPlantedRetry(error);
    }
    const ms = host.clock.now() - began;
    this.#inFlightSince = undefined;
    metrics.syncFinished(ms / 1000, failure === undefined);
    metrics.batchBytes.observe(bytes.length);
    if (failure !== undefined) {
      metrics.fsyncErrors.inc({ segment: segmentFileName(segmentId) });
      this.#hasErrors = true;
      return failure;
    }
    this.#slowLog.note({ ms, bytes: bytes.length, records: buffer.recordCount, segmentId });
    this.lastBatch = { records: buffer.recordCount, bytes: bytes.length, ms };
    const place = {
      first: buffer.firstLsn,
      count: buffer.recordCount,
      offset: this.#offset,
      bytes: buffer.usedBytes,
      wallMs: this.#wallMs,
    };
    if (buffer.lastLsn > (segment.index?.lastLsn ?? 0)) segment.index?.add(place, (i) => buffer.recordOffset(i));
    this.#lastBatchOffset = this.#offset;
    this.#offset += bytes.length;
    this.#previousCrc = headerCrc;
    segment.lastLsn = buffer.lastLsn;
    segment.usedBytes = this.#offset;
    this.#witness.noted(note, this.#policy.averageMs);
    return undefined;
  }

  /** The planted bug: syncs again, and believes the answer. */
  async #withPlantedRetry(error: unknown): Promise<unknown> {
    if (!this.#context.mutants.has('retry-sync')) return error;
    try {
      await this.#file?.sync();
      return undefined;
    } catch (again) {
      return again;
    }
  }

  #acknowledge(batch: PendingBatch): void {
    this.durableLsn = batch.buffer.lastLsn;
    this.#context.metrics.setWatermark('durableLsn', this.durableLsn);
    for (const fn of this.#listeners) fn(this.durableLsn);
    batch.outcome.acknowledge();
  }

  /** A write has failed: turns the journal read-only or failed, and rejects everything that is pending. */
  #refuseAll(submitted: PendingBatch | undefined, error: unknown, isFatal = false): void {
    const { host, logger, mutants } = this.#context;
    logger.error('disk error', { operation: 'write', error: messageOf(error) });
    const isSpace = !isFatal && isNoSpace(error) && !(error instanceof DiskError && error.operation === 'sync');
    if (isSpace) this.#states.hold('no_space', messageOf(error));
    else this.#states.fail(messageOf(error), error);
    host.telemetry.sometimes('failed with >= 2 queued', !isSpace && this.#queue.queuedAppends >= 2);
    const queued = this.#queue.clear();
    if (submitted !== undefined) {
      this.#queue.settled(submitted);
      if (!submitted.outcome.settled) {
        const outcome = mutants.has('submitted-as-not-applied') ? 'not_applied' : 'indeterminate';
        submitted.outcome.reject(this.#rejection(outcome, error));
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
        await this.#witness.write(this.#note(false), tries);
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

  /** What the witness is to say of the last batch. */
  #note(clean: boolean): WitnessNote {
    return {
      segmentId: this.#active().header.segmentId,
      batchOffset: this.#lastBatchOffset,
      lastLsn: this.#active().lastLsn,
      batchHeaderCrc: this.#previousCrc,
      clean,
    };
  }

  /** Seals the active segment if it is not, and begins the next. False when that could not be done; all is rejected then. */
  async rotate(): Promise<boolean> {
    this.#isRotating = true;
    try {
      return await this.#rotate();
    } finally {
      this.#isRotating = false;
    }
  }

  async #rotate(): Promise<boolean> {
    const { host, metrics } = this.#context;
    const began = host.clock.now();
    if (!(await this.#writeSeal())) return false;
    const sealedId = this.#active().header.segmentId;
    // What the slot proves the successor's header proves too: neither has to wait for the other.
    const noted = this.#noteNow();
    try {
      const begun = await startSegment(this.#context, this.#segments, this.#spare, {
        journalId: this.#start.journalId,
        recordSalt: this.#start.recordSalt,
        previousLastLsn: this.#active().lastLsn,
        previousBatchCrc: this.#previousCrc,
      });
      await closeQuietly(this.#file);
      this.#file = begun.file;
      this.#offset = pageBytes;
    } catch (error) {
      this.#refuseAfterRotation(error);
      return false;
    } finally {
      await noted;
    }
    // A series for each segment would grow for ever: only those with errors stay.
    if (!this.#hasErrors) metrics.fsyncErrors.remove({ segment: segmentFileName(sealedId) });
    this.#hasErrors = false;
    metrics.rotations.inc();
    metrics.rotationSeconds.observe((host.clock.now() - began) / 1000);
    this.#segments.drop();
    return true;
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

  /** Seals the active segment if it is not, and has the witness note it. False when the seal could not be written. */
  async seal(): Promise<boolean> {
    if (this.#active().sealed) return true;
    if (!(await this.#writeSeal())) return false;
    await this.#noteNow();
    return true;
  }

  async #writeSeal(): Promise<boolean> {
    const active = this.#active();
    if (active.sealed) return true;
    const failure = await this.#submit(new BatchBuffer(this.durableLsn + 1, pageBytes), BatchFlag.seal, () => {});
    if (failure !== undefined) {
      this.#refuseAll(undefined, failure);
      return false;
    }
    active.sealed = true;
    if (this.#file !== undefined) await shortenSealed(this.#context, active, this.#file, this.#offset);
    return true;
  }

  async #noteNow(): Promise<void> {
    try {
      await this.#witness.write(this.#note(false), 0);
    } catch (error) {
      this.#context.logger.warn('witness did not note the last batch', { error: messageOf(error) });
    }
  }

  /** Tells the witness what recovery has made durable, so that it cannot be lost unseen. */
  async noteRecovered(): Promise<void> {
    await this.#noteNow();
  }

  /** Tells the witness that everything is durable and sealed. */
  async noteClean(): Promise<void> {
    await this.#witness.write(this.#note(true), 0);
  }

  /** Ends: rejects what is left, closes the file. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    const refusal = this.#states.refusal();
    for (const batch of this.#queue.clear()) {
      batch.outcome.reject(refusal ?? new JournalError('JournalClosed', 'the journal is closed'));
    }
    await closeQuietly(this.#file);
    this.#file = undefined;
  }
}
