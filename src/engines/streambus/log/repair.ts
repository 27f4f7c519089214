import { DiskError } from '../../../host/disk.ts';
import type { CatchUpPeers } from '../broker/group.ts';
import type { PartitionCore } from './core.ts';
import type { DamagedRange } from './damage.ts';
import { filePath } from './paths.ts';
import { CatchUpFailed, pullStretch, SegmentGone } from './pull.ts';
import { BadRun, VerifiedRun } from './verifiedRun.ts';

const readBytes = 1024 * 1024;

/**
 * Replaces each stretch that is shut off by the same bytes of another replica, in place: segments are the same everywhere, so a repair
 * that is cut short leaves nothing that is worse. A stretch is opened again once it was read back from the device. Gives how many
 * remain.
 */
export function repairPartition(core: PartitionCore, peers: CatchUpPeers): Promise<number> {
  return core.work.during(() => repairRanges(core, peers));
}

async function repairRanges(core: PartitionCore, peers: CatchUpPeers): Promise<number> {
  for (const range of [...core.damage.all]) {
    core.work.signal.throwIfAborted();
    try {
      await repairRange(core, range, peers);
    } catch (error) {
      const isForLater =
        error instanceof CatchUpFailed ||
        error instanceof SegmentGone ||
        error instanceof DiskError ||
        error instanceof BadRun;
      if (!isForLater) throw error;
      core.host.telemetry.logger.warn('a stretch of a partition could not be repaired yet', {
        directory: core.directory,
        reason: range.reason,
        why: error.message,
      });
    }
  }
  return core.damage.all.length;
}

async function repairRange(core: PartitionCore, range: DamagedRange, peers: CatchUpPeers): Promise<void> {
  const path = filePath(core.directory, range.base, 'seg');
  // The file may have been taken away: what is open under its name is not what the next open finds.
  core.hooks.shared.files.drop(path);
  const lease = await core.hooks.shared.files.acquire(path, 'create');
  try {
    const stretch = {
      base: range.base,
      from: range.from,
      to: range.to,
      next: range.firstOffset,
      maxTimestampBefore: -1,
      epochs: core.state.epochs,
    };
    const reached = await pullStretch(core, stretch, peers, async ({ position, bytes }) => {
      await lease.file.write(position, [bytes], { durable: false });
    });
    if (reached !== range.lastOffset + 1) {
      throw new CatchUpFailed(`the others end it at offset ${reached}, expected ${range.lastOffset + 1}`);
    }
    await lease.file.sync();
    await core.host.disk.syncDirectory(core.directory);
  } finally {
    lease.release();
  }
  await readBack(core, path, range);
  core.damage.remove(range);
  core.host.telemetry.sometimes('quarantine repaired', true);
  core.host.telemetry.logger.info('a stretch of a partition was repaired from another replica', {
    directory: core.directory,
    firstOffset: range.firstOffset,
    lastOffset: range.lastOffset,
  });
  core.hooks.repaired();
}

/** Reads the stretch from the device. Rejects with `BadRun` or `DiskError` when it is still not what it should be. */
async function readBack(core: PartitionCore, path: string, range: DamagedRange): Promise<void> {
  const run = new VerifiedRun(range.firstOffset, core.state.epochs);
  const file = await core.host.disk.open(path, { mode: 'read', uncached: true });
  try {
    for (let position = range.from; position < range.to; ) {
      const buffer = new Uint8Array(Math.min(readBytes, range.to - position));
      const read = await file.read(position, buffer);
      if (read < buffer.length) throw new BadRun(`${path} ends at ${position + read}`);
      run.take(buffer, () => undefined);
      position += read;
    }
  } finally {
    await file.close();
  }
  if (run.next !== range.lastOffset + 1) throw new BadRun(`${path} ends the stretch at offset ${run.next}`);
}
