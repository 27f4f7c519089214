import type { FaultDraw } from './faultDraw.ts';

/** How far a fault is moved, on the scale of 0..1000. */
const jitter = 50;

/**
 * Faults near those of a parent: some moved a little, and one of them removed, replaced, drawn anew in its parameters, or one added.
 *
 * @param taken one of another run's, to add or to replace by; none if that has no faults
 * @param most so many may be there after one is added
 * @param random uniform in [0, 1)
 */
export function nearFaults(
  parents: readonly FaultDraw[],
  taken: FaultDraw | undefined,
  most: number,
  random: () => number,
): readonly FaultDraw[] {
  const faults = parents.map((fault) => (random() < 0.3 ? moved(fault, random) : fault));
  const index = Math.floor(random() * faults.length);
  const there = faults[index];
  const change = random();
  if (there === undefined || (change < 0.4 && faults.length < most)) {
    return taken === undefined ? faults : [...faults, taken];
  }
  if (change < 0.55) return faults.toSpliced(index, 1);
  const other: FaultDraw =
    change < 0.75 && taken !== undefined
      ? { ...taken, at: there.at }
      : { ...there, length: position(random), a: position(random), b: position(random), where: position(random) };
  return faults.toSpliced(index, 1, other);
}

/** One of the faults of a run, to be taken into another; none if it has none. */
export function oneOf(faults: readonly FaultDraw[], random: () => number): FaultDraw | undefined {
  return faults[Math.floor(random() * faults.length)];
}

function moved(fault: FaultDraw, random: () => number): FaultDraw {
  const at = Math.round(fault.at + (random() * 2 - 1) * jitter);
  return { ...fault, at: Math.max(0, Math.min(1_000, at)) };
}

function position(random: () => number): number {
  return Math.floor(random() * 1_001);
}
