import type { FaultDraw } from '../../faultDraw.ts';
import { choose, type LaterStep, type MenuEntry, type Step, scale } from '../../faultMenu.ts';

export const families = [
  'process',
  'power',
  'slow-disk',
  'disk-errors',
  'full',
  'media',
  'network',
  'clock',
  'load',
  'operator',
] as const;
export type Family = (typeof families)[number];

/** One entry of the menu. */
export interface FaultEntry extends MenuEntry<Family> {
  /** What happens; a lasting fault gets its duration from `lasting`. */
  readonly steps: (draw: FaultDraw) => readonly LaterStep[];
}

/** The device of the log. */
export const wal = 'sdb';

/** The files of the log. */
export const segments = { path: '/var/lib/stemedb/wal' };

export const syncVariants = ['keep', 'revert', 'late', 'lost', 'false'] as const;

/** How long a lasting fault lasts, in milliseconds. */
export function lasting(draw: FaultDraw, highMs = 5_000): number {
  return scale(draw.length, 50, highMs);
}

/** Either disk, or both: position 0 is the log's. */
export function onDisk(position: number): Step {
  return choose(position, [{ device: wal }, { device: 'sdc' }, {}]);
}
