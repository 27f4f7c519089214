import fc from 'fast-check';
import type { MenuEntry } from './faultMenu.ts';

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

/** A fault before it is known which families are on: `kind` stands for its entry. */
export type NamelessFault = Omit<FaultDraw, 'entry'> & { readonly kind: number };

/** How many faults runs have. */
export interface FaultCounts {
  /** Of most runs, at the most. */
  readonly most: number;
  /** Of a big run, at the most. */
  readonly bigRunMost: number;
  /** Runs for each big one. */
  readonly runsPerBigRun: number;
}

const position = fc.nat({ max: 1_000 });

const namelessFault: fc.Arbitrary<NamelessFault> = fc.record({
  at: position,
  kind: fc.nat({ max: 1_000_000 }),
  length: position,
  a: position,
  b: position,
  where: position,
});

/** The faults of a run: few in most, many in the few big ones. */
export function namelessFaults({ most, bigRunMost, runsPerBigRun }: FaultCounts): fc.Arbitrary<NamelessFault[]> {
  return fc.oneof(
    { weight: runsPerBigRun, arbitrary: fc.array(namelessFault, { maxLength: most }) },
    { weight: 1, arbitrary: fc.array(namelessFault, { minLength: most, maxLength: bigRunMost, size: 'max' }) },
  );
}

/** The faults with the entries that they stand for, by the weights of the families that are on. */
export function namedFaults<Family extends string>(
  faults: readonly NamelessFault[],
  menu: readonly MenuEntry<Family>[],
  on: readonly Family[],
): FaultDraw[] {
  const entries = menu.filter((entry) => on.includes(entry.family));
  return faults.map(({ kind, ...fault }) => ({ entry: pick(entries, kind), ...fault }));
}

function pick(entries: readonly MenuEntry<string>[], kind: number): string {
  const total = entries.reduce((sum, entry) => sum + entry.weight, 0);
  let left = kind % total;
  for (const entry of entries) {
    left -= entry.weight;
    if (left < 0) return entry.name;
  }
  throw new Error('a menu without entries');
}
