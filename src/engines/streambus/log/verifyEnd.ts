import { DiskError } from '../../../host/disk.ts';
import type { PartitionCore } from './core.ts';
import { filePath } from './paths.ts';
import { shutOff } from './read.ts';
import { BadRun, VerifiedRun } from './verifiedRun.ts';

/**
 * Checks the end of the active segment after a restart: from the index's last entry to where the checkpoint says it ends. What is bad
 * lies below a durable mark: it is rot, not a torn write, so it is shut off and repaired, and nothing is cut.
 */
export async function verifyEnd(core: PartitionCore): Promise<void> {
  const segment = core.state.segments.active;
  if (segment.bytes === 0) return;
  const start = await core.writer.index(segment.base).floorOffset(core.state.next - 1);
  // With a lost index a whole segment would be read before the broker is ready: a scrub or a reader finds what is wrong there.
  if (segment.bytes - start.position > endBytesMax) return;
  const run = new VerifiedRun(start.offset, core.state.epochs);
  let good = start.position;
  try {
    const bytes = new Uint8Array(segment.bytes - start.position);
    const path = filePath(core.directory, segment.base, 'seg');
    await core.hooks.shared.files.use(path, 'write', (file) => file.read(start.position, bytes));
    run.take(bytes, (batch) => {
      good += batch.length;
    });
    if (run.pending > 0 || run.next !== core.state.next)
      throw new BadRun(`it ends at offset ${run.next}, expected ${core.state.next}`);
  } catch (error) {
    if (!(error instanceof BadRun) && !(error instanceof DiskError)) throw error;
    if (core.mutants.truncateAtBadCrc) segment.bytes = good;
    await shutOff(core, segment, good, run.next, error.message);
  }
}

/** More than this is not read while a broker starts. */
const endBytesMax = 4 * 1024 * 1024;
