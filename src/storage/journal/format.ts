import { crc32c } from '../../wire/crc32c.ts';
import type { Lsn } from './types.ts';

/**
 * Headers of segments, batches and records to bytes and back. Everything is little-endian; reserved bytes are 0.
 *
 * ```
 * segment header, 4096 B, two 512 B copies at 0 and 2048
 *   0 magic "HFJSEG01"  8 version u16  10 kind u8  11 alignLog2 u8  12 headerCrc u32  16 journalId 16 B  32 segmentId u64
 *   40 baseLsn u64  48 salt u32  52 recordSalt u32  56 segmentBytes u64  64 previousLastLsn u64  72 previousBatchCrc u32
 *   76 incarnation u32  80 createdWall u64  88 parentJournalId 16 B  104 parentLsn u64
 * batch header, 80 B
 *   0 magic "HFJB"  4 version u16  6 flags u16  8 segmentId u64  16 salt u32  20 recordCount u32  24 fileOffset u64
 *   32 firstLsn u64  40 durableLsn u64  48 bodyBytes u32  52 previousCrc u32  56 recordsCrc u32  60 reserved u32
 *   64 wallMs u64  72 incarnation u32  76 headerCrc u32
 * record, 8-aligned: 0 length u32  4 crc u32  8 stream u32  12 type u8  13 flags u8  14 reserved u16  16 payload
 * ```
 */

/** Page and sector of current drives: no batch touches a page that holds acknowledged bytes. */
export const pageBytes = 4096;
/** The smallest piece that a drive may fail to read. */
export const sectorBytes = 512;
export const segmentHeaderBytes = 4096;
export const batchHeaderBytes = 80;
export const recordHeaderBytes = 16;
export const formatVersion = 1;

/** Flags of a batch. */
export const BatchFlag = {
  /** Last batch of its segment. */
  seal: 1,
  /** In a pack. */
  packed: 2,
  /** Made again by a repair: the batch after it carries the checksum of the lost original. */
  remade: 4,
} as const;

export const SegmentKind = { log: 1, pack: 2 } as const;

/** First type that belongs to the journal. */
export const firstReservedType = 240;
/** A record that an operator declared lost; its payload is empty. */
export const lostRecordType = 240;

export interface SegmentHeader {
  readonly version: number;
  readonly kind: number;
  readonly alignLog2: number;
  /** 32 hex digits. */
  readonly journalId: string;
  readonly segmentId: number;
  readonly baseLsn: Lsn;
  readonly salt: number;
  readonly recordSalt: number;
  readonly segmentBytes: number;
  readonly previousLastLsn: Lsn;
  readonly previousBatchCrc: number;
  readonly incarnation: number;
  readonly createdWall: number;
  /** 32 hex digits, all 0 without a parent. */
  readonly parentJournalId: string;
  readonly parentLsn: Lsn;
}

export interface BatchHeader {
  readonly flags: number;
  readonly segmentId: number;
  readonly salt: number;
  readonly recordCount: number;
  readonly fileOffset: number;
  readonly firstLsn: Lsn;
  readonly durableLsn: Lsn;
  readonly bodyBytes: number;
  readonly previousCrc: number;
  readonly recordsCrc: number;
  readonly wallMs: number;
  readonly incarnation: number;
  readonly headerCrc: number;
}

const segmentMagic = new TextEncoder().encode('HFJSEG01');
/** "HFJB" as a little-endian word. */
export const batchMagic = 0x424a4648;
const copyBytes = 512;
const copyOffsets = [0, 2048] as const;
const noParent = '0'.repeat(32);

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function hexOf(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

export function bytesOfHex(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

export function setUint64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 4294967296, true);
  view.setUint32(at + 4, Math.floor(value / 4294967296), true);
}

/** Reads 64 bits; what is beyond the safe integers comes back as one that no comparison accepts. */
export function getUint64(view: DataView, at: number): number {
  const value = view.getUint32(at + 4, true) * 4294967296 + view.getUint32(at, true);
  return Math.min(value, Number.MAX_SAFE_INTEGER);
}

/** First four bytes of a journal's id: binds each record's checksum to the journal that wrote it. */
export function recordSaltOf(journalId: string): number {
  return viewOf(bytesOfHex(journalId)).getUint32(0, true);
}

/** Rounds up to a multiple of a power of two. */
export function alignUp(bytes: number, alignment: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}

/** Name of a segment's file: the id in 8 decimal digits. */
export function segmentFileName(id: number): string {
  return `segment-${String(id).padStart(8, '0')}.wal`;
}

/** Id of a segment by its file name; undefined for any other name. */
export function segmentIdOf(name: string): number | undefined {
  const match = /^segment-(\d{8,15})\.wal$/.exec(name);
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

/** The 4096 bytes of a segment header. */
export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const all = new Uint8Array(segmentHeaderBytes);
  const copy = all.subarray(0, copyBytes);
  const view = viewOf(copy);
  copy.set(segmentMagic, 0);
  view.setUint16(8, header.version, true);
  view.setUint8(10, header.kind);
  view.setUint8(11, header.alignLog2);
  copy.set(bytesOfHex(header.journalId), 16);
  setUint64(view, 32, header.segmentId);
  setUint64(view, 40, header.baseLsn);
  view.setUint32(48, header.salt, true);
  view.setUint32(52, header.recordSalt, true);
  setUint64(view, 56, header.segmentBytes);
  setUint64(view, 64, header.previousLastLsn);
  view.setUint32(72, header.previousBatchCrc, true);
  view.setUint32(76, header.incarnation, true);
  setUint64(view, 80, header.createdWall);
  copy.set(bytesOfHex(header.parentJournalId), 88);
  setUint64(view, 104, header.parentLsn);
  view.setUint32(12, crc32c(copy), true);
  all.set(copy, copyOffsets[1]);
  return all;
}

/** What a segment's first page says. */
export type HeaderVerdict =
  /** `damagedCopies`: how many of the two copies had to be passed over. */
  | { readonly kind: 'header'; readonly header: SegmentHeader; readonly damagedCopies: number }
  | { readonly kind: 'newer'; readonly version: number }
  /** No intact copy; `zero` if the page holds nothing at all. */
  | { readonly kind: 'unreadable'; readonly zero: boolean };

/** Reads the first page of a segment: the first of the two copies that is intact. */
export function decodeSegmentHeader(page: Uint8Array): HeaderVerdict {
  let damagedCopies = 0;
  for (const offset of copyOffsets) {
    const copy = page.subarray(offset, offset + copyBytes);
    const header = copy.length === copyBytes ? decodeCopy(copy) : undefined;
    if (typeof header === 'number') return { kind: 'newer', version: header };
    if (header !== undefined) return { kind: 'header', header, damagedCopies: offset === 0 ? secondIsBad(page) : 1 };
    damagedCopies += 1;
  }
  return { kind: 'unreadable', zero: damagedCopies === copyOffsets.length && page.every((byte) => byte === 0) };
}

function secondIsBad(page: Uint8Array): number {
  return typeof decodeCopy(page.subarray(copyOffsets[1], copyOffsets[1] + copyBytes)) === 'object' ? 0 : 1;
}

/** The header, the number of a version that is newer, or undefined when the copy is not intact. */
function decodeCopy(copy: Uint8Array): SegmentHeader | number | undefined {
  if (copy.length !== copyBytes || segmentMagic.some((byte, i) => copy[i] !== byte)) return undefined;
  const view = viewOf(copy);
  const zeroed = copy.slice();
  zeroed.fill(0, 12, 16);
  if (crc32c(zeroed) !== view.getUint32(12, true)) return undefined;
  const version = view.getUint16(8, true);
  if (version !== formatVersion) return version;
  if (copy.subarray(112).some((byte) => byte !== 0)) return undefined;
  return {
    version,
    kind: view.getUint8(10),
    alignLog2: view.getUint8(11),
    journalId: hexOf(copy.subarray(16, 32)),
    segmentId: getUint64(view, 32),
    baseLsn: getUint64(view, 40),
    salt: view.getUint32(48, true),
    recordSalt: view.getUint32(52, true),
    segmentBytes: getUint64(view, 56),
    previousLastLsn: getUint64(view, 64),
    previousBatchCrc: view.getUint32(72, true),
    incarnation: view.getUint32(76, true),
    createdWall: getUint64(view, 80),
    parentJournalId: hexOf(copy.subarray(88, 104)),
    parentLsn: getUint64(view, 104),
  };
}

/** A header for a new segment of a journal without a parent. */
export function newSegmentHeader(
  fields: Omit<SegmentHeader, 'version' | 'kind' | 'alignLog2' | 'recordSalt' | 'parentJournalId' | 'parentLsn'> &
    Partial<Pick<SegmentHeader, 'recordSalt' | 'parentJournalId' | 'parentLsn'>>,
): SegmentHeader {
  return {
    version: formatVersion,
    kind: SegmentKind.log,
    alignLog2: 12,
    recordSalt: recordSaltOf(fields.journalId),
    parentJournalId: noParent,
    parentLsn: 0,
    ...fields,
  };
}

/** Writes a batch header at `at` and returns its checksum. */
export function encodeBatchHeader(view: DataView, at: number, header: Omit<BatchHeader, 'headerCrc'>): number {
  view.setUint32(at, batchMagic, true);
  view.setUint16(at + 4, formatVersion, true);
  view.setUint16(at + 6, header.flags, true);
  setUint64(view, at + 8, header.segmentId);
  view.setUint32(at + 16, header.salt, true);
  view.setUint32(at + 20, header.recordCount, true);
  setUint64(view, at + 24, header.fileOffset);
  setUint64(view, at + 32, header.firstLsn);
  setUint64(view, at + 40, header.durableLsn);
  view.setUint32(at + 48, header.bodyBytes, true);
  view.setUint32(at + 52, header.previousCrc, true);
  view.setUint32(at + 56, header.recordsCrc, true);
  view.setUint32(at + 60, 0, true);
  setUint64(view, at + 64, header.wallMs);
  view.setUint32(at + 72, header.incarnation, true);
  const headerCrc = crc32c(new Uint8Array(view.buffer, view.byteOffset + at, batchHeaderBytes - 4));
  view.setUint32(at + 76, headerCrc, true);
  return headerCrc;
}

/** The batch header at `at`, or undefined when its bytes are not an intact header. */
export function decodeBatchHeader(bytes: Uint8Array, at: number): BatchHeader | undefined {
  if (at + batchHeaderBytes > bytes.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, batchHeaderBytes);
  if (view.getUint32(0, true) !== batchMagic) return undefined;
  const headerCrc = view.getUint32(76, true);
  if (crc32c(bytes.subarray(at, at + batchHeaderBytes - 4)) !== headerCrc) return undefined;
  if (view.getUint16(4, true) !== formatVersion || view.getUint32(60, true) !== 0) return undefined;
  const flags = view.getUint16(6, true);
  if ((flags & ~(BatchFlag.seal | BatchFlag.packed | BatchFlag.remade)) !== 0) return undefined;
  return {
    flags,
    segmentId: getUint64(view, 8),
    salt: view.getUint32(16, true),
    recordCount: view.getUint32(20, true),
    fileOffset: getUint64(view, 24),
    firstLsn: getUint64(view, 32),
    durableLsn: getUint64(view, 40),
    bodyBytes: view.getUint32(48, true),
    previousCrc: view.getUint32(52, true),
    recordsCrc: view.getUint32(56, true),
    wallMs: getUint64(view, 64),
    incarnation: view.getUint32(72, true),
    headerCrc,
  };
}

/** Length of a batch in its file, padding included. */
export function batchBytesOf(header: BatchHeader, alignLog2: number): number {
  return alignUp(batchHeaderBytes + header.bodyBytes, 1 << alignLog2);
}
