import { makeDirectoryDurably, replaceFile } from '../../../storage/atomicFile.ts';
import type { CatchUpPeers, MachineSnapshot } from '../broker/group.ts';
import { removeQuietly } from './checkpoint.ts';
import type { PartitionCore } from './core.ts';
import type { DamagedRange } from './damage.ts';
import { Epochs } from './epochs.ts';
import type { FileLease } from './filePool.ts';
import { type HeadStart, partOfLog } from './headStart.ts';
import { LogState } from './logState.ts';
import { filePath } from './paths.ts';
import { CatchUpFailed, pullStretch, SegmentGone } from './pull.ts';
import type { Segment } from './segmentList.ts';
import { decodeLogState } from './stateCodec.ts';

/** While this file stands, bytes beyond the checkpoint are kept when the partition is opened: they were caught up. */
export const restoringFile = 'restoring';
/**
 * Bases of segments that the checkpoint names and nobody has any more, as JSON: they were trimmed while they were caught up, by an entry
 * that comes after the snapshot. Until it is applied a start must not take them for lost.
 */
export const trimmedFile = 'trimmed';
/** Bytes after which what was caught up is synced, so that a restart need not fetch it again. */
const syncEachBytes = 16 * 1024 * 1024;

/**
 * Replaces the state by a snapshot: keeps every byte of the log that is here already, pulls the others from any replica, checks each
 * batch, and makes all of it durable. What was pulled survives a restart. Rejects with `CatchUpFailed`, or with the signal's
 * reason; the partition is then as before.
 */
export async function restoreFrom(core: PartitionCore, snapshot: MachineSnapshot, peers: CatchUpPeers): Promise<void> {
  const data = decodeLogState(snapshot.data);
  await core.writer.flush();
  // Somebody may have removed it under the process, which keeps what it has open, and is found without it at the next start.
  await makeDirectoryDurably(core.host.disk, core.directory);
  await replaceFile(core.host.disk, `${core.directory}/${restoringFile}`, [new Uint8Array(0)]);
  core.restored = true;
  const progress = { have: 0, total: data.segments.reduce((sum, segment) => sum + segment.bytes, 0) };
  core.progress = progress;
  const log = { epochs: new Epochs(data.epochs), next: data.next };
  const own = new Set(core.state.segments.all.map((segment) => segment.base));
  try {
    const trimmed: DamagedRange[] = [];
    for (const [n, segment] of data.segments.entries()) {
      const next = data.segments[n + 1]?.base ?? data.next;
      own.delete(segment.base);
      try {
        await restoreSegment(core, segment, next, log, peers, progress);
      } catch (error) {
        if (!(error instanceof SegmentGone)) throw error;
        core.host.telemetry.sometimes('segment trimmed during a catch-up', true);
        trimmed.push(goneRange(segment, next, error.message));
      }
    }
    await noteTrimmed(core, trimmed);
    await syncOrDie(core, () => core.host.disk.syncDirectory(core.directory));
    await core.replace(new LogState(data), snapshot.index, snapshot.term, [...own]);
    // Shut off until the entry is applied here that trims them: whoever leads has it.
    for (const range of trimmed) core.damage.add(range);
  } finally {
    core.progress = undefined;
  }
}

/** Brings one segment to the length that the snapshot names. */
async function restoreSegment(
  core: PartitionCore,
  segment: Segment,
  next: number,
  log: { readonly epochs: Epochs; readonly next: number },
  peers: CatchUpPeers,
  progress: { have: number },
): Promise<void> {
  const here = partOfLog(partHere(core, segment.base), log.epochs, log.next);
  const from = Math.min(here.bytes, segment.bytes);
  progress.have += from;
  core.host.telemetry.sometimes('catch-up had a head start', from > 0);
  if (segment.bytes === 0) return;
  const index = core.writer.index(segment.base);
  const lease = await core.hooks.shared.files.acquire(filePath(core.directory, segment.base, 'seg'), 'create');
  try {
    if (from < segment.bytes) {
      await cut(lease, from);
      await index.cut(from);
      // Of what is here the largest time is not known: the segment's is not less, and makes searches by time begin early enough.
      const maxTimestampBefore = from > 0 ? segment.maxTimestamp : -1;
      let unsynced = 0;
      const stretch = {
        base: segment.base,
        from,
        to: segment.bytes,
        next: here.next,
        maxTimestampBefore,
        epochs: log.epochs,
      };
      const reached = await pullStretch(core, stretch, peers, async ({ position, bytes, entries }) => {
        await lease.file.write(position, [bytes], { durable: false });
        for (const entry of entries) index.add(entry.offset, entry.position, entry.maxTimestampBefore);
        progress.have += bytes.length;
        unsynced += bytes.length;
        if (unsynced < syncEachBytes) return;
        unsynced = 0;
        await syncOrDie(core, () => lease.file.sync());
      });
      if (reached !== next) {
        throw new CatchUpFailed(
          `${core.directory}: segment ${segment.base} ends at offset ${reached}, expected ${next}`,
        );
      }
    }
    await syncOrDie(core, async () => {
      await lease.file.sync();
      if (from === 0) await core.host.disk.syncDirectory(core.directory);
    });
    await index.flush();
    core.keepPart({ base: segment.base, bytes: segment.bytes, next, epochs: [] });
  } finally {
    lease.release();
  }
}

/** Says durably, before there is a checkpoint that names them, which segments are not here because nobody has them. */
async function noteTrimmed(core: PartitionCore, trimmed: readonly DamagedRange[]): Promise<void> {
  if (trimmed.length === 0) {
    await removeQuietly(core, trimmedFile);
    return;
  }
  const bases = new TextEncoder().encode(JSON.stringify(trimmed.map(({ base }) => base)));
  await replaceFile(core.host.disk, `${core.directory}/${trimmedFile}`, [bases]);
}

function goneRange(segment: Segment, next: number, reason: string): DamagedRange {
  return {
    reason,
    base: segment.base,
    from: 0,
    to: segment.bytes,
    firstOffset: segment.base,
    lastOffset: next - 1,
  };
}

/** What of a segment is on this disk and known to be good. */
function partHere(core: PartitionCore, base: number): HeadStart {
  const ahead = core.headStart.get(base);
  if (ahead !== undefined) return ahead;
  const { segments, next } = core.state;
  const own = segments.all.find((segment) => segment.base === base);
  if (own === undefined) return { base, bytes: 0, next: base, epochs: [] };
  return { base, bytes: own.bytes, next: segments.after(own)?.base ?? next, epochs: [] };
}

async function cut(lease: FileLease, bytes: number): Promise<void> {
  if ((await lease.file.size()) > bytes) await lease.file.truncate(bytes);
}

async function syncOrDie(core: PartitionCore, sync: () => Promise<void>): Promise<void> {
  try {
    await sync();
  } catch (error) {
    core.hooks.fatal(new Error(`${core.directory}: what was caught up could not be synced`, { cause: error }));
    throw error;
  }
}
