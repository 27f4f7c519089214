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
  /** Which nodes, 0..1000. */
  readonly where: number;
};

/** A step of a scenario without its time and its nodes. */
export type Step = Readonly<Record<string, unknown>>;

/** A step with its time from the moment of the fault, in virtual milliseconds. */
export interface LaterStep {
  readonly afterMs: number;
  readonly step: Step;
}

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
export interface FaultEntry {
  readonly name: string;
  readonly family: Family;
  /** How often, against the others of the families that are on. */
  readonly weight: number;
  /** What happens; a lasting fault gets its duration from `lasting`. */
  readonly steps: (draw: FaultDraw) => readonly LaterStep[];
}

/** The device of the log. */
export const wal = 'sdb';

/** The files of the log. */
export const segments = { path: '/var/lib/stemedb/wal' };

export const powerModes = ['drop', 'tear', 'reorder', 'corrupt', 'all-durable'] as const;
export const syncVariants = ['keep', 'revert', 'late', 'lost', 'false'] as const;

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
export function lasting(draw: FaultDraw, highMs = 5_000): number {
  return scale(draw.length, 50, highMs);
}

/** A fault step: `more` are the step's own keys, `parameters` the fault's. */
export function fault(name: string, more: Step, parameters: Step = {}): Step {
  return { fault: name, ...more, ...(Object.keys(parameters).length === 0 ? {} : { with: parameters }) };
}

/** One step at the moment of the fault. */
export function single(step: Step): readonly LaterStep[] {
  return [{ afterMs: 0, step }];
}

/** Either disk, or both: position 0 is the log's. */
export function onDisk(position: number): Step {
  return choose(position, [{ device: wal }, { device: 'sdc' }, {}]);
}
