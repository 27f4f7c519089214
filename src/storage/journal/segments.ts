import type { DiskFile } from '../../host/disk.ts';
import { type Context, closeQuietly, messageOf } from './context.ts';
import { type SegmentHeader, segmentFileName } from './format.ts';
import { scanSegment } from './scan.ts';
import type { SegmentIndex } from './segmentIndex.ts';
import type { Lsn, SegmentInfo } from './types.ts';

/**
 * Memory for the offsets of sealed segments. Without its offsets a segment must be scanned before one of its records can be
 * read, so this should hold those of a whole log: 64 MiB are those of some 10 million records in batches of a hundred.
 */
const indexBytesMax = 64 * 1024 * 1024;

/** Segments whose files are kept open for readers. */
const openFilesMax = 64;

/** One segment of a running journal. */
export interface LogSegment {
  readonly header: SegmentHeader;
  readonly path: string;
  /** Known for the active segment and, as far as memory allows, for those that were written or read lately. */
  index: SegmentIndex | undefined;
  lastLsn: Lsn;
  usedBytes: number;
  fileBytes: number;
  sealed: boolean;
  /** Readers that hold it. */
  readers: number;
  /** Open for reading; shared by all readers. */
  handle: SegmentHandle | undefined;
}

/** A segment's file, open for its readers. */
export interface SegmentHandle {
  readonly file: Promise<DiskFile>;
  /** Readers that are at it. */
  users: number;
  /** No reader takes it any more: the last one closes it. */
  retired: boolean;
}

/** The segments of a journal in order, who reads them, and what keeps them. */
export class Segments {
  readonly #context: Context;
  readonly #list: LogSegment[] = [];
  readonly #pins = new Map<string, Lsn>();
  /** Sealed segments with an index, least recently used first. */
  #recent: LogSegment[] = [];
  /** Readers of one segment wait for one scan. */
  readonly #scans = new Map<LogSegment, Promise<SegmentIndex>>();
  /** Segments whose file is open for readers, least recently used first. */
  #opened: LogSegment[] = [];
  #dropping = false;
  #closed = false;

  constructor(context: Context) {
    this.#context = context;
  }

  get all(): readonly LogSegment[] {
    return this.#list;
  }

  get active(): LogSegment | undefined {
    return this.#list.at(-1);
  }

  get firstLsn(): Lsn {
    return this.#list[0]?.header.baseLsn ?? 1;
  }

  get diskBytes(): number {
    return this.#list.reduce((sum, segment) => sum + segment.fileBytes, 0);
  }

  add(segment: LogSegment): void {
    const before = this.active;
    this.#list.push(segment);
    for (const each of [before, segment]) if (each?.sealed === true && each.index !== undefined) this.#touch(each);
    this.#count();
  }

  /** Puts another list in place of the present one, after a repair. */
  async replaceAll(segments: readonly LogSegment[]): Promise<void> {
    for (const old of this.#list) await retire(old);
    this.#list.splice(0, this.#list.length, ...segments);
    this.#recent = [];
    this.#opened = [];
    this.#count();
  }

  #count(): void {
    this.#context.metrics.segments.set(this.#list.length);
  }

  /** The segment whose range holds `lsn`. */
  holding(lsn: Lsn): LogSegment | undefined {
    let low = 0;
    let high = this.#list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#list[middle]?.header.baseLsn ?? 0) <= lsn) low = middle + 1;
      else high = middle;
    }
    return this.#list[low - 1];
  }

  /** The segment behind this one. */
  after(segment: LogSegment): LogSegment | undefined {
    return this.#list[this.#list.indexOf(segment) + 1];
  }

  infos(): readonly SegmentInfo[] {
    return this.#list.map((segment) => ({
      id: segment.header.segmentId,
      file: segmentFileName(segment.header.segmentId),
      baseLsn: segment.header.baseLsn,
      lastLsn: segment.lastLsn,
      bytes: segment.fileBytes,
      usedBytes: segment.usedBytes,
      sealed: segment.sealed,
      createdWall: segment.header.createdWall,
    }));
  }

  /** Runs with the segment held: it does not go meanwhile. */
  async using<T>(segment: LogSegment, run: (file: DiskFile, index: SegmentIndex) => Promise<T>): Promise<T> {
    const handle = this.#handleOf(segment);
    this.#used(segment);
    segment.readers += 1;
    handle.users += 1;
    try {
      return await run(await handle.file, await this.#indexOf(segment));
    } finally {
      segment.readers -= 1;
      handle.users -= 1;
      if (this.#closed && segment.handle === handle) await retire(segment);
      else if (handle.retired && handle.users === 0) await closeHandle(handle);
    }
  }

  /** Another file has taken the name: who reads next opens it. */
  async reopen(): Promise<void> {
    for (const segment of this.#list) await retire(segment);
  }

  #handleOf(segment: LogSegment): SegmentHandle {
    if (segment.handle !== undefined) return segment.handle;
    const handle: SegmentHandle = {
      file: this.#context.host.disk.open(segment.path, { mode: 'read' }),
      users: 0,
      retired: false,
    };
    // One that could not be opened is tried again by the next reader.
    handle.file.catch(() => {
      if (segment.handle === handle) segment.handle = undefined;
    });
    segment.handle = handle;
    return handle;
  }

  /** A long log has more segments than a process may have open files. */
  #used(segment: LogSegment): void {
    if (this.#opened.at(-1) === segment) return;
    this.#opened = this.#opened.filter((each) => each !== segment);
    this.#opened.push(segment);
    const oldest = this.#opened.length > openFilesMax ? this.#opened.shift() : undefined;
    if (oldest !== undefined) void retire(oldest);
  }

  async #indexOf(segment: LogSegment): Promise<SegmentIndex> {
    if (segment.index === undefined) {
      const running = this.#scans.get(segment) ?? this.#scan(segment).finally(() => this.#scans.delete(segment));
      this.#scans.set(segment, running);
      return running;
    }
    if (segment.sealed) this.#touch(segment);
    return segment.index;
  }

  /** One with holes is not kept: what could not be read now may be readable later. */
  async #scan(segment: LogSegment): Promise<SegmentIndex> {
    const { header, path } = segment;
    const scan = await scanSegment(this.#context.host, path, header, {
      expectLsn: header.baseLsn,
      expectCrc: header.previousBatchCrc,
      lsnInCrc: !this.#context.mutants.has('crc-without-lsn'),
      chain: !this.#context.mutants.has('no-chain'),
    });
    if (scan.holes.length > 0) return scan.index;
    segment.index ??= scan.index;
    if (segment.sealed) this.#touch(segment);
    return segment.index;
  }

  /** The one that was used now is the last to go, and is kept whatever its size. */
  #touch(segment: LogSegment): void {
    if (this.#recent.at(-1) === segment) return;
    this.#recent = this.#recent.filter((each) => each !== segment);
    this.#recent.push(segment);
    let bytes = this.#recent.reduce((sum, each) => sum + (each.index?.memoryBytes ?? 0), 0);
    while (bytes > indexBytesMax && this.#recent.length > 1) {
      const oldest = this.#recent.shift();
      bytes -= oldest?.index?.memoryBytes ?? 0;
      if (oldest !== undefined) oldest.index = undefined;
    }
  }

  pin(name: string, keepFrom: Lsn): void {
    this.#pins.set(name, keepFrom);
    this.drop();
  }

  unpin(name: string): void {
    this.#pins.delete(name);
    this.drop();
  }

  /** Removes, oldest first and in the background, sealed segments that every pin is past and nobody reads. */
  drop(): void {
    if (this.#dropping || this.#closed || this.#nextToDrop() === undefined) return;
    this.#dropping = true;
    void this.#dropAll().finally(() => {
      this.#dropping = false;
    });
  }

  #nextToDrop(): LogSegment | undefined {
    const oldest = this.#list[0];
    if (oldest === undefined || this.#list.length < 2 || this.#pins.size === 0) return undefined;
    const kept = Math.min(...this.#pins.values());
    return oldest.sealed && oldest.readers === 0 && oldest.lastLsn < kept ? oldest : undefined;
  }

  async #dropAll(): Promise<void> {
    const { disk } = this.#context.host;
    for (let segment = this.#nextToDrop(); segment !== undefined && !this.#closed; segment = this.#nextToDrop()) {
      this.#list.shift();
      segment.index = undefined;
      this.#recent = this.#recent.filter((each) => each !== segment);
      this.#opened = this.#opened.filter((each) => each !== segment);
      this.#count();
      try {
        await retire(segment);
        await disk.remove(segment.path);
        // Before the next one goes: a power loss must not leave a hole among the names.
        await disk.syncDirectory(this.#context.settings.directory);
      } catch (error) {
        this.#context.logger.error('segment cannot be removed', { path: segment.path, error: messageOf(error) });
        return;
      }
    }
  }

  /** Closes what readers left open; files in use are closed by their last reader. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const segment of this.#list) await retire(segment);
  }
}

/** Nobody takes the open file of a segment any more; it is closed now, or by its last reader. */
async function retire(segment: LogSegment): Promise<void> {
  const { handle } = segment;
  segment.handle = undefined;
  if (handle === undefined) return;
  handle.retired = true;
  if (handle.users === 0) await closeHandle(handle);
}

async function closeHandle(handle: SegmentHandle): Promise<void> {
  await closeQuietly(await handle.file.catch(() => undefined));
}
