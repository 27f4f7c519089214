import type { DiskFile } from '../../host/disk.ts';
import { DiskError } from '../../host/disk.ts';
import type { Host } from '../../host/host.ts';
import { closeQuietly, readPatiently } from './context.ts';
import {
  BatchFlag,
  batchBytesOf,
  decodeBatchHeader,
  pageBytes,
  type SegmentHeader,
  segmentHeaderBytes,
} from './format.ts';

/** The first read is the page where most seals are: what was sealed early is cut behind its seal. */
const firstWindowBytes = pageBytes;
const windowBytes = 1_048_576;

/**
 * Whether a sealed segment ends as its successor says: the last page that holds anything is the seal, at its place, and
 * the successor follows it. Reads from the end backwards, as far as there are zeros. It says nothing of the bytes between
 * header and seal; a file that is cut short, or emptied at its end, does not pass.
 */
export async function endsWithSeal(
  host: Host,
  path: string,
  segment: SegmentHeader,
  successor: SegmentHeader,
): Promise<boolean> {
  let file: DiskFile | undefined;
  try {
    file = await host.disk.open(path, { mode: 'read' });
    const size = await file.size();
    if (size % pageBytes !== 0) return false;
    let length = firstWindowBytes;
    for (let end = size; end > segmentHeaderBytes; ) {
      const start = Math.max(segmentHeaderBytes, end - length);
      const window = new Uint8Array(end - start);
      if ((await readPatiently(host, file, start, window)) < window.length) return false;
      const at = lastPageInUse(window);
      if (at !== undefined) return isSealOf(window, at, start + at, segment, successor);
      end = start;
      length = windowBytes;
    }
    return false;
  } catch (error) {
    if (error instanceof DiskError && error.code === 'EIO') return false;
    throw error;
  } finally {
    await closeQuietly(file);
  }
}

/** Offset of the last page that is not all zeros. */
function lastPageInUse(window: Uint8Array): number | undefined {
  const words = new BigUint64Array(window.buffer, 0, window.length >> 3);
  const last = words.findLastIndex((word) => word !== 0n);
  return last < 0 ? undefined : Math.floor((last * 8) / pageBytes) * pageBytes;
}

function isSealOf(
  bytes: Uint8Array,
  at: number,
  offset: number,
  segment: SegmentHeader,
  successor: SegmentHeader,
): boolean {
  const header = decodeBatchHeader(bytes, at);
  if (header === undefined || (header.flags & BatchFlag.seal) === 0) return false;
  const isHere = header.segmentId === segment.segmentId && header.salt === segment.salt && header.fileOffset === offset;
  const isLast = header.firstLsn === successor.baseLsn && batchBytesOf(header, segment.alignLog2) === pageBytes;
  // One that was made again has another checksum than the one that the successor followed.
  const isFollowed = header.headerCrc === successor.previousBatchCrc || (header.flags & BatchFlag.remade) !== 0;
  return isHere && isLast && isFollowed;
}
