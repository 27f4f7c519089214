/** A step of a scenario without its time. */
export type Step = Readonly<Record<string, unknown>>;

/** A step with its time from the moment of the fault, in virtual milliseconds. */
export interface LaterStep {
  readonly afterMs: number;
  readonly step: Step;
}

/** What every entry of an engine's menu has. What happens is told by its `steps`, which take what the engine's faults need. */
export interface MenuEntry<Family extends string> {
  readonly name: string;
  readonly family: Family;
  /** How often, against the others of the families that are on. */
  readonly weight: number;
}

/** What may become of the writes that were not synced when the power is lost. */
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

/** A fault step: `more` are the step's own keys, `parameters` the fault's. */
export function faultStep(name: string, more: Step, parameters: Step = {}): Step {
  return { fault: name, ...more, ...(Object.keys(parameters).length === 0 ? {} : { with: parameters }) };
}

/** One step at the moment of the fault. */
export function single(step: Step): readonly LaterStep[] {
  return [{ afterMs: 0, step }];
}

/** Finds the entries of a menu by their names; throws at a name that it does not have. */
export function finderIn<Entry extends MenuEntry<string>>(menu: readonly Entry[]): (name: string) => Entry {
  const byName = new Map(menu.map((entry) => [entry.name, entry]));
  return (name) => {
    const entry = byName.get(name);
    if (entry === undefined) throw new Error(`the menu has no ${name}`);
    return entry;
  };
}
