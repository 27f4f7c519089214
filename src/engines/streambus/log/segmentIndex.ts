import { DiskError, type DiskFile } from '../../../host/disk.ts';
import { crc32c } from '../../../wire/crc32c.ts';
import type { FilePool } from './filePool.ts';

/** Bytes of batches between two entries. */
export const indexIntervalBytes = 4096;
/** offset u64, largest time before it f64, position u32, CRC-32C of these u32; big-endian. */
const entryBytes = 24;
/** Entries read at once. */
const pageEntries = 170;
/** Entries in memory before they are written. */
const pendingMax = 128;

/** Where a batch begins, and the largest time of all batches of the segment before it (-1: none). */
export interface IndexEntry {
  readonly offset: number;
  readonly position: number;
  readonly maxTimestampBefore: number;
}

const beginning = (base: number): IndexEntry => ({ offset: base, position: 0, maxTimestampBefore: -1 });

/**
 * The index of one segment: derived, never synced, each entry signed. What it cannot say, because entries are missing or broken, it
 * answers with the segment's beginning: a slower search, never a wrong one.
 */
export class SegmentIndex {
  readonly base: number;
  readonly #path: string;
  readonly #files: FilePool;
  #pending: IndexEntry[] = [];
  /** Entries in the file; undefined before it was looked at. */
  #stored: number | undefined;
  #lastPosition = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(files: FilePool, path: string, base: number) {
    this.base = base;
    this.#files = files;
    this.#path = path;
  }

  /** A batch begins at `position`. Kept when the last entry is far enough back. */
  add(offset: number, position: number, maxTimestampBefore: number): void {
    if (position - this.#lastPosition < indexIntervalBytes) return;
    this.#lastPosition = position;
    this.#pending.push({ offset, position, maxTimestampBefore });
  }

  get wantsFlush(): boolean {
    return this.#pending.length >= pendingMax;
  }

  /** The segment ends at `position` after a restart: entries beyond are dropped. */
  async cut(position: number): Promise<void> {
    this.#pending = [];
    const count = await this.#count();
    let keep = count;
    while (keep > 0) {
      const entry = await this.#entry(keep - 1);
      if (entry !== undefined && entry.position < position) {
        this.#lastPosition = entry.position;
        break;
      }
      keep -= 1;
    }
    // A broken entry inside leaves the ones before it; the search finds less and says so.
    if (keep < count) {
      await this.#files.use(this.#path, 'write', (file) => file.truncate(keep * entryBytes));
      this.#stored = keep;
    }
  }

  /** Writes what is pending. A failure drops the entries: the index only gets sparser. */
  flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#flush());
    return this.#writing;
  }

  /** Puts these entries in place of all that were stored, of the segment up to the last one's position. */
  rebuild(entries: readonly IndexEntry[]): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      const last = entries.at(-1)?.position ?? 0;
      await this.#files.use(this.#path, 'create', async (file) => {
        await file.truncate(0);
        if (entries.length > 0) await file.write(0, [encode(entries)], { durable: false });
      });
      this.#stored = entries.length;
      this.#pending = this.#pending.filter((entry) => entry.position > last);
      this.#lastPosition = Math.max(last, this.#pending.at(-1)?.position ?? 0);
    });
    return this.#writing;
  }

  async #flush(): Promise<void> {
    const entries = this.#pending;
    if (entries.length === 0) return;
    try {
      const stored = await this.#count();
      await this.#files.use(this.#path, 'create', (file) =>
        file.write(stored * entryBytes, [encode(entries)], { durable: false }),
      );
      this.#stored = stored + entries.length;
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#stored = undefined;
    }
    this.#pending = this.#pending.slice(entries.length);
  }

  /** The last entry at or before `offset`. */
  async floorOffset(offset: number): Promise<IndexEntry> {
    return this.#floor((entry) => entry.offset <= offset);
  }

  /** The last entry before which no record has a time at or after `timestampMs`. */
  async floorTime(timestampMs: number): Promise<IndexEntry> {
    return this.#floor((entry) => entry.maxTimestampBefore < timestampMs);
  }

  /** The first entry behind `position`: where reading can go on after something broken. Undefined: the segment's end. */
  async nextAfter(position: number): Promise<IndexEntry | undefined> {
    const count = await this.#count();
    for (let n = await this.#lastThat((entry) => entry.position <= position, count); n + 1 < count; n++) {
      const entry = await this.#entry(n + 1);
      if (entry !== undefined && entry.position > position) return entry;
    }
    return this.#pending.find((entry) => entry.position > position);
  }

  async #floor(holds: (entry: IndexEntry) => boolean): Promise<IndexEntry> {
    const pending = this.#pending.findLast(holds);
    if (pending !== undefined) return pending;
    const count = await this.#count();
    const at = await this.#lastThat(holds, count);
    return (at < 0 ? undefined : await this.#entry(at)) ?? beginning(this.base);
  }

  /** Binary search for the last stored entry of which `holds` is true; -1: none, or the index is broken where it was asked. */
  async #lastThat(holds: (entry: IndexEntry) => boolean, count: number): Promise<number> {
    let low = 0;
    let high = count;
    try {
      while (low < high) {
        const middle = (low + high) >>> 1;
        // Within a page the rest is decided in memory.
        if (high - low <= pageEntries) {
          const page = await this.#page(low, high - low);
          let at = page.length - 1;
          while (at >= 0) {
            const entry = page[at];
            if (entry !== undefined && holds(entry)) break;
            at -= 1;
          }
          return low + at;
        }
        const entry = await this.#entry(middle);
        if (entry === undefined) return -1;
        if (holds(entry)) low = middle + 1;
        else high = middle;
      }
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      return -1;
    }
    return low - 1;
  }

  async #count(): Promise<number> {
    if (this.#stored !== undefined) return this.#stored;
    let bytes = 0;
    try {
      bytes = await this.#files.use(this.#path, 'write', (file) => file.size());
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
    }
    this.#stored = Math.floor(bytes / entryBytes);
    return this.#stored;
  }

  async #entry(at: number): Promise<IndexEntry | undefined> {
    return (await this.#page(at, 1))[0];
  }

  async #page(from: number, count: number): Promise<(IndexEntry | undefined)[]> {
    const bytes = new Uint8Array(count * entryBytes);
    const read = await this.#files.use(this.#path, 'write', (file: DiskFile) => file.read(from * entryBytes, bytes));
    return Array.from({ length: Math.floor(read / entryBytes) }, (_, n) => decode(bytes, n * entryBytes));
  }
}

function encode(entries: readonly IndexEntry[]): Uint8Array {
  const bytes = new Uint8Array(entries.length * entryBytes);
  const view = new DataView(bytes.buffer);
  entries.forEach((entry, n) => {
    const at = n * entryBytes;
    view.setBigUint64(at, BigInt(entry.offset));
    view.setFloat64(at + 8, entry.maxTimestampBefore);
    view.setUint32(at + 16, entry.position);
    view.setUint32(at + 20, crc32c(bytes.subarray(at, at + 20)));
  });
  return bytes;
}

function decode(bytes: Uint8Array, at: number): IndexEntry | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(at + 20) !== crc32c(bytes.subarray(at, at + 20))) return undefined;
  return {
    offset: Number(view.getBigUint64(at)),
    maxTimestampBefore: view.getFloat64(at + 8),
    position: view.getUint32(at + 16),
  };
}
