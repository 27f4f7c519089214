import { faultsOfBigRunMax, type StreamBusDraw } from './draw.ts';
import type { FaultDraw } from './menu/entry.ts';

/** How far a fault is moved, on the scale of 0..1000. */
const jitter = 50;

/**
 * A run near `parent`: its faults moved a little, one of them added, removed, replaced or drawn anew in its parameters, and now and then the
 * brokers, the configuration, the disks or the load of `fresh`. Half the time the seed stays, so that what comes before the first change
 * is as it was.
 */
export function near(parent: StreamBusDraw, fresh: StreamBusDraw, random: () => number): StreamBusDraw {
  const chance = (share: number) => random() < share;
  const taken = fresh.faults[Math.floor(random() * fresh.faults.length)];
  return {
    ...parent,
    seed: chance(0.5) ? parent.seed : fresh.seed,
    brokers: chance(0.05) ? fresh.brokers : parent.brokers,
    config: chance(0.2) ? fresh.config : parent.config,
    flushTenths: chance(0.1) ? fresh.flushTenths : parent.flushTenths,
    load: chance(0.2) ? fresh.load : parent.load,
    faults: edited(
      parent.faults.map((fault) => (chance(0.3) ? moved(fault, random) : fault)),
      taken,
      random,
    ),
  };
}

function moved(fault: FaultDraw, random: () => number): FaultDraw {
  const at = Math.round(fault.at + (random() * 2 - 1) * jitter);
  return { ...fault, at: Math.max(0, Math.min(1_000, at)) };
}

/** One change of the list: a fault more, one less, another in its place, or the same with other parameters. */
function edited(
  faults: readonly FaultDraw[],
  taken: FaultDraw | undefined,
  random: () => number,
): readonly FaultDraw[] {
  const index = Math.floor(random() * faults.length);
  const there = faults[index];
  const change = random();
  if (there === undefined || (change < 0.4 && faults.length < faultsOfBigRunMax)) {
    return taken === undefined ? faults : [...faults, taken];
  }
  if (change < 0.55) return faults.toSpliced(index, 1);
  const other: FaultDraw =
    change < 0.75 && taken !== undefined
      ? { ...taken, at: there.at }
      : { ...there, length: position(random), a: position(random), b: position(random), where: position(random) };
  return faults.toSpliced(index, 1, other);
}

function position(random: () => number): number {
  return Math.floor(random() * 1_001);
}
