import type { PlayedRun } from '../../src/chaos/campaign.ts';
import type { SeedFailure } from '../../src/chaos/runSeed.ts';

/** A run of a campaign as it is told when it failed so; nothing was played. */
export function failedRun(run: string, failure: SeedFailure, faults: readonly string[] = []): PlayedRun {
  const nothing = { fingerprint: '', events: 0, virtualMs: 0, probes: [], coverage: [] };
  return { run, verdict: 'violated', ...nothing, faults, failure };
}
