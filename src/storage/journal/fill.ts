import { BatchBuffer, recordBytes } from './batch.ts';
import type { Context } from './context.ts';
import { JournalError } from './errors.ts';
import {
  alignUp,
  BatchFlag,
  batchHeaderBytes,
  encodeSegmentHeader,
  newSegmentHeader,
  pageBytes,
  type SegmentHeader,
  segmentFileName,
  segmentHeaderBytes,
} from './format.ts';
import type { Recovered } from './recover.ts';
import { type Piece, rewriteSegment } from './rewrite.ts';
import type { SurveyedSegment } from './survey.ts';
import type { Lsn, RecordOut } from './types.ts';

/** Takes records from an iteration in LSN order, exactly those that are asked for. */
class Supply {
  readonly #iterator: AsyncIterator<RecordOut>;
  #peeked: RecordOut | undefined;

  constructor(records: AsyncIterable<RecordOut>) {
    this.#iterator = records[Symbol.asyncIterator]();
  }

  /** The record with this LSN, its payload copied. JournalIo when the source does not have it. */
  async take(lsn: Lsn): Promise<RecordOut> {
    while (this.#peeked === undefined || this.#peeked.lsn < lsn) {
      const next = await this.#iterator.next();
      if (next.done) throw new JournalError('JournalIo', `the source of the repair ends before record ${lsn}`);
      this.#peeked = { ...next.value, payload: next.value.payload.slice() };
    }
    if (this.#peeked.lsn !== lsn) {
      throw new JournalError(
        'JournalIo',
        `the source of the repair goes on with record ${this.#peeked.lsn}, expected ${lsn}`,
      );
    }
    return this.#peeked;
  }
}

/**
 * Writes the missing records of a damaged journal, a segment at a time by atomic copy: intact batches keep their bytes and
 * places, repaired ones are flagged, so that the batch behind them need not carry their checksum. What fails leaves each
 * segment as it was or repaired; it can be called again.
 */
export async function fillMissing(
  context: Context,
  recovered: Recovered,
  records: AsyncIterable<RecordOut>,
): Promise<void> {
  const { survey } = recovered;
  const { journalId } = survey;
  if (journalId === undefined) {
    throw new JournalError('JournalIo', 'no segment is left to repair; restore the journal from a backup');
  }
  const supply = new Supply(records);
  const withHeader = survey.segments.filter(({ header }) => header !== undefined);
  let next = survey.missing[0]?.from ?? survey.last + 1;
  const first = withHeader[0];
  if (first?.header !== undefined && next < first.header.baseLsn) {
    await fillFiles(context, journalId, supply, next, first.header.baseLsn, 1, first.id, 0);
  }
  for (const [position, segment] of withHeader.entries()) {
    const { header, scan } = segment;
    if (header === undefined) continue;
    const successor = withHeader[position + 1];
    const endLsn = successor?.header?.baseLsn ?? Math.max(survey.floor, survey.last) + 1;
    const crc =
      scan === undefined || (scan.holes.length === 0 && (scan.next >= endLsn || scan.sealed))
        ? (scan?.lastCrc ?? 0)
        : await fillSegment(context, segment, header, supply, endLsn, successor !== undefined);
    const filledTo = scan === undefined ? endLsn : segmentEnd(segment, endLsn);
    if (filledTo < endLsn) {
      const untilId = successor?.id ?? Number.POSITIVE_INFINITY;
      await fillFiles(context, journalId, supply, filledTo, endLsn, segment.id + 1, untilId, crc);
    }
    next = endLsn;
  }
}

/** First LSN that is not in the segment once its own holes are filled. */
function segmentEnd(segment: SurveyedSegment, endLsn: Lsn): Lsn {
  const { scan } = segment;
  if (scan === undefined || scan.sealed) return scan?.next ?? endLsn;
  return endLsn;
}

/** Fills the holes of one segment and the room behind its last batch; gives the checksum of its last batch. */
async function fillSegment(
  context: Context,
  segment: SurveyedSegment,
  header: SegmentHeader,
  supply: Supply,
  endLsn: Lsn,
  hasSuccessor: boolean,
): Promise<number> {
  const { scan } = segment;
  if (scan === undefined) throw new Error(`segment ${segment.name} was not scanned`);
  const intact = scan.index.batches;
  const pieces: Piece[] = [{ offset: 0, bytes: encodeSegmentHeader(header) }];
  let at = segmentHeaderBytes;
  let lsn = header.baseLsn;
  let crc = header.previousBatchCrc;
  const encode = async (to: Lsn, limit: number): Promise<void> => {
    if (lsn >= to) return;
    const made = await encodeMissing(context, header, supply, lsn, to, at, limit, crc);
    pieces.push(...made.pieces);
    at = made.at;
    crc = made.crc;
    lsn = to;
  };
  for (const batch of intact) {
    await encode(batch.first, batch.offset);
    const end = batch.offset + alignUp(batch.bytes, pageBytes);
    pieces.push({ offset: batch.offset, end });
    at = end;
    lsn = batch.first + batch.count;
  }
  await encode(endLsn, header.segmentBytes - pageBytes);
  if (scan.sealed && scan.lastOffset >= at) {
    pieces.push({ offset: scan.lastOffset, end: scan.lastOffset + pageBytes });
    crc = scan.lastCrc ?? crc;
  } else if (hasSuccessor) {
    const seal = sealAt(context, header, lsn, at, crc);
    pieces.push({ offset: at, bytes: seal.bytes });
    crc = seal.headerCrc;
  }
  await rewriteSegment(context, {
    source: segment.path,
    target: segment.path,
    totalBytes: header.segmentBytes,
    pieces,
  });
  return crc;
}

/** Makes the files of missing segments: as many as the records need, empty ones for ids that are left before `untilId`. */
async function fillFiles(
  context: Context,
  journalId: string,
  supply: Supply,
  from: Lsn,
  to: Lsn,
  fromId: number,
  untilId: number,
  previousCrc: number,
): Promise<void> {
  const { host, settings } = context;
  let lsn = from;
  let crc = previousCrc;
  for (let id = fromId; id < untilId && (lsn < to || untilId !== Number.POSITIVE_INFINITY); id++) {
    const header = newSegmentHeader({
      journalId,
      segmentId: id,
      baseLsn: lsn,
      salt: host.random.stream('journal-salt').uint32(),
      segmentBytes: settings.segmentBytes,
      previousLastLsn: lsn - 1,
      previousBatchCrc: crc,
      incarnation: host.incarnation,
      createdWall: Math.max(0, Math.floor(host.clock.wall())),
    });
    const pieces: Piece[] = [{ offset: 0, bytes: encodeSegmentHeader(header) }];
    const limit = settings.segmentBytes - pageBytes;
    const made = await encodeMissing(context, header, supply, lsn, to, segmentHeaderBytes, limit, crc, true);
    pieces.push(...made.pieces);
    const seal = sealAt(context, header, made.next, made.at, made.crc);
    pieces.push({ offset: made.at, bytes: seal.bytes });
    crc = seal.headerCrc;
    lsn = made.next;
    await rewriteSegment(context, {
      source: undefined,
      target: `${settings.directory}/${segmentFileName(id)}`,
      totalBytes: settings.segmentBytes,
      pieces,
    });
  }
  if (lsn < to) {
    throw new JournalError('JournalIo', `records ${lsn}..${to - 1} do not fit where segments are missing`);
  }
}

/**
 * Batches with the missing records between two offsets: one for each wall time, or one for all where those would not fit.
 * `stopWhenFull` leaves what does not fit to the next segment; otherwise that is an error.
 */
async function encodeMissing(
  context: Context,
  header: SegmentHeader,
  supply: Supply,
  from: Lsn,
  to: Lsn,
  start: number,
  limit: number,
  previousCrc: number,
  stopWhenFull = false,
): Promise<{ pieces: Piece[]; at: number; crc: number; next: Lsn }> {
  const groups: RecordOut[][] = [];
  /** End of the finished groups, and bytes of the one that grows. */
  let finished = start;
  let growing = batchHeaderBytes;
  let next = from;
  for (; next < to; next++) {
    const record = await supply.take(next);
    const group = groups.at(-1);
    const isSame = group?.[0]?.wallMs === record.wallMs;
    if (!isSame && group !== undefined) {
      finished += alignUp(growing, pageBytes);
      growing = batchHeaderBytes;
    }
    const grown = growing + recordBytes(record.payload.length);
    if (stopWhenFull && finished + alignUp(grown, pageBytes) > limit) break;
    growing = grown;
    if (isSame && group !== undefined) group.push(record);
    else groups.push([record]);
  }
  const apart = encodeGroups(context, header, groups, start, previousCrc);
  if (apart.at <= limit) return { ...apart, next };
  const together = encodeGroups(context, header, [groups.flat()], start, previousCrc);
  if (together.at > limit) {
    throw new JournalError(
      'JournalIo',
      `records ${from}..${to - 1} do not fit into their place in ${segmentFileName(header.segmentId)}`,
    );
  }
  return { ...together, next };
}

function encodeGroups(
  context: Context,
  header: SegmentHeader,
  groups: readonly (readonly RecordOut[])[],
  start: number,
  previousCrc: number,
): { pieces: Piece[]; at: number; crc: number } {
  const pieces: Piece[] = [];
  let at = start;
  let crc = previousCrc;
  for (const group of groups) {
    const first = group[0];
    if (first === undefined) continue;
    const buffer = new BatchBuffer(first.lsn, pageBytes);
    for (const record of group) buffer.add(record, record.payload.length, header.recordSalt, record.lsn);
    const made = buffer.finish(submission(context, header, first.lsn, at, crc, BatchFlag.remade, first.wallMs));
    pieces.push({ offset: at, bytes: made.bytes });
    at += made.bytes.length;
    crc = made.headerCrc;
  }
  return { pieces, at, crc };
}

function sealAt(context: Context, header: SegmentHeader, next: Lsn, at: number, previousCrc: number) {
  const flags = BatchFlag.seal | BatchFlag.remade;
  const wallMs = Math.max(header.createdWall, 0);
  return new BatchBuffer(next, pageBytes).finish(submission(context, header, next, at, previousCrc, flags, wallMs));
}

function submission(
  context: Context,
  header: SegmentHeader,
  firstLsn: Lsn,
  fileOffset: number,
  previousCrc: number,
  flags: number,
  wallMs: number,
) {
  return {
    flags,
    segmentId: header.segmentId,
    salt: header.salt,
    fileOffset,
    durableLsn: firstLsn - 1,
    previousCrc,
    wallMs,
    incarnation: context.host.incarnation,
  };
}
