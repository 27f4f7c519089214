import { DiskError } from '../../../host/disk.ts';
import { replaceFile } from '../../../storage/atomicFile.ts';
import type { CatchUpPeers, MachineSnapshot } from '../broker/group.ts';
import { frameBytesMax } from './catchUpSend.ts';
import type { PartitionCore } from './core.ts';
import type { FileLease } from './filePool.ts';
import type { HeadStart } from './headStart.ts';
import { LogState } from './logState.ts';
import { filePath } from './paths.ts';
import { decodeSegmentAnswer, encodeSegmentRequest } from './peerMessages.ts';
import type { Segment } from './segmentList.ts';
import { decodeLogState } from './stateCodec.ts';
import { BadRun, VerifiedRun } from './verifiedRun.ts';

/** While this file stands, bytes beyond the checkpoint are kept when the partition is opened: they were caught up. */
export const restoringFile = 'restoring';
/** Bytes after which what was caught up is synced, so that a restart need not fetch it again. */
const syncEachBytes = 16 * 1024 * 1024;
/** Rounds through all replicas without one byte before it is given up: the snapshot may be too old by now. */
const fruitlessRoundsMax = 10;
const roundPauseMs = 500;

/** The others have not got, or not any more, what this snapshot speaks of: another one must be asked for. */
export class CatchUpFailed extends Error {
  override readonly name = 'CatchUpFailed';
}

/**
 * Replaces the state by a snapshot: keeps every byte of the log that is here already, pulls the others from any replica, checks each
 * batch, and makes all of it durable. What was pulled survives a restart. Rejects with `CatchUpFailed`, or with the signal's
 * reason; the partition is then as before.
 */
export async function restoreFrom(core: PartitionCore, snapshot: MachineSnapshot, peers: CatchUpPeers): Promise<void> {
  const data = decodeLogState(snapshot.data);
  await core.writer.flush();
  await replaceFile(core.host.disk, `${core.directory}/${restoringFile}`, [new Uint8Array(0)]);
  core.restored = true;
  const total = data.segments.reduce((sum, segment) => sum + segment.bytes, 0);
  const progress = { have: 0, total };
  core.progress = progress;
  const own = new Set(core.state.segments.all.map((segment) => segment.base));
  for (const [n, segment] of data.segments.entries()) {
    await restoreSegment(core, segment, data.segments[n + 1]?.base ?? data.next, peers, progress);
    own.delete(segment.base);
  }
  await syncOrDie(core, () => core.host.disk.syncDirectory(core.directory));
  await core.replace(new LogState(data), snapshot.index, snapshot.term, [...own]);
  core.progress = undefined;
}

/** Brings one segment to the length that the snapshot names. */
async function restoreSegment(
  core: PartitionCore,
  segment: Segment,
  next: number,
  peers: CatchUpPeers,
  progress: { have: number },
): Promise<void> {
  const here = partHere(core, segment.base);
  const index = core.writer.index(segment.base);
  const lease = await core.hooks.shared.files.acquire(filePath(core.directory, segment.base, 'seg'), 'create');
  try {
    let position = Math.min(here.bytes, segment.bytes);
    const run = new VerifiedRun(here.next);
    progress.have += position;
    if (position < segment.bytes) {
      await truncate(lease, position);
      await index.cut(position);
    }
    let unsynced = 0;
    while (position < segment.bytes) {
      const frame = await nextFrame(core, segment, position + run.pending, peers);
      let at = position;
      const whole = run.take(frame, (batch, header, maxTimestampBefore) => {
        index.add(header.baseOffset, at, maxTimestampBefore);
        at += batch.length;
      });
      if (whole.length === 0) continue;
      await lease.file.write(position, [whole], { durable: false });
      position += whole.length;
      unsynced += whole.length;
      progress.have += whole.length;
      core.host.telemetry.sometimes('catch-up in more than one frame', position < segment.bytes);
      if (unsynced >= syncEachBytes) {
        unsynced = 0;
        await syncOrDie(core, () => lease.file.sync());
      }
    }
    if (position !== segment.bytes || (here.bytes < segment.bytes && run.next !== next)) {
      throw new CatchUpFailed(
        `${core.directory}: segment ${segment.base} came to ${position} bytes and offset ${run.next}, expected ${segment.bytes} and ${next}`,
      );
    }
    await syncOrDie(core, () => lease.file.sync());
    await index.flush();
    core.keepPart({ base: segment.base, bytes: position, next });
  } finally {
    lease.release();
  }
}

/** What of a segment is on this disk and known to be good. */
function partHere(core: PartitionCore, base: number): HeadStart {
  const ahead = core.headStart.get(base);
  if (ahead !== undefined) return ahead;
  const { segments, next } = core.state;
  const own = segments.all.find((segment) => segment.base === base);
  if (own === undefined) return { base, bytes: 0, next: base };
  return { base, bytes: own.bytes, next: segments.after(own)?.base ?? next };
}

async function truncate(lease: FileLease, bytes: number): Promise<void> {
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

/** Asks the replicas in turn until one has bytes at `position`. */
async function nextFrame(
  core: PartitionCore,
  segment: Segment,
  position: number,
  peers: CatchUpPeers,
): Promise<Uint8Array> {
  const oneBatch = core.host.telemetry.buggify('one-batch frame');
  const length = Math.min(segment.bytes - position, oneBatch ? 256 : frameBytesMax);
  const request = encodeSegmentRequest({ base: segment.base, position, length });
  for (let round = 0; round < fruitlessRoundsMax; round++) {
    for (const broker of peers.brokers()) {
      await core.hooks.shared.payForCatchUp(length, peers.signal);
      peers.signal.throwIfAborted();
      try {
        const answer = decodeSegmentAnswer(await peers.ask(broker, request));
        if (answer.kind === 'bytes' && answer.bytes.length > 0) return answer.bytes.subarray(0, length);
      } catch (error) {
        // Somebody else may have it. A disk error of our own would not come from here.
        if (error instanceof DiskError || error instanceof BadRun) throw error;
      }
    }
    await core.host.clock.sleep(roundPauseMs, peers.signal);
  }
  throw new CatchUpFailed(`${core.directory}: no replica has segment ${segment.base} at byte ${position}`);
}
