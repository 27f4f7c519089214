import { type DiskFile, isNoSpace } from '../../host/disk.ts';
import { type Context, closeQuietly, messageOf } from './context.ts';
import { JournalError } from './errors.ts';
import {
  encodeSegmentHeader,
  newSegmentHeader,
  type SegmentHeader,
  segmentFileName,
  segmentHeaderBytes,
} from './format.ts';
import { SegmentIndex } from './segmentIndex.ts';
import type { LogSegment, Segments } from './segments.ts';
import type { Spare } from './space.ts';
import type { Lsn } from './types.ts';

const triesMax = 3;
/** A sealed segment keeps at most the 16th part of its length unused; a rotation under load leaves less than a batch. */
const unusedShareMost = 16;

/** What the next segment follows. */
export interface Predecessor {
  readonly journalId: string;
  readonly recordSalt: number;
  readonly previousLastLsn: Lsn;
  readonly previousBatchCrc: number;
  /** Wall time of the last batch, milliseconds since 1970; 0 when there is none. The segment is dated no earlier. */
  readonly wallMs: number;
  readonly parentJournalId?: string;
  readonly parentLsn?: Lsn;
}

/**
 * Makes the spare the next segment: header durable in `spare.wal`, rename, syncDirectory; only then may a batch follow.
 * Throws the disk's error; JournalReadOnly with `wal_full` when the log may not grow, with `no_space` when there is no
 * spare and no room for one.
 */
export async function startSegment(
  context: Context,
  segments: Segments,
  spare: Spare,
  previous: Predecessor,
): Promise<{ file: DiskFile; header: SegmentHeader }> {
  const { host, settings, mutants, metrics } = context;
  const segmentId = (segments.active?.header.segmentId ?? 0) + 1;
  if (segments.diskBytes + settings.segmentBytes > settings.maxBytes) {
    throw new JournalError(
      'JournalReadOnly',
      `the log has ${segments.diskBytes} bytes and may have ${settings.maxBytes}; segments go when every pin is past them`,
      { reason: 'wal_full' },
    );
  }
  const { wallMs, ...follows } = previous;
  const header = newSegmentHeader({
    ...follows,
    segmentId,
    baseLsn: previous.previousLastLsn + 1,
    salt: host.random.stream('journal-salt').uint32(),
    segmentBytes: settings.segmentBytes,
    incarnation: host.incarnation,
    // A clock that was set back must not take the log with it: what follows an empty segment goes on from its date.
    createdWall: Math.max(wallMs, Math.floor(host.clock.wall())),
  });
  const name = segmentFileName(segmentId);
  const path = `${settings.directory}/${name}`;
  const file = await writeHeader(context, spare, encodeSegmentHeader(header));
  try {
    await host.disk.rename(spare.path, path);
    spare.spend();
    if (!mutants.has('skip-directory-sync')) await host.disk.syncDirectory(settings.directory);
  } catch (error) {
    await closeQuietly(file);
    throw error;
  }
  segments.add({
    header,
    path,
    index: new SegmentIndex(header.baseLsn),
    lastLsn: previous.previousLastLsn,
    usedBytes: segmentHeaderBytes,
    fileBytes: settings.segmentBytes,
    sealed: false,
    readers: 0,
    handle: undefined,
  });
  metrics.fsyncErrors.inc({ segment: name }, 0);
  spare.prepare();
  return { file, header };
}

/** The header durable in the spare; a spare that does not take it is dropped and made anew. */
async function writeHeader(context: Context, spare: Spare, header: Uint8Array): Promise<DiskFile> {
  for (let tries = 1; ; tries++) {
    let file: DiskFile | undefined;
    try {
      await spare.wait();
      file = await context.host.disk.open(spare.path, { mode: 'write' });
      await file.write(0, [header], { durable: true });
      return file;
    } catch (error) {
      await closeQuietly(file);
      spare.used();
      if (isNoSpace(error)) {
        throw new JournalError('JournalReadOnly', messageOf(error), { cause: error, reason: 'no_space' });
      }
      if (tries === triesMax) throw error;
      context.logger.error('disk error', { operation: 'spare', error: messageOf(error) });
      await context.host.clock.sleep(1000);
    }
  }
}

/**
 * Gives back the room behind an early seal, which ends at `usedBytes`: every orderly stop seals a segment, and whole ones
 * would use up the space that the log may take within some dozens of restarts. Nothing depends on it, nor on its being
 * durable.
 */
export async function shortenSealed(
  context: Context,
  segment: LogSegment,
  file: DiskFile,
  usedBytes: number,
): Promise<void> {
  if (segment.fileBytes - usedBytes < context.settings.segmentBytes / unusedShareMost) return;
  try {
    await file.truncate(usedBytes);
    segment.fileBytes = usedBytes;
  } catch (error) {
    context.logger.warn('sealed segment could not be shortened', { error: messageOf(error) });
  }
}
