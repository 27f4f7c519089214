import type { FaultDraw } from '../../faultDraw.ts';
import { choose, faultStep, type LaterStep, type MenuEntry, type Step, scale } from '../../faultMenu.ts';

export const families = [
  'process',
  'power',
  'leader',
  'damage',
  'slow-disk',
  'disk-errors',
  'network',
  'partition',
  'clock',
  'load',
  'operator',
] as const;
export type Family = (typeof families)[number];

/** The brokers of a run, as its faults see them. */
export interface Cluster {
  readonly nodes: readonly string[];
  /**
   * The one broker whose disk may be damaged: with three replicas of everything one damaged copy is what the engine promises to bear.
   * Undefined where there is no other copy.
   */
  readonly victim: string | undefined;
  /** Partitions that the load writes to, as their directories are called: `t0/partition-0`. One at least. */
  readonly partitions: readonly string[];
  /** How long after the moment of a fault the first records are on the disks, in virtual milliseconds: what is not there cannot rot. */
  readonly restsAfterMs: (draw: FaultDraw) => number;
}

/** One entry of the menu. */
export interface FaultEntry extends MenuEntry<Family> {
  /** What happens; none where it cannot happen to such a cluster. */
  readonly steps: (draw: FaultDraw, cluster: Cluster) => readonly LaterStep[];
}

/** Directory of a partition, or a glob of several, by its name below the data. */
export const dataOf = (partition: string): string => `/var/lib/streambus/data/${partition}`;

/** The device of the data directory. */
export const disk = 'sdb';

/** How long a lasting fault lasts, in milliseconds. */
export function lasting(draw: FaultDraw, highMs = 6_000): number {
  return scale(draw.length, 50, highMs);
}

/** A fault step on `nodes`: `more` are the step's own keys, `parameters` the fault's. */
export function fault(name: string, nodes: string | readonly string[], more: Step, parameters: Step = {}): Step {
  return faultStep(name, { nodes, ...more }, parameters);
}

/** One broker. */
export function one({ where }: FaultDraw, { nodes }: Cluster): string {
  return choose(where, nodes);
}

/** Brokers without which the others are still a majority: one at least. They are named, so that steps of one fault hit the same. */
export function minority({ where }: FaultDraw, { nodes }: Cluster): readonly string[] {
  const count = Math.max(1, Math.floor((nodes.length - 1) / 2));
  return Array.from({ length: count }, (_, index) => choose(where + index, nodes));
}
