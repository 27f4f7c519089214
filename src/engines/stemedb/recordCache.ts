import { splitPayload } from './records.ts';

/** A record as readers get it: the canonical texts. */
export interface CachedRecord {
  readonly type: number;
  readonly content: string;
  readonly signatures: string;
}

/** Bytes of an entry beside its payload: its place in the map. */
const ENTRY_BYTES = 64;
/** In the slab before each payload: LSN 8 (a double), length 4, type 4. */
const HEADER_BYTES = 16;
const ALIGNMENT = 8;
const SLAB_BYTES_MAX = 256 * 1024;
/** A cache has at least so many slabs, so that dropping one drops little. */
const SLABS_MIN = 8;

interface Slab {
  readonly bytes: Buffer;
  readonly view: DataView;
  /** Grows by one with each slab: how old this one is. */
  readonly sequence: number;
  used: number;
}

/**
 * Payloads by LSN, in slabs of bytes: a store that is written to puts every record here, and as objects of their own they
 * would be what the garbage collector is busy with. When the capacity is reached the oldest slab goes as a whole; a record
 * that is read while its slab is in the older half is copied to the newest, so that those in use stay.
 */
export class RecordCache {
  readonly #capacityBytes: number;
  readonly #slabBytes: number;
  /** Where a payload's header is, in units of 8 bytes: number of the slab × its size + offset. A small integer. */
  readonly #places = new Map<number, number>();
  /** By number; numbers are used again. */
  readonly #slabs: (Slab | undefined)[] = [];
  /** Numbers of the slabs, oldest first. */
  #order: number[] = [];
  #sequence = 0;
  #slabTotal = 0;

  constructor(capacityBytes: number) {
    this.#capacityBytes = capacityBytes;
    this.#slabBytes = aligned(Math.min(SLAB_BYTES_MAX, Math.max(ALIGNMENT, Math.floor(capacityBytes / SLABS_MIN))));
  }

  /** The memory held; never above the capacity. */
  get bytes(): number {
    return this.#slabTotal + this.#places.size * ENTRY_BYTES;
  }

  get(lsn: number): CachedRecord | undefined {
    const place = this.#places.get(lsn);
    if (place === undefined) return undefined;
    const { slab, at } = this.#locate(place);
    const type = slab.view.getUint32(at + 12, true);
    const begin = at + HEADER_BYTES;
    const payload = slab.bytes.subarray(begin, begin + slab.view.getUint32(at + 8, true));
    if (this.#sequence - slab.sequence > this.#order.length >> 1) this.put(lsn, type, payload);
    return decodeCached(type, payload);
  }

  /** Keeps a copy of a payload; one that is larger than the cache is not kept. */
  put(lsn: number, type: number, payload: Uint8Array): void {
    const bytes = aligned(HEADER_BYTES + payload.length);
    if (Math.max(bytes, this.#slabBytes) + ENTRY_BYTES > this.#capacityBytes) return;
    const number = this.#slabWith(bytes);
    const slab = this.#slabs[number];
    if (slab === undefined) throw new Error(`slab ${number} is not there`);
    const at = slab.used;
    slab.used += bytes;
    slab.view.setFloat64(at, lsn, true);
    slab.view.setUint32(at + 8, payload.length, true);
    slab.view.setUint32(at + 12, type, true);
    slab.bytes.set(payload, at + HEADER_BYTES);
    this.#places.set(lsn, this.#placeOf(number, at));
  }

  clear(): void {
    this.#places.clear();
    this.#slabs.length = 0;
    this.#order = [];
    this.#slabTotal = 0;
  }

  #locate(place: number): { slab: Slab; at: number } {
    const position = place * ALIGNMENT;
    const number = Math.floor(position / this.#slabBytes);
    const slab = this.#slabs[number];
    if (slab === undefined) throw new Error(`slab ${number} is not there`);
    return { slab, at: position - number * this.#slabBytes };
  }

  /** Number of a slab with room for `bytes` and one more entry within the capacity. */
  #slabWith(bytes: number): number {
    const newest = this.#order.at(-1);
    const slab = newest === undefined ? undefined : this.#slabs[newest];
    if (newest !== undefined && slab !== undefined && slab.used + bytes <= slab.bytes.length) {
      while (this.#order.length > 1 && this.#exceeds(ENTRY_BYTES)) this.#dropOldest();
      if (!this.#exceeds(ENTRY_BYTES)) return newest;
    }
    const size = Math.max(this.#slabBytes, bytes);
    while (this.#order.length > 0 && this.#exceeds(size + ENTRY_BYTES)) this.#dropOldest();
    return this.#addSlab(size);
  }

  #exceeds(more: number): boolean {
    return this.bytes + more > this.#capacityBytes;
  }

  #addSlab(size: number): number {
    const bytes = Buffer.allocUnsafeSlow(size);
    const slab = { bytes, view: new DataView(bytes.buffer), sequence: ++this.#sequence, used: 0 };
    const free = this.#slabs.indexOf(undefined);
    const number = free < 0 ? this.#slabs.length : free;
    this.#slabs[number] = slab;
    this.#order.push(number);
    this.#slabTotal += size;
    return number;
  }

  #dropOldest(): void {
    const number = this.#order.shift() ?? -1;
    const slab = this.#slabs[number];
    if (slab === undefined) throw new Error('no slab is left to drop');
    for (let at = 0; at < slab.used; at += aligned(HEADER_BYTES + slab.view.getUint32(at + 8, true))) {
      const lsn = slab.view.getFloat64(at, true);
      // A record that was copied to a newer slab stays.
      if (this.#places.get(lsn) === this.#placeOf(number, at)) this.#places.delete(lsn);
    }
    this.#slabs[number] = undefined;
    this.#slabTotal -= slab.bytes.length;
  }

  #placeOf(number: number, at: number): number {
    return (number * this.#slabBytes + at) / ALIGNMENT;
  }
}

/** The texts of a payload. @throws PayloadError when it is not one of the store's */
export function decodeCached(type: number, payload: Uint8Array): CachedRecord {
  const { content, signatures } = splitPayload(payload);
  return { type, content: utf8(content), signatures: utf8(signatures) };
}

function utf8(bytes: Uint8Array): string {
  return bytes.length === 0 ? '' : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
