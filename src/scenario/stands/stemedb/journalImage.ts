import type { JournalImage, LogRecord } from '../../../checkers/stemedb/evidence.ts';
import {
  headerBytes,
  type ParsedBatch,
  readBatch,
  readBatchHeader,
  readSegmentHeader,
  readWitness,
  type SegmentSeen,
} from './journalFormat.ts';

/** A file of the log's directory, as a process that opens it now would read it. */
export interface FileSeen {
  readonly name: string;
  readonly bytes: Uint8Array;
}

interface Segment extends FileSeen {
  readonly header: SegmentSeen;
}

/**
 * Reads a log directory without the engine: the valid prefix, what intact bytes prove beyond it, and where it ends.
 * `witness`: the ring's bytes, if there is one.
 */
export function readJournalImage(
  files: readonly FileSeen[],
  witness: Uint8Array | undefined,
  moment: { readonly atMs: number; readonly order: number },
): JournalImage {
  const segments = files
    .filter((file) => /^segment-\d+\.wal$/.test(file.name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((file): Segment[] => {
      const header = readSegmentHeader(file.bytes);
      return header === undefined ? [] : [{ ...file, header }];
    });
  const noted = witness === undefined ? undefined : readWitness(witness);
  const journalId = segments[0]?.header.journalId ?? noted?.journalId;
  const witnessLsn = noted !== undefined && noted.journalId === journalId ? noted.lastLsn : 0;
  return { ...moment, ...walk(segments), floor: Math.max(witnessLsn, provenLsn(segments)), witness: witnessLsn };
}

/** Highest LSN that headers of batches and of successor segments prove acknowledged. */
function provenLsn(segments: readonly Segment[]): number {
  let floor = 0;
  for (const { bytes, header } of segments) {
    floor = Math.max(floor, header.previousLastLsn);
    for (let at = headerBytes; at < bytes.length; at += headerBytes) {
      if (bytes[at] !== 0x48) continue; // 'H' of the magic
      const batch = readBatchHeader(bytes, at);
      if (batch === undefined || batch.segmentId !== header.segmentId || batch.salt !== header.salt) continue;
      if (batch.fileOffset === at) floor = Math.max(floor, batch.durableLsn);
    }
  }
  return floor;
}

function walk(segments: readonly Segment[]): Pick<JournalImage, 'records' | 'walls' | 'invalid'> {
  const records: LogRecord[] = [];
  const walls: number[] = [];
  let expected = 1;
  let chain: number | undefined;
  let previousId: number | undefined;

  for (const [index, segment] of segments.entries()) {
    const { header } = segment;
    const next = segments[index + 1]?.header;
    const wrong = (reason: string, offset = 0) => ({
      records,
      walls,
      invalid: {
        segment: segment.name,
        offset,
        reason,
        ...(offset > 0 && next?.segmentId === header.segmentId + 1 ? { nextBaseLsn: next.baseLsn } : {}),
      },
    });
    if (previousId !== undefined && header.segmentId !== previousId + 1)
      return wrong(`expected segment ${previousId + 1}`);
    if (header.baseLsn !== expected) return wrong(`begins at LSN ${header.baseLsn}, expected ${expected}`);
    if (chain !== undefined && header.previousBatchCrc !== chain) return wrong('does not follow the segment before');
    previousId = header.segmentId;
    chain = header.previousBatchCrc;
    let at = headerBytes;
    let sealed = false;
    while (!sealed && at < segment.bytes.length) {
      const batch = readBatch(segment.bytes, at, header.recordSalt);
      const problem = typeof batch === 'string' ? batch : linkProblem(batch, header, at, expected, chain);
      if (typeof batch === 'string' || problem !== undefined) {
        const successor = segments[index + 1]?.header;
        // The seal alone is missing: the successor proves all before it, and names the seal's own checksum.
        if (successor?.previousLastLsn === expected - 1) {
          chain = undefined;
          break;
        }
        if (successor === undefined && isZero(segment.bytes, at)) return { records, walls };
        return wrong(problem ?? 'no batch', at);
      }
      records.push(...batch.records);
      walls.push(batch.wallMs);
      expected = batch.lastLsn + 1;
      chain = batch.remade ? undefined : batch.headerCrc;
      sealed = batch.seal;
      at += batch.bytes;
    }
  }
  return { records, walls };
}

function linkProblem(
  batch: ParsedBatch,
  header: SegmentSeen,
  at: number,
  expected: number,
  chain: number | undefined,
): string | undefined {
  if (batch.segmentId !== header.segmentId || batch.salt !== header.salt) return 'a batch of another segment';
  if (batch.fileOffset !== at) return `a batch that belongs at ${batch.fileOffset}`;
  if (batch.firstLsn !== expected) return `a batch from LSN ${batch.firstLsn}, expected ${expected}`;
  if (chain !== undefined && batch.previousCrc !== chain) return 'a batch that does not follow the one before';
  return undefined;
}

const zeros = Buffer.alloc(64 * 1024);

function isZero(bytes: Uint8Array, from: number): boolean {
  for (let at = from; at < bytes.length; at += zeros.length) {
    const end = Math.min(bytes.length, at + zeros.length);
    if (zeros.compare(bytes, at, end, 0, end - at) !== 0) return false;
  }
  return true;
}
