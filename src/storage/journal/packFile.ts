import { createHash } from 'node:crypto';
import type { DiskFile } from '../../host/disk.ts';
import type { Host } from '../../host/host.ts';
import { crc32c } from '../../wire/crc32c.ts';
import { decodeRecord, decodeRecords, recordBytes } from './batch.ts';
import { closeQuietly, readPatiently } from './context.ts';
import { formatError, JournalError, WalCorruption } from './errors.ts';
import {
  type BatchHeader,
  batchBytesOf,
  batchHeaderBytes,
  decodeBatchHeader,
  decodeSegmentHeader,
  formatVersion,
  getUint64,
  hexOf,
  recordHeaderBytes,
  type SegmentHeader,
  SegmentKind,
  segmentHeaderBytes,
  viewOf,
} from './format.ts';
import { footerTailBytes, packMagic } from './packFooter.ts';
import type { Lsn, PackInfo, RecordOut } from './types.ts';

/** An open pack: its records by LSN, every byte checked. */
export interface Pack {
  readonly header: SegmentHeader;
  readonly info: PackInfo;
  /** RecordNotFound outside the pack; WalCorruption when the bytes are not intact. */
  read(lsn: Lsn): Promise<RecordOut>;
  /** Groups of records, one a batch, from `from` on. Throws WalCorruption at the first batch that is not intact. */
  scan(from?: Lsn): AsyncIterable<readonly RecordOut[]>;
  /** Reads everything again: undefined when all checksums and the hash hold, else what is wrong. */
  verify(): Promise<string | undefined>;
  close(): Promise<void>;
}

interface PlacedBatch {
  readonly header: BatchHeader;
  readonly offset: number;
}

/** Opens a pack by its footer. Throws JournalFormat when it is none, or newer; WalCorruption when the footer is damaged. */
export async function openPack(host: Host, path: string, o: { uncached?: boolean } = {}): Promise<Pack> {
  const file = await host.disk.open(path, { mode: 'read', uncached: o.uncached ?? false });
  try {
    return await load(host, file, path);
  } catch (error) {
    await closeQuietly(file);
    throw error;
  }
}

async function load(host: Host, file: DiskFile, path: string): Promise<Pack> {
  const size = await file.size();
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(length);
    const got = await readPatiently(host, file, offset, bytes);
    return bytes.subarray(0, got);
  };
  const verdict = decodeSegmentHeader(await read(0, segmentHeaderBytes));
  if (verdict.kind === 'newer') throw formatError(path, 'version', String(formatVersion), String(verdict.version));
  if (verdict.kind === 'unreadable') throw formatError(path, 'header', 'that of a pack', 'not intact');
  const { header } = verdict;
  if (header.kind !== SegmentKind.pack) throw formatError(path, 'kind', String(SegmentKind.pack), String(header.kind));
  const damaged = (offset: number, from: Lsn, to: Lsn, why: string) =>
    new WalCorruption({ segment: path, offset, from, to, proof: why });

  const tail = viewOf(await read(Math.max(0, size - footerTailBytes), footerTailBytes));
  const isFooter = tail.byteLength === footerTailBytes && packMagic.every((byte, i) => tail.getUint8(68 + i) === byte);
  const first = isFooter ? getUint64(tail, 0) : 0;
  const last = isFooter ? getUint64(tail, 8) : -1;
  const count = last - first + 1;
  const footerAt = size - footerTailBytes - 4 * count;
  if (!isFooter || count < 1 || first !== header.baseLsn || footerAt < segmentHeaderBytes) {
    throw damaged(size, header.baseLsn, header.baseLsn, 'the footer of the pack is not intact');
  }
  const footer = await read(footerAt, size - footerAt);
  if (crc32c(footer.subarray(0, footer.length - 12)) !== tail.getUint32(64, true)) {
    throw damaged(footerAt, first, last, 'the checksum of the footer does not hold');
  }
  const offsets = viewOf(footer);
  const sha256 = hexOf(footer.subarray(4 * count + 32, 4 * count + 64));
  const info: PackInfo = {
    path,
    first,
    last,
    firstWallMs: getUint64(tail, 16),
    lastWallMs: getUint64(tail, 24),
    bytes: size,
    sha256,
  };
  let batches: PlacedBatch[] | undefined;

  /** Hops from header to header, once. */
  async function places(): Promise<PlacedBatch[]> {
    if (batches !== undefined) return batches;
    const found: PlacedBatch[] = [];
    for (let offset = segmentHeaderBytes; offset < footerAt; ) {
      const batch = decodeBatchHeader(await read(offset, batchHeaderBytes), 0);
      const expected = (found.at(-1)?.header.firstLsn ?? first) + (found.at(-1)?.header.recordCount ?? 0);
      if (
        batch === undefined ||
        batch.fileOffset !== offset ||
        batch.firstLsn !== expected ||
        batch.salt !== header.salt
      ) {
        throw damaged(offset, expected, last, 'a batch header of the pack is not intact');
      }
      found.push({ header: batch, offset });
      offset += batchBytesOf(batch, header.alignLog2);
    }
    batches = found;
    return found;
  }

  async function readOne(lsn: Lsn): Promise<RecordOut> {
    if (!(lsn >= first && lsn <= last)) {
      throw new JournalError('RecordNotFound', `record ${lsn} is not in ${path}, expected ${first}..${last}`);
    }
    const all = await places();
    let low = 0;
    let high = all.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((all[middle]?.header.firstLsn ?? 0) <= lsn) low = middle + 1;
      else high = middle;
    }
    const batch = all[low - 1];
    if (batch === undefined) throw damaged(segmentHeaderBytes, lsn, lsn, 'no batch of the pack has the record');
    const end = batch.offset + batchHeaderBytes + batch.header.bodyBytes;
    const offset = offsets.getUint32(4 * (lsn - first), true);
    const following =
      lsn < batch.header.firstLsn + batch.header.recordCount - 1 ? offsets.getUint32(4 * (lsn - first + 1), true) : end;
    if (following <= offset || following > end) throw damaged(offset, lsn, lsn, 'the offsets of the pack do not fit');
    const bytes = await read(offset, following - offset);
    const words = new Int32Array(bytes.buffer, 0, bytes.length >> 2);
    const record = decodeRecord(words, bytes, 0, bytes.length, lsn, header.recordSalt, true, batch.header.wallMs);
    if (typeof record === 'string') throw damaged(offset, lsn, lsn, record);
    return record;
  }

  async function* scan(from: Lsn = first): AsyncIterable<readonly RecordOut[]> {
    for (const batch of await places()) {
      const end = batch.header.firstLsn + batch.header.recordCount;
      if (end <= from) continue;
      const bytes = await read(batch.offset, batchHeaderBytes + batch.header.bodyBytes);
      const decoded = decodeRecords(bytes, batch.header, header.recordSalt, true);
      if (typeof decoded === 'string') throw damaged(batch.offset, batch.header.firstLsn, end - 1, decoded);
      yield decoded.map(({ record }) => record).filter(({ lsn }) => lsn >= from);
    }
  }

  async function verify(): Promise<string | undefined> {
    const hash = createHash('sha256');
    const hashed = size - footerTailBytes + 32;
    for (let at = 0; at < hashed; at += 1_048_576) hash.update(await read(at, Math.min(1_048_576, hashed - at)));
    if (hash.digest('hex') !== sha256) return 'the hash of the pack does not hold';
    try {
      let next = first;
      for await (const group of scan()) {
        for (const record of group) {
          const at = offsets.getUint32(4 * (record.lsn - first), true);
          if (record.lsn !== next) return `record ${record.lsn} stands where ${next} is expected`;
          if (at < segmentHeaderBytes || at + recordHeaderBytes + recordBytes(0) > size)
            return `offset of record ${next}`;
          next += 1;
        }
      }
      if (next !== last + 1) return `records end at ${next - 1}, expected ${last}`;
    } catch (error) {
      if (error instanceof WalCorruption) return error.message;
      throw error;
    }
    return undefined;
  }

  return { header, info, read: readOne, scan, verify, close: () => closeQuietly(file) };
}
