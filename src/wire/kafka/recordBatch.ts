/**
 * RecordBatch v2 (Kafka's message format, KIP-98): 61 bytes of header, then records. The CRC covers everything from the
 * attributes on, so the leader can stamp base offset and leader epoch without touching it.
 *
 * | offset | field | offset | field |
 * |---|---|---|---|
 * | 0 | i64 base offset | 27 | i64 base timestamp |
 * | 8 | i32 length of what follows | 35 | i64 max timestamp |
 * | 12 | i32 leader epoch | 43 | i64 producer id |
 * | 16 | i8 magic | 51 | i16 producer epoch |
 * | 17 | u32 CRC-32C | 53 | i32 base sequence |
 * | 21 | i16 attributes | 57 | i32 number of records |
 * | 23 | i32 last offset delta | 61 | records |
 */
import { crc32c } from '../crc32c.ts';
import { kafkaErrors } from './errors.ts';

export const batchHeaderBytes = 61;
/** What the length field does not count. */
export const batchOverheadBytes = 12;
const crcFrom = 21;

/** Compression of the records, by its number. */
export const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
export type Codec = (typeof codecs)[number];

/** Bits of the attributes. */
export const attributeBits = { codec: 0x07, logAppendTime: 0x08, transactional: 0x10, control: 0x20 } as const;
/** Bits that a producer may set: the rest is reserved, or a follower's (0x40, the delete horizon). */
const knownAttributeBits = 0x7f;

/** The header of a batch, all fields. */
export interface BatchHeader {
  readonly baseOffset: number;
  /** Bytes after this field; the whole batch has `batchOverheadBytes` more. */
  readonly batchLength: number;
  readonly partitionLeaderEpoch: number;
  readonly magic: number;
  readonly crc: number;
  readonly attributes: number;
  readonly lastOffsetDelta: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
}

function int32At(bytes: Uint8Array, at: number): number {
  // Callers checked that the header is there.
  return (
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  );
}

function int16At(bytes: Uint8Array, at: number): number {
  return (((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16)) >> 16; // as above
}

function int64At(bytes: Uint8Array, at: number): number {
  return int32At(bytes, at) * 4_294_967_296 + (int32At(bytes, at + 4) >>> 0);
}

function setInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 24;
  bytes[at + 1] = value >> 16;
  bytes[at + 2] = value >> 8;
  bytes[at + 3] = value;
}

function setInt64(bytes: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / 4_294_967_296);
  setInt32(bytes, at, high | 0);
  setInt32(bytes, at + 4, (value - high * 4_294_967_296) | 0);
}

/** Reads the header of the batch at `at`. Throws `RangeError` when fewer than 61 bytes are there. */
export function readBatchHeader(bytes: Uint8Array, at = 0): BatchHeader {
  if (bytes.length - at < batchHeaderBytes) {
    throw new RangeError(`record batch: expected a header of ${batchHeaderBytes} bytes, got ${bytes.length - at}`);
  }
  return {
    baseOffset: int64At(bytes, at),
    batchLength: int32At(bytes, at + 8),
    partitionLeaderEpoch: int32At(bytes, at + 12),
    magic: ((bytes[at + 16] as number) << 24) >> 24, // inside the header, as all below
    crc: int32At(bytes, at + 17) >>> 0,
    attributes: int16At(bytes, at + 21),
    lastOffsetDelta: int32At(bytes, at + 23),
    baseTimestamp: int64At(bytes, at + 27),
    maxTimestamp: int64At(bytes, at + 35),
    producerId: int64At(bytes, at + 43),
    producerEpoch: int16At(bytes, at + 51),
    baseSequence: int32At(bytes, at + 53),
    recordCount: int32At(bytes, at + 57),
  };
}

/** Bytes of the batch at `at`, header included; undefined when not even its length is there. Not checked against the bytes. */
export function batchBytesAt(bytes: Uint8Array, at = 0): number | undefined {
  return bytes.length - at < batchOverheadBytes ? undefined : int32At(bytes, at + 8) + batchOverheadBytes;
}

/** Compression of the records; undefined for the numbers that mean none (5 to 7). */
export function codecOf(header: BatchHeader): Codec | undefined {
  return codecs[header.attributes & attributeBits.codec];
}

export function isTransactional(header: BatchHeader): boolean {
  return (header.attributes & attributeBits.transactional) !== 0;
}

/** True for a batch that holds a transaction's end, not records of a client. */
export function isControl(header: BatchHeader): boolean {
  return (header.attributes & attributeBits.control) !== 0;
}

/** Writes what the leader decides, in place. Both fields lie outside the CRC. */
export function stampBatch(bytes: Uint8Array, baseOffset: number, leaderEpoch: number): void {
  if (!Number.isSafeInteger(baseOffset) || baseOffset < 0) throw new RangeError(`not an offset: ${baseOffset}`);
  if ((leaderEpoch | 0) !== leaderEpoch) throw new RangeError(`not a leader epoch: ${leaderEpoch}`);
  setInt64(bytes, 0, baseOffset);
  setInt32(bytes, 12, leaderEpoch);
}

/** Sets the time of appending for the whole batch, in place; the CRC changes with it. */
export function stampAppendTime(bytes: Uint8Array, timeMs: number): void {
  const attributes = int16At(bytes, 21) | attributeBits.logAppendTime;
  bytes[21] = attributes >> 8;
  bytes[22] = attributes;
  setInt64(bytes, 35, timeMs);
  setInt32(bytes, 17, crc32c(bytes.subarray(crcFrom)) | 0);
}

/** CRC-32C as it should stand in the header of a whole batch. */
export function batchCrc(bytes: Uint8Array): number {
  return crc32c(bytes.subarray(crcFrom));
}

/** What is wrong with a batch, with Kafka's number for it: 2 for the CRC, 87 for the rest, 76 for an unknown compression. */
export interface BatchDefect {
  readonly errorCode: number;
  readonly why: string;
}

/**
 * Checks that `bytes` is exactly one sound batch: magic, length, attributes, counts, CRC. What the records themselves hold is
 * `recordsDefect`'s. Undefined when nothing is wrong.
 */
export function batchDefect(bytes: Uint8Array): BatchDefect | undefined {
  const invalid = (why: string): BatchDefect => ({ errorCode: kafkaErrors.INVALID_RECORD, why });
  if (bytes.length < batchHeaderBytes) {
    return invalid(`expected a batch of ${batchHeaderBytes} bytes at least, got ${bytes.length}`);
  }
  const header = readBatchHeader(bytes);
  if (header.magic !== 2) return invalid(`expected a batch of magic 2, got ${header.magic}`);
  const expected = bytes.length - batchOverheadBytes;
  if (header.batchLength !== expected) {
    return invalid(`expected one batch of length ${expected}, got a length of ${header.batchLength}`);
  }
  if (batchCrc(bytes) !== header.crc) {
    return { errorCode: kafkaErrors.CORRUPT_MESSAGE, why: `CRC: expected ${header.crc}, got ${batchCrc(bytes)}` };
  }
  if ((header.attributes & ~knownAttributeBits) !== 0) return invalid(`unknown attributes: ${header.attributes}`);
  if (codecOf(header) === undefined) {
    return {
      errorCode: kafkaErrors.UNSUPPORTED_COMPRESSION_TYPE,
      why: `unknown compression: ${header.attributes & attributeBits.codec}`,
    };
  }
  if (header.recordCount < 1) return invalid(`expected records, got a count of ${header.recordCount}`);
  if (header.lastOffsetDelta !== header.recordCount - 1) {
    return invalid(`${header.recordCount} records cannot have a last offset delta of ${header.lastOffsetDelta}`);
  }
  return undefined;
}

/** Writes length and CRC of a batch whose other fields are in place. */
export function sealBatch(bytes: Uint8Array): void {
  setInt32(bytes, 8, bytes.length - batchOverheadBytes);
  setInt32(bytes, 17, batchCrc(bytes) | 0);
}

/** Fields of a new batch's header; length and CRC are computed. */
export type BatchFields = Omit<BatchHeader, 'batchLength' | 'magic' | 'crc'>;

/** Writes a header of magic 2 into the first 61 bytes and seals the batch. */
export function writeBatchHeader(bytes: Uint8Array, fields: BatchFields): void {
  setInt64(bytes, 0, fields.baseOffset);
  setInt32(bytes, 12, fields.partitionLeaderEpoch);
  bytes[16] = 2;
  bytes[21] = fields.attributes >> 8;
  bytes[22] = fields.attributes;
  setInt32(bytes, 23, fields.lastOffsetDelta);
  setInt64(bytes, 27, fields.baseTimestamp);
  setInt64(bytes, 35, fields.maxTimestamp);
  setInt64(bytes, 43, fields.producerId);
  bytes[51] = fields.producerEpoch >> 8;
  bytes[52] = fields.producerEpoch;
  setInt32(bytes, 53, fields.baseSequence);
  setInt32(bytes, 57, fields.recordCount);
  sealBatch(bytes);
}
