import { type Disk, DiskError, type DiskFile } from '../../../host/disk.ts';
import { crc32c } from '../../../wire/crc32c.ts';
import type { ClaimIndex } from './claimIndex.ts';
import { ID_BYTES, offset } from './columns.ts';
import type { Dictionary } from './dictionary.ts';

/**
 * A part: the rows of the index from one LSN to another, and the strings that they brought. A file of little-endian
 * numbers:
 *
 *   header, 64: magic "HFXPART1" 8, version 4, crc 4 (over the header, itself as 0), journal id 16, first row 8, last row 8,
 *     names before 4, names 4, agents before 4, agents 4
 *   blocks: kind 4 (1 names, 2 agents, 3 rows), count 4, body length 4, crc 4 (over the three and the body), body
 *   body of strings: length 4 and UTF-8 of each; body of rows: column after column, the widest first
 *
 * Blocks of rows end at multiples of 65,536 rows, so that none crosses a chunk of the columns.
 */
const MAGIC = 'HFXPART1';
const VERSION = 1;
const HEADER_BYTES = 64;
const BLOCK_HEADER_BYTES = 16;
const BLOCK_ROWS = 65_536;
const BLOCK_STRING_BYTES = 1 << 20;
const BLOCK_BODY_BYTES_MAX = 1 << 26;
const ROW_BODY_BYTES = ID_BYTES + 2 * 8 + 6 * 4 + 2;

const BlockKind = { names: 1, agents: 2, rows: 3 } as const;

/** A part, as the manifest lists it. */
export interface PartInfo {
  readonly file: string;
  readonly first: number;
  readonly last: number;
  /** 0 for one written by a snapshot; one more for each merge. */
  readonly level: number;
  readonly bytes: number;
  /** Entries of the dictionaries when its last row was folded. */
  readonly names: number;
  readonly agents: number;
}

/** A part that cannot be used: its rows have to be folded from the log again. */
export class PartError extends Error {
  override readonly name = 'PartError';
}

/** What a part will hold, fixed at one moment: rows and strings only ever grow behind it. */
export interface PartRange {
  readonly first: number;
  readonly last: number;
  readonly namesBefore: number;
  readonly names: number;
  readonly agentsBefore: number;
  readonly agents: number;
}

/** File name of a part. */
export function partFile(first: number, last: number): string {
  const digits = (row: number) => row.toString(16).padStart(16, '0');
  return `part-${digits(first)}-${digits(last)}.idx`;
}

/**
 * Writes a part and makes it and its name durable. `beforeWrite` is awaited with the bytes of each write to come.
 * Returns the length of the file.
 */
export async function writePart(
  disk: Disk,
  directory: string,
  journalId: string,
  index: ClaimIndex,
  range: PartRange,
  beforeWrite: (bytes: number) => Promise<void>,
): Promise<number> {
  const file = await disk.open(`${directory}/${partFile(range.first, range.last)}`, { mode: 'create' });
  try {
    await file.truncate(0);
    let position = 0;
    for (const piece of pieces(journalId, index, range)) {
      await beforeWrite(piece.length);
      await file.write(position, [piece], { durable: false });
      position += piece.length;
    }
    await file.sync();
    await disk.syncDirectory(directory);
    return position;
  } finally {
    await file.close();
  }
}

function* pieces(journalId: string, index: ClaimIndex, range: PartRange): Generator<Uint8Array> {
  yield encodeHeader(journalId, range);
  yield* stringBlocks(BlockKind.names, index.names, range.namesBefore, range.names);
  yield* stringBlocks(BlockKind.agents, index.agents, range.agentsBefore, range.agents);
  for (let first = range.first; first <= range.last; ) {
    const last = Math.min(range.last, (Math.floor(first / BLOCK_ROWS) + 1) * BLOCK_ROWS - 1);
    yield encodeRows(index, first, last);
    first = last + 1;
  }
}

function encodeHeader(journalId: string, range: PartRange): Uint8Array {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(MAGIC, 0, 'latin1');
  header.writeUInt32LE(VERSION, 8);
  header.write(journalId, 16, 'hex');
  header.writeBigUInt64LE(BigInt(range.first), 32);
  header.writeBigUInt64LE(BigInt(range.last), 40);
  header.writeUInt32LE(range.namesBefore, 48);
  header.writeUInt32LE(range.names - range.namesBefore, 52);
  header.writeUInt32LE(range.agentsBefore, 56);
  header.writeUInt32LE(range.agents - range.agentsBefore, 60);
  header.writeUInt32LE(crc32c(header) >>> 0, 12);
  return header;
}

function* stringBlocks(kind: number, dictionary: Dictionary, before: number, to: number): Generator<Uint8Array> {
  let bodies: Buffer[] = [];
  let bytes = 0;
  for (let number = before + 1; number <= to; number++) {
    const text = Buffer.from(dictionary.text(number), 'utf8');
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    bodies.push(length, text);
    bytes += 4 + text.length;
    if (bytes < BLOCK_STRING_BYTES && number < to) continue;
    yield sealBlock(kind, bodies.length / 2, Buffer.concat([Buffer.alloc(BLOCK_HEADER_BYTES), ...bodies]));
    bodies = [];
    bytes = 0;
  }
}

function sealBlock(kind: number, count: number, block: Buffer): Buffer {
  block.writeUInt32LE(kind, 0);
  block.writeUInt32LE(count, 4);
  block.writeUInt32LE(block.length - BLOCK_HEADER_BYTES, 8);
  block.writeUInt32LE(blockCrc(block, block.subarray(BLOCK_HEADER_BYTES)), 12);
  return block;
}

/** CRC-32C of a block, but for the crc itself. */
function blockCrc(head: Uint8Array, body: Uint8Array): number {
  return crc32c(body, crc32c(head.subarray(0, 12))) >>> 0;
}

function encodeRows(index: ClaimIndex, first: number, last: number): Buffer {
  const count = last - first + 1;
  const block = Buffer.alloc(BLOCK_HEADER_BYTES + count * ROW_BODY_BYTES);
  const at = offset(first);
  let position = BLOCK_HEADER_BYTES;
  for (const { column, perRow } of storedColumns(index, first)) {
    const slice = column.subarray(at * perRow, (at + count) * perRow);
    block.set(new Uint8Array(slice.buffer, slice.byteOffset, slice.byteLength), position);
    position += slice.byteLength;
  }
  return sealBlock(BlockKind.rows, count, block);
}

/** The columns that a part stores, of the chunk of `row`; everything else is derived. */
function storedColumns(index: ClaimIndex, row: number) {
  const chunk = index.columns.chunk(row);
  return [
    { column: chunk.id, perRow: ID_BYTES },
    { column: chunk.timestamp, perRow: 1 },
    { column: chunk.object, perRow: 2 },
    { column: chunk.subject, perRow: 1 },
    { column: chunk.predicate, perRow: 1 },
    { column: chunk.agent, perRow: 1 },
    { column: chunk.millionths, perRow: 1 },
    { column: chunk.target, perRow: 1 },
    { column: chunk.epoch, perRow: 1 },
    { column: chunk.kind, perRow: 1 },
    { column: chunk.stage, perRow: 1 },
  ] as const;
}

/**
 * Reads a part into the index, whose rows must end just before it. When it fails, the rows before `index.rows` + 1 are
 * good, and folding the log from there on gives the rest.
 *
 * @throws PartError when the file is missing, unreadable or not what the manifest says
 */
export async function loadPart(
  disk: Disk,
  directory: string,
  journalId: string,
  part: PartInfo,
  index: ClaimIndex,
): Promise<void> {
  let file: DiskFile | undefined;
  try {
    file = await disk.open(`${directory}/${part.file}`, { mode: 'read' });
    await loadFrom(file, journalId, part, index);
  } catch (error) {
    if (error instanceof DiskError) throw new PartError(`${part.file}: ${error.message}`, { cause: error });
    throw error;
  } finally {
    await file?.close();
  }
}

async function loadFrom(file: DiskFile, journalId: string, part: PartInfo, index: ClaimIndex): Promise<void> {
  const header = await readExactly(file, 0, HEADER_BYTES);
  const range = decodeHeader(header, journalId, part);
  if (part.first !== index.rows + 1)
    throw new PartError(`${part.file}: begins at row ${part.first}, expected ${index.rows + 1}`);
  if (range.namesBefore !== index.names.size || range.agentsBefore !== index.agents.size) {
    throw new PartError(`${part.file}: its strings do not follow those of the parts before`);
  }
  // No more than the file can hold: the header may be intact and the file not.
  const rows = Math.min(part.last - part.first + 1, Math.floor((await file.size()) / ROW_BODY_BYTES));
  index.reserve(index.rows + rows);
  let position = HEADER_BYTES;
  while (index.rows < part.last) {
    const head = await readExactly(file, position, BLOCK_HEADER_BYTES);
    const bytes = head.readUInt32LE(8);
    if (bytes > BLOCK_BODY_BYTES_MAX) throw new PartError(`${part.file}: block of ${bytes} bytes at ${position}`);
    const body = await readExactly(file, position + BLOCK_HEADER_BYTES, bytes);
    if (blockCrc(head, body) !== head.readUInt32LE(12))
      throw new PartError(`${part.file}: checksum of the block at ${position}`);
    applyBlock(index, head.readUInt32LE(0), head.readUInt32LE(4), body, part);
    position += BLOCK_HEADER_BYTES + bytes;
  }
}

function decodeHeader(
  header: Buffer,
  journalId: string,
  part: PartInfo,
): { namesBefore: number; agentsBefore: number } {
  const crc = header.readUInt32LE(12);
  header.writeUInt32LE(0, 12);
  if (crc32c(header) >>> 0 !== crc) throw new PartError(`${part.file}: checksum of the header`);
  const found = `${header.toString('latin1', 0, 8)} version ${header.readUInt32LE(8)} of journal ${header.toString('hex', 16, 32)}`;
  const expected = `${MAGIC} version ${VERSION} of journal ${journalId}`;
  if (found !== expected) throw new PartError(`${part.file}: is ${found}, expected ${expected}`);
  if (Number(header.readBigUInt64LE(32)) !== part.first || Number(header.readBigUInt64LE(40)) !== part.last) {
    throw new PartError(`${part.file}: holds other rows than ${part.first} to ${part.last}`);
  }
  return { namesBefore: header.readUInt32LE(48), agentsBefore: header.readUInt32LE(56) };
}

function applyBlock(index: ClaimIndex, kind: number, count: number, body: Buffer, part: PartInfo): void {
  if (kind === BlockKind.names || kind === BlockKind.agents) {
    applyStrings(kind === BlockKind.names ? index.names : index.agents, count, body);
    return;
  }
  if (kind !== BlockKind.rows || count * ROW_BODY_BYTES !== body.length || index.rows + count > part.last) {
    throw new PartError(`${part.file}: block of kind ${kind} with ${count} entries in ${body.length} bytes`);
  }
  applyRows(index, count, body);
}

function applyStrings(dictionary: Dictionary, count: number, body: Buffer): void {
  let position = 0;
  for (let i = 0; i < count; i++) {
    const length = body.readUInt32LE(position);
    dictionary.intern(body.toString('utf8', position + 4, position + 4 + length));
    position += 4 + length;
  }
}

function applyRows(index: ClaimIndex, count: number, body: Buffer): void {
  const first = index.rows + 1;
  const last = index.rows + count;
  index.columns.grow(last);
  const at = offset(first);
  let position = 0;
  for (const { column, perRow } of storedColumns(index, first)) {
    const target = column.subarray(at * perRow, (at + count) * perRow);
    new Uint8Array(target.buffer, target.byteOffset, target.byteLength).set(
      body.subarray(position, position + target.byteLength),
    );
    position += target.byteLength;
  }
  index.link(first, last);
}

async function readExactly(file: DiskFile, position: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  const read = await file.read(position, buffer);
  if (read < bytes)
    throw new PartError(`${file.path}: ends at ${position + read}, expected at least ${position + bytes} bytes`);
  return buffer;
}
