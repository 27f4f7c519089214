import type { DiskFile } from '../../host/disk.ts';
import { DiskError } from '../../host/disk.ts';
import type { Host } from '../../host/host.ts';
import { type DecodedRecord, decodeRecords } from './batch.ts';
import { closeQuietly, readFirstSector, readPatiently } from './context.ts';
import {
  BatchFlag,
  type BatchHeader,
  batchBytesOf,
  batchHeaderBytes,
  batchMagic,
  decodeBatchHeader,
  pageBytes,
  type SegmentHeader,
  segmentHeaderBytes,
} from './format.ts';
import { SegmentIndex } from './segmentIndex.ts';
import type { Lsn, RecordOut } from './types.ts';

const windowBytes = 1_048_576;

/** Damage between intact batches of one segment, or behind the last. */
export interface Hole {
  readonly offset: number;
  /** LSN that the first damaged batch should begin with. */
  readonly from: Lsn;
  /** LSN before the next intact batch of this segment; undefined when none follows. */
  readonly to: Lsn | undefined;
  readonly why: string;
  /** The header of the damaged batch itself is intact. */
  readonly headerIntact: boolean;
}

/** What one segment holds. */
export interface SegmentScan {
  readonly index: SegmentIndex;
  /** End of the intact batches before the first hole. */
  readonly validEnd: number;
  /** Where the batches before the first hole end. */
  readonly beforeHole: { readonly next: Lsn; readonly lastCrc: number | undefined; readonly lastOffset: number };
  /** LSN behind the last intact batch. */
  readonly next: Lsn;
  /** Checksum of the last intact batch's header; what the next batch must carry. Undefined when it cannot be known. */
  readonly lastCrc: number | undefined;
  readonly lastFlags: number;
  readonly lastOffset: number;
  readonly lastWallMs: number;
  readonly sealed: boolean;
  readonly holes: readonly Hole[];
  /** Highest durableLsn of any intact batch header, with its offset. */
  readonly proof: { readonly lsn: Lsn; readonly offset: number };
  /** End of the last byte behind `validEnd` that is not zero; `validEnd` when there is none. Unreadable counts as not zero. */
  readonly dirtyEnd: number;
  readonly fileBytes: number;
}

/** How strictly to look. */
export interface ScanOptions {
  readonly expectLsn: Lsn;
  /** Checksum that the first batch must carry; undefined: unknown. */
  readonly expectCrc: number | undefined;
  /** False under a planted bug. */
  readonly lsnInCrc: boolean;
  /** False under a planted bug: whatever batch comes next is taken. */
  readonly chain: boolean;
  /** Reads from the disk, not from the page cache. Default false. */
  readonly uncached?: boolean;
  /** Called with each intact batch's records; the bytes are reused afterwards. */
  readonly visit?: (records: readonly RecordOut[], header: BatchHeader) => void | Promise<void>;
}

/** A window over a file that moves forward; ranges that cannot be read are told apart. */
class Window {
  readonly #host: Host;
  readonly #file: DiskFile;
  readonly size: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;

  constructor(host: Host, file: DiskFile, size: number) {
    this.#host = host;
    this.#file = file;
    this.size = size;
  }

  /** The bytes of a range inside the file, 4-aligned when `offset` is; undefined when the disk does not give them. */
  async get(offset: number, length: number): Promise<Uint8Array | undefined> {
    if (offset < this.#start || offset + length > this.#start + this.#bytes.length) {
      const ahead = Math.min(this.size - offset, Math.max(length, windowBytes));
      const filled = (await this.#read(offset, ahead)) ?? (await this.#read(offset, length));
      if (filled === undefined) return undefined;
      this.#bytes = filled;
      this.#start = offset;
      if (filled.length < length) return undefined;
    }
    return this.#bytes.subarray(offset - this.#start, offset - this.#start + length);
  }

  /** What is left of a page that `get` did not give: its first sector, or nothing. */
  firstSector(offset: number): Promise<Uint8Array | undefined> {
    return readFirstSector(this.#host, this.#file, offset);
  }

  async #read(offset: number, length: number): Promise<Uint8Array | undefined> {
    const into = new Uint8Array(length);
    try {
      const got = await readPatiently(this.#host, this.#file, offset, into);
      return got === length ? into : into.subarray(0, got);
    } catch (error) {
      if (error instanceof DiskError && error.code === 'EIO') return undefined;
      throw error;
    }
  }
}

/** What was found at one offset. */
type Found =
  | {
      readonly kind: 'batch';
      readonly header: BatchHeader;
      readonly bytes: number;
      readonly records: readonly DecodedRecord[];
    }
  | { readonly kind: 'bad'; readonly why: string; readonly header: BatchHeader | undefined };

/**
 * Reads every batch of a segment of the log, in order, and judges nothing: it says what is intact, what is not, and what
 * the intact headers prove.
 */
export async function scanSegment(
  host: Host,
  path: string,
  segment: SegmentHeader,
  options: ScanOptions,
): Promise<SegmentScan> {
  const file = await host.disk.open(path, { mode: 'read', uncached: options.uncached ?? false });
  let isLeaked = false;
  try {
    const scan = await scanFile(new Window(host, file, await file.size()), segment, options);
    // The planted bug: what was found damaged stays open.
    isLeaked = scan.holes.length > 0 && host.telemetry.mutant('leak-handle');
    return scan;
  } finally {
    if (!isLeaked) await closeQuietly(file);
  }
}

async function scanFile(window: Window, segment: SegmentHeader, options: ScanOptions): Promise<SegmentScan> {
  const index = new SegmentIndex(segment.baseLsn);
  const holes: Hole[] = [];
  let next = options.expectLsn;
  let lastCrc = options.expectCrc;
  let lastFlags = 0;
  let lastOffset = 0;
  let lastWallMs = 0;
  let sealed = false;
  let beforeHole = { next, lastCrc, lastOffset };
  let validEnd = segmentHeaderBytes;
  let proof = { lsn: 0, offset: 0 };
  let dirtyEnd = segmentHeaderBytes;
  let offset = segmentHeaderBytes;

  while (!sealed && offset + pageBytes <= window.size) {
    const found = await readBatch(window, segment, offset, options.lsnInCrc);
    const mismatch = found.kind === 'batch' ? chainMismatch(found.header, next, lastCrc, lastFlags, options.chain) : '';
    if (found.kind === 'bad' || mismatch !== '') {
      const resumed = await resume(window, segment, offset + pageBytes, next, options.lsnInCrc);
      if (resumed.proof.lsn > proof.lsn) proof = resumed.proof;
      const own = found.header;
      if (own !== undefined && own.durableLsn > proof.lsn) proof = { lsn: own.durableLsn, offset };
      if (holes.length === 0) dirtyEnd = Math.max(await firstPageEnd(window, offset), resumed.dirtyEnd);
      const isPlantedSkip = !options.chain && resumed.batch !== undefined;
      if (!isPlantedSkip) {
        holes.push({
          offset,
          from: next,
          to: resumed.batch === undefined ? undefined : resumed.batch.first - 1,
          why: found.kind === 'bad' ? found.why : mismatch,
          headerIntact: own !== undefined,
        });
      }
      if (resumed.batch === undefined) break;
      offset = resumed.batch.offset;
      next = resumed.batch.first;
      lastCrc = undefined;
      continue;
    }
    const { header, bytes, records: decoded } = found;
    index.add(
      {
        first: header.firstLsn,
        count: header.recordCount,
        offset,
        bytes: batchHeaderBytes + header.bodyBytes,
        wallMs: header.wallMs,
      },
      (i) => decoded[i]?.offset ?? 0,
    );
    await options.visit?.(
      decoded.map(({ record }) => record),
      header,
    );
    if (header.durableLsn > proof.lsn) proof = { lsn: header.durableLsn, offset };
    next = header.firstLsn + header.recordCount;
    lastCrc = header.headerCrc;
    lastFlags = header.flags;
    lastOffset = offset;
    lastWallMs = header.wallMs;
    sealed = (header.flags & BatchFlag.seal) !== 0;
    offset += bytes;
    if (holes.length === 0) {
      validEnd = offset;
      dirtyEnd = offset;
      beforeHole = { next, lastCrc, lastOffset };
    }
  }
  return {
    index,
    validEnd,
    beforeHole,
    next,
    lastCrc,
    lastFlags,
    lastOffset,
    lastWallMs,
    sealed,
    holes,
    proof,
    dirtyEnd,
    fileBytes: window.size,
  };
}

/** Why an intact batch does not follow the one before it; empty when it does. */
function chainMismatch(
  header: BatchHeader,
  next: Lsn,
  lastCrc: number | undefined,
  lastFlags: number,
  chain: boolean,
): string {
  if (!chain) return header.firstLsn < next ? `batch begins at LSN ${header.firstLsn}, expected ${next}` : '';
  if (header.firstLsn !== next) return `batch begins at LSN ${header.firstLsn}, expected ${next}`;
  const isRemade = ((header.flags | lastFlags) & BatchFlag.remade) !== 0;
  if (lastCrc !== undefined && header.previousCrc !== lastCrc && !isRemade) {
    return `batch follows one with checksum ${header.previousCrc}, expected ${lastCrc}`;
  }
  return '';
}

/** The batch at an offset, all of it checked but its place in the chain. */
async function readBatch(window: Window, segment: SegmentHeader, offset: number, lsnInCrc: boolean): Promise<Found> {
  const page = await window.get(offset, Math.min(pageBytes, window.size - offset));
  if (page === undefined) {
    const sector = await window.firstSector(offset);
    return { kind: 'bad', why: 'unreadable', header: sector && ownHeader(sector, 0, segment, offset) };
  }
  const header = ownHeader(page, 0, segment, offset);
  if (header === undefined) return { kind: 'bad', why: 'no intact batch header', header: undefined };
  const bytes = batchBytesOf(header, segment.alignLog2);
  if (offset + bytes > window.size) return { kind: 'bad', why: 'batch goes beyond the file', header };
  const body = await window.get(offset, bytes);
  if (body === undefined) return { kind: 'bad', why: 'batch body is unreadable', header };
  const decoded = decodeRecords(body, header, segment.recordSalt, lsnInCrc);
  if (typeof decoded === 'string') return { kind: 'bad', why: decoded, header };
  return { kind: 'batch', header, bytes, records: decoded };
}

/** The header at `at` if it is intact and was written for exactly this place. */
function ownHeader(bytes: Uint8Array, at: number, segment: SegmentHeader, offset: number): BatchHeader | undefined {
  const header = decodeBatchHeader(bytes, at);
  if (header === undefined || header.fileOffset !== offset) return undefined;
  return header.segmentId === segment.segmentId && header.salt === segment.salt ? header : undefined;
}

/**
 * Looks at every page from `from` on: what intact headers prove, where an intact batch at or beyond `expect` lies, and
 * where the last byte is that is not zero.
 */
async function resume(window: Window, segment: SegmentHeader, from: number, expect: Lsn, lsnInCrc: boolean) {
  let proof = { lsn: 0, offset: 0 };
  let batch: { first: Lsn; offset: number } | undefined;
  let dirtyEnd = 0;
  for (let offset = from; offset < window.size; offset += pageBytes) {
    const page = await window.get(offset, Math.min(pageBytes, window.size - offset));
    const end = page === undefined ? pageBytes : endOfContent(page);
    if (end > 0) dirtyEnd = offset + end;
    const begin = page ?? (await window.firstSector(offset));
    if (begin === undefined || begin.length < 4 || !beginsBatch(begin)) continue;
    const header = ownHeader(begin, 0, segment, offset);
    if (header === undefined) continue;
    if (header.durableLsn > proof.lsn) proof = { lsn: header.durableLsn, offset };
    if (batch === undefined && header.firstLsn > expect) {
      const found = await readBatch(window, segment, offset, lsnInCrc);
      if (found.kind === 'batch') batch = { first: header.firstLsn, offset };
    }
  }
  return { proof, batch, dirtyEnd };
}

/** Whether the page has the magic of a batch: a quick look before the checksum. */
function beginsBatch(page: Uint8Array): boolean {
  return new DataView(page.buffer, page.byteOffset, 4).getUint32(0, true) === batchMagic;
}

async function firstPageEnd(window: Window, offset: number): Promise<number> {
  const page = await window.get(offset, Math.min(pageBytes, window.size - offset));
  return page === undefined ? offset + pageBytes : offset + endOfContent(page);
}

/** Length up to the last byte that is not zero. */
function endOfContent(page: Uint8Array): number {
  let end = page.length;
  while (end > 0 && page[end - 1] === 0) end -= 1;
  return end;
}
