import { faultStep as fault, scale } from '../../faultMenu.ts';
import { type FaultEntry, lasting, segments } from './entry.ts';

/** Damage that a disk does not report: acknowledged bytes may be gone. */
export const mediaEntries: readonly FaultEntry[] = [
  {
    // Only the headers of the segments are left: what came before a segment is proven by its header alone. It shows something
    // only where the log has rotated before, so it comes often.
    name: 'log unreadable, no witness',
    family: 'media',
    weight: 6,
    steps: () => [
      { afterMs: 0, step: fault('process.kill', {}, { restart: 100 }) },
      {
        afterMs: 10,
        step: fault('operator.delete-file', {}, { directory: '/var/lib/stemedb/db/witness', name: 'stemedb.ring' }),
      },
      {
        afterMs: 20,
        step: fault('disk.sector-error', {}, { path: '/var/lib/stemedb/wal/segment-*', range: { from: 4_096 } }),
      },
    ],
  },
  {
    name: 'bit rot, then restart',
    family: 'media',
    weight: 2,
    steps: (draw) => [
      {
        afterMs: 0,
        step: fault(
          'disk.bit-rot',
          {},
          { ...segments, bits: scale(draw.a, 1, 20), range: { from: 0, to: scale(draw.b, 64, 2_048) * 1024 } },
        ),
      },
      { afterMs: 200, step: fault('process.kill', {}, { restart: 100 }) },
    ],
  },
  {
    name: 'lost writes, then power loss',
    family: 'media',
    weight: 2,
    steps: (draw) => [
      {
        afterMs: 0,
        step: fault(
          'disk.lost-write',
          { duration: lasting(draw, 1_000) },
          { ...segments, percent: scale(draw.a, 1, 100) },
        ),
      },
      { afterMs: scale(draw.b, 100, 2_000), step: fault('process.power-loss', {}, { restart: 100, mode: 'drop' }) },
    ],
  },
  {
    name: 'misdirected writes, then restart',
    family: 'media',
    weight: 2,
    steps: (draw) => [
      {
        afterMs: 0,
        step: fault(
          'disk.misdirected-write',
          { duration: lasting(draw, 1_000) },
          { ...segments, percent: scale(draw.a, 1, 50) },
        ),
      },
      { afterMs: scale(draw.b, 100, 2_000), step: fault('process.power-loss', {}, { restart: 100, mode: 'drop' }) },
    ],
  },
  {
    name: 'misdirected reads',
    family: 'media',
    weight: 1,
    steps: (draw) => [
      {
        afterMs: 0,
        step: fault(
          'disk.misdirected-read',
          { duration: lasting(draw, 2_000) },
          { ...segments, percent: scale(draw.a, 1, 30) },
        ),
      },
      { afterMs: 20, step: fault('process.kill', {}, { restart: 50 }) },
    ],
  },
  {
    name: 'lying sync, then power loss',
    family: 'media',
    weight: 3,
    steps: (draw) => [
      { afterMs: 0, step: fault('disk.lying-sync', {}, { ...segments, delay: scale(draw.a, 100, 4_000) }) },
      { afterMs: scale(draw.b, 100, 5_000), step: fault('process.power-loss', {}, { restart: 100, mode: 'drop' }) },
    ],
  },
  {
    name: 'bad sectors, then restart',
    family: 'media',
    weight: 1,
    steps: (draw) => [
      {
        afterMs: 0,
        step: fault(
          'disk.sector-error',
          { duration: lasting(draw, 3_000) },
          { ...segments, range: { from: scale(draw.a, 0, 800) * 1024, to: scale(draw.a, 1, 900) * 1024 + 512 } },
        ),
      },
      { afterMs: 50, step: fault('process.kill', {}, { restart: 50 }) },
    ],
  },
  {
    name: 'segment deleted, then restart',
    family: 'media',
    weight: 1,
    steps: (draw) => [
      { afterMs: 0, step: fault('operator.delete-file', {}, { directory: '/var/lib/stemedb/wal', name: 'segment-' }) },
      { afterMs: scale(draw.a, 10, 1_000), step: fault('process.kill', {}, { restart: 100 }) },
    ],
  },
];
