import type { DiskFile } from '../../host/disk.ts';
import { DiskError, isNoSpace } from '../../host/disk.ts';
import type { Host } from '../../host/host.ts';
import { inSpan, type Context as TraceContext } from '../../host/tracing.ts';
import { makeDirectoryDurably } from '../atomicFile.ts';
import { type Context, closeQuietly, createContext, messageOf } from './context.ts';
import { JournalError, WalCorruption } from './errors.ts';
import { fillMissing } from './fill.ts';
import { hexOf, recordSaltOf, segmentFileName, segmentHeaderBytes } from './format.ts';
import { lockDirectory } from './lock.ts';
import { packSegment } from './pack.ts';
import { Reader } from './reader.ts';
import { corruptionOf, judgeJournal, noteVerdict, type Recovered, runningSegments, settle } from './recover.ts';
import { startSegment } from './rotate.ts';
import { Segments } from './segments.ts';
import { SpaceWatch, Spare } from './space.ts';
import { StateKeeper } from './state.ts';
import { Strangers } from './strangers.ts';
import { noJournal } from './survey.ts';
import type {
  DiskClaims,
  Journal,
  JournalOptions,
  JournalState,
  JournalStatus,
  JournalTuning,
  Lsn,
  PackInfo,
  RecordIn,
  RecordOut,
  RecoveryReport,
  SegmentInfo,
  Ticket,
} from './types.ts';
import { Witness } from './witness.ts';
import { Writer } from './writer.ts';

/**
 * Opens the journal of a directory, or makes a new one where there is neither log nor witness. Recovers first: what was
 * acknowledged is there afterwards, durable, or the start is refused.
 *
 * Throws JournalLocked (another process has it), JournalFormat (foreign or newer), WalCorruption (acknowledged records are
 * damaged and `onCorruption` is `refuse`), JournalMissing (nothing is there and `create` is `never`), JournalIo (the disk fails).
 */
export async function openJournal(
  host: Host,
  options: JournalOptions,
): Promise<{ journal: Journal; recovery: RecoveryReport }> {
  const context = createContext(host, options);
  const began = host.clock.now();
  try {
    const { journal, recovery } = await inSpan(
      host.telemetry.tracer,
      'journal.recover',
      options.trace,
      async (trace, span) => {
        const opened = await open(context, trace);
        const { verdict, first, last, floor } = opened.recovery;
        span.setAttributes({
          'journal.verdict': verdict,
          'journal.first_lsn': first,
          'journal.last_lsn': last,
          'journal.floor_lsn': floor,
        });
        return opened;
      },
    );
    context.metrics.recoverySeconds.set((host.clock.now() - began) / 1000);
    context.logger.info('journal open', { ...recovery, state: journal.state, ms: host.clock.now() - began });
    return { journal, recovery };
  } catch (error) {
    if (error instanceof DiskError) {
      throw new JournalError('JournalIo', `the journal cannot be opened: ${error.message}`, { cause: error });
    }
    throw error;
  }
}

async function open(
  context: Context,
  trace: TraceContext | undefined,
): Promise<{ journal: RunningJournal; recovery: RecoveryReport }> {
  const { host, settings } = context;
  // Before anything is touched: a bare directory under a mount that is missing must stay as it is.
  const isNew = !(await holdsLog(context));
  if (isNew) {
    await refuseToCreate(context);
    await makeDirectoryDurably(host.disk, settings.directory);
  }
  const lock = await lockDirectory(host.disk, settings.directory, 'create');
  try {
    await host.disk.syncDirectory(settings.directory);
    const recovered = await inSpan(host.telemetry.tracer, 'journal.survey', trace, () => judgeJournal(context));
    noteVerdict(context, recovered);
    const corruption = corruptionOf(context, recovered.survey);
    if (corruption !== undefined && settings.onCorruption === 'refuse') throw corruption;
    const journal = new RunningJournal(context, lock, recovered);
    try {
      await inSpan(host.telemetry.tracer, 'journal.settle', trace, () => journal.start());
    } catch (error) {
      await journal.abandon();
      throw error;
    }
    return { journal, recovery: recovered.report };
  } catch (error) {
    await closeQuietly(lock);
    throw error;
  }
}

async function holdsLog(context: Context): Promise<boolean> {
  try {
    const entries = await context.host.disk.list(context.settings.directory);
    return entries.some(({ name }) => name.startsWith('segment-'));
  } catch (error) {
    if (error instanceof DiskError && error.code === 'ENOENT') return false;
    throw error;
  }
}

/** Throws when something says that there was a log here once. */
async function refuseToCreate(context: Context): Promise<void> {
  const { settings } = context;
  const recovered = await judgeJournal(context);
  const { survey } = recovered;
  if (survey.missing.length > 0) noteVerdict(context, recovered);
  const corruption = corruptionOf(context, survey);
  if (corruption !== undefined) throw corruption;
  if (survey.ring.exists) {
    throw new WalCorruption({
      segment: segmentFileName(1),
      offset: 0,
      from: 1,
      to: Math.max(1, survey.ring.newest?.lastLsn ?? 1),
      proof: 'witness, which is made only beside a log',
    });
  }
  if (settings.create === 'never') throw noJournal(settings.directory);
}

class RunningJournal implements Journal {
  readonly id: string;
  readonly #context: Context;
  readonly #lock: DiskFile;
  readonly #states: StateKeeper;
  readonly #segments: Segments;
  readonly #spare: Spare;
  readonly #space: SpaceWatch;
  readonly #strangers: Strangers;
  readonly #reader: Reader;
  readonly #isNew: boolean;
  readonly #durableListeners = new Set<(durable: Lsn) => void>();
  readonly #holds = new Map<'index_full' | 'operator', number>();
  #recovered: Recovered;
  #writer: Writer | undefined;
  #witness: Witness | undefined;
  #settled = false;
  #settling: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(context: Context, lock: DiskFile, recovered: Recovered) {
    this.#context = context;
    this.#lock = lock;
    this.#recovered = recovered;
    this.#isNew = recovered.survey.journalId === undefined;
    this.id = recovered.survey.journalId ?? hexOf(context.host.random.stream('journal-id').bytes(16));
    this.#states = new StateKeeper(context);
    this.#segments = new Segments(context);
    this.#spare = new Spare(context);
    this.#space = new SpaceWatch(context, this.#states, this.#spare);
    this.#strangers = new Strangers(context);
    this.#strangers.tell(recovered.survey.strangers);
    context.metrics.diskBytes = () => this.#segments.diskBytes + this.#spare.bytes;
    this.#reader = new Reader(context, this.#segments, () => this.durableLsn);
  }

  /** Steps 5 and 6. */
  async start(): Promise<void> {
    const { missing } = this.#recovered.survey;
    const first = missing[0];
    if (first !== undefined) {
      this.#states.damaged(`records ${first.from}..${first.to} are missing in ${first.segment}`);
      for (const segment of runningSegments(this.#recovered)) this.#segments.add(segment);
      return;
    }
    if (this.#isNew) {
      await startSegment(this.#context, this.#segments, this.#spare, {
        journalId: this.id,
        recordSalt: recordSaltOf(this.id),
        previousLastLsn: 0,
        previousBatchCrc: 0,
        wallMs: 0,
      }).then(({ file }) => closeQuietly(file));
    } else {
      for (const segment of runningSegments(this.#recovered)) this.#segments.add(segment);
    }
    await this.#settle();
    this.#space.onPoll = () => this.#poll();
    this.#space.start();
  }

  /** The start has failed: nothing of it may go on behind the lock. */
  async abandon(): Promise<void> {
    this.#space.stop();
    await this.#spare.stop();
    await this.#witness?.close();
    await this.#segments.close();
  }

  /** Makes the tail durable and begins to write; without room, serves read-only and tries again at each poll. */
  async #settle(): Promise<void> {
    try {
      await settle(this.#context, this.#recovered);
    } catch (error) {
      if (!(error instanceof JournalError) || error.reason !== 'recovering') throw error;
      this.#states.hold('recovering', error.message);
      return;
    }
    // Whoever has read meanwhile has the old files open, which get no more records.
    await this.#segments.reopen();
    const { ring } = this.#recovered.survey;
    const witness = new Witness(this.#context, this.id, ring);
    await this.#openWitness(witness, ring.exists);
    this.#witness = witness;
    const active = this.#segments.active;
    if (active === undefined) throw new Error('a journal has a segment');
    const scan = this.#recovered.last?.scan;
    const start = {
      journalId: this.id,
      recordSalt: active.header.recordSalt,
      durableLsn: active.lastLsn,
      previousCrc: scan?.lastCrc ?? active.header.previousBatchCrc,
      wallMs: Math.max(active.header.createdWall, scan?.lastWallMs ?? 0),
      offset: scan?.validEnd ?? segmentHeaderBytes,
      lastBatchOffset: scan?.lastOffset ?? 0,
    };
    const parts = { states: this.#states, segments: this.#segments, spare: this.#spare, witness };
    this.#writer = new Writer(this.#context, parts, start);
    this.#writer.onDurable((lsn) => {
      for (const fn of this.#durableListeners) fn(lsn);
    });
    if (this.#recovered.clean || this.#isNew) {
      if (!this.#isNew) await this.#spare.adopt();
    } else if (!this.#context.mutants.has('witness-before-sync')) {
      await this.#writer.noteRecovered();
    }
    this.#settled = true;
    this.#spare.allow();
    this.#states.release('recovering');
    await this.#space.check();
    if (this.#states.state === 'open') this.#spare.prepare();
  }

  async #openWitness(witness: Witness, exists: boolean): Promise<void> {
    try {
      await witness.open(exists);
    } catch (error) {
      if (!isNoSpace(error)) throw error;
      this.#context.logger.error('witness cannot be made', { error: messageOf(error) });
    }
  }

  #poll(): void {
    const { settings } = this.#context;
    this.#strangers.poll();
    if (this.#segments.diskBytes + settings.segmentBytes <= settings.maxBytes) this.#states.release('wal_full');
    if (this.#settled || this.#settling !== undefined || this.#closing !== undefined) return;
    this.#settling = this.#settle()
      .catch((error: unknown) => this.#states.fail(messageOf(error), error))
      .finally(() => {
        this.#settling = undefined;
      });
  }

  get state(): JournalState {
    return this.#states.state;
  }

  get firstLsn(): Lsn {
    return this.#segments.firstLsn;
  }

  get nextLsn(): Lsn {
    return this.#writer?.queue.nextLsn ?? this.durableLsn + 1;
  }

  get durableLsn(): Lsn {
    if (this.#writer !== undefined) return this.#writer.durableLsn;
    return Math.max(this.#recovered.report.last, this.#recovered.report.floor);
  }

  get provenLsn(): Lsn {
    return this.#writer?.durableLsn ?? this.#recovered.report.floor;
  }

  get low(): string | undefined {
    return this.#space.low;
  }

  get claims(): () => DiskClaims {
    return this.#space.claims;
  }

  set claims(claims: () => DiskClaims) {
    this.#space.claims = claims;
  }

  onLow(fn: () => void): () => void {
    return this.#space.onLow(fn);
  }

  get isMakingSpare(): boolean {
    return this.#spare.isMaking;
  }

  get isRotating(): boolean {
    return this.#writer?.tail.isRotating ?? false;
  }

  append(records: readonly RecordIn[], trace?: TraceContext): Ticket {
    if (this.#closing !== undefined) throw new JournalError('JournalClosed', 'the journal is closing');
    const refusal = this.#states.refusal();
    if (refusal !== undefined) throw refusal;
    if (this.#writer === undefined) throw new Error('an open journal has a writer');
    return this.#writer.append(records, trace);
  }

  flush(): Promise<void> {
    return this.#writer?.flush() ?? Promise.resolve();
  }

  onDurable(fn: (durable: Lsn) => void): () => void {
    this.#durableListeners.add(fn);
    return () => this.#durableListeners.delete(fn);
  }

  onState(fn: (state: JournalState, why: string) => void): () => void {
    return this.#states.onState(fn);
  }

  async read(lsn: Lsn): Promise<RecordOut> {
    return this.#reader.read(lsn);
  }

  scan(from: Lsn, o?: { to?: Lsn; stream?: number; signal?: AbortSignal }): AsyncIterable<readonly RecordOut[]> {
    return this.#reader.scan(from, o);
  }

  pin(name: string, keepFrom: Lsn): void {
    this.#segments.pin(name, keepFrom);
  }

  unpin(name: string): void {
    this.#segments.unpin(name);
  }

  async pack(segment: SegmentInfo, directory: string): Promise<PackInfo> {
    const held = this.#segments.all.find(({ header }) => header.segmentId === segment.id);
    if (held === undefined || !held.sealed) {
      throw new JournalError('RecordNotFound', `segment ${segment.file} is not there or not sealed`);
    }
    return this.#segments.using(held, async () => packSegment(this.#context, held, directory));
  }

  async fill(records: AsyncIterable<RecordOut>): Promise<void> {
    if (this.state !== 'damaged') return;
    await fillMissing(this.#context, this.#recovered, records);
    this.#recovered = await judgeJournal(this.#context);
    const corruption = corruptionOf(this.#context, this.#recovered.survey);
    await this.#segments.replaceAll(runningSegments(this.#recovered));
    if (corruption !== undefined) throw corruption;
    await this.#settle();
    this.#states.damaged(undefined);
    this.#space.onPoll = () => this.#poll();
    this.#space.start();
  }

  segments(): readonly SegmentInfo[] {
    return this.#segments.infos();
  }

  async roll(): Promise<void> {
    const writer = this.#writer;
    const refusal = this.#states.refusal();
    if (refusal !== undefined) throw refusal;
    if (writer === undefined) throw new Error('an open journal has a writer');
    await writer.flush();
    if (await writer.exclusive(() => writer.tail.rotate())) return;
    throw this.#states.refusal() ?? new JournalError('JournalIo', 'the next segment could not be begun');
  }

  holdReadOnly(reason: 'index_full' | 'operator', why: string): () => void {
    this.#holds.set(reason, (this.#holds.get(reason) ?? 0) + 1);
    this.#states.hold(reason, why);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const left = (this.#holds.get(reason) ?? 1) - 1;
      this.#holds.set(reason, left);
      if (left === 0) this.#states.release(reason);
    };
  }

  configure(tuning: JournalTuning): void {
    this.#writer?.configure(tuning);
  }

  status(): JournalStatus {
    const writer = this.#writer;
    return {
      id: this.id,
      state: this.state,
      why: this.#states.why,
      readOnlyReasons: this.#states.reasons,
      firstLsn: this.firstLsn,
      nextLsn: this.nextLsn,
      durableLsn: this.durableLsn,
      witnessLsn: this.#witness?.lastLsn ?? this.#recovered.survey.ring.newest?.lastLsn ?? 0,
      averageWriteMs: writer?.policy.averageMs ?? 0,
      expectedAppends: writer?.policy.expected ?? 0,
      backOff: writer?.policy.backOff ?? 0,
      maxWaitMs: writer?.maxWaitMs ?? this.#context.settings.maxWaitMs,
      maxBatchBytes: writer?.queue.maxBatchBytes ?? this.#context.settings.maxBatchBytes,
      pendingBytes: writer?.queue.pendingBytes ?? 0,
      pendingRecords: writer?.queue.pendingRecords ?? 0,
      inflightMs: writer?.tail.inflightMs ?? 0,
      lastBatch: writer?.tail.lastBatch,
      segments: this.#segments.all.length,
      diskBytes: this.#segments.diskBytes + this.#spare.bytes,
      freeBytes: this.#space.freeBytes,
      spareReady: this.#spare.ready,
      recovery: this.#recovered.report,
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#space.stop();
    await this.#settling?.catch(() => undefined);
    const writer = this.#writer;
    // What is rejected tells its own tickets.
    await writer?.finish().catch(() => undefined);
    const isWhole = (this.state === 'open' || this.state === 'read-only') && writer?.isWhole === true;
    await writer?.exclusive(async () => {
      this.#witness?.quiet();
      await this.#spare.stop();
      if (isWhole && this.#settled && (await writer.tail.seal())) {
        await writer.noteClean().catch((error: unknown) => {
          this.#context.logger.warn('witness did not note the end', { error: messageOf(error) });
        });
      }
    });
    this.#states.close();
    await writer?.stop();
    await this.#witness?.close();
    await this.#segments.close();
    await closeQuietly(this.#lock);
  }
}
