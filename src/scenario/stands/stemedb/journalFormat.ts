/**
 * The stand's own reader of the journal's bytes, written from the format and not from the engine's code: what it accepts
 * is what the format promises. Little-endian throughout.
 */
import { hash } from 'node:crypto';
import type { BatchSeen, LogRecord } from '../../../checkers/stemedb/evidence.ts';
import { crc32c } from '../../../wire/crc32c.ts';

export const headerBytes = 4096;
const batchHeaderBytes = 80;
const recordHeaderBytes = 16;
const witnessSlotBytes = 4096;
const witnessFields = 64;
const sealFlag = 1;
const remadeFlag = 4;

/** What the stand needs of a segment's header. */
export interface SegmentSeen {
  readonly journalId: string;
  readonly segmentId: number;
  readonly baseLsn: number;
  readonly salt: number;
  readonly recordSalt: number;
  readonly previousLastLsn: number;
  readonly previousBatchCrc: number;
}

/** A batch, and what links it to its neighbours. */
export interface ParsedBatch extends BatchSeen {
  readonly segmentId: number;
  readonly salt: number;
  readonly fileOffset: number;
  readonly previousCrc: number;
  readonly headerCrc: number;
  /** A seal that was lost and made again: what follows it carries the checksum of the lost one. */
  readonly remade: boolean;
  /** Bytes in the file, padding included. */
  readonly bytes: number;
  readonly records: readonly LogRecord[];
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function uint64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
}

function text(bytes: Uint8Array, at: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, length).toString('latin1');
}

function hex(bytes: Uint8Array, at: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, length).toString('hex');
}

/** The header of a segment: the first intact one of its two copies; undefined if there is none. */
export function readSegmentHeader(file: Uint8Array): SegmentSeen | undefined {
  for (const at of [0, 2048]) {
    if (file.length < at + 512 || text(file, at, 8) !== 'HFJSEG01') continue;
    const copy = file.slice(at, at + 512);
    const view = viewOf(copy);
    const sum = view.getUint32(12, true);
    copy.fill(0, 12, 16);
    if (crc32c(copy) !== sum) continue;
    return {
      journalId: hex(copy, 16, 16),
      segmentId: uint64(view, 32),
      baseLsn: uint64(view, 40),
      salt: view.getUint32(48, true),
      recordSalt: view.getUint32(52, true),
      previousLastLsn: uint64(view, 64),
      previousBatchCrc: view.getUint32(72, true),
    };
  }
  return undefined;
}

/** The intact header of a batch at this offset, whatever became of its body; undefined if there is none. */
export function readBatchHeader(file: Uint8Array, at: number): Omit<ParsedBatch, 'ids' | 'records'> | undefined {
  if (at + batchHeaderBytes > file.length || text(file, at, 4) !== 'HFJB') return undefined;
  const view = viewOf(file.subarray(at, at + batchHeaderBytes));
  const headerCrc = view.getUint32(76, true);
  if (crc32c(file.subarray(at, at + 76)) !== headerCrc || view.getUint32(60, true) !== 0) return undefined;
  const count = view.getUint32(20, true);
  const firstLsn = uint64(view, 32);
  return {
    segmentId: uint64(view, 8),
    salt: view.getUint32(16, true),
    fileOffset: uint64(view, 24),
    firstLsn,
    lastLsn: firstLsn + count - 1,
    durableLsn: uint64(view, 40),
    previousCrc: view.getUint32(52, true),
    wallMs: uint64(view, 64),
    headerCrc,
    bytes: Math.ceil((batchHeaderBytes + view.getUint32(48, true)) / headerBytes) * headerBytes,
    seal: (view.getUint16(6, true) & sealFlag) !== 0,
    remade: (view.getUint16(6, true) & remadeFlag) !== 0,
  };
}

/** The batch at this offset with its records, or why it is none. `recordSalt` is the segment header's. */
export function readBatch(file: Uint8Array, at: number, recordSalt: number): ParsedBatch | string {
  const header = readBatchHeader(file, at);
  if (header === undefined) return 'no intact batch header';
  const view = viewOf(file);
  const count = header.lastLsn - header.firstLsn + 1;
  const bodyEnd = at + batchHeaderBytes + view.getUint32(at + 48, true);
  if (bodyEnd > file.length) return 'body beyond the end of the file';
  const records: LogRecord[] = [];
  const heads = Buffer.alloc(count * recordHeaderBytes);
  let position = at + batchHeaderBytes;
  for (let index = 0; index < count; index++) {
    if (position + recordHeaderBytes > bodyEnd) return `record ${index} beyond the body`;
    heads.set(file.subarray(position, position + recordHeaderBytes), index * recordHeaderBytes);
    const lsn = header.firstLsn + index;
    const record = readRecord(file, position, bodyEnd, lsn, recordSalt);
    if (typeof record === 'string') return `record LSN ${lsn}: ${record}`;
    records.push(record.record);
    position = record.next;
  }
  if (position !== bodyEnd) return `the records end at ${position}, the body at ${bodyEnd}`;
  if (crc32c(heads) !== view.getUint32(at + 56, true)) return 'checksum over the record headers differs';
  return { ...header, ids: records.map((record) => record.id), records };
}

function readRecord(
  file: Uint8Array,
  at: number,
  end: number,
  lsn: number,
  recordSalt: number,
): { readonly record: LogRecord; readonly next: number } | string {
  const view = viewOf(file);
  const length = view.getUint32(at, true);
  const payloadAt = at + recordHeaderBytes;
  if (payloadAt + length > end) return 'length beyond the body';
  const stream = view.getUint32(at + 8, true);
  const type = view.getUint8(at + 12);
  // The checksum covers the journal, the LSN, stream, type, flags, reserved and length, then the payload.
  const covered = Buffer.alloc(24 + length);
  covered.writeUInt32LE(recordSalt, 0);
  covered.writeUInt32LE(lsn >>> 0, 4);
  covered.writeUInt32LE(Math.floor(lsn / 2 ** 32), 8);
  covered.writeUInt32LE(stream, 12);
  covered.writeUInt32LE(view.getUint32(at + 12, true), 16);
  covered.writeUInt32LE(length, 20);
  covered.set(file.subarray(payloadAt, payloadAt + length), 24);
  if (crc32c(covered) !== view.getUint32(at + 4, true)) return 'checksum differs';
  const payload = file.subarray(payloadAt, payloadAt + length);
  return {
    record: { lsn, type, stream, id: idOf(type, payload), sum: crc32c(payload) },
    next: payloadAt + Math.ceil(length / 8) * 8,
  };
}

/** SHA-256 of the content part of a store's payload; of another record, of all of it. */
function idOf(type: number, payload: Uint8Array): string {
  if (type >= 240 || payload.length < 4) return hash('sha256', payload, 'hex');
  const length = viewOf(payload).getUint32(0, true);
  return hash('sha256', payload.subarray(4, 4 + length), 'hex');
}

/** What the witness notes, by its newest intact slot. */
export interface WitnessSeen {
  readonly journalId: string;
  readonly sequence: number;
  readonly lastLsn: number;
}

/** The newest intact slot of a ring; undefined if there is none. */
export function readWitness(file: Uint8Array): WitnessSeen | undefined {
  let newest: WitnessSeen | undefined;
  for (let at = 0; at + witnessSlotBytes <= file.length; at += witnessSlotBytes) {
    if (text(file, at, 4) !== 'HFJW') continue;
    const view = viewOf(file.subarray(at, at + witnessSlotBytes));
    if (crc32c(file.subarray(at, at + witnessFields)) !== view.getUint32(witnessFields, true)) continue;
    const sequence = uint64(view, 8);
    if (newest === undefined || sequence > newest.sequence) {
      newest = { journalId: hex(file, at + 16, 16), sequence, lastLsn: uint64(view, 48) };
    }
  }
  return newest;
}
