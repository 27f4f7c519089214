import { replaceFile } from '../../../storage/atomicFile.ts';
import type { CatchUpPeers, MachineSnapshot } from '../broker/group.ts';
import type { BrokerId } from '../ids.ts';
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
    // Of what is here the largest time is not known: the segment's is not less, and makes searches by time begin early enough.
    let run = new VerifiedRun(here.next, position > 0 ? segment.maxTimestamp : -1);
    progress.have += position;
    if (position < segment.bytes) {
      await truncate(lease, position);
      await index.cut(position);
    }
    const isNew = position === 0;
    const liars = new Set<BrokerId>();
    let unsynced = 0;
    while (position < segment.bytes) {
      const { frame, from } = await nextFrame(core, segment, position + run.pending, peers, liars);
      const entries: [number, number, number][] = [];
      let whole: Uint8Array;
      const before = { next: run.next, maxTimestamp: run.maxTimestamp };
      try {
        let at = position;
        whole = run.take(frame, (batch, header, maxTimestampBefore) => {
          entries.push([header.baseOffset, at, maxTimestampBefore]);
          at += batch.length;
        });
      } catch (error) {
        if (!(error instanceof BadRun)) throw error;
        // Nothing of it is written. A batch that came in pieces is asked for anew: either replica may have sent the bad piece.
        core.host.telemetry.logger.warn('a replica sent what is no part of the log', {
          directory: core.directory,
          broker: from,
          why: error.message,
        });
        liars.add(from);
        run = new VerifiedRun(before.next, before.maxTimestamp);
        continue;
      }
      if (whole.length === 0) continue;
      await lease.file.write(position, [whole], { durable: false });
      for (const [offset, at, timestamp] of entries) index.add(offset, at, timestamp);
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
    await syncOrDie(core, async () => {
      await lease.file.sync();
      if (isNew) await core.host.disk.syncDirectory(core.directory);
    });
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

/** Asks the replicas in turn, but for those that sent what is no part of the log, until one has bytes at `position`. */
async function nextFrame(
  core: PartitionCore,
  segment: Segment,
  position: number,
  peers: CatchUpPeers,
  liars: ReadonlySet<BrokerId>,
): Promise<{ readonly frame: Uint8Array; readonly from: BrokerId }> {
  const oneBatch = core.host.telemetry.buggify('one-batch frame');
  const length = Math.min(segment.bytes - position, oneBatch ? 256 : frameBytesMax);
  const request = encodeSegmentRequest({ base: segment.base, position, length });
  for (let round = 0; round < fruitlessRoundsMax; round++) {
    for (const broker of peers.brokers().filter((candidate) => !liars.has(candidate))) {
      await core.hooks.shared.payForCatchUp(length, peers.signal);
      peers.signal.throwIfAborted();
      const frame = await askForFrame(peers, broker, request);
      if (frame !== undefined) return { frame: frame.subarray(0, length), from: broker };
    }
    await core.host.clock.sleep(roundPauseMs, peers.signal);
  }
  throw new CatchUpFailed(`${core.directory}: no replica has segment ${segment.base} at byte ${position}`);
}

/** The bytes that a replica sends; undefined when it has none, or does not answer: somebody else may. */
async function askForFrame(
  peers: CatchUpPeers,
  broker: BrokerId,
  request: Uint8Array,
): Promise<Uint8Array | undefined> {
  try {
    const answer = decodeSegmentAnswer(await peers.ask(broker, request));
    return answer.kind === 'bytes' && answer.bytes.length > 0 ? answer.bytes : undefined;
  } catch {
    return undefined;
  }
}
