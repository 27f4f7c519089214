import type { DeclaredPoints } from '../../host/telemetry.ts';
import type { PlayedRun } from '../campaign.ts';
import { type CoverageItem, createCoverageMap } from './coverageMap.ts';

/** A probe of the engine (`sometimes`), over a whole campaign. */
export interface ProbeSummary {
  readonly name: string;
  /** Runs in which it fired. */
  readonly runs: number;
  /** The first of them, and how many runs had been played with it; undefined: it never fired. */
  readonly first?: { readonly run: string; readonly after: number };
}

/** What the runs of a campaign reached. */
export interface CoverageSummary {
  /** Distinct items. */
  readonly items: number;
  /** The rarest, rarest first. */
  readonly rarest: readonly CoverageItem[];
  /** Every probe that the engine declares, in the order in which they first fired, then those that never did. */
  readonly probes: readonly ProbeSummary[];
  /** Names of the latter. */
  readonly neverReached: readonly string[];
  /** Fault points that the engine declares and that fired in no run. */
  readonly neverFired: readonly string[];
}

/**
 * @param declared what the engine says can be reached: what no run came near is missing too, not only what one missed
 * @param rarestMax how many of the rarest items are listed
 */
export function summarizeCoverage(
  results: readonly PlayedRun[],
  declared: DeclaredPoints,
  rarestMax = 10,
): CoverageSummary {
  const map = createCoverageMap();
  const probes = new Map<string, { runs: number; first?: { run: string; after: number } }>(
    declared.probes.map((name) => [name, { runs: 0 }]),
  );
  for (const [at, { run, coverage, probes: seen }] of results.entries()) {
    map.add(run, coverage);
    for (const { name, reached } of seen) {
      const probe = probes.get(name) ?? { runs: 0 };
      probes.set(name, probe);
      if (!reached) continue;
      probe.runs++;
      probe.first ??= { run, after: at + 1 };
    }
  }
  const after = ({ first }: ProbeSummary): number => first?.after ?? Number.POSITIVE_INFINITY;
  const listed = [...probes]
    .map(([name, probe]): ProbeSummary => ({ name, ...probe }))
    .sort((a, b) => (after(a) === after(b) ? (a.name < b.name ? -1 : 1) : after(a) - after(b)));
  const rarest = map.rarest();
  return {
    items: rarest.length,
    rarest: rarest.slice(0, rarestMax),
    probes: listed,
    neverReached: listed.filter(({ first }) => first === undefined).map(({ name }) => name),
    neverFired: declared.faultPoints.filter((name) => !rarest.some(({ item }) => item === `buggify: ${name}`)),
  };
}
