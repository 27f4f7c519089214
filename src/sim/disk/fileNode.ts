import type { DiskErrorCode } from '../../host/disk.ts';
import { SparseBytes } from './sparseBytes.ts';

/** What the device writes as a whole or not at all. */
export const sectorBytes = 512;
/** Unit of the page cache and of the space that files take. */
export const pageBytes = 4096;
const sectorsPerPage = pageBytes / sectorBytes;
/** The mask of a page whose sectors are all known. */
const allSectors = (1 << sectorsPerPage) - 1;

/** One page of the page cache. Bit n of a mask stands for sector n of the page. */
interface Page {
  bytes: Uint8Array;
  /** How many snapshots on their way share `bytes`: whoever changes dirty sectors takes a copy first. */
  pins: number;
  /** The media has these very bytes: whoever changes them takes a copy first. */
  onMedia: boolean;
  /** Sectors whose content the cache knows. */
  valid: number;
  /** Sectors that are newer than the device. */
  dirty: number;
}

/** Neighbouring sectors on their way to the device. */
export interface SectorRun {
  /** Number of the first sector in the file. */
  readonly sector: number;
  /** A multiple of 512 bytes; not to be kept beyond the sync, nor changed. */
  readonly bytes: Uint8Array;
}

/** Pages whose bytes a snapshot shares, as they were. */
interface Pin {
  readonly page: Page;
  readonly bytes: Uint8Array;
}

/** What one sync took from the page cache. */
export interface SyncSnapshot {
  /** Length of the file when the sync began. */
  readonly length: number;
  /** What lay from here on was cut off before the sync began. */
  readonly cut: number;
  readonly runs: readonly SectorRun[];
  readonly pins: readonly Pin[];
  /** The device has it, or it was given up. */
  settled: boolean;
}

/** Sectors that the device said were durable and has only in its volatile cache. */
export interface VolatileBatch {
  /** Length of the file on the media before. */
  readonly length: number;
  /** Content on the media before, by sector. */
  readonly before: Map<number, Uint8Array>;
}

/** What a media fault did to one sector. */
export interface Damage {
  /** What would stand there without the fault. */
  readonly pristine: Uint8Array;
  /** The fault that did it. */
  readonly rule: number;
}

/**
 * The content of one file in three layers: page cache (`pages`, `length`), what is on its way (`inFlight`), and the
 * device (`media`, `mediaLength`), whose volatile cache is kept as what lay there before (`volatile`). Without time and
 * without faults of operations: those are the device's.
 */
export class FileNode {
  readonly kind = 'file';
  readonly id: number;
  readonly media = new SparseBytes();
  /** Length on the device. */
  mediaLength = 0;
  /** Length as processes see it. */
  length = 0;
  /** End of the space that is set aside, a multiple of the page. */
  reservedTo = 0;
  modifiedWall: number;
  readonly inFlight: SyncSnapshot[] = [];
  readonly volatile: VolatileBatch[] = [];
  readonly damage = new Map<number, Damage>();
  /** Sectors that cannot be read until they are written again, with the fault that made them so. */
  readonly badSectors = new Map<number, number>();
  /** An error of write-back that the next sync of anybody reports. */
  pendingError: DiskErrorCode | undefined;
  /** Processes see zeros from here on where the page cache knows nothing: cut off, and not yet on the device. */
  #cut = Number.POSITIVE_INFINITY;
  readonly #pages = new Map<number, Page>();
  readonly #dirtyPages = new Set<number>();

  constructor(id: number, modifiedWall: number) {
    this.id = id;
    this.modifiedWall = modifiedWall;
  }

  /** Bytes of dirty sectors. */
  get dirtyBytes(): number {
    let bytes = 0;
    for (const index of this.#dirtyPages) {
      for (let mask = this.#pages.get(index)?.dirty ?? 0; mask !== 0; mask &= mask - 1) bytes += sectorBytes;
    }
    return bytes;
  }

  /** Puts bytes into the page cache and makes the file as long as they need. */
  write(position: number, bytes: Uint8Array): void {
    let done = 0;
    while (done < bytes.byteLength) {
      const at = position + done;
      const index = Math.floor(at / pageBytes);
      const offset = at - index * pageBytes;
      const count = Math.min(pageBytes - offset, bytes.byteLength - done);
      const page = this.#pageAt(index);
      const piece = bytes.subarray(done, done + count);
      // Space is set aside by writing zeros, much of it: those pages share one.
      const isZeros = count === pageBytes && Buffer.compare(piece, zeroPage) === 0;
      if (isZeros) shareZeros(page);
      else if (count < pageBytes) unshare(page);
      else renew(page);
      const first = Math.floor(offset / sectorBytes);
      const last = Math.floor((offset + count - 1) / sectorBytes);
      // A sector that is written in part must be known whole.
      if (offset % sectorBytes !== 0) this.#fill(index, page, first);
      if ((offset + count) % sectorBytes !== 0) this.#fill(index, page, last);
      if (!isZeros) page.bytes.set(piece, offset);
      const mask = ((2 << last) - 1) & ~((1 << first) - 1);
      page.valid |= mask;
      page.dirty |= mask;
      this.#dirtyPages.add(index);
      done += count;
    }
    if (bytes.byteLength > 0) this.setLength(Math.max(this.length, position + bytes.byteLength));
  }

  /** Sectors of the range that a read takes from the device; with `uncached` all but the dirty ones. */
  deviceSectors(position: number, count: number, uncached: boolean): number[] {
    const sectors: number[] = [];
    if (count <= 0) return sectors;
    const last = Math.floor((position + count - 1) / sectorBytes);
    for (let sector = Math.floor(position / sectorBytes); sector <= last; sector++) {
      if (uncached ? !this.#isDirtyOrInFlight(sector) : !this.#isValid(sector)) sectors.push(sector);
    }
    return sectors;
  }

  /**
   * Fills `into` with what a process sees from `position`. Sectors of `fromDevice` come from there, by `fetch` (default:
   * the media as it is), and stay in the page cache unless `uncached`.
   */
  read(
    position: number,
    into: Uint8Array,
    uncached: boolean,
    fetch: (sector: number) => Uint8Array = (sector) => this.mediaSector(sector),
  ): void {
    let done = 0;
    while (done < into.byteLength) {
      const at = position + done;
      const sector = Math.floor(at / sectorBytes);
      const offset = at - sector * sectorBytes;
      const count = Math.min(sectorBytes - offset, into.byteLength - done);
      const bypass = uncached && !this.#isDirtyOrInFlight(sector);
      const known = !bypass && this.#isValid(sector);
      const source = known ? this.#cachedSector(sector) : fetch(sector);
      into.set(source.subarray(offset, offset + count), done);
      if (!known && !bypass) this.#remember(sector, source);
      done += count;
    }
  }

  /**
   * The whole content as a process would see it now, without a trace in any layer: for those who judge a run. What cannot
   * be read is zeros.
   */
  peek(): Uint8Array {
    const content = new Uint8Array(this.length);
    for (let at = 0; at < content.byteLength; at += sectorBytes) {
      const sector = at / sectorBytes;
      const page = sector % sectorsPerPage === 0 ? this.#pages.get(sector / sectorsPerPage) : undefined;
      if (page?.valid === allSectors) {
        content.set(page.bytes.subarray(0, Math.min(pageBytes, content.byteLength - at)), at);
        at += pageBytes - sectorBytes;
        continue;
      }
      const cached = this.#isValid(sector);
      if (!cached && this.badSectors.has(sector)) continue;
      const source = cached ? this.#cachedSector(sector) : this.mediaSector(sector);
      content.set(source.subarray(0, Math.min(sectorBytes, content.byteLength - at)), at);
    }
    return content;
  }

  /** A sector as the device holds it, less what was cut off. */
  mediaSector(sector: number): Uint8Array {
    const start = sector * sectorBytes;
    let cut = this.#cut;
    for (const snapshot of this.inFlight) cut = Math.min(cut, snapshot.cut);
    if (start >= cut) return new Uint8Array(sectorBytes);
    const bytes = this.media.slice(start, sectorBytes);
    if (cut < start + sectorBytes) bytes.fill(0, cut - start);
    return bytes;
  }

  /** Shortens or lengthens; what is new reads as zeros. */
  setLength(bytes: number): void {
    if (bytes < this.length) {
      this.#cut = Math.min(this.#cut, bytes);
      const lastPage = Math.floor(bytes / pageBytes);
      for (const [index, page] of this.#pages) {
        if (index * pageBytes >= bytes) {
          this.#pages.delete(index);
          this.#dirtyPages.delete(index);
        } else if (index === lastPage) {
          unshare(page);
          page.bytes.fill(0, bytes - index * pageBytes);
        }
      }
      this.reservedTo = Math.min(this.reservedTo, roundToPage(bytes));
    }
    this.length = bytes;
  }

  /** Takes what is dirty as one sync does: from now on it is on its way. */
  beginSync(): SyncSnapshot {
    const runs: SectorRun[] = [];
    const pins: Pin[] = [];
    for (const index of this.#dirtyPages) {
      const page = this.#pages.get(index);
      if (page === undefined) continue;
      for (let first = 0; first < sectorsPerPage; first++) {
        if ((page.dirty & (1 << first)) === 0) continue;
        let end = first + 1;
        while (end < sectorsPerPage && (page.dirty & (1 << end)) !== 0) end += 1;
        runs.push({
          sector: index * sectorsPerPage + first,
          bytes: page.bytes.subarray(first * sectorBytes, end * sectorBytes),
        });
        first = end;
      }
      page.dirty = 0;
      page.pins += 1;
      pins.push({ page, bytes: page.bytes });
    }
    this.#dirtyPages.clear();
    const snapshot: SyncSnapshot = { length: this.length, cut: this.#cut, runs, pins, settled: false };
    this.#cut = Number.POSITIVE_INFINITY;
    this.inFlight.push(snapshot);
    return snapshot;
  }

  /**
   * The sync failed and its pages are clean all the same, as Linux has it: `keep` leaves the new bytes in the page cache,
   * `revert` drops them, so that reads give the old ones.
   */
  abandonSync(snapshot: SyncSnapshot, cache: 'keep' | 'revert'): void {
    this.settle(snapshot);
    this.#cut = Math.min(this.#cut, snapshot.cut);
    if (cache === 'keep') return;
    for (const run of snapshot.runs) {
      for (let n = 0; n < run.bytes.byteLength / sectorBytes; n++) this.#forget(run.sector + n);
    }
  }

  /** Puts a run of a snapshot on the media. A whole page is not copied: the page cache shares it until one of them changes. */
  bringToMedia(run: SectorRun): void {
    const position = run.sector * sectorBytes;
    if (position % pageBytes !== 0 || run.bytes.byteLength !== pageBytes) {
      this.media.write(position, run.bytes);
      return;
    }
    this.media.adopt(position, run.bytes);
    const page = this.#pages.get(position / pageBytes);
    if (page?.bytes.buffer === run.bytes.buffer) page.onMedia = true;
  }

  /** The snapshot is no longer on its way. */
  settle(snapshot: SyncSnapshot): void {
    if (snapshot.settled) return;
    snapshot.settled = true;
    for (const { page, bytes } of snapshot.pins) if (page.bytes === bytes) page.pins -= 1;
    const index = this.inFlight.indexOf(snapshot);
    if (index >= 0) this.inFlight.splice(index, 1);
  }

  /** Drops clean pages of the range, as memory pressure does; what is dirty or on its way stays. */
  evict(from = 0, to = Number.POSITIVE_INFINITY): void {
    for (const [index, page] of this.#pages) {
      const start = index * pageBytes;
      if (start + pageBytes <= from || start >= to) continue;
      for (let n = 0; n < sectorsPerPage; n++) {
        if (!this.#isDirtyOrInFlight(index * sectorsPerPage + n)) page.valid &= ~(1 << n);
      }
      if (page.valid === 0) this.#pages.delete(index);
    }
  }

  /** Every sector that no sync has made durable, with its versions in the order in which they were written. */
  unsynced(): Map<number, Uint8Array[]> {
    const versions = new Map<number, Uint8Array[]>();
    const add = (sector: number, bytes: Uint8Array): void => {
      const list = versions.get(sector);
      if (list === undefined) versions.set(sector, [bytes]);
      else list.push(bytes);
    };
    for (const snapshot of this.inFlight) {
      for (const run of snapshot.runs) {
        for (let n = 0; n * sectorBytes < run.bytes.byteLength; n++) {
          add(run.sector + n, run.bytes.subarray(n * sectorBytes, (n + 1) * sectorBytes));
        }
      }
    }
    for (const index of this.#dirtyPages) {
      const page = this.#pages.get(index);
      for (let n = 0; page !== undefined && n < sectorsPerPage; n++) {
        if ((page.dirty & (1 << n)) === 0) continue;
        add(index * sectorsPerPage + n, page.bytes.slice(n * sectorBytes, (n + 1) * sectorBytes));
      }
    }
    return versions;
  }

  /** Where the file was cut off since the last sync that the device has; infinite when it was not. */
  get unsyncedCut(): number {
    let cut = this.#cut;
    for (const snapshot of this.inFlight) cut = Math.min(cut, snapshot.cut);
    return cut;
  }

  /** The page cache is gone: the file is what the device holds. */
  dropCache(): void {
    this.#pages.clear();
    this.#dirtyPages.clear();
    for (const snapshot of this.inFlight) snapshot.settled = true;
    this.inFlight.length = 0;
    this.#cut = Number.POSITIVE_INFINITY;
    this.pendingError = undefined;
    this.length = this.mediaLength;
    this.reservedTo = roundToPage(this.length);
  }

  #pageAt(index: number): Page {
    let page = this.#pages.get(index);
    if (page === undefined) {
      page = { bytes: zeroPage, pins: 0, onMedia: true, valid: 0, dirty: 0 };
      this.#pages.set(index, page);
    }
    return page;
  }

  #fill(index: number, page: Page, sector: number): void {
    if ((page.valid & (1 << sector)) !== 0) return;
    if (page.onMedia) unshare(page);
    page.bytes.set(this.mediaSector(index * sectorsPerPage + sector), sector * sectorBytes);
    page.valid |= 1 << sector;
  }

  #isValid(sector: number): boolean {
    const page = this.#pages.get(Math.floor(sector / sectorsPerPage));
    return page !== undefined && (page.valid & (1 << (sector % sectorsPerPage))) !== 0;
  }

  #isDirtyOrInFlight(sector: number): boolean {
    const page = this.#pages.get(Math.floor(sector / sectorsPerPage));
    if (page !== undefined && (page.dirty & (1 << (sector % sectorsPerPage))) !== 0) return true;
    return this.inFlight.some((snapshot) =>
      snapshot.runs.some((run) => sector >= run.sector && sector < run.sector + run.bytes.byteLength / sectorBytes),
    );
  }

  #cachedSector(sector: number): Uint8Array {
    const offset = (sector % sectorsPerPage) * sectorBytes;
    return this.#pageAt(Math.floor(sector / sectorsPerPage)).bytes.subarray(offset, offset + sectorBytes);
  }

  #remember(sector: number, bytes: Uint8Array): void {
    const page = this.#pageAt(Math.floor(sector / sectorsPerPage));
    if (page.onMedia) unshare(page);
    page.bytes.set(bytes, (sector % sectorsPerPage) * sectorBytes);
    page.valid |= 1 << (sector % sectorsPerPage);
  }

  #forget(sector: number): void {
    const page = this.#pages.get(Math.floor(sector / sectorsPerPage));
    const bit = 1 << (sector % sectorsPerPage);
    if (page !== undefined && (page.dirty & bit) === 0) page.valid &= ~bit;
  }
}

/** Never changed. */
const zeroPage = new Uint8Array(pageBytes);

/** Gives the page other bytes, whose content is about to be written whole, when a snapshot or the media shares its own. */
function renew(page: Page): void {
  if (page.pins === 0 && !page.onMedia) return;
  page.bytes = new Uint8Array(pageBytes);
  page.pins = 0;
  page.onMedia = false;
}

/** The page is all zeros: whoever changes it takes a copy first, as of bytes that the media has. */
function shareZeros(page: Page): void {
  if (page.bytes === zeroPage) return;
  page.bytes = zeroPage;
  page.pins = 0;
  page.onMedia = true;
}

/** Gives the page bytes of its own before a change, when a snapshot or the media shares them. */
function unshare(page: Page): void {
  if (page.pins === 0 && !page.onMedia) return;
  page.bytes = page.bytes.slice();
  page.pins = 0;
  page.onMedia = false;
}

/** The next multiple of the page. */
export function roundToPage(bytes: number): number {
  return Math.ceil(bytes / pageBytes) * pageBytes;
}
