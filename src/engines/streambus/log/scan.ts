import { DiskError } from '../../../host/disk.ts';
import type { BatchHeader } from '../../../wire/kafka/recordBatch.ts';
import type { PartitionCore } from './core.ts';
import type { DamagedRange } from './damage.ts';
import { filePath } from './paths.ts';
import { shutOff } from './read.ts';
import type { Segment } from './segmentList.ts';
import { BadRun, VerifiedRun } from './verifiedRun.ts';

const readBytes = 1024 * 1024;
/** Pause after each read, so that a scan of everything does not take the disk from the clients. */
const pauseMs = 10;

/** What a scan found. */
export interface ScanReport {
  readonly batches: number;
  readonly bytes: number;
  /** Stretches that could not be read. */
  readonly damaged: number;
}

export type VisitBatch = (
  batch: Uint8Array,
  header: BatchHeader,
  place: { readonly base: number; readonly position: number; readonly maxTimestampBefore: number },
) => void;

/**
 * Reads every written batch of the log from the device, past the page cache, and checks it: what is bad is shut off, as when a client
 * had met it. Batches come in order, without those that are shut off. `isWanted` chooses segments; default: all. What is still to be
 * written is not waited for: a full disk would hold the scan up for as long as it is full. Rejects with `MachineClosed` when the
 * partition is closed meanwhile.
 */
export function scanPartition(
  core: PartitionCore,
  visit: VisitBatch,
  signal: AbortSignal,
  isWanted: (segment: Segment) => boolean = () => true,
): Promise<ScanReport> {
  return core.work.during(() => scanSegments(core, visit, signal, isWanted));
}

async function scanSegments(
  core: PartitionCore,
  visit: VisitBatch,
  signal: AbortSignal,
  isWanted: (segment: Segment) => boolean,
): Promise<ScanReport> {
  const report = { batches: 0, bytes: 0, damaged: 0 };
  for (const segment of core.state.segments.all.filter(isWanted)) {
    // A part of the log when the scan began, trimmed by now.
    if (!core.state.segments.all.includes(segment)) continue;
    await scanSegment(core, segment, core.writer.writtenBytes(segment), visit, signal, report);
  }
  return report;
}

async function scanSegment(
  core: PartitionCore,
  segment: Segment,
  bytes: number,
  visit: VisitBatch,
  signal: AbortSignal,
  report: { batches: number; bytes: number; damaged: number },
): Promise<void> {
  let position = 0;
  let run = new VerifiedRun(segment.base, core.state.epochs);
  while (position < bytes) {
    signal.throwIfAborted();
    core.work.signal.throwIfAborted();
    const known = core.damage.all.find((range) => range.base === segment.base && range.from === position);
    if (known === undefined) {
      try {
        position = await scanRun(core, segment, position, bytes, run, visit, signal, report);
        continue;
      } catch (error) {
        if (!(error instanceof BrokenAt)) throw error;
        position = error.position;
        if (!core.state.segments.all.includes(segment)) return;
        report.damaged += 1;
        const range = await shutOff(core, segment, position, run.next, error.message);
        position = behind(range, position);
        run = new VerifiedRun(range.lastOffset + 1, core.state.epochs, segment.maxTimestamp);
        continue;
      }
    }
    report.damaged += 1;
    position = behind(known, position);
    run = new VerifiedRun(known.lastOffset + 1, core.state.epochs, segment.maxTimestamp);
  }
}

/** Where a stretch that is shut off ends. A scan that got no further by it would read the same for ever. */
function behind(range: DamagedRange, position: number): number {
  if (range.to > position) return range.to;
  throw new Error(
    `segment ${range.base}: a stretch is shut off from ${range.from} to ${range.to}, expected it to end behind ${position}`,
  );
}

/** A scan met something that is no batch of the log. */
class BrokenAt extends Error {
  readonly position: number;
  constructor(position: number, message: string) {
    super(message);
    this.position = position;
  }
}

/** Scans from a batch's beginning up to `end`, or to the next stretch that is shut off. Gives the position reached. */
async function scanRun(
  core: PartitionCore,
  segment: Segment,
  from: number,
  end: number,
  run: VerifiedRun,
  visit: VisitBatch,
  signal: AbortSignal,
  report: { batches: number; bytes: number },
): Promise<number> {
  const shut = core.damage.all.find((range) => range.base === segment.base && range.from > from)?.from ?? end;
  const stop = Math.min(end, shut);
  let position = from;
  let good = from;
  try {
    const file = await core.host.disk.open(filePath(core.directory, segment.base, 'seg'), {
      mode: 'read',
      uncached: true,
    });
    try {
      while (position < stop) {
        signal.throwIfAborted();
        core.work.signal.throwIfAborted();
        const buffer = new Uint8Array(Math.min(readBytes, stop - position));
        const read = await file.read(position, buffer);
        if (read < buffer.length)
          throw new BrokenAt(good, `${buffer.length} bytes were written at ${position}, ${read} are there`);
        position += read;
        run.take(buffer, (batch, header, maxTimestampBefore) => {
          visit(batch, header, { base: segment.base, position: good, maxTimestampBefore });
          good += batch.length;
          report.batches += 1;
          report.bytes += batch.length;
        });
        await core.host.clock.sleep(pauseMs, signal);
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof BadRun || error instanceof DiskError) throw new BrokenAt(good, error.message);
    throw error;
  }
  if (run.pending > 0) throw new BrokenAt(good, 'the segment ends inside of a batch');
  return position;
}
