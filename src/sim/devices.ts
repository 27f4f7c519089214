import type { Disk } from '../host/disk.ts';
import type { SimProcess } from './process.ts';

/**
 * What becomes of what no sync has made durable when the power goes, each sector on its own: `drop` nothing of it is
 * there; `tear` a prefix; `reorder` any subset; `corrupt` any subset, some of it garbage; `all-durable` all of it.
 */
export type PowerLossMode = 'drop' | 'tear' | 'reorder' | 'corrupt' | 'all-durable';

/** The disk side of a machine, as the machine itself uses it. */
export interface MachineDevices {
  /** The file systems as one process sees them. What it holds (files, locks) ends with it: see `SimProcess.onDeath`. */
  diskOf(process: SimProcess): Disk;
  /** The power went: caches are resolved by mode. Every process is dead already. */
  powerLoss(mode: PowerLossMode): void;
  /** Every device is empty, as a new one under the same name. Every process is dead already. */
  wipe(): void;
}
