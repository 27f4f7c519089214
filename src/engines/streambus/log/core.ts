import type { Host } from '../../../host/host.ts';
import { type BatchHeader, readBatchHeader } from '../../../wire/kafka/recordBatch.ts';
import type { CommittedEntry, GroupHandle } from '../broker/group.ts';
import { AbortedFiles } from './abortedFiles.ts';
import { bytesOf, lastOffsetOf } from './batchView.ts';
import { removeQuietly } from './checkpoint.ts';
import { type DamagedRange, DamageList } from './damage.ts';
import { decodeEntry, isBatchEntry, type PartitionEntry } from './entries.ts';
import type { HeadStart } from './headStart.ts';
import type { PartitionHooks } from './hooks.ts';
import type { LogState } from './logState.ts';
import { type LogMutants, readMutants } from './mutants.ts';
import { fileName } from './paths.ts';
import { SegmentWriter } from './segmentWriter.ts';
import type { LogConfig } from './settings.ts';
import { TailCache } from './tailCache.ts';
import { UnderWay } from './underWay.ts';
import { ReadWaiters } from './waiters.ts';

/** Files of a segment that is no part of the log any more. They go once a checkpoint without them is durable. */
interface DoomedSegment {
  readonly base: number;
  readonly index: number;
}

export interface CoreParts {
  readonly host: Host;
  readonly config: LogConfig;
  readonly directory: string;
  readonly handle: GroupHandle;
  readonly hooks: PartitionHooks;
}

/** Where a read ended: the next one of the same consumer begins there without a search. */
export interface ReadCursor {
  readonly base: number;
  readonly position: number;
}

const cursorsMax = 16;

/** What the parts of one partition share: the fold of its log, its files, its memory. Knows nothing of who leads. */
export class PartitionCore {
  readonly host: Host;
  readonly config: LogConfig;
  readonly directory: string;
  readonly handle: GroupHandle;
  readonly hooks: PartitionHooks;
  readonly mutants: LogMutants;
  readonly waiters = new ReadWaiters();
  readonly damage = new DamageList();
  /** What works on the files now: a close waits for it. */
  readonly work: UnderWay;
  /** Checkpoints that are being made: what replaces the state waits for them. */
  #checkpoints: UnderWay;
  state: LogState;
  /** Last applied entry. */
  index: number;
  term: number;
  cache: TailCache;
  writer: SegmentWriter;
  abortedFiles: AbortedFiles;
  /** Told of each batch as it is applied. */
  onBatch: (header: BatchHeader) => void = () => undefined;
  onExpiry: (producers: readonly number[]) => void = () => undefined;
  /** Intact bytes beyond the log's end that were caught up before, by segment. */
  readonly headStart = new Map<number, HeadStart>();
  /** The mark of a catch-up stands in the directory: it goes with the next checkpoint. */
  restored = false;
  /** Of a catch-up under way. */
  progress: { readonly have: number; readonly total: number } | undefined;
  /** Log indexes of the state files that checkpoints may name. */
  stateFiles: number[] = [];
  #doomed: DoomedSegment[] = [];
  #cursors = new Map<number, ReadCursor>();
  /** When the active segment was begun here: only a planted bug looks at it. */
  #activeSince = 0;

  constructor(parts: CoreParts, state: LogState, index: number, term: number) {
    this.host = parts.host;
    this.config = parts.config;
    this.directory = parts.directory;
    this.work = new UnderWay(parts.directory);
    this.#checkpoints = new UnderWay(parts.directory);
    this.handle = parts.handle;
    this.hooks = parts.hooks;
    this.mutants = readMutants(parts.host.telemetry);
    this.state = state;
    this.index = index;
    this.term = term;
    this.cache = new TailCache(parts.hooks.shared);
    this.writer = this.#newWriter();
    this.abortedFiles = this.#newAbortedFiles(0, new Map());
  }

  #newAbortedFiles(next: number, counts: ReadonlyMap<number, number>): AbortedFiles {
    return new AbortedFiles(this.host, this.hooks.shared.files, this.directory, next, counts);
  }

  /** The `.txn` files hold everything of the state. */
  abortedAreStored(counts: ReadonlyMap<number, number>): void {
    this.abortedFiles = this.#newAbortedFiles(this.state.next, counts);
  }

  #newWriter(): SegmentWriter {
    const cache = this.cache;
    return new SegmentWriter({
      host: this.host,
      directory: this.directory,
      shared: this.hooks.shared,
      onWritten: (next) => cache.wrote(next),
      fatal: (error) => this.hooks.fatal(error),
    });
  }

  /** Applies one committed entry: synchronous, the same on every replica. Gives a batch's base offset. */
  apply(entry: CommittedEntry): number | undefined {
    if (entry.index <= this.index) {
      throw new Error(`${this.directory}: entry ${entry.index} was applied already, the last one was ${this.index}`);
    }
    this.index = entry.index;
    this.term = entry.term;
    if (entry.data.length === 0) return undefined;
    if (isBatchEntry(entry.data)) return this.#applyBatch(entry.data);
    this.#applyOther(decodeEntry(entry.data));
    return undefined;
  }

  #applyBatch(batch: Uint8Array): number {
    const header = readBatchHeader(batch);
    if (bytesOf(header) !== batch.length) {
      throw new Error(`${this.directory}: a batch of ${bytesOf(header)} bytes was committed as ${batch.length}`);
    }
    const { state } = this;
    // What follows is written over what was caught up in vain.
    if (this.headStart.size > 0) this.headStart.clear();
    const timestampBefore = state.segments.active.maxTimestamp;
    const { segment, position, rolled } = state.addBatch(batch, header, this.#rollsByClock());
    const last = lastOffsetOf(header);
    this.writer.index(segment.base).add(header.baseOffset, position, rolled ? -1 : timestampBefore);
    this.cache.push({ base: header.baseOffset, last, bytes: batch });
    this.writer.push(segment, position, batch, header.baseOffset, last + 1);
    if (this.mutants.clockRead) this.#expireByClock();
    this.onBatch(header);
    this.waiters.applied(state.next, state.stable);
    if (this.host.telemetry.buggify('checkpoint now')) this.hooks.wantCheckpoint();
    return header.baseOffset;
  }

  #applyOther(entry: Exclude<PartitionEntry, { kind: 'batch' }> | PartitionEntry): void {
    switch (entry.kind) {
      case 'trim':
        this.trimTo(entry.start);
        return;
      case 'expiry':
        this.state.expire(entry.producers);
        this.onExpiry(entry.producers);
        return;
      case 'roll':
        this.state.roll();
        return;
      case 'limits':
        this.state.limits = { segmentBytes: entry.segmentBytes, segmentAgeMs: entry.segmentAgeMs };
        return;
      case 'batch':
        throw new Error('a batch is applied elsewhere');
    }
  }

  /** The log begins at `start` now. Files go later. */
  trimTo(start: number): void {
    const dropped = this.state.trim(start);
    this.damage.trim(this.state.start);
    if (dropped.length === 0) return;
    for (const { base } of dropped) {
      this.#doomed.push({ base, index: this.index });
      this.writer.abandon(base);
    }
    this.hooks.wantCheckpoint();
  }

  /** A checkpoint of this index is durable: what it does not name goes. */
  async removeDoomed(index: number): Promise<void> {
    const gone = this.#doomed.filter((segment) => segment.index <= index);
    this.#doomed = this.#doomed.filter((segment) => segment.index > index);
    for (const { base } of gone) {
      await this.writer.flush();
      this.writer.forget(base);
      for (const kind of ['seg', 'idx', 'txn'] as const) await removeQuietly(this, fileName(base, kind));
    }
  }

  /** Notes that a read of `offset` begins at this place. */
  noteCursor(offset: number, cursor: ReadCursor): void {
    this.#cursors.delete(offset);
    this.#cursors.set(offset, cursor);
    if (this.#cursors.size <= cursorsMax) return;
    for (const oldest of this.#cursors.keys()) {
      this.#cursors.delete(oldest);
      return;
    }
  }

  cursor(offset: number): ReadCursor | undefined {
    return this.#cursors.get(offset);
  }

  /** Makes a checkpoint. Rejects with `MachineClosed` when the partition is closed, or its state is replaced, before it is made. */
  checkpointing<T>(make: () => Promise<T>): Promise<T> {
    return this.work.during(() => this.#checkpoints.during(make));
  }

  /** A stretch of the log cannot be read: it is shut off until it is repaired, and somebody else should lead. */
  quarantine(range: DamagedRange): void {
    // The files of a partition that is closed may be gone: that is no damage.
    if (this.work.signal.aborted || !this.damage.add(range)) return;
    this.host.telemetry.logger.error('a stretch of a partition cannot be read, it is shut off until repaired', {
      directory: this.directory,
      ...range,
    });
    this.hooks.damaged(range.reason);
    if (this.handle.serving) this.hooks.handOver(`${this.directory}: ${range.reason}`);
  }

  /** A catch-up has brought this much of a segment and synced it. */
  keepPart(part: HeadStart): void {
    this.headStart.set(part.base, part);
    this.writer.stale(part.base);
  }

  /** Replaces everything by the state of a snapshot whose bytes are durable; segments of `gone` are no part of it. */
  async replace(state: LogState, index: number, term: number, gone: readonly number[]): Promise<void> {
    this.#checkpoints.end();
    await this.writer.close();
    await this.#checkpoints.ended();
    this.work.signal.throwIfAborted();
    this.#checkpoints = new UnderWay(this.directory);
    this.cache.close();
    this.cache = new TailCache(this.hooks.shared);
    this.writer = this.#newWriter();
    this.abortedFiles = this.#newAbortedFiles(0, new Map());
    this.state = state;
    this.index = index;
    this.term = term;
    this.cache.wrote(state.next);
    this.#cursors.clear();
    this.headStart.clear();
    this.damage.clear();
    this.#doomed = [...this.#doomed, ...gone.map((base) => ({ base, index }))];
    await this.writer.index(state.segments.active.base).cut(state.segments.active.bytes);
  }

  /** Resolves when nothing works on the files any more: they may go. A sync that fails until then is as fatal as any. */
  async close(): Promise<void> {
    this.work.end();
    this.waiters.wakeAll();
    this.cache.close();
    await this.writer.close();
    await this.work.ended();
    this.hooks.shared.files.dropBelow(this.directory);
  }

  /** Planted bug: cuts where this replica's clock says so. */
  #rollsByClock(): boolean | undefined {
    if (!this.mutants.rollByLocalClock) return undefined;
    const now = this.host.clock.wall();
    if (this.#activeSince === 0) this.#activeSince = now;
    if (now - this.#activeSince < 5_000 || this.state.segments.active.bytes === 0) return false;
    this.#activeSince = now;
    return true;
  }

  /** Planted bug: forgets producers by this replica's clock. */
  #expireByClock(): void {
    const wall = this.host.clock.wall();
    const old = [...this.state.producers.values()].filter((producer) => wall - producer.lastTimestamp > 100);
    this.state.expire(old.map((producer) => producer.producerId));
  }
}
