import type { DiskFile } from '../../host/disk.ts';
import { DiskError } from '../../host/disk.ts';
import { decodeRecord, decodeRecords } from './batch.ts';
import { type Context, readPatiently } from './context.ts';
import { JournalError, WalCorruption } from './errors.ts';
import { alignUp, decodeBatchHeader, pageBytes, segmentFileName } from './format.ts';
import type { BatchPlace, SegmentIndex } from './segmentIndex.ts';
import type { LogSegment, Segments } from './segments.ts';
import type { Lsn, RecordOut } from './types.ts';

/** Neighbouring batches are read together up to this many bytes. */
const readAheadBytes = 1_048_576;

/** Reads what is durable, every byte checked. */
export class Reader {
  readonly #context: Context;
  readonly #segments: Segments;
  readonly #durableLsn: () => Lsn;
  readonly #lsnInCrc: boolean;

  constructor(context: Context, segments: Segments, durableLsn: () => Lsn) {
    this.#context = context;
    this.#segments = segments;
    this.#durableLsn = durableLsn;
    this.#lsnInCrc = !context.mutants.has('crc-without-lsn');
  }

  async read(lsn: Lsn): Promise<RecordOut> {
    const first = this.#segments.firstLsn;
    const last = this.#durableLsn();
    const segment = this.#segments.holding(lsn);
    if (!(lsn >= first && lsn <= last) || segment === undefined) {
      throw new JournalError('RecordNotFound', `record ${lsn} is not kept, expected ${first}..${last}`);
    }
    return this.#using(segment, lsn, async (file, index) => {
      const place = index.find(lsn);
      if (place === undefined) throw this.#corruption(segment, segment.usedBytes, lsn, lsn, 'no intact bytes');
      const bytes = new Uint8Array(place.end - place.offset);
      await this.#fetch(segment, file, place.offset, bytes, lsn);
      const words = new Int32Array(bytes.buffer, 0, bytes.length >> 2);
      const { recordSalt } = segment.header;
      const record = decodeRecord(words, bytes, 0, bytes.length, lsn, recordSalt, this.#lsnInCrc, place.batch.wallMs);
      if (typeof record === 'string') throw this.#corruption(segment, place.offset, lsn, lsn, record);
      return record;
    });
  }

  async *scan(from: Lsn, o: { to?: Lsn; stream?: number; signal?: AbortSignal } = {}) {
    let next = Math.max(from, 1);
    const first = this.#segments.firstLsn;
    if (next < first) {
      throw new JournalError('RecordNotFound', `records from ${next} are not kept, the first is ${first}`);
    }
    while (next <= Math.min(o.to ?? Number.POSITIVE_INFINITY, this.#durableLsn())) {
      o.signal?.throwIfAborted();
      const segment = this.#segments.holding(next);
      if (segment === undefined) return;
      const last = Math.min(o.to ?? Number.POSITIVE_INFINITY, this.#durableLsn());
      const groups = await this.#using(segment, next, (file, index) => this.#chunk(segment, file, index, next));
      if (groups.length === 0) {
        const following = this.#segments.after(segment);
        if (following === undefined) return;
        next = following.header.baseLsn;
        continue;
      }
      for (const group of groups) {
        const wanted = group.filter(
          (r) => r.lsn >= next && r.lsn <= last && (o.stream === undefined || r.stream === o.stream),
        );
        const end = group.at(-1);
        if (wanted.length > 0) {
          o.signal?.throwIfAborted();
          yield wanted;
        }
        if (end !== undefined) next = Math.max(next, end.lsn + 1);
        if (next > last) break;
      }
    }
  }

  /** The records of some neighbouring batches, from the one that holds `from` or the first behind it. */
  async #chunk(segment: LogSegment, file: DiskFile, index: SegmentIndex, from: Lsn): Promise<RecordOut[][]> {
    const batches: BatchPlace[] = [];
    const start = index.position(from);
    for (let i = start; i < index.batches.length; i++) {
      const batch = index.batches[i];
      const begin = batches[0] ?? batch;
      if (batch === undefined || begin === undefined) break;
      if (batches.length > 0 && batch.offset + batch.bytes - begin.offset > readAheadBytes) break;
      batches.push(batch);
    }
    const begin = batches[0];
    const end = batches.at(-1);
    if (begin === undefined || end === undefined) return [];
    const bytes = new Uint8Array(alignUp(end.offset + end.bytes - begin.offset, pageBytes));
    await this.#fetch(segment, file, begin.offset, bytes, begin.first);
    return batches.map((batch) => {
      const at = batch.offset - begin.offset;
      const header = decodeBatchHeader(bytes, at);
      const last = batch.first + batch.count - 1;
      if (header === undefined || header.firstLsn !== batch.first || header.recordCount !== batch.count) {
        throw this.#corruption(segment, batch.offset, batch.first, last, 'batch header has changed');
      }
      const decoded = decodeRecords(
        bytes.subarray(at, at + batch.bytes),
        header,
        segment.header.recordSalt,
        this.#lsnInCrc,
      );
      if (typeof decoded === 'string') throw this.#corruption(segment, batch.offset, batch.first, last, decoded);
      return decoded.map(({ record }) => record);
    });
  }

  /** A file that was deleted under the running journal is damage like any other: of its records, and of no others. */
  async #using<T>(segment: LogSegment, lsn: Lsn, run: (file: DiskFile, index: SegmentIndex) => Promise<T>): Promise<T> {
    try {
      return await this.#segments.using(segment, run);
    } catch (error) {
      if (!(error instanceof DiskError) || error.code !== 'ENOENT') throw error;
      throw this.#corruption(segment, 0, lsn, segment.lastLsn, error.message, error);
    }
  }

  async #fetch(segment: LogSegment, file: DiskFile, offset: number, into: Uint8Array, lsn: Lsn): Promise<void> {
    try {
      await readPatiently(this.#context.host, file, offset, into);
    } catch (error) {
      if (!(error instanceof DiskError) || error.code !== 'EIO') throw error;
      throw this.#corruption(segment, offset, lsn, lsn, error.message, error);
    }
  }

  #corruption(segment: LogSegment, offset: number, from: Lsn, to: Lsn, why: string, cause?: unknown): WalCorruption {
    this.#context.metrics.corruptions.inc({ where: 'segment' });
    const name = segmentFileName(segment.header.segmentId);
    this.#context.logger.error('corruption', { segment: name, offset, from, to, why });
    return new WalCorruption({
      segment: name,
      offset,
      from,
      to,
      proof: 'this journal, which acknowledged it',
      ...(cause !== undefined && { cause }),
    });
  }
}
