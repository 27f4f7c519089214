/** The records inside an uncompressed RecordBatch v2: walking and building them. */

import {
  attributeBits,
  type BatchHeader,
  batchHeaderBytes,
  codecOf,
  readBatchHeader,
  writeBatchHeader,
} from './recordBatch.ts';
import { KafkaCodecError } from './schema/error.ts';

/** A name and bytes beside a record's value. */
export interface RecordHeader {
  readonly key: string;
  readonly value: Uint8Array | null;
}

/** A record as it is read. Keys and values are views of the batch. */
export interface KafkaRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
}

/** A record to be written. */
export interface RecordInput {
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly key?: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: readonly RecordHeader[];
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();
const noHeaders: readonly RecordHeader[] = Object.freeze([]);

/** Reads signed base-128 numbers. */
class Cursor {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  error(why: string): KafkaCodecError {
    return new KafkaCodecError(why, 'records', this.at, 'RecordBatch');
  }

  byte(): number {
    const byte = this.bytes[this.at];
    if (byte === undefined) throw this.error('the batch ends inside of a record');
    this.at += 1;
    return byte;
  }

  /** Zigzag of at most 32 bits. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value |= (byte & 127) << shift;
      if (byte < 128) return (value >>> 1) ^ -(value & 1);
    }
    throw this.error('expected a number of at most 32 bits');
  }

  /** Zigzag of at most 64 bits; rounded beyond 2^53. */
  varlong(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count++) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      scale *= 128;
    }
    throw this.error('expected a number of at most 64 bits');
  }

  /** Bytes behind their length; null for -1. */
  sized(): Uint8Array | null {
    const length = this.varint();
    if (length === -1) return null;
    return this.take(length);
  }

  take(length: number): Uint8Array {
    if (length < 0 || length > this.bytes.length - this.at) {
      throw this.error(`${length} bytes cannot lie in the ${this.bytes.length - this.at} that are left`);
    }
    const view = this.bytes.subarray(this.at, this.at + length);
    this.at += length;
    return view;
  }
}

function readHeaders(cursor: Cursor): readonly RecordHeader[] {
  const count = cursor.varint();
  if (count === 0) return noHeaders;
  // A header has two bytes at least.
  if (count < 0 || count * 2 > cursor.bytes.length - cursor.at) throw cursor.error(`a record of ${count} headers`);
  const headers: RecordHeader[] = [];
  for (let i = 0; i < count; i++) {
    const key = cursor.sized();
    if (key === null) throw cursor.error('the key of a header is null');
    let name: string;
    try {
      name = utf8.decode(key);
    } catch {
      throw cursor.error('expected the key of a header in UTF-8');
    }
    headers.push({ key: name, value: cursor.sized() });
  }
  return headers;
}

/**
 * Calls `visit` with each record of a whole, uncompressed batch. Throws `KafkaCodecError` where the records are not what the
 * header says: a count that is off, bytes left over, lengths that do not fit, offsets that are not 0, 1, 2 ….
 */
export function walkRecords(bytes: Uint8Array, visit: (record: KafkaRecord) => void): void {
  const header = readBatchHeader(bytes);
  const cursor = new Cursor(bytes, batchHeaderBytes);
  const codec = codecOf(header);
  if (codec !== 'none') throw cursor.error(`expected plain records, got ${codec ?? 'an unknown compression'}`);
  const hasAppendTime = (header.attributes & attributeBits.logAppendTime) !== 0;
  let before = -1;
  for (let i = 0; i < header.recordCount; i++) {
    const length = cursor.varint();
    const end = cursor.at + length;
    if (length < 0 || end > bytes.length) throw cursor.error(`a record of ${length} bytes goes past the batch`);
    cursor.byte();
    const timestamp = header.baseTimestamp + cursor.varlong();
    const delta = cursor.varint();
    if (delta <= before || delta > header.lastOffsetDelta) {
      throw cursor.error(`expected an offset delta in ${before + 1}..${header.lastOffsetDelta}, got ${delta}`);
    }
    before = delta;
    const key = cursor.sized();
    const value = cursor.sized();
    const headers = readHeaders(cursor);
    if (cursor.at !== end)
      throw cursor.error(`a record ends at byte ${end} by its length, at ${cursor.at} by its fields`);
    visit({
      offset: header.baseOffset + delta,
      timestamp: hasAppendTime ? header.maxTimestamp : timestamp,
      key,
      value,
      headers,
    });
  }
  if (cursor.at !== bytes.length) throw cursor.error(`${bytes.length - cursor.at} bytes follow the last record`);
}

/** The records of a whole, uncompressed batch. Throws as `walkRecords`. */
export function readRecords(bytes: Uint8Array): KafkaRecord[] {
  const records: KafkaRecord[] = [];
  walkRecords(bytes, (record) => records.push(record));
  return records;
}

/** Why the records of an uncompressed batch are not sound; undefined when they are. */
export function recordsDefect(bytes: Uint8Array): string | undefined {
  try {
    walkRecords(bytes, () => undefined);
    return undefined;
  } catch (error) {
    if (error instanceof KafkaCodecError) return error.message;
    throw error;
  }
}

function varintBytes(zigzag: number): number {
  let count = 1;
  for (let rest = zigzag; rest > 127; rest = Math.floor(rest / 128)) count += 1;
  return count;
}

/** Zigzag of a safe integer. */
function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}

/** Writes into bytes of the right length. */
class Sink {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  number(value: number): void {
    let rest = zigzag(value);
    while (rest > 127) {
      this.bytes[this.at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.bytes[this.at++] = rest;
  }

  byte(value: number): void {
    this.bytes[this.at++] = value;
  }

  sized(bytes: Uint8Array | null): void {
    if (bytes === null) {
      this.number(-1);
      return;
    }
    this.number(bytes.length);
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }
}

function sizedBytes(bytes: Uint8Array | null): number {
  return bytes === null ? 1 : varintBytes(zigzag(bytes.length)) + bytes.length;
}

/** What a new batch says of its producer. Defaults: none (-1), not transactional. */
export interface BatchOptions {
  readonly baseOffset?: number;
  readonly leaderEpoch?: number;
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  readonly isTransactional?: boolean;
  readonly isControl?: boolean;
}

/** Builds an uncompressed batch of at least one record. Times must be safe integers. */
export function buildBatch(records: readonly RecordInput[], options: BatchOptions = {}): Uint8Array {
  const first = records[0];
  if (first === undefined) throw new RangeError('a batch holds at least one record');
  let maxTimestamp = first.timestamp;
  let total = batchHeaderBytes;
  const measured = records.map((record, delta) => {
    if (!Number.isSafeInteger(record.timestamp)) {
      throw new RangeError(`not a time in milliseconds: ${record.timestamp}`);
    }
    maxTimestamp = Math.max(maxTimestamp, record.timestamp);
    const headers = (record.headers ?? []).map(({ key: name, value }) => ({ name: encoder.encode(name), value }));
    const timestampDelta = record.timestamp - first.timestamp;
    let length = 1 + varintBytes(zigzag(timestampDelta)) + varintBytes(zigzag(delta));
    length += sizedBytes(record.key ?? null) + sizedBytes(record.value) + varintBytes(zigzag(headers.length));
    for (const { name, value } of headers) length += sizedBytes(name) + sizedBytes(value);
    total += varintBytes(zigzag(length)) + length;
    return { record, headers, timestampDelta, length };
  });
  const bytes = new Uint8Array(total);
  const sink = new Sink(bytes, batchHeaderBytes);
  measured.forEach(({ record, headers, timestampDelta, length }, delta) => {
    sink.number(length);
    sink.byte(0);
    sink.number(timestampDelta);
    sink.number(delta);
    sink.sized(record.key ?? null);
    sink.sized(record.value);
    sink.number(headers.length);
    for (const { name, value } of headers) {
      sink.sized(name);
      sink.sized(value);
    }
  });
  if (sink.at !== total) throw new Error(`a batch of ${total} bytes was measured, ${sink.at} were written`);
  writeBatchHeader(bytes, {
    baseOffset: options.baseOffset ?? 0,
    partitionLeaderEpoch: options.leaderEpoch ?? -1,
    attributes:
      (options.isTransactional ? attributeBits.transactional : 0) | (options.isControl ? attributeBits.control : 0),
    lastOffsetDelta: records.length - 1,
    baseTimestamp: first.timestamp,
    maxTimestamp,
    producerId: options.producerId ?? -1,
    producerEpoch: options.producerEpoch ?? -1,
    baseSequence: options.baseSequence ?? -1,
    recordCount: records.length,
  });
  return bytes;
}

/** The end of a transaction in a partition. */
export interface Marker {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly commit: boolean;
  /** Epoch of the coordinator that decided. */
  readonly coordinatorEpoch: number;
}

/** Builds the control batch of a marker: key {version, type}, value {version, coordinator epoch}, each of big-endian 16 and 32 bits. */
export function buildMarker(marker: Marker, timestamp: number): Uint8Array {
  const key = new Uint8Array(4);
  key[3] = marker.commit ? 1 : 0;
  const value = new Uint8Array(6);
  new DataView(value.buffer).setInt32(2, marker.coordinatorEpoch);
  return buildBatch([{ timestamp, key, value }], {
    producerId: marker.producerId,
    producerEpoch: marker.producerEpoch,
    isTransactional: true,
    isControl: true,
  });
}

/** Reads a control batch. Undefined when it is one of another kind than a transaction's end. Throws `KafkaCodecError` when it is none. */
export function readMarker(bytes: Uint8Array, header: BatchHeader = readBatchHeader(bytes)): Marker | undefined {
  let marker: Marker | undefined;
  walkRecords(bytes, ({ key, value }) => {
    if (key === null || key.length < 4)
      throw new KafkaCodecError('a control record without its type', 'key', 0, 'Marker');
    const type = new DataView(key.buffer, key.byteOffset, 4).getInt16(2);
    if (type !== 0 && type !== 1) return;
    if (value === null || value.length < 6)
      throw new KafkaCodecError('a marker without its epoch', 'value', 0, 'Marker');
    marker = {
      producerId: header.producerId,
      producerEpoch: header.producerEpoch,
      commit: type === 1,
      coordinatorEpoch: new DataView(value.buffer, value.byteOffset, 6).getInt32(2),
    };
  });
  return marker;
}
