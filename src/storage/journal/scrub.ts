import type { Host } from '../../host/host.ts';
import { JournalError, WalCorruption } from './errors.ts';
import { decodeSegmentHeader, segmentHeaderBytes } from './format.ts';
import { openPack } from './packFile.ts';
import { scanSegment } from './scan.ts';
import type { Lsn } from './types.ts';

/** What reading a file again has found. */
export interface ScrubResult {
  readonly path: string;
  readonly bytes: number;
  readonly records: number;
  /** Undefined when every checksum holds. */
  readonly damage: { readonly offset: number; readonly from: Lsn; readonly why: string } | undefined;
}

/** Reads a sealed segment from the disk, not from a cache of this process, and checks every byte of its batches. */
export async function scrubSegment(host: Host, path: string): Promise<ScrubResult> {
  const page = new Uint8Array(segmentHeaderBytes);
  const file = await host.disk.open(path, { mode: 'read', uncached: true });
  try {
    await file.read(0, page);
  } finally {
    await file.close();
  }
  const verdict = decodeSegmentHeader(page);
  if (verdict.kind !== 'header') {
    return { path, bytes: page.length, records: 0, damage: { offset: 0, from: 0, why: 'header is not intact' } };
  }
  let records = 0;
  const scan = await scanSegment(host, path, verdict.header, {
    expectLsn: verdict.header.baseLsn,
    expectCrc: verdict.header.previousBatchCrc,
    lsnInCrc: true,
    chain: true,
    uncached: true,
    visit: (group) => {
      records += group.length;
    },
  });
  const hole = scan.holes[0];
  if (hole !== undefined) {
    return { path, bytes: scan.fileBytes, records, damage: { offset: hole.offset, from: hole.from, why: hole.why } };
  }
  const damage =
    verdict.damagedCopies > 0
      ? { offset: 0, from: verdict.header.baseLsn, why: 'one copy of the header is not intact' }
      : scan.sealed
        ? undefined
        : { offset: scan.validEnd, from: scan.next, why: 'the seal is missing' };
  return { path, bytes: scan.fileBytes, records, damage };
}

/** Reads a pack from the disk and checks its records, its footer and its hash. */
export async function scrubPack(host: Host, path: string): Promise<ScrubResult> {
  try {
    const pack = await openPack(host, path, { uncached: true });
    try {
      const why = await pack.verify();
      return {
        path,
        bytes: pack.info.bytes,
        records: pack.info.last - pack.info.first + 1,
        damage: why === undefined ? undefined : { offset: 0, from: pack.info.first, why },
      };
    } finally {
      await pack.close();
    }
  } catch (error) {
    if (error instanceof WalCorruption) {
      return { path, bytes: 0, records: 0, damage: { offset: error.offset, from: error.from, why: error.proof } };
    }
    if (error instanceof JournalError && error.code === 'JournalFormat') {
      return { path, bytes: 0, records: 0, damage: { offset: 0, from: 0, why: error.message } };
    }
    throw error;
  }
}
