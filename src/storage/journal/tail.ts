import type { DiskFile } from '../../host/disk.ts';
import type { Context as TraceContext } from '../../host/tracing.ts';
import { failSpan } from '../../host/tracing.ts';
import { BatchBuffer } from './batch.ts';
import { type Context, closeQuietly, messageOf } from './context.ts';
import { BatchFlag, pageBytes, segmentFileName } from './format.ts';
import { rotationSpan, writeSpan } from './groupTrace.ts';
import { shortenSealed, startSegment } from './rotate.ts';
import type { LogSegment, Segments } from './segments.ts';
import { SlowLog } from './slowLog.ts';
import type { Spare } from './space.ts';
import type { Lsn } from './types.ts';
import type { Witness, WitnessNote } from './witness.ts';

/** Where the log goes on. */
export interface TailStart {
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

export interface TailParts {
  readonly segments: Segments;
  readonly spare: Spare;
  readonly witness: Witness;
  /** Every record up to this one is acknowledged. */
  readonly durableLsn: () => Lsn;
  /** Moving average of a durable write's time, milliseconds. */
  readonly averageMs: () => number;
  /** The seal could not be written, or the successor not begun: called before anything else happens. */
  readonly onRefusal: (error: unknown, during: 'seal' | 'successor') => void;
}

/** Why a batch is not durable. */
export interface WriteFailure {
  readonly error: unknown;
  /** False: the disk was never asked to write it, so nothing of it can come back. */
  readonly isSubmitted: boolean;
}

/** How a batch is submitted. */
export interface Submission {
  readonly flags: number;
  /** Called when the disk has been asked, and before it answers. */
  readonly submitted?: () => void;
  readonly trace: TraceContext | undefined;
}

/** The end of the log: writes one batch after the other into the active segment, seals it, begins the next. */
export class LogTail {
  readonly #context: Context;
  readonly #parts: TailParts;
  readonly #start: TailStart;
  readonly #slowLog: SlowLog;
  #file: DiskFile | undefined;
  #offset: number;
  #previousCrc: number;
  #wallMs: number;
  #lastBatchOffset: number;
  #inFlightSince: number | undefined;
  #hasErrors = false;
  isRotating = false;
  lastBatch: { records: number; bytes: number; ms: number } | undefined;

  constructor(context: Context, parts: TailParts, start: TailStart) {
    this.#context = context;
    this.#parts = parts;
    this.#start = start;
    this.#slowLog = new SlowLog(context);
    this.#offset = start.offset;
    this.#lastBatchOffset = start.lastBatchOffset;
    this.#previousCrc = start.previousCrc;
    this.#wallMs = start.wallMs;
    // A counter that is born at 1 has no increase: the alert on it would miss the first error after a restart.
    context.metrics.fsyncErrors.inc({ segment: segmentFileName(this.active.header.segmentId) }, 0);
  }

  get active(): LogSegment {
    const { active } = this.#parts.segments;
    if (active === undefined) throw new Error('a running journal has a segment');
    return active;
  }

  /** Age of the write in flight, milliseconds; 0 when there is none. */
  get inflightMs(): number {
    return this.#inFlightSince === undefined ? 0 : this.#context.host.clock.now() - this.#inFlightSince;
  }

  /** A durable write that takes longer, in milliseconds, is logged. */
  set slowMs(limitMs: number) {
    this.#slowLog.limitMs = limitMs;
  }

  /** Whether a batch of so many bytes, and the seal behind it, fit into the active segment. */
  hasRoomFor(bytes: number): boolean {
    const needed = Math.ceil(bytes / pageBytes) * pageBytes;
    return !this.active.sealed && this.#offset + needed + pageBytes <= this.active.fileBytes;
  }

  async #openActive(): Promise<DiskFile> {
    this.#file ??= await this.#context.host.disk.open(this.active.path, { mode: 'write' });
    return this.#file;
  }

  /** Writes one batch durably; resolves to why it is not, undefined when it is durable. */
  async submit(buffer: BatchBuffer, { flags, submitted, trace }: Submission): Promise<WriteFailure | undefined> {
    const { host, mutants, metrics } = this.#context;
    const { witness } = this.#parts;
    const segment = this.active;
    const { segmentId, salt } = segment.header;
    this.#wallMs = Math.max(this.#wallMs, Math.floor(host.clock.wall()));
    const { bytes, headerCrc } = buffer.finish({
      flags,
      segmentId,
      salt,
      fileOffset: this.#offset,
      durableLsn: mutants.has('keep-lsn-after-reject') ? this.#parts.durableLsn() : buffer.firstLsn - 1,
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
    if (mutants.has('witness-before-sync')) await witness.write(note).catch(() => undefined);
    const facts = { segmentId, offset: this.#offset, bytes: bytes.length };
    const span = writeSpan(host.telemetry.tracer, trace, facts);
    const began = host.clock.now();
    this.#inFlightSince = began;
    let failure: unknown;
    let isSubmitted = false;
    try {
      const file = await this.#openActive();
      isSubmitted = true;
      const write = file.write(this.#offset, [bytes], { durable: !mutants.has('ack-on-write') });
      submitted?.();
      await write;
    } catch (error) {
      failure = isSubmitted ? await this.#withPlantedRetry(error) : error;
    }
    const ms = host.clock.now() - began;
    this.#inFlightSince = undefined;
    if (span !== undefined && failure !== undefined) failSpan(span, failure);
    span?.end();
    // A file that cannot be opened, as when somebody has deleted it: no durable write was begun, and none is counted.
    if (!isSubmitted) return { error: failure, isSubmitted };
    metrics.syncFinished(ms / 1000, failure === undefined);
    metrics.batchBytes.observe(bytes.length);
    if (failure !== undefined) {
      metrics.fsyncErrors.inc({ segment: segmentFileName(segmentId) });
      this.#hasErrors = true;
      return { error: failure, isSubmitted };
    }
    this.#slowLog.note({ ms, bytes: bytes.length, records: buffer.recordCount, segmentId });
    this.lastBatch = { records: buffer.recordCount, bytes: bytes.length, ms };
    this.#moveOn(segment, buffer, bytes.length, headerCrc);
    witness.noted(note, this.#parts.averageMs());
    return undefined;
  }

  /** A batch is durable: the next one goes behind it. */
  #moveOn(segment: LogSegment, buffer: BatchBuffer, bytes: number, headerCrc: number): void {
    const place = {
      first: buffer.firstLsn,
      count: buffer.recordCount,
      offset: this.#offset,
      bytes: buffer.usedBytes,
      wallMs: this.#wallMs,
    };
    if (buffer.lastLsn > (segment.index?.lastLsn ?? 0)) segment.index?.add(place, (i) => buffer.recordOffset(i));
    this.#lastBatchOffset = this.#offset;
    this.#offset += bytes;
    this.#previousCrc = headerCrc;
    segment.lastLsn = buffer.lastLsn;
    segment.usedBytes = this.#offset;
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

  /** Seals the active segment if it is not, and begins the next. False when that could not be done. */
  async rotate(): Promise<boolean> {
    const { host } = this.#context;
    const { span, context } = rotationSpan(host.telemetry.tracer, this.active.header.segmentId);
    this.isRotating = true;
    try {
      return await this.#rotate(context);
    } finally {
      this.isRotating = false;
      span.end();
    }
  }

  async #rotate(trace: TraceContext | undefined): Promise<boolean> {
    const { host, metrics } = this.#context;
    const { segments, spare, onRefusal } = this.#parts;
    const began = host.clock.now();
    if (!(await this.#writeSeal(trace))) return false;
    const sealedId = this.active.header.segmentId;
    // What the slot proves the successor's header proves too: nobody waits for a witness that may be tried for seconds.
    void this.noteNow();
    try {
      const begun = await startSegment(this.#context, segments, spare, {
        journalId: this.#start.journalId,
        recordSalt: this.#start.recordSalt,
        previousLastLsn: this.active.lastLsn,
        previousBatchCrc: this.#previousCrc,
        wallMs: this.#wallMs,
      });
      await closeQuietly(this.#file);
      this.#file = begun.file;
      this.#offset = pageBytes;
    } catch (error) {
      onRefusal(error, 'successor');
      return false;
    }
    // A series for each segment would grow for ever: only those with errors stay.
    if (!this.#hasErrors) metrics.fsyncErrors.remove({ segment: segmentFileName(sealedId) });
    this.#hasErrors = false;
    metrics.rotations.inc();
    metrics.rotationSeconds.observe((host.clock.now() - began) / 1000);
    segments.drop();
    return true;
  }

  /** Seals the active segment if it is not, and has the witness note it. False when the seal could not be written. */
  async seal(): Promise<boolean> {
    if (this.active.sealed) return true;
    if (!(await this.#writeSeal(undefined))) return false;
    await this.noteNow();
    return true;
  }

  async #writeSeal(trace: TraceContext | undefined): Promise<boolean> {
    const active = this.active;
    if (active.sealed) return true;
    const seal = new BatchBuffer(this.#parts.durableLsn() + 1, pageBytes);
    const failure = await this.submit(seal, { flags: BatchFlag.seal, trace });
    if (failure !== undefined) {
      this.#parts.onRefusal(failure.error, 'seal');
      return false;
    }
    active.sealed = true;
    if (this.#file !== undefined) await shortenSealed(this.#context, active, this.#file, this.#offset);
    return true;
  }

  /** What the witness is to say of the last batch. */
  note(clean: boolean): WitnessNote {
    return {
      segmentId: this.active.header.segmentId,
      batchOffset: this.#lastBatchOffset,
      lastLsn: this.active.lastLsn,
      batchHeaderCrc: this.#previousCrc,
      clean,
    };
  }

  /** Has the witness note the last batch; that it cannot is logged. */
  async noteNow(): Promise<void> {
    try {
      await this.#parts.witness.write(this.note(false), 0);
    } catch (error) {
      this.#context.logger.warn('witness did not note the last batch', { error: messageOf(error) });
    }
  }

  async close(): Promise<void> {
    await closeQuietly(this.#file);
    this.#file = undefined;
  }
}
