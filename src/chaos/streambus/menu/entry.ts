/** One drawn fault, made from plain numbers: what they mean is the menu entry's own. */
export type FaultDraw = {
  /** Name of the entry of the menu. */
  readonly entry: string;
  /** When, on the scale 0..1000 of the run's turbulent part. */
  readonly at: number;
  /** How long, 0..1000. */
  readonly length: number;
  /** Positions 0..1000 on scales of the entry. */
  readonly a: number;
  readonly b: number;
  /** Which brokers, 0..1000. */
  readonly where: number;
};

/** A step of a scenario without its time. */
export type Step = Readonly<Record<string, unknown>>;

/** A step with its time from the moment of the fault, in virtual milliseconds. */
export interface LaterStep {
  readonly afterMs: number;
  readonly step: Step;
}

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
}

/** One entry of the menu. */
export interface FaultEntry {
  readonly name: string;
  readonly family: Family;
  /** How often, against the others of the families that are on. */
  readonly weight: number;
  /** What happens; none where it cannot happen to such a cluster. */
  readonly steps: (draw: FaultDraw, cluster: Cluster) => readonly LaterStep[];
}

/** The device of the data directory. */
export const disk = 'sdb';

export const powerModes = ['drop', 'tear', 'reorder', 'corrupt', 'all-durable'] as const;

/** A value between `low` and `high` by a position of 0..1000. */
export function scale(position: number, low: number, high: number): number {
  return Math.round(low + ((high - low) * position) / 1000);
}

/** One of the values, by a position. */
export function choose<T>(position: number, values: readonly T[]): T {
  const value = values[position % values.length];
  if (value === undefined) throw new Error('an empty list to choose from');
  return value;
}

/** How long a lasting fault lasts, in milliseconds. */
export function lasting(draw: FaultDraw, highMs = 6_000): number {
  return scale(draw.length, 50, highMs);
}

/** A fault step: `more` are the step's own keys, `parameters` the fault's. */
export function fault(name: string, nodes: string | readonly string[], more: Step, parameters: Step = {}): Step {
  return { fault: name, nodes, ...more, ...(Object.keys(parameters).length === 0 ? {} : { with: parameters }) };
}

/** One step at the moment of the fault. */
export function single(step: Step): readonly LaterStep[] {
  return [{ afterMs: 0, step }];
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
