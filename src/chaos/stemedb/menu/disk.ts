import { choose, faultStep as fault, scale, single } from '../../faultMenu.ts';
import { type FaultEntry, lasting, onDisk, wal } from './entry.ts';

/** Positions below this one leave nothing; those above it are nearer to nothing than to the most, by their square. */
const nothingBelow = 400;

/** Nothing, or a little, or up to `most`, by a position of 0..1000. */
function mostlyLittle(position: number, most: number): number {
  const share = Math.max(0, position - nothingBelow) / (1_000 - nothingBelow);
  return Math.round(most * share * share);
}

/** Disks that are slow or full. */
export const diskEntries: readonly FaultEntry[] = [
  {
    name: 'slow sync',
    family: 'slow-disk',
    weight: 3,
    steps: (draw) =>
      single(
        fault(
          'disk.slow-sync',
          { duration: lasting(draw, 5_000) },
          { ...onDisk(draw.b), p50: scale(draw.a, 1, 60), p99: scale(draw.a, 2, 250) },
        ),
      ),
  },
  {
    name: 'slow disk',
    family: 'slow-disk',
    weight: 1,
    steps: (draw) =>
      single(fault('disk.slow', { duration: lasting(draw) }, { ...onDisk(draw.b), add: scale(draw.a, 1, 30) })),
  },
  {
    name: 'stall',
    family: 'slow-disk',
    weight: 2,
    steps: (draw) => single(fault('disk.stall', { duration: lasting(draw, 3_500) }, onDisk(draw.b))),
  },
  {
    name: 'throttle',
    family: 'slow-disk',
    weight: 1,
    steps: (draw) =>
      single(
        fault('disk.throttle', { duration: lasting(draw) }, { ...onDisk(draw.b), iops: scale(draw.a, 40, 1_000) }),
      ),
  },
  {
    name: 'compete',
    family: 'slow-disk',
    weight: 1,
    steps: (draw) =>
      single(fault('disk.compete', { duration: lasting(draw) }, { device: wal, share: scale(draw.a, 10, 90) })),
  },
  {
    name: 'short io',
    family: 'slow-disk',
    weight: 1,
    steps: (draw) => single(fault('disk.short-io', { duration: lasting(draw, 5_000) }, onDisk(draw.b))),
  },
  {
    // Often nothing is left at once: a store with room for what it has begun goes on, one without meets the end in a batch.
    name: 'full',
    family: 'full',
    weight: 4,
    steps: (draw) =>
      single(
        fault(
          'disk.full',
          { duration: lasting(draw, 5_000) },
          { ...onDisk(draw.b), freeBytes: mostlyLittle(draw.a, 6_000) * 1024 },
        ),
      ),
  },
  {
    name: 'full at write or sync',
    family: 'full',
    weight: 2,
    steps: (draw) =>
      single(
        fault(
          'disk.full',
          { duration: lasting(draw, 3_000) },
          { ...onDisk(draw.b), at: choose(draw.a, ['write', 'sync']), freeBytes: 64 * 1024 * 1024 },
        ),
      ),
  },
  {
    name: 'no inodes',
    family: 'full',
    weight: 1,
    steps: (draw) =>
      single(
        fault('disk.full', { duration: lasting(draw, 4_000) }, { device: wal, freeInodes: scale(draw.a, 0, 1_500) }),
      ),
  },
];
