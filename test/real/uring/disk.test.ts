import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { createUringDisk } from '../../../src/real/uring/disk.ts';
import { describeDiskConformance } from '../../host/disk.conformance.ts';

const disk = createUringDisk();

if ('reason' in disk) {
  describe('disk conformance: io_uring', () => {
    it.skip(`no io_uring here: ${disk.reason}`, () => undefined);
  });
} else {
  describeDiskConformance('io_uring', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'hotfire-uring-'));
    return {
      disk,
      directory,
      settle: (promise) => promise,
      cleanUp: () => rm(directory, { recursive: true }),
    };
  });
}
