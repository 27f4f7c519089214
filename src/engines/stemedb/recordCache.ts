import { splitPayload } from './records.ts';

/** A record as readers get it: the canonical texts. */
export interface CachedRecord {
  readonly type: number;
  readonly content: string;
  readonly signatures: string;
}

/** Before each payload: LSN 8 (a double), length 4, type 4. */
const HEADER_BYTES = 16;
const CHUNK_BYTES_MAX = 1 << 20;
/** A ring has at least so many chunks, so that beginning one anew forgets little. */
const CHUNKS_MIN = 8;
/** The table has a slot for each so many bytes of the cache: a payload and its header are seldom smaller. */
const BYTES_PER_SLOT = 128;
const SLOT_BYTES = 8;
/** Slots that an LSN may use: of two records the one that was written or read longer ago goes. */
const WAYS = 2;

interface Chunk {
  readonly bytes: Buffer;
  readonly view: DataView;
}

/**
 * Payloads by LSN in a ring of bytes. A store that is written to puts every record here: as objects of their own they
 * would be what the garbage collector is busy with, and in a map what it forgets would cost more than what it keeps.
 * Writing goes round; what it comes upon is forgotten, but for records that were read in the meantime: one that is read
 * in the older half of the ring is copied to the newer end.
 */
export class RecordCache {
  readonly #chunkBytes: number;
  /** Made when first written to. */
  readonly #chunks: (Chunk | undefined)[];
  /** Two slots by the low bits of the LSN: position of the header + 1; 0 is none. LSNs in a row spread evenly. */
  readonly #table: Float64Array;
  readonly #mask: number;
  /** Where the next record goes. Positions only grow; the chunk of one is `position / chunkBytes`, modulo their number. */
  #end = 0;
  #bytes: number;

  /** @param capacityBytes table and payloads together */
  constructor(capacityBytes: number) {
    const sets = powerOfTwoUpTo(capacityBytes / BYTES_PER_SLOT / WAYS);
    const room = Math.max(0, capacityBytes - sets * WAYS * SLOT_BYTES);
    this.#chunkBytes = Math.min(CHUNK_BYTES_MAX, aligned(Math.floor(room / CHUNKS_MIN)));
    const chunks = this.#chunkBytes === 0 ? 0 : Math.floor(room / this.#chunkBytes);
    this.#chunks = Array.from({ length: chunks }, () => undefined);
    this.#table = new Float64Array(chunks === 0 ? 0 : sets * WAYS);
    this.#mask = sets - 1;
    this.#bytes = this.#table.byteLength;
  }

  /** The memory held; never above the capacity. */
  get bytes(): number {
    return this.#bytes;
  }

  get(lsn: number): CachedRecord | undefined {
    const slot = (lsn & this.#mask) * WAYS;
    const one = this.#table[slot] ?? 0;
    const other = this.#table[slot + 1] ?? 0;
    // A record that was copied may be in both: the newer one first.
    return this.#readAt(Math.max(one, other) - 1, lsn) ?? this.#readAt(Math.min(one, other) - 1, lsn);
  }

  #readAt(position: number, lsn: number): CachedRecord | undefined {
    if (position < 0 || position < this.#oldest()) return undefined;
    const chunk = this.#chunks[this.#chunkAt(position)];
    if (chunk === undefined) throw new Error(`position ${position} of the record cache was never written`);
    const at = position % this.#chunkBytes;
    // Another record has the slot.
    if (chunk.view.getFloat64(at, true) !== lsn) return undefined;
    const begin = at + HEADER_BYTES;
    const payload = chunk.bytes.subarray(begin, begin + chunk.view.getUint32(at + 8, true));
    const type = chunk.view.getUint32(at + 12, true);
    const record = decodeCached(type, payload);
    if (this.#end - position > (this.#chunks.length * this.#chunkBytes) / 2) this.put(lsn, type, payload);
    return record;
  }

  /** Keeps a copy of a payload; one that is larger than a chunk is not kept. */
  put(lsn: number, type: number, payload: Uint8Array): void {
    const bytes = aligned(HEADER_BYTES + payload.length);
    if (bytes > this.#chunkBytes) return;
    if ((this.#end % this.#chunkBytes) + bytes > this.#chunkBytes) {
      this.#end = (Math.floor(this.#end / this.#chunkBytes) + 1) * this.#chunkBytes;
    }
    const chunk = this.#chunkToWrite();
    const at = this.#end % this.#chunkBytes;
    // First the payload: that of a record which is copied may lie in the chunk that is begun anew.
    chunk.bytes.set(payload, at + HEADER_BYTES);
    chunk.view.setFloat64(at, lsn, true);
    chunk.view.setUint32(at + 8, payload.length, true);
    chunk.view.setUint32(at + 12, type, true);
    const slot = (lsn & this.#mask) * WAYS;
    const isOlder = (this.#table[slot + 1] ?? 0) < (this.#table[slot] ?? 0);
    this.#table[isOlder ? slot + 1 : slot] = this.#end + 1;
    this.#end += bytes;
  }

  clear(): void {
    this.#table.fill(0);
    this.#chunks.fill(undefined);
    this.#end = 0;
    this.#bytes = this.#table.byteLength;
  }

  /** Positions before this one have been written over, or will be next. */
  #oldest(): number {
    const newest = Math.floor(Math.max(0, this.#end - 1) / this.#chunkBytes);
    return Math.max(0, newest - this.#chunks.length + 1) * this.#chunkBytes;
  }

  #chunkAt(position: number): number {
    return Math.floor(position / this.#chunkBytes) % this.#chunks.length;
  }

  #chunkToWrite(): Chunk {
    const number = this.#chunkAt(this.#end);
    const present = this.#chunks[number];
    if (present !== undefined) return present;
    const bytes = Buffer.allocUnsafeSlow(this.#chunkBytes);
    const chunk = { bytes, view: new DataView(bytes.buffer) };
    this.#chunks[number] = chunk;
    this.#bytes += this.#chunkBytes;
    return chunk;
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

/** A multiple of 8: the header's double is read where it lies. */
function aligned(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

/** The highest power of two that is not above `most`, at least 1. */
function powerOfTwoUpTo(most: number): number {
  let power = 1;
  while (power * 2 <= most) power *= 2;
  return power;
}
