import { crc32cAt } from '../../wire/crc32c.ts';
import {
  alignUp,
  type BatchHeader,
  batchHeaderBytes,
  encodeBatchHeader,
  pageBytes,
  recordHeaderBytes,
  viewOf,
} from './format.ts';
import type { Lsn, RecordIn, RecordOut } from './types.ts';

const prefixWords = new Int32Array(6);
const prefixBytes = new Uint8Array(prefixWords.buffer);

/** Checksum state of what a record's checksum covers before its payload. */
function prefixCrc(recordSalt: number, lsn: Lsn, stream: number, type: number, length: number): number {
  prefixWords[0] = recordSalt;
  prefixWords[1] = lsn | 0;
  prefixWords[2] = lsn / 4294967296;
  prefixWords[3] = stream;
  prefixWords[4] = type;
  prefixWords[5] = length;
  return crc32cAt(prefixWords, prefixBytes, 0, 24);
}

/** Bytes of a payload, in one piece or many. */
export function payloadBytes(payload: RecordIn['payload']): number {
  if (payload instanceof Uint8Array) return payload.length;
  let bytes = 0;
  for (const piece of payload) bytes += piece.length;
  return bytes;
}

/** Bytes that a record with this payload takes in a batch. */
export function recordBytes(payloadLength: number): number {
  return recordHeaderBytes + ((payloadLength + 7) & ~7);
}

/** What is known only when a batch is submitted. */
export type Submission = Pick<
  BatchHeader,
  'flags' | 'segmentId' | 'salt' | 'fileOffset' | 'durableLsn' | 'previousCrc' | 'wallMs' | 'incarnation'
>;

/**
 * The bytes of one batch while it fills: header space, then records laid out, numbered and checksummed as they come, so
 * that submitting costs one small checksum. Reused after its write has settled.
 */
export class BatchBuffer {
  #bytes: Uint8Array;
  #words: Int32Array;
  #view: DataView;
  #used = batchHeaderBytes;
  #recordsCrc = 0;
  #firstLsn: Lsn;
  #offsets = new Uint32Array(64);
  recordCount = 0;

  constructor(firstLsn: Lsn, capacityBytes = 65_536) {
    this.#bytes = new Uint8Array(alignUp(capacityBytes, pageBytes));
    this.#words = new Int32Array(this.#bytes.buffer);
    this.#view = viewOf(this.#bytes);
    this.#firstLsn = firstLsn;
  }

  get firstLsn(): Lsn {
    return this.#firstLsn;
  }

  /** LSN of the last record; `firstLsn − 1` when empty. */
  get lastLsn(): Lsn {
    return this.#firstLsn + this.recordCount - 1;
  }

  /** Header and records so far, without padding. */
  get usedBytes(): number {
    return this.#used;
  }

  get capacityBytes(): number {
    return this.#bytes.length;
  }

  /** Offset of record `index` from the start of the batch. */
  recordOffset(index: number): number {
    return this.#offsets[index] ?? 0;
  }

  /** Empties the buffer for another batch. */
  reset(firstLsn: Lsn): void {
    this.#used = batchHeaderBytes;
    this.#recordsCrc = 0;
    this.#firstLsn = firstLsn;
    this.recordCount = 0;
  }

  /** Appends one record with the next LSN. `lsnInCrc` is the LSN, but for a planted bug. */
  add(record: RecordIn, payloadLength: number, recordSalt: number, lsnInCrc: Lsn): void {
    const at = this.#used;
    const total = recordBytes(payloadLength);
    this.#reserve(at + total);
    const words = this.#words;
    const bytes = this.#bytes;
    const stream = record.stream ?? 0;
    const payloadAt = at + recordHeaderBytes;
    if (total > recordHeaderBytes) {
      // The padding of the last eight bytes: the buffer holds an older batch.
      words[(at + total - 8) >> 2] = 0;
      words[(at + total - 4) >> 2] = 0;
    }
    if (record.payload instanceof Uint8Array) {
      bytes.set(record.payload, payloadAt);
    } else {
      let to = payloadAt;
      for (const piece of record.payload) {
        bytes.set(piece, to);
        to += piece.length;
      }
    }
    const prefix = prefixCrc(recordSalt, lsnInCrc, stream, record.type, payloadLength);
    const w = at >> 2;
    words[w] = payloadLength;
    words[w + 1] = crc32cAt(words, bytes, payloadAt, payloadLength, prefix);
    words[w + 2] = stream;
    words[w + 3] = record.type;
    this.#recordsCrc = crc32cAt(words, bytes, at, recordHeaderBytes, this.#recordsCrc);
    if (this.recordCount === this.#offsets.length) {
      const grown = new Uint32Array(this.#offsets.length * 2);
      grown.set(this.#offsets);
      this.#offsets = grown;
    }
    this.#offsets[this.recordCount] = at;
    this.recordCount += 1;
    this.#used = at + total;
  }

  /** Writes the header and the padding; gives the bytes to write and the header's checksum. */
  finish(submission: Submission, alignment: number = pageBytes): { bytes: Uint8Array; headerCrc: number } {
    const total = alignUp(this.#used, alignment);
    this.#reserve(total);
    this.#bytes.fill(0, this.#used, total);
    const headerCrc = encodeBatchHeader(this.#view, 0, {
      ...submission,
      recordCount: this.recordCount,
      firstLsn: this.#firstLsn,
      bodyBytes: this.#used - batchHeaderBytes,
      recordsCrc: this.#recordsCrc,
    });
    return { bytes: this.#bytes.subarray(0, total), headerCrc };
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(alignUp(Math.max(bytes, this.#bytes.length * 2), pageBytes));
    grown.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = grown;
    this.#words = new Int32Array(grown.buffer);
    this.#view = viewOf(grown);
  }
}

/** A record of a batch that was read. */
export interface DecodedRecord {
  readonly record: RecordOut;
  /** Offset of the record's header from the start of the batch. */
  readonly offset: number;
}

/**
 * Checks every byte of a batch's records and gives them; a text that says what is wrong when one does not hold.
 * `bytes` begins with the batch header and is 4-aligned in memory, or is copied.
 */
export function decodeRecords(
  bytes: Uint8Array,
  header: BatchHeader,
  recordSalt: number,
  lsnInCrc: boolean,
): DecodedRecord[] | string {
  const end = batchHeaderBytes + header.bodyBytes;
  if (bytes.length < end) return `body of ${header.bodyBytes} bytes is cut short`;
  const aligned = (bytes.byteOffset & 3) === 0 ? bytes : bytes.slice(0, end);
  const words = new Int32Array(aligned.buffer, aligned.byteOffset, aligned.length >> 2);
  const records: DecodedRecord[] = [];
  let at = batchHeaderBytes;
  let recordsCrc = 0;
  for (let index = 0; index < header.recordCount; index++) {
    const lsn = header.firstLsn + index;
    if (at + recordHeaderBytes > end) return `record ${lsn} begins behind the body`;
    recordsCrc = crc32cAt(words, aligned, at, recordHeaderBytes, recordsCrc);
    const decoded = decodeRecord(words, aligned, at, end, lsn, recordSalt, lsnInCrc, header.wallMs);
    if (typeof decoded === 'string') return decoded;
    records.push({ record: decoded, offset: at });
    at += recordBytes(decoded.payload.length);
  }
  if (at !== end) return `records end at ${at}, the body at ${end}`;
  if (recordsCrc !== header.recordsCrc) return 'checksum over the record headers does not hold';
  return records;
}

/** One record at `at` (a multiple of 8) of 4-aligned bytes that go to `end`; a text that says what is wrong with it. */
export function decodeRecord(
  words: Int32Array,
  bytes: Uint8Array,
  at: number,
  end: number,
  lsn: Lsn,
  recordSalt: number,
  lsnInCrc: boolean,
  wallMs: number,
): RecordOut | string {
  const w = at >> 2;
  const length = (words[w] ?? 0) >>> 0;
  const crc = (words[w + 1] ?? 0) >>> 0;
  const stream = (words[w + 2] ?? 0) >>> 0;
  const type = words[w + 3] ?? 0;
  if (type < 0 || type > 255) return `reserved bytes of record ${lsn} are not 0`;
  const payloadAt = at + recordHeaderBytes;
  if (payloadAt + length > end) return `record ${lsn} of ${length} bytes goes beyond the body`;
  const prefix = prefixCrc(recordSalt, lsnInCrc ? lsn : 0, stream, type, length);
  if (crc32cAt(words, bytes, payloadAt, length, prefix) !== crc) return `checksum of record ${lsn} does not hold`;
  return { lsn, stream, type, wallMs, payload: bytes.subarray(payloadAt, payloadAt + length) };
}
