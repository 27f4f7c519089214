import { DiskError } from '../../../host/disk.ts';
import type { Host } from '../../../host/host.ts';
import { lastOffsetOf } from './batchView.ts';
import type { EpochStart, Epochs } from './epochs.ts';
import { filePath, parseFileName } from './paths.ts';
import { BadRun, VerifiedRun } from './verifiedRun.ts';

/** What of a segment lies on this disk beyond what the checkpoint names: intact batches from its beginning on. */
export interface HeadStart {
  readonly base: number;
  readonly bytes: number;
  /** Offset after its last batch. */
  readonly next: number;
  /**
   * Where the leader epoch of its batches changes, but for those that were known before: no CRC covers it, so that it is compared
   * with the log's once that is known.
   */
  readonly epochs: readonly StoredEpoch[];
}

/** Stored batches from one on that name the same leader epoch. */
export interface StoredEpoch extends EpochStart {
  /** Where the first of them begins. */
  readonly position: number;
}

const readBytes = 1024 * 1024;

/** Where a segment's known part ends: what precedes it is not read again. */
export type KnownPart = (base: number) => { readonly bytes: number; readonly next: number } | undefined;

/**
 * Looks through the segments of a directory, batch by batch. Only committed batches are ever written, so whatever is intact is a
 * part of the log, and need not be fetched again.
 */
export async function findHeadStart(host: Host, directory: string, known: KnownPart): Promise<HeadStart[]> {
  const found: HeadStart[] = [];
  for (const { name } of await host.disk.list(directory)) {
    const parsed = parseFileName(name);
    if (parsed?.kind === 'seg') found.push(await intactPart(host, directory, parsed.offset, known(parsed.offset)));
  }
  return found;
}

async function intactPart(
  host: Host,
  directory: string,
  base: number,
  known: { readonly bytes: number; readonly next: number } | undefined,
): Promise<HeadStart> {
  let bytes = known?.bytes ?? 0;
  let next = known?.next ?? base;
  const epochs: StoredEpoch[] = [];
  const run = new VerifiedRun(next, undefined);
  let position = bytes;
  try {
    const file = await host.disk.open(filePath(directory, base, 'seg'), { mode: 'read' });
    try {
      for (;;) {
        const buffer = new Uint8Array(readBytes);
        const read = await file.read(position, buffer);
        if (read === 0) break;
        position += read;
        // Batch by batch: what precedes a bad one is intact, and must be counted as far as it was followed.
        run.take(buffer.subarray(0, read), (batch, header) => {
          const epoch = header.partitionLeaderEpoch;
          if (epochs.at(-1)?.epoch !== epoch) epochs.push({ epoch, startOffset: header.baseOffset, position: bytes });
          bytes += batch.length;
          next = lastOffsetOf(header) + 1;
        });
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    if (!(error instanceof BadRun) && !(error instanceof DiskError)) throw error;
    host.telemetry.logger.info('a segment is intact up to here', { directory, base, bytes, why: error.message });
  }
  return { base, bytes, next, epochs };
}

/** The part of a head start whose leader epochs are those that a log of `epochs` with the end `logNext` has there. */
export function partOfLog(part: HeadStart, epochs: Epochs, logNext: number): HeadStart {
  for (const [n, { epoch, startOffset, position }] of part.epochs.entries()) {
    const end = Math.min(part.epochs[n + 1]?.startOffset ?? part.next, logNext);
    if (startOffset >= end) continue;
    const isOther = epochs.mismatch({ baseOffset: startOffset, partitionLeaderEpoch: epoch }) !== undefined;
    // Where a batch of the other epoch begins in the file is not known: it is fetched anew from the last place that is.
    const changes = epochs.all.some((start) => startOffset < start.startOffset && start.startOffset < end);
    if (isOther || changes) return { ...part, bytes: position, next: startOffset, epochs: part.epochs.slice(0, n) };
  }
  return part;
}
