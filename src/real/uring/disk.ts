import type { Disk } from '../../host/disk.ts';
import { createRealDisk } from '../disk.ts';
import { createUringFileCalls } from './fileCalls.ts';
import { threadRing } from './ring.ts';

/** Which adapter the disk of this process goes by, and why it is not the other one. */
export type DiskAdapter = { readonly name: 'io_uring' } | { readonly name: 'node:fs'; readonly reason: string };

/** The machine's own disk with io_uring under its open files, or why that cannot be had. Names and directories go by node:fs. */
export function createUringDisk(): Disk | { readonly reason: string } {
  const ring = threadRing();
  return 'reason' in ring ? ring : createRealDisk(createUringFileCalls(ring));
}

/** The machine's own disk by the better adapter that works here. */
export function createBestDisk(): Disk {
  const disk = createUringDisk();
  return 'reason' in disk ? createRealDisk() : disk;
}

/** Which adapter `createBestDisk` takes. */
export function diskAdapter(): DiskAdapter {
  const ring = threadRing();
  return 'reason' in ring ? { name: 'node:fs', reason: ring.reason } : { name: 'io_uring' };
}
