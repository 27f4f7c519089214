import type { DiskFile } from '../../host/disk.ts';
import { DiskError } from '../../host/disk.ts';
import type { Host } from '../../host/host.ts';
import { closeQuietly, isMissing, type Mutant, readFirstSector, readPatiently } from './context.ts';
import { formatError, JournalError } from './errors.ts';
import { type Gap, gapOf, judge, type Missing, type Proof } from './floor.ts';
import {
  BatchFlag,
  decodeBatchHeader,
  decodeSegmentHeader,
  formatVersion,
  pageBytes,
  type SegmentHeader,
  segmentFileName,
  segmentHeaderBytes,
  segmentIdOf,
} from './format.ts';
import { type SegmentScan, scanSegment } from './scan.ts';
import { endsWithSeal } from './seal.ts';
import type { ExternalProof, Lsn } from './types.ts';
import { readWitness, type WitnessRing } from './witness.ts';

/** One segment file as found. */
export interface SurveyedSegment {
  readonly id: number;
  readonly name: string;
  readonly path: string;
  readonly fileBytes: number;
  /** Undefined when neither copy is intact. */
  readonly header: SegmentHeader | undefined;
  readonly damagedHeaderCopies: number;
  /** Undefined when it was not scanned: below `scanFrom` with its seal where it should be, or without a header. */
  readonly scan: SegmentScan | undefined;
}

/** Everything that is there, and what it proves. Nothing was changed to find out. */
export interface Survey {
  readonly journalId: string | undefined;
  readonly segments: readonly SurveyedSegment[];
  /** Names in the directory that are not the journal's. */
  readonly strangers: readonly string[];
  readonly hasSpare: boolean;
  readonly ring: WitnessRing;
  readonly proofs: readonly Proof[];
  readonly gaps: readonly Gap[];
  readonly floor: Lsn;
  readonly missing: readonly Missing[];
  readonly first: Lsn;
  /** Last intact record; `first − 1` when there is none. */
  readonly last: Lsn;
  /** Segments whose seal is missing although a successor proves that they were sealed. */
  readonly unsealed: readonly SurveyedSegment[];
}

export interface SurveyOptions {
  readonly directory: string;
  readonly witnessFile: string;
  readonly scanFrom?: Lsn;
  readonly coveredTo?: Lsn | undefined;
  readonly proofs?: readonly ExternalProof[];
  readonly mutants?: ReadonlySet<Mutant>;
}

const ownNames = new Set(['LOCK', 'spare.wal', 'torn', 'witness']);

/** Reads a journal's directory and its witness, and judges what is missing. Throws JournalFormat on what is foreign. */
export async function survey(host: Host, o: SurveyOptions): Promise<Survey> {
  const mutants = o.mutants ?? new Set<Mutant>();
  const ring = await readWitness(host, o.witnessFile);
  const listed = await listDirectory(host, o.directory);
  const found: Omit<SurveyedSegment, 'scan'>[] = [];
  for (const name of listed) {
    const id = segmentIdOf(name);
    if (id !== undefined) found.push(await readHeader(host, o.directory, name, id));
  }
  found.sort((a, b) => a.id - b.id);
  const journalId = found.find(({ header }) => header !== undefined)?.header?.journalId;
  checkLineage(found, journalId, ring, o.witnessFile);
  for (const proof of o.proofs ?? []) {
    if (journalId !== undefined && proof.of !== undefined && proof.of.journalId !== journalId) {
      throw formatError(proof.of.path, 'journal id', journalId, proof.of.journalId);
    }
  }

  const proofs: Proof[] = (o.proofs ?? []).map(({ name, lsn }) => ({ lsn, source: name }));
  if (ring.newest !== undefined && !mutants.has('floor-without-witness')) {
    if (journalId === undefined || ring.newest.journalId === journalId) {
      proofs.push({ lsn: ring.newest.lastLsn, source: 'witness' });
    }
  }
  const walked = await walk(host, found, o, proofs, mutants);
  const { floor, missing } = judge(walked.gaps, proofs);
  return {
    journalId,
    segments: walked.segments,
    strangers: listed.filter(isStranger),
    hasSpare: listed.includes('spare.wal'),
    ring,
    proofs,
    gaps: walked.gaps,
    floor,
    missing,
    first: walked.first,
    last: walked.next - 1,
    unsealed: walked.unsealed,
  };
}

/** Whether a name in a journal's directory is not the journal's. */
export function isStranger(name: string): boolean {
  return segmentIdOf(name) === undefined && !ownNames.has(name);
}

async function listDirectory(host: Host, directory: string): Promise<string[]> {
  try {
    return (await host.disk.list(directory)).map(({ name }) => name);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

async function readHeader(host: Host, directory: string, name: string, id: number) {
  const path = `${directory}/${name}`;
  const page = new Uint8Array(segmentHeaderBytes);
  let file: DiskFile | undefined;
  let fileBytes = 0;
  try {
    file = await host.disk.open(path, { mode: 'read' });
    fileBytes = await file.size();
    await readPatiently(host, file, 0, page);
  } catch (error) {
    if (!(error instanceof DiskError) || error.code !== 'EIO') throw error;
    return { id, name, path, fileBytes, header: undefined, damagedHeaderCopies: 2 };
  } finally {
    await closeQuietly(file);
  }
  const verdict = decodeSegmentHeader(page);
  if (verdict.kind === 'newer') throw formatError(path, 'version', String(formatVersion), String(verdict.version));
  // A header that names another segment was written to the wrong place: it says nothing of this file.
  if (verdict.kind === 'unreadable' || verdict.header.segmentId !== id) {
    return { id, name, path, fileBytes, header: undefined, damagedHeaderCopies: 2 };
  }
  return { id, name, path, fileBytes, header: verdict.header, damagedHeaderCopies: verdict.damagedCopies };
}

function checkLineage(
  found: readonly Omit<SurveyedSegment, 'scan'>[],
  journalId: string | undefined,
  ring: WitnessRing,
  witnessFile: string,
): void {
  if (journalId === undefined) return;
  for (const { header, path } of found) {
    if (header !== undefined && header.journalId !== journalId) {
      throw formatError(path, 'journal id', journalId, header.journalId);
    }
  }
  const parents = new Set(found.map(({ header }) => header?.parentJournalId));
  const noted = ring.newest?.journalId;
  if (noted !== undefined && noted !== journalId && !parents.has(noted)) {
    throw formatError(witnessFile, 'journal id', journalId, noted);
  }
}

/** Goes through the segments in order. */
async function walk(
  host: Host,
  found: readonly Omit<SurveyedSegment, 'scan'>[],
  o: SurveyOptions,
  proofs: Proof[],
  mutants: ReadonlySet<Mutant>,
) {
  const segments: SurveyedSegment[] = [];
  const unsealed: SurveyedSegment[] = [];
  const gaps: Gap[] = [];
  let first: Lsn | undefined;
  /** LSN that comes next; undefined before the first header. */
  let next: Lsn | undefined;
  let crc: number | undefined;
  let flags = 0;
  let tail: Gap | undefined;
  let previousId: number | undefined;

  for (const [position, file] of found.entries()) {
    const { header, id, name } = file;
    tail = undefined;
    const successor = found.slice(position + 1).find((each) => each.header !== undefined)?.header;
    if (header === undefined) {
      segments.push({ ...file, scan: undefined });
      const proof = await proofWithoutHeader(host, file.path, id);
      if (proof.lsn > 0) proofs.push({ lsn: proof.lsn, source: `batch header in ${name} at ${proof.offset}` });
      const gap = { segment: name, offset: 0, from: next ?? 1, why: 'segment header is not intact' };
      if (successor === undefined) tail = { ...gap, to: undefined };
      else if (successor.baseLsn > gap.from) gaps.push({ ...gap, to: successor.baseLsn - 1 });
      next = successor?.baseLsn ?? next;
      crc = undefined;
      previousId = id;
      continue;
    }
    if (!mutants.has('floor-without-successor')) {
      proofs.push({ lsn: header.previousLastLsn, source: `successor ${name}` });
    }
    if (next === undefined) {
      first = header.baseLsn;
      if (o.coveredTo !== undefined && header.baseLsn > o.coveredTo + 1) {
        const missingName = segmentFileName(Math.max(1, id - 1));
        const why = 'segment file is missing';
        gaps.push({ segment: missingName, offset: 0, from: o.coveredTo + 1, to: header.baseLsn - 1, why });
      }
    } else if (header.baseLsn > next) {
      const cut = previousId === id - 1 ? segments.at(-1) : undefined;
      const at =
        cut === undefined
          ? { segment: segmentFileName((previousId ?? id - 2) + 1), offset: 0, why: 'segment file is missing' }
          : { segment: cut.name, offset: cut.scan?.validEnd ?? 0, why: 'segment is cut short' };
      gaps.push({ ...at, from: next, to: header.baseLsn - 1 });
      crc = undefined;
    } else if (header.baseLsn < next) {
      throw formatError(file.path, 'first LSN', String(next), String(header.baseLsn));
    } else if (crc !== undefined && crc !== header.previousBatchCrc && (flags & BatchFlag.remade) === 0) {
      // With the same LSNs only the seal can differ; without one it is made again.
      const before = segments.at(-1);
      if (before?.scan?.sealed) {
        throw formatError(file.path, 'checksum of the batch before', String(crc), String(header.previousBatchCrc));
      }
    }
    const before = segments.at(-1);
    if (before?.scan !== undefined && !before.scan.sealed && previousId === id - 1) unsealed.push(before);
    previousId = id;

    // Only the very next segment says where this one ended: behind a file that is missing or headless lies another's start.
    const isBelowScan = successor?.segmentId === id + 1 && successor.baseLsn <= (o.scanFrom ?? 1);
    // One whose end is not as it should be is scanned all the same: only that tells which records are gone.
    if (isBelowScan && (await endsWithSeal(host, file.path, header, successor))) {
      segments.push({ ...file, scan: undefined });
      next = successor.baseLsn;
      crc = undefined;
      continue;
    }
    const scan = await scanSegment(host, file.path, header, {
      expectLsn: header.baseLsn,
      expectCrc: header.previousBatchCrc,
      lsnInCrc: !mutants.has('crc-without-lsn'),
      chain: !mutants.has('no-chain'),
    });
    segments.push({ ...file, scan });
    if (scan.proof.lsn > 0) {
      proofs.push({ lsn: scan.proof.lsn, source: `batch header in ${name} at ${scan.proof.offset}` });
    }
    for (const hole of scan.holes) {
      if (hole.to !== undefined) gaps.push(gapOf(name, hole, undefined));
      else if (successor === undefined) tail = gapOf(name, hole, undefined);
      else if (successor.baseLsn > hole.from) gaps.push(gapOf(name, hole, successor.baseLsn - 1));
    }
    next = scan.holes.some(({ to }) => to === undefined) && successor !== undefined ? successor.baseLsn : scan.next;
    crc = scan.lastCrc;
    flags = scan.lastFlags;
    if (successor === undefined && tail === undefined) {
      const at = scan.sealed
        ? { segment: segmentFileName(id + 1), offset: 0 }
        : { segment: name, offset: scan.validEnd };
      tail = { ...at, from: scan.next, to: undefined, why: 'nothing follows' };
    }
  }
  const end = next ?? 1;
  gaps.push(tail ?? { segment: segmentFileName(1), offset: 0, from: end, to: undefined, why: 'no segment is there' });
  return { segments, unsealed, gaps, first: first ?? 1, next: end };
}

/** What batch headers prove in a segment whose own header is gone: no salt to compare, but place and id. */
async function proofWithoutHeader(host: Host, path: string, id: number): Promise<{ lsn: Lsn; offset: number }> {
  const file = await host.disk.open(path, { mode: 'read' });
  let proof = { lsn: 0, offset: 0 };
  try {
    const size = await file.size();
    const page = new Uint8Array(pageBytes);
    for (let offset = segmentHeaderBytes; offset + pageBytes <= size; offset += pageBytes) {
      let begin: Uint8Array | undefined = page;
      try {
        await readPatiently(host, file, offset, page);
      } catch (error) {
        if (!(error instanceof DiskError) || error.code !== 'EIO') throw error;
        begin = await readFirstSector(host, file, offset);
      }
      if (begin === undefined) continue;
      const header = decodeBatchHeader(begin, 0);
      if (header?.segmentId !== id || header.fileOffset !== offset) continue;
      if (header.durableLsn > proof.lsn) proof = { lsn: header.durableLsn, offset };
    }
  } finally {
    await closeQuietly(file);
  }
  return proof;
}

/** A journal that ought to be there is not. */
export function noJournal(directory: string): JournalError {
  return new JournalError(
    'JournalMissing',
    `${directory}: expected a journal, found none, and making one was not allowed; mount the right directory, or allow it once`,
  );
}
