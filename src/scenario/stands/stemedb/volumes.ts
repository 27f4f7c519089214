import type { World } from '../../../sim/world.ts';
import type { MachineDisks } from './devices.ts';

/** The cloud's side of the volume under the log. */
export interface Volumes {
  /** `aws ec2 modify-volume --iops N`: takes effect when the modification has been optimized. */
  modify(node: string, iops: number): string;
  /** `ModificationState`: modifying, optimizing, completed; `none` before the first modification. */
  state(node: string): string;
}

/** How long a modification takes in each state, in virtual milliseconds. */
const modifyingMs = 30_000;
const optimizingMs = 120_000;
/** Bytes a second of a gp3 volume at its baseline. */
const volumeBytesPerSecond = 125_000_000;

/** Volumes whose throttle is replaced by the one that an operator ordered. */
export function createVolumes(world: World, disksOf: (node: string) => MachineDisks): Volumes {
  const states = new Map<string, string>();
  const undo = new Map<string, () => void>();
  return {
    modify(node, iops) {
      states.set(node, 'modifying');
      world.scheduler.after(modifyingMs, 'volume optimizing', undefined, () => states.set(node, 'optimizing'));
      world.scheduler.after(modifyingMs + optimizingMs, 'volume completed', undefined, () => {
        const { wal } = disksOf(node);
        // The old limit is gone, whoever set it; the new one holds from now on.
        wal.queue.lift('throttle');
        undo.get(node)?.();
        undo.set(node, wal.queue.disturb({ kind: 'throttle', iops, bytesPerSecond: volumeBytesPerSecond }));
        states.set(node, 'completed');
      });
      return `{"VolumeModification": {"ModificationState": "modifying", "TargetIops": ${iops}}}`;
    },
    state: (node) => states.get(node) ?? 'none',
  };
}
