import type { Host } from '../../host/host.ts';
import { reportMissing } from './floor.ts';
import { type BatchHeader, segmentFileName } from './format.ts';
import type { SegmentScan } from './scan.ts';
import { scanSegment } from './scan.ts';
import { type Survey, type SurveyedSegment, survey } from './survey.ts';
import type { ExternalProof, Lsn, RecordOut, RecoveryReport } from './types.ts';

/** Where a journal lies. Looking changes nothing: it takes no lock and may be done beside a running process. */
export interface InspectOptions {
  readonly directory: string;
  /** The ring of the witness; default `<directory>/witness/<name>.ring`. */
  readonly witnessFile?: string;
  /** Default `wal`. */
  readonly name?: string;
  readonly coveredTo?: Lsn;
  readonly proofs?: readonly ExternalProof[];
}

/** One row of `wal ls`. */
export interface ListedSegment {
  readonly id: number;
  readonly file: string;
  readonly journalId: string | undefined;
  readonly version: number | undefined;
  readonly incarnation: number | undefined;
  readonly createdWall: number | undefined;
  readonly first: Lsn | undefined;
  /** Last intact record before the first damage. */
  readonly last: Lsn | undefined;
  readonly batches: number;
  readonly bytes: number;
  readonly usedBytes: number;
  /** `damaged`: not all of what a batch should be there is intact; the last segment's torn tail is no damage. */
  readonly state: 'sealed' | 'active' | 'damaged' | 'unreadable';
}

export interface Listing {
  readonly journalId: string | undefined;
  readonly segments: readonly ListedSegment[];
  readonly strangers: readonly string[];
  readonly spare: boolean;
  readonly witness: { readonly exists: boolean; readonly lastLsn: Lsn | undefined; readonly clean: boolean };
}

/** What a full scan found, judged as a start would. */
export interface Verification extends RecoveryReport {
  readonly journalId: string | undefined;
  /** Each damage by file and offset. */
  readonly damage: readonly {
    readonly segment: string;
    readonly offset: number;
    readonly from: Lsn;
    readonly to: Lsn;
    readonly proof: string;
    readonly why: string;
  }[];
  /** Segments of which one of the two copies of the header is not intact; the other serves, and nothing is lost. */
  readonly damagedHeaders: readonly string[];
  readonly segments: number;
  readonly records: number;
  readonly bytes: number;
}

function surveyOf(host: Host, o: InspectOptions): Promise<Survey> {
  return survey(host, {
    directory: o.directory,
    witnessFile: o.witnessFile ?? `${o.directory}/witness/${o.name ?? 'wal'}.ring`,
    coveredTo: o.coveredTo,
    ...(o.proofs !== undefined && { proofs: o.proofs }),
  });
}

/** The segments with their headers, ranges and states. Throws JournalFormat on what is foreign or newer. */
export async function listJournal(host: Host, o: InspectOptions): Promise<Listing> {
  const found = await surveyOf(host, o);
  return {
    journalId: found.journalId,
    segments: found.segments.map((segment, i) => listed(segment, i === found.segments.length - 1)),
    strangers: found.strangers,
    spare: found.hasSpare,
    witness: {
      exists: found.ring.exists,
      lastLsn: found.ring.newest?.lastLsn,
      clean: found.ring.newest?.clean ?? false,
    },
  };
}

function listed(segment: SurveyedSegment, isLast: boolean): ListedSegment {
  const { header, scan } = segment;
  return {
    id: segment.id,
    file: segment.name,
    journalId: header?.journalId,
    version: header?.version,
    incarnation: header?.incarnation,
    createdWall: header?.createdWall,
    first: header?.baseLsn,
    last: scan === undefined ? undefined : (scan.holes[0]?.from ?? scan.next) - 1,
    batches: scan?.index.batches.length ?? 0,
    bytes: segment.fileBytes,
    usedBytes: scan?.validEnd ?? 0,
    state: stateOf(scan, isLast),
  };
}

function stateOf(scan: SegmentScan | undefined, isLast: boolean): ListedSegment['state'] {
  if (scan === undefined) return 'unreadable';
  if (scan.holes.some(({ to }) => to !== undefined)) return 'damaged';
  if (scan.sealed) return 'sealed';
  return isLast ? 'active' : 'damaged';
}

/**
 * Reads everything and says what a start would: the verdict, the floor and each damage. Beside a running process the last
 * batch may be seen half written; that is a torn tail, as it would be after a crash now.
 */
export async function verifyJournal(host: Host, o: InspectOptions): Promise<Verification> {
  const found = await surveyOf(host, o);
  const last = found.segments.at(-1);
  const scan = last?.scan;
  const isTorn = last !== undefined && (scan === undefined || scan.dirtyEnd > scan.validEnd);
  const torn =
    !isTorn || found.missing.length > 0
      ? undefined
      : {
          segment: last.name,
          offset: scan?.validEnd ?? 0,
          bytes: scan === undefined ? last.fileBytes : scan.dirtyEnd - scan.validEnd,
        };
  let records = 0;
  for (const segment of found.segments) {
    for (const batch of segment.scan?.index.batches ?? []) records += batch.count;
  }
  return {
    verdict: found.missing.length > 0 ? 'corrupt' : torn === undefined ? 'clean' : 'torn-tail',
    journalId: found.journalId,
    first: found.first,
    last: found.last,
    floor: found.floor,
    ...(torn !== undefined && { torn }),
    missing: reportMissing(found.missing),
    damage: found.missing,
    damagedHeaders: found.segments.flatMap(({ header, damagedHeaderCopies, name }) =>
      header !== undefined && damagedHeaderCopies > 0 ? [name] : [],
    ),
    segments: found.segments.length,
    records,
    bytes: found.segments.reduce((sum, segment) => sum + segment.fileBytes, 0),
  };
}

/** Calls `visit` with each intact batch that has records in `from..to`, in order; payloads are views until it settles. */
export async function dumpJournal(
  host: Host,
  o: InspectOptions & { readonly from?: Lsn; readonly to?: Lsn },
  visit: (
    records: readonly RecordOut[],
    batch: { readonly segment: string; readonly offset: number; readonly flags: number; readonly incarnation: number },
  ) => void | Promise<void>,
): Promise<void> {
  const from = o.from ?? 1;
  const to = o.to ?? Number.POSITIVE_INFINITY;
  const found = await surveyOf(host, o);
  for (const { header, path, scan } of found.segments) {
    if (header === undefined || scan === undefined || header.baseLsn > to || scan.next <= from) continue;
    await scanSegment(host, path, header, {
      expectLsn: header.baseLsn,
      expectCrc: header.previousBatchCrc,
      lsnInCrc: true,
      chain: true,
      visit: async (records, batch: BatchHeader) => {
        const wanted = records.filter(({ lsn }) => lsn >= from && lsn <= to);
        if (wanted.length === 0) return;
        await visit(wanted, {
          segment: segmentFileName(header.segmentId),
          offset: batch.fileOffset,
          flags: batch.flags,
          incarnation: batch.incarnation,
        });
      },
    });
  }
}
