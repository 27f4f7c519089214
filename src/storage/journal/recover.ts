import { type Disk, type DiskFile, isNoSpace } from '../../host/disk.ts';
import { BatchBuffer } from './batch.ts';
import { type Context, closeQuietly, isMissing, messageOf } from './context.ts';
import { JournalError, WalCorruption } from './errors.ts';
import { reportMissing } from './floor.ts';
import {
  BatchFlag,
  decodeSegmentHeader,
  encodeSegmentHeader,
  pageBytes,
  type SegmentHeader,
  segmentHeaderBytes,
} from './format.ts';
import { type Piece, rewriteSegment } from './rewrite.ts';
import { scanSegment } from './scan.ts';
import type { LogSegment } from './segments.ts';
import { type Survey, type SurveyedSegment, survey } from './survey.ts';
import { keepTorn } from './torn.ts';
import type { RecoveryReport } from './types.ts';
import { witnessPath } from './witness.ts';

/** A survey that was judged, and what has to be done before appends are taken. */
export interface Recovered {
  readonly survey: Survey;
  readonly report: RecoveryReport;
  /** Closed cleanly: nothing has to be written. */
  readonly clean: boolean;
  /** The last segment that has a header. */
  readonly last: SurveyedSegment | undefined;
  /** Files behind it that hold nothing acknowledged. */
  readonly dropped: readonly SurveyedSegment[];
  /** Files whose torn bytes are kept and counted: `settle` is called again while there is no room for the rest. */
  readonly kept: Set<string>;
}

/** Steps 2 to 4: reads everything and judges it. Changes nothing. */
export async function judgeJournal(context: Context): Promise<Recovered> {
  const { host, settings, mutants } = context;
  const found = await survey(host, {
    directory: settings.directory,
    witnessFile: witnessPath(context),
    scanFrom: settings.scanFrom,
    coveredTo: settings.coveredTo,
    proofs: settings.proofs,
    mutants,
  });
  const seen = mutants.has('truncate-at-bad-crc') ? cutAtFirstDamage(found) : found;
  const last = seen.segments.filter(({ header }) => header !== undefined).at(-1);
  const dropped = seen.segments.filter(({ id }) => id > (last?.id ?? 0));
  const torn = tornTail(last, dropped);
  const note = seen.ring.newest;
  const clean =
    torn === undefined &&
    note?.clean === true &&
    last?.scan?.sealed === true &&
    note.journalId === seen.journalId &&
    note.segmentId === last.id &&
    note.batchOffset === last.scan.lastOffset &&
    note.batchHeaderCrc === last.scan.lastCrc;
  const verdict = seen.missing.length > 0 ? 'corrupt' : torn === undefined ? 'clean' : 'torn-tail';
  const report: RecoveryReport = {
    verdict,
    first: seen.first,
    last: seen.last,
    floor: seen.floor,
    ...(verdict === 'torn-tail' && torn !== undefined && { torn }),
    missing: reportMissing(seen.missing),
  };
  return { survey: seen, report, clean, last, dropped, kept: new Set() };
}

/** Counts and logs what was found; once for each start. */
export function noteVerdict(context: Context, { survey: seen, report }: Recovered): void {
  const { metrics, logger } = context;
  metrics.recoveries.inc({ verdict: report.verdict });
  for (const segment of seen.segments) {
    if (segment.header === undefined || segment.damagedHeaderCopies === 0) continue;
    metrics.corruptions.inc({ where: 'header' });
    logger.error('corruption', { segment: segment.name, why: 'one of the two copies of the header is not intact' });
  }
  if (seen.journalId !== undefined && seen.last >= seen.first && seen.ring.newest === undefined) {
    logger.warn('witness lost', {
      path: witnessPath(context),
      why: seen.ring.exists ? 'none of its slots is intact' : 'the file is not there',
      consequence:
        'that the last batch was acknowledged is not proven: at this start its loss would not be noticed; a new witness begins now',
    });
  }
  if (seen.ring.damagedSlots > 1) metrics.corruptions.inc({ where: 'witness' });
  probeVerdict(context, seen, report);
}

/** The planted bug, which is what many logs do: the log ends where the first checksum does not hold. */
function cutAtFirstDamage(found: Survey): Survey {
  const cut = found.segments.findIndex(({ scan }) => scan === undefined || scan.holes.length > 0);
  const damaged = found.segments[cut];
  const hole = damaged?.scan?.holes[0];
  if (damaged?.scan === undefined || hole === undefined) return found;
  damaged.scan.index.cut(hole.from);
  const scan = { ...damaged.scan, ...damaged.scan.beforeHole, sealed: false, holes: [{ ...hole, to: undefined }] };
  const segments = [...found.segments.slice(0, cut), { ...damaged, scan }];
  return { ...found, segments, missing: [], unsealed: [], last: hole.from - 1 };
}

function tornTail(last: SurveyedSegment | undefined, dropped: readonly SurveyedSegment[]): RecoveryReport['torn'] {
  const scan = last?.scan;
  if (last !== undefined && scan !== undefined && scan.dirtyEnd > scan.validEnd) {
    return { segment: last.name, offset: scan.validEnd, bytes: scan.dirtyEnd - scan.validEnd };
  }
  const whole = dropped[0];
  return whole === undefined ? undefined : { segment: whole.name, offset: 0, bytes: whole.fileBytes };
}

function probeVerdict(context: Context, seen: Survey, report: RecoveryReport): void {
  const { telemetry } = context.host;
  const missing = seen.missing.at(-1);
  const others = (except: string) =>
    seen.proofs.some(({ lsn, source }) => missing !== undefined && lsn >= missing.from && !source.startsWith(except));
  telemetry.sometimes('torn tail dropped', report.verdict === 'torn-tail');
  telemetry.sometimes(
    'valid header with torn body',
    report.verdict === 'torn-tail' && seen.segments.some(({ scan }) => scan?.holes.some((hole) => hole.headerIntact)),
  );
  telemetry.sometimes('refused by floor', missing !== undefined);
  telemetry.sometimes('floor by witness alone', missing !== undefined && !others('witness'));
  telemetry.sometimes('floor by successor alone', missing !== undefined && !others('successor'));
  telemetry.sometimes('start without spare', seen.journalId !== undefined && !seen.hasSpare);
}

/** What the first missing range is refused with. */
export function corruptionOf(context: Context, seen: Survey): WalCorruption | undefined {
  const missing = seen.missing[0];
  if (missing === undefined) return undefined;
  context.metrics.corruptions.inc({ where: 'segment' });
  context.logger.error('corruption', { ...missing });
  return new WalCorruption(missing);
}

/**
 * Step 5: makes what was read durable, and drops what was never acknowledged. Nothing is changed in place. Rejects with
 * JournalReadOnly when there is no room; it can be called again then.
 */
export async function settle(context: Context, recovered: Recovered): Promise<void> {
  const { host, settings, mutants } = context;
  const { last, report, survey: seen } = recovered;
  if (recovered.clean || last?.header === undefined || mutants.has('recovery-not-synced')) return;
  try {
    await probeInterrupted(context, seen, last);
    const { kept } = recovered;
    if (report.torn !== undefined && kept.size === 0) {
      context.metrics.tornBatches.inc();
      context.logger.warn('torn tail dropped', report.torn);
    }
    for (const file of recovered.dropped) {
      if (!kept.has(file.name)) await keepTorn(context, file.path, file.name, 0, file.fileBytes);
      kept.add(file.name);
      await removeIfThere(host.disk, file.path);
      await host.disk.syncDirectory(settings.directory);
    }
    for (const segment of seen.unsealed) {
      if (segment !== last && segment.header !== undefined) await makeSealAgain(context, segment, segment.header);
    }
    const scan = last.scan;
    if (scan === undefined) throw new Error('the last segment is always scanned');
    if (report.torn?.segment === last.name && !kept.has(last.name)) {
      kept.add(last.name);
      await keepTorn(context, last.path, last.name, scan.validEnd, scan.dirtyEnd);
    }
    await copy(context, last, last.header, []);
  } catch (error) {
    if (!isNoSpace(error)) throw error;
    throw new JournalError('JournalReadOnly', `no room to make the tail durable: ${messageOf(error)}`, {
      cause: error,
      reason: 'recovering',
    });
  }
}

async function removeIfThere(disk: Disk, path: string): Promise<void> {
  try {
    await disk.remove(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** Whether a crash has cut an earlier rewrite: the spare then holds the header of the last segment. */
async function probeInterrupted(context: Context, seen: Survey, last: SurveyedSegment): Promise<void> {
  if (!seen.hasSpare) return;
  const page = new Uint8Array(segmentHeaderBytes);
  let file: DiskFile | undefined;
  try {
    file = await context.host.disk.open(`${context.settings.directory}/spare.wal`, { mode: 'read' });
    await file.read(0, page);
  } catch {
    return; // It is written over anyway, or gone by now.
  } finally {
    await closeQuietly(file);
  }
  const verdict = decodeSegmentHeader(page);
  context.host.telemetry.sometimes(
    'rewrite interrupted',
    verdict.kind === 'header' && verdict.header.segmentId === last.id,
  );
}

/** Copies a segment's intact start over itself, and makes sure that the copy reads as the original did. */
export async function copy(
  context: Context,
  segment: SurveyedSegment,
  header: SegmentHeader,
  behind: readonly Piece[],
): Promise<void> {
  const { scan } = segment;
  if (scan === undefined) throw new Error(`segment ${segment.name} was not scanned`);
  // A header with a damaged copy is written anew, whole.
  const start: Piece[] =
    segment.damagedHeaderCopies > 0
      ? [
          { offset: 0, bytes: encodeSegmentHeader(header) },
          { offset: segmentHeaderBytes, end: scan.validEnd },
        ]
      : [{ offset: 0, end: scan.validEnd }];
  await rewriteSegment(context, {
    source: segment.path,
    target: segment.path,
    // What is sealed takes no more batches.
    totalBytes: scan.sealed ? scan.validEnd : header.segmentBytes,
    pieces: [...start, ...behind],
    check: async (path) => {
      const again = await scanSegment(context.host, path, header, {
        expectLsn: header.baseLsn,
        expectCrc: header.previousBatchCrc,
        lsnInCrc: !context.mutants.has('crc-without-lsn'),
        chain: !context.mutants.has('no-chain'),
      });
      if (behind.length === 0 && (again.validEnd !== scan.validEnd || again.lastCrc !== scan.beforeHole.lastCrc)) {
        throw new JournalError('JournalIo', `${path}: the copy of ${segment.name} does not read as the original did`);
      }
    },
  });
}

/** A sealed segment whose seal was lost: its successor proves where it ended. */
async function makeSealAgain(context: Context, segment: SurveyedSegment, header: SegmentHeader): Promise<void> {
  const { scan } = segment;
  if (scan === undefined || scan.validEnd + pageBytes > header.segmentBytes) return;
  const { bytes } = new BatchBuffer(scan.next, pageBytes).finish({
    flags: BatchFlag.seal | BatchFlag.remade,
    segmentId: header.segmentId,
    salt: header.salt,
    fileOffset: scan.validEnd,
    durableLsn: scan.next - 1,
    previousCrc: scan.lastCrc ?? header.previousBatchCrc,
    wallMs: scan.lastWallMs,
    incarnation: context.host.incarnation,
  });
  await copy(context, segment, header, [{ offset: scan.validEnd, bytes }]);
  context.logger.warn('seal made again', { segment: segment.name });
}

/** The surveyed segments as the running journal has them. */
export function runningSegments(recovered: Recovered): LogSegment[] {
  const kept = recovered.survey.segments.filter(({ header }) => header !== undefined);
  return kept.flatMap(({ header, path, scan, fileBytes, id }, i): LogSegment[] => {
    if (header === undefined) return [];
    const successor = kept[i + 1]?.header;
    const isLast = id === recovered.last?.id;
    const isSealed = !isLast || (scan?.sealed ?? false);
    return [
      {
        header,
        path,
        // The last one is written on; of the others only the latest are worth the memory.
        index: isLast || i >= kept.length - 4 ? scan?.index : undefined,
        lastLsn: isLast ? (scan?.next ?? header.baseLsn) - 1 : (successor?.baseLsn ?? header.baseLsn) - 1,
        usedBytes: scan?.validEnd ?? fileBytes,
        fileBytes: isSealed ? fileBytes : Math.max(fileBytes, header.segmentBytes),
        sealed: isSealed,
        readers: 0,
        handle: undefined,
      },
    ];
  });
}
