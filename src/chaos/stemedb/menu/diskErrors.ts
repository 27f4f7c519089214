import { choose, faultStep as fault, scale, single } from '../../faultMenu.ts';
import { type FaultEntry, lasting, onDisk, syncVariants, wal } from './entry.ts';

/** Errors that a disk reports. */
export const diskErrorEntries: readonly FaultEntry[] = [
  {
    name: 'sync error',
    family: 'disk-errors',
    weight: 4,
    steps: (draw) =>
      single(
        fault(
          'disk.sync-error',
          { duration: lasting(draw, 5_000) },
          { ...onDisk(draw.b), variant: choose(draw.a, syncVariants) },
        ),
      ),
  },
  {
    // What the page cache alone has is served after the restart, and must be durable by then.
    name: 'sync error, restart, power loss',
    family: 'disk-errors',
    weight: 9,
    steps: (draw) => {
      const killed = scale(draw.length, 50, 600);
      return [
        {
          afterMs: 0,
          step: fault('disk.sync-error', { duration: 600 }, { device: wal, variant: choose(draw.a, syncVariants) }),
        },
        { afterMs: killed, step: fault('process.kill', {}, { restart: 50 }) },
        {
          afterMs: killed + scale(draw.b, 100, 1_000),
          step: fault('process.power-loss', {}, { restart: 50, mode: 'drop' }),
        },
      ];
    },
  },
  {
    // Writes queue up behind the slow one that then fails: they were never submitted.
    name: 'sync error on a slow disk',
    family: 'disk-errors',
    weight: 2,
    steps: (draw) => [
      {
        afterMs: 0,
        step: fault('disk.slow-sync', { duration: 2_000 }, { device: wal, p50: scale(draw.a, 100, 400), p99: 500 }),
      },
      {
        afterMs: scale(draw.b, 100, 1_500),
        step: fault('disk.sync-error', { duration: lasting(draw, 2_000) }, { device: wal, variant: 'keep' }),
      },
    ],
  },
  {
    name: 'write error',
    family: 'disk-errors',
    weight: 2,
    steps: (draw) =>
      single(
        fault(
          'disk.write-error',
          { duration: lasting(draw, 3_000) },
          { ...onDisk(draw.b), percent: scale(draw.a, 1, 100) },
        ),
      ),
  },
  {
    name: 'read error',
    family: 'disk-errors',
    weight: 2,
    steps: (draw) =>
      single(
        fault(
          'disk.read-error',
          { duration: lasting(draw, 3_000) },
          { ...onDisk(draw.b), percent: scale(draw.a, 1, 60) },
        ),
      ),
  },
  {
    name: 'read-only disk',
    family: 'disk-errors',
    weight: 1,
    steps: (draw) =>
      single(fault('disk.read-only', { duration: lasting(draw, 3_000) }, { device: choose(draw.b, [wal, 'sdc']) })),
  },
];
