import { isNoSpace } from '../../../host/disk.ts';
import type { Host } from '../../../host/host.ts';
import { MachineClosed } from '../broker/group.ts';
import type { FileLease } from './filePool.ts';
import { filePath } from './paths.ts';
import { SegmentIndex } from './segmentIndex.ts';
import type { Segment } from './segmentList.ts';
import type { LogShared, UnwrittenOwner } from './shared.ts';

/** Bytes that gather before a write begins by itself. Consumers do not wait for it: they are served from memory. */
const gatherBytes = 128 * 1024;
/** Bytes and batches of one write. */
const writeBytesMax = 1024 * 1024;
const writePiecesMax = 512;
/** Bytes after which a segment is synced between checkpoints, so that a checkpoint's sync is short. */
const syncEachBytes = 16 * 1024 * 1024;
/** Pause before a write is tried again when the disk is full: the bytes are in the journal and in memory, nothing is lost. */
const fullPauseMs = 1_000;

interface Queued {
  readonly segment: Segment;
  readonly position: number;
  readonly bytes: Uint8Array;
  readonly base: number;
  /** Offset after it. */
  readonly next: number;
}

/** A segment that was written to since the last sync. */
interface Dirty {
  readonly lease: FileLease;
  unsynced: number;
  /** Who needs the file open: the list of those to sync, and each sync under way. The last one lets it go. */
  holders: number;
}

function letGo(dirty: Dirty): void {
  dirty.holders -= 1;
  if (dirty.holders === 0) dirty.lease.release();
}

async function syncHeld(dirty: Dirty): Promise<void> {
  dirty.holders += 1;
  dirty.unsynced = 0;
  try {
    await dirty.lease.file.sync();
  } finally {
    letGo(dirty);
  }
}

export interface SegmentWriterParts {
  readonly host: Host;
  readonly directory: string;
  readonly shared: LogShared;
  /** Everything below this offset is in files now. */
  onWritten(next: number): void;
  fatal(error: Error): void;
}

/**
 * Writes applied batches to their segments, in order, one write at a time, behind the back of `apply`. Only committed bytes come
 * here, so a segment is never cut but by a restart.
 */
export class SegmentWriter implements UnwrittenOwner {
  readonly #parts: SegmentWriterParts;
  readonly #dirty = new Map<number, Dirty>();
  readonly #indexes = new Map<number, SegmentIndex>();
  /** Bytes in the file, by base, of segments that have more queued; of others it is their whole length. */
  readonly #written = new Map<number, number>();
  /** Segments whose files may hold bytes beyond the log's end: cut before the first write. */
  readonly #stale = new Set<number>();
  #queue: Queued[] = [];
  #head = 0;
  #queuedBytes = 0;
  /** Batches ever pushed, and ever written. */
  #pushed = 0;
  #done = 0;
  #draining: Promise<void> | undefined;
  /** Settles when the last `sync` has ended; never rejects. */
  #syncing: Promise<unknown> = Promise.resolve();
  /** Segments that were trimmed away whole. */
  readonly #abandoned = new Set<number>();
  /** Bytes of those that were given and not written: a checkpoint that was begun before must not name them. */
  skippedBytes = 0;
  #namesUnsynced = false;
  #stalled: string | undefined;
  #failed = false;
  readonly #closed = new AbortController();

  constructor(parts: SegmentWriterParts) {
    this.#parts = parts;
  }

  /** Why nothing can be written now; undefined when it can. */
  get stalled(): string | undefined {
    return this.#stalled;
  }

  /** First offset that is not in a file yet; undefined when everything is. */
  get writtenNext(): number | undefined {
    return this.#queue[this.#head]?.base;
  }

  /** Bytes of the segment that are in its file. */
  writtenBytes(segment: Segment): number {
    return this.#written.get(segment.base) ?? segment.bytes;
  }

  index(base: number): SegmentIndex {
    let index = this.#indexes.get(base);
    if (index === undefined) {
      index = new SegmentIndex(this.#parts.shared.files, filePath(this.#parts.directory, base, 'idx'), base);
      this.#indexes.set(base, index);
    }
    return index;
  }

  /** The file of this segment may hold bytes beyond the log's end. */
  stale(base: number): void {
    this.#stale.add(base);
  }

  /**
   * The segment is no part of the log any more: what of it is not written yet need not be, and must not wait for room on a full disk, for
   * its end is what makes room. A checkpoint that names it names what was synced before.
   */
  abandon(base: number): void {
    this.#abandoned.add(base);
  }

  /** Takes the next batch. It must not change any more. */
  push(segment: Segment, position: number, bytes: Uint8Array, base: number, next: number): void {
    if (!this.#written.has(segment.base)) this.#written.set(segment.base, position);
    this.#queue.push({ segment, position, bytes, base, next });
    this.#pushed += 1;
    this.#queuedBytes += bytes.length;
    this.#parts.shared.queued(this, bytes.length);
    if (this.#queuedBytes >= gatherBytes) this.drain();
  }

  drain(): void {
    if (this.#draining !== undefined || this.#head === this.#queue.length || this.#isOver) return;
    this.#draining = this.#drain().finally(() => {
      this.#draining = undefined;
    });
  }

  get #isOver(): boolean {
    return this.#failed || this.#closed.signal.aborted;
  }

  /**
   * Resolves when everything that was pushed before is in its file: on a full disk not before there is room, so whoever must not wait
   * for that gives a signal. Rejects with `MachineClosed`, with the signal's reason, or because a write has failed, of which `fatal` was told.
   */
  async flush(signal?: AbortSignal): Promise<void> {
    const target = this.#pushed;
    while (this.#done < target && !this.#isOver) {
      this.drain();
      await (signal === undefined ? this.#draining : untilAborted(this.#draining, signal));
    }
    if (this.#done >= target) return;
    this.#throwIfClosed();
    throw new Error(`${this.#parts.directory}: a write has failed before everything was written`);
  }

  #throwIfClosed(): void {
    if (!this.#closed.signal.aborted) return;
    throw new MachineClosed(`${this.#parts.directory}: the partition was closed before everything was on the disk`);
  }

  async #drain(): Promise<void> {
    while (this.#head < this.#queue.length && !this.#isOver) {
      try {
        await this.#writeSome();
        this.#stalled = undefined;
      } catch (error) {
        if (isNoSpace(error) && error.operation !== 'sync') {
          this.#stalled = `the disk is full: ${error.message}`;
          await this.#parts.host.clock.sleep(fullPauseMs, this.#closed.signal).catch(() => undefined);
          continue;
        }
        this.#fail(error);
      }
    }
    if (this.#head === this.#queue.length) this.#parts.shared.drained(this);
  }

  async #writeSome(): Promise<void> {
    const first = this.#queue[this.#head];
    if (first === undefined) return;
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    let next = first.next;
    for (let n = this.#head; n < this.#queue.length; n++) {
      const queued = this.#queue[n];
      if (queued === undefined || queued.segment !== first.segment) break;
      if (pieces.length === writePiecesMax || (bytes > 0 && bytes + queued.bytes.length > writeBytesMax)) break;
      pieces.push(queued.bytes);
      bytes += queued.bytes.length;
      next = queued.next;
    }
    if (this.#abandoned.has(first.segment.base)) {
      this.skippedBytes += bytes;
      this.#advance(first.segment, pieces.length, first.position + bytes, bytes, next);
      return;
    }
    const dirty = await this.#open(first.segment.base);
    if (this.#stale.has(first.segment.base)) {
      await dirty.lease.file.truncate(first.position);
      this.#stale.delete(first.segment.base);
    }
    if (first.position === 0) this.#namesUnsynced = true;
    await dirty.lease.file.write(first.position, pieces, { durable: false });
    dirty.unsynced += bytes;
    this.#advance(first.segment, pieces.length, first.position + bytes, bytes, next);
    const index = this.index(first.segment.base);
    if (index.wantsFlush) await index.flush();
    if (dirty.unsynced >= syncEachBytes) {
      await syncHeld(dirty);
    }
  }

  #advance(segment: Segment, pieces: number, writtenTo: number, bytes: number, next: number): void {
    this.#head += pieces;
    this.#done += pieces;
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
      this.#written.clear();
    } else {
      this.#written.set(segment.base, writtenTo);
      if (this.#queue[this.#head]?.segment !== segment) this.#written.delete(segment.base);
      if (this.#head > 1024 && this.#head * 2 > this.#queue.length) {
        this.#queue = this.#queue.slice(this.#head);
        this.#head = 0;
      }
    }
    this.#queuedBytes -= bytes;
    this.#parts.onWritten(next);
    this.#parts.shared.written(bytes);
  }

  async #open(base: number): Promise<Dirty> {
    let dirty = this.#dirty.get(base);
    if (dirty === undefined) {
      const path = filePath(this.#parts.directory, base, 'seg');
      dirty = { lease: await this.#parts.shared.files.acquire(path, 'create'), unsynced: 0, holders: 1 };
      this.#dirty.set(base, dirty);
    }
    return dirty;
  }

  /** Writes what was pushed before and makes it durable, names included. A failure ends the process: `fatal` was called. */
  sync(): Promise<void> {
    // One after the other: the first one lets files go that the second one would still have to sync.
    const made = this.#syncing.then(() => this.#sync());
    this.#syncing = made.catch(() => undefined);
    return made;
  }

  async #sync(): Promise<void> {
    await this.flush();
    const files = [...this.#dirty];
    const names = this.#namesUnsynced;
    this.#namesUnsynced = false;
    try {
      for (const [base, dirty] of files) {
        this.#throwIfClosed();
        // Forgotten meanwhile: its file goes.
        if (this.#dirty.get(base) !== dirty) continue;
        await syncHeld(dirty);
        // Written again meanwhile: it stays.
        if (dirty.unsynced === 0 && this.#draining === undefined) this.#letGo(base);
      }
      this.#throwIfClosed();
      if (names) await this.#parts.host.disk.syncDirectory(this.#parts.directory);
    } catch (error) {
      if (!(error instanceof MachineClosed)) this.#fail(error);
      throw error;
    }
    for (const [base] of files) {
      this.#throwIfClosed();
      await this.#indexes.get(base)?.flush();
    }
  }

  #letGo(base: number): void {
    const dirty = this.#dirty.get(base);
    if (dirty === undefined) return;
    this.#dirty.delete(base);
    letGo(dirty);
  }

  #fail(cause: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#parts.fatal(
      new Error(
        `a segment of ${this.#parts.directory} could not be written or synced: the process ends, nothing is retried`,
        { cause },
      ),
    );
  }

  /** Forgets a segment whose files go. */
  forget(base: number): void {
    this.#abandoned.delete(base);
    this.#indexes.delete(base);
    this.#letGo(base);
    for (const kind of ['seg', 'idx', 'txn'] as const) {
      this.#parts.shared.files.drop(filePath(this.#parts.directory, base, kind));
    }
  }

  /**
   * Stops: what is queued is not written any more, the journal brings it back. Resolves when no write and no sync is under way; one that
   * fails until then is as fatal as any.
   */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#draining;
    await this.#syncing;
    this.#parts.shared.written(this.#queuedBytes);
    this.#queuedBytes = 0;
    this.#queue = [];
    this.#head = 0;
    this.#parts.shared.drained(this);
    for (const base of [...this.#dirty.keys()]) this.#letGo(base);
  }
}

/** Waits for `done`, or rejects with the signal's reason. */
async function untilAborted(done: Promise<void> | undefined, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([done, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
