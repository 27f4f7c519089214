import { createHash } from 'node:crypto';
import type { DiskFile } from '../../host/disk.ts';
import type { Host } from '../../host/host.ts';
import { crc32c } from '../../wire/crc32c.ts';
import { parentOf } from '../atomicFile.ts';
import { BatchBuffer, recordBytes } from './batch.ts';
import { type Context, closeQuietly } from './context.ts';
import { JournalError } from './errors.ts';
import {
  BatchFlag,
  encodeSegmentHeader,
  newSegmentHeader,
  type SegmentHeader,
  SegmentKind,
  setUint64,
  viewOf,
} from './format.ts';
import { openPack } from './packFile.ts';
import { footerTailBytes, packMagic } from './packFooter.ts';
import { scanSegment } from './scan.ts';
import type { LogSegment } from './segments.ts';
import type { Lsn, PackInfo, RecordOut } from './types.ts';

/** Most bytes of a batch in a pack, and the alignment of one. */
const packBatchBytes = 262_144;
const packAlignLog2 = 4;
/** What a pack takes over from the segment that its records come from. */
export type PackSource = Pick<
  SegmentHeader,
  'journalId' | 'recordSalt' | 'segmentId' | 'parentJournalId' | 'parentLsn'
>;

/** Name of the pack of these records: `<first>-<last>.seg`, 16 hex digits each. */
export function packFileName(first: Lsn, last: Lsn): string {
  return `${first.toString(16).padStart(16, '0')}-${last.toString(16).padStart(16, '0')}.seg`;
}

/**
 * Writes records, in LSN order without a gap, as one pack file: `<path>.tmp`, sync, rename, syncDirectory, and reads the
 * whole of it back. Records keep their bytes; batches are dense, of at most 256 KiB and one wall second each; the footer
 * has each record's offset and the SHA-256 of everything before the hash.
 */
export async function writePack(
  host: Host,
  directory: string,
  source: PackSource,
  records: AsyncIterable<readonly RecordOut[]>,
): Promise<PackInfo> {
  const temporary = `${directory}/${source.segmentId}-${source.journalId}.tmp`;
  const file = await host.disk.open(temporary, { mode: 'create' });
  let written: Omit<PackInfo, 'path'>;
  try {
    const writer = new PackWriter(host, file, source);
    for await (const group of records) for (const record of group) await writer.add(record);
    written = await writer.finish();
    await file.sync();
  } finally {
    await closeQuietly(file);
  }
  const path = `${directory}/${packFileName(written.first, written.last)}`;
  await host.disk.rename(temporary, path);
  await host.disk.syncDirectory(parentOf(path));
  const pack = await openPack(host, path, { uncached: true });
  try {
    const damage = await pack.verify();
    if (damage !== undefined) throw new JournalError('JournalIo', `${path} does not read as it was written: ${damage}`);
  } finally {
    await pack.close();
  }
  return { path, ...written };
}

class PackWriter {
  readonly #host: Host;
  readonly #file: DiskFile;
  readonly #source: PackSource;
  readonly #hash = createHash('sha256');
  readonly #salt: number;
  #offsets = new Uint32Array(1024);
  #count = 0;
  #at = 0;
  #batch: BatchBuffer | undefined;
  #batchWall = 0;
  #previousCrc = 0;
  #first: Lsn = 0;
  #firstWall = 0;
  #lastWall = 0;

  constructor(host: Host, file: DiskFile, source: PackSource) {
    this.#host = host;
    this.#file = file;
    this.#source = source;
    this.#salt = host.random.stream('journal-salt').uint32();
  }

  async add(record: RecordOut): Promise<void> {
    if (this.#count === 0) await this.#begin(record);
    const expected = this.#first + this.#count;
    if (record.lsn !== expected) {
      throw new JournalError('JournalIo', `record ${record.lsn} follows in a pack, expected ${expected}`);
    }
    const bytes = recordBytes(record.payload.length);
    const second = Math.floor(record.wallMs / 1000);
    const limit = this.#host.telemetry.buggify('pack-tiny') ? 1 : packBatchBytes;
    const fits = this.#batch !== undefined && this.#batch.usedBytes + bytes <= limit;
    if (!fits || Math.floor(this.#batchWall / 1000) !== second) {
      await this.#flush();
      this.#batch ??= new BatchBuffer(record.lsn);
      this.#batch.reset(record.lsn);
      this.#batchWall = record.wallMs;
    }
    const batch = this.#batch;
    if (batch === undefined) throw new Error('a pack has a batch to fill');
    if (this.#count === this.#offsets.length) {
      const grown = new Uint32Array(this.#offsets.length * 2);
      grown.set(this.#offsets);
      this.#offsets = grown;
    }
    this.#offsets[this.#count] = this.#at + batch.usedBytes;
    batch.add(record, record.payload.length, this.#source.recordSalt, record.lsn);
    this.#count += 1;
    this.#lastWall = record.wallMs;
  }

  async #begin(record: RecordOut): Promise<void> {
    this.#first = record.lsn;
    this.#firstWall = record.wallMs;
    const header = encodeSegmentHeader({
      ...newSegmentHeader({
        ...this.#source,
        baseLsn: record.lsn,
        salt: this.#salt,
        segmentBytes: 0,
        previousLastLsn: record.lsn - 1,
        previousBatchCrc: 0,
        incarnation: this.#host.incarnation,
        createdWall: Math.max(0, Math.floor(this.#host.clock.wall())),
      }),
      kind: SegmentKind.pack,
      alignLog2: packAlignLog2,
    });
    await this.#write(header);
  }

  async #flush(): Promise<void> {
    const batch = this.#batch;
    if (batch === undefined || batch.recordCount === 0) return;
    const { bytes, headerCrc } = batch.finish(
      {
        flags: BatchFlag.packed,
        segmentId: this.#source.segmentId,
        salt: this.#salt,
        fileOffset: this.#at,
        durableLsn: batch.firstLsn - 1,
        previousCrc: this.#previousCrc,
        wallMs: this.#batchWall,
        incarnation: this.#host.incarnation,
      },
      1 << packAlignLog2,
    );
    this.#previousCrc = headerCrc;
    await this.#write(bytes);
    batch.reset(batch.lastLsn + 1);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes);
    await this.#file.write(this.#at, [bytes], { durable: false });
    this.#at += bytes.length;
  }

  async finish(): Promise<Omit<PackInfo, 'path'>> {
    if (this.#count === 0) throw new JournalError('RecordNotFound', 'a pack needs at least one record');
    await this.#flush();
    const last = this.#first + this.#count - 1;
    const footer = new Uint8Array(4 * this.#count + footerTailBytes);
    const view = viewOf(footer);
    for (let i = 0; i < this.#count; i++) view.setUint32(4 * i, this.#offsets[i] ?? 0, true);
    const tail = 4 * this.#count;
    setUint64(view, tail, this.#first);
    setUint64(view, tail + 8, last);
    setUint64(view, tail + 16, this.#firstWall);
    setUint64(view, tail + 24, this.#lastWall);
    this.#hash.update(footer.subarray(0, tail + 32));
    const digest = this.#hash.digest();
    footer.set(digest, tail + 32);
    view.setUint32(tail + 64, crc32c(footer.subarray(0, tail + 64)), true);
    footer.set(packMagic, tail + 68);
    await this.#file.write(this.#at, [footer], { durable: false });
    const bytes = this.#at + footer.length;
    await this.#file.truncate(bytes);
    return {
      first: this.#first,
      last,
      firstWallMs: this.#firstWall,
      lastWallMs: this.#lastWall,
      bytes,
      sha256: digest.toString('hex'),
    };
  }
}

/** Packs a sealed segment of a running journal. Throws JournalIo when it is damaged. */
export async function packSegment(context: Context, segment: LogSegment, directory: string): Promise<PackInfo> {
  const groups = readBatches(context, segment);
  return writePack(context.host, directory, segment.header, groups);
}

/** The record groups of a segment, handed from the scan's visitor to a consumer one at a time. */
async function* readBatches(context: Context, segment: LogSegment): AsyncIterable<readonly RecordOut[]> {
  const waiting: (readonly RecordOut[])[] = [];
  let wake: () => void = () => {};
  let resume: () => void = () => {};
  let ended = false;
  const scanning = scanSegment(context.host, segment.path, segment.header, {
    expectLsn: segment.header.baseLsn,
    expectCrc: segment.header.previousBatchCrc,
    lsnInCrc: !context.mutants.has('crc-without-lsn'),
    chain: !context.mutants.has('no-chain'),
    visit: (records) =>
      new Promise<void>((resolve) => {
        waiting.push(records);
        resume = resolve;
        wake();
      }),
  }).finally(() => {
    ended = true;
    wake();
  });
  scanning.catch(() => undefined);
  for (;;) {
    const group = waiting.shift();
    if (group !== undefined) {
      yield group;
      resume();
    } else if (ended) {
      break;
    } else {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
  const scan = await scanning;
  if (scan.next !== segment.lastLsn + 1) {
    throw new JournalError('JournalIo', `${segment.path} ends at LSN ${scan.next - 1}, expected ${segment.lastLsn}`);
  }
}
