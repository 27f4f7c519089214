import { createHash } from 'node:crypto';
import { parse } from 'yaml';
import type { PlayedRun } from '../campaign.ts';
import { showsPlanted } from '../runSeed.ts';
import type { Finding } from './findingsFile.ts';

/** Of a finding that more runs showed, the first ones are named. */
const runsMax = 20;

/** What a replay of a scenario came to; `unplayable`: it does not load any more, or its faults cannot be applied. */
export type Replayed = 'held' | 'violated' | 'undecided' | 'unplayable' | 'not replayed';

export interface ClassifyOptions {
  readonly engine: string;
  /** Commit of this campaign. */
  readonly commit: string;
  /** Findings of the last campaign; undefined: there was none. */
  readonly last: readonly Finding[] | undefined;
  readonly results: readonly PlayedRun[];
  /** Plays a scenario of the last campaign again, under each of these seeds in place of its own; undefined: its own. */
  readonly replay: (scenario: string, seed: number | undefined) => Promise<Replayed>;
}

/**
 * Compares what a campaign found with what the last one found. A finding that the runs of this campaign did not show is
 * `resolved` only if its own scenario was played again, under its own seed and some others, and held each time: other runs were
 * drawn perhaps, and missed it, and one that holds under one seed may have been lucky.
 */
export async function classifyFindings({
  engine,
  commit,
  last = [],
  results,
  replay,
}: ClassifyOptions): Promise<Finding[]> {
  const open = new Map(last.filter(({ state }) => state !== 'resolved').map((finding) => [finding.id, finding]));
  const found = new Map<string, Finding>();
  for (const { run, failure } of results) {
    // With a planted bug its findings are wanted, and no others.
    if (failure === undefined || !showsPlanted(failure)) continue;
    const { id, checks, faults } = signatureOf(engine, failure);
    const known = found.get(id);
    if (known !== undefined) {
      if (known.runs.length < runsMax) known.runs.push(run);
      continue;
    }
    const before = open.get(id);
    const seen = { commit, run };
    found.set(id, {
      id,
      state: before === undefined ? 'new' : 'ongoing',
      checks,
      faults,
      reasons: [...failure.reasons],
      runs: [run],
      firstSeen: before?.firstSeen ?? seen,
      lastSeen: seen,
      scenario: failure.scenario,
      ...(failure.explanation?.endedBy === 'minimal' ? {} : { unfinished: true as const }),
    });
  }
  for (const before of open.values()) {
    if (found.has(before.id)) continue;
    const replayed = await replayedUnderSeeds(before.scenario, replay);
    const lastSeen = replayed === 'violated' ? { ...before.lastSeen, commit } : before.lastSeen;
    found.set(before.id, {
      ...before,
      state: replayed === 'held' ? 'resolved' : 'ongoing',
      runs: [],
      replayed,
      lastSeen,
    });
  }
  return [...found.values()];
}

/** Seeds under which a scenario is played beside its own before its finding is resolved. */
const otherSeeds = [1, 2, 3, 4] as const;

/** `held` only if it held under every seed; else what the first said under which it did not. */
async function replayedUnderSeeds(scenario: string, replay: ClassifyOptions['replay']): Promise<Replayed> {
  for (const seed of [undefined, ...otherSeeds]) {
    const replayed = await replay(scenario, seed);
    if (replayed !== 'held') return replayed;
  }
  return 'held';
}

/** What makes two failures the same finding: the engine, who saw it, and the kinds of faults that are left; not the seed. */
export function signatureOf(
  engine: string,
  failure: { readonly checks: readonly string[]; readonly scenario: string },
): { readonly id: string; readonly checks: string[]; readonly faults: string[] } {
  const checks = [...new Set(failure.checks)].sort();
  const { timeline } = parse(failure.scenario) as { timeline?: readonly { fault?: string }[] }; // a scenario, as chaos wrote it
  const faults = [...new Set((timeline ?? []).flatMap(({ fault }) => (fault === undefined ? [] : [fault])))].sort();
  const id = createHash('sha256')
    .update(JSON.stringify([engine, checks, faults]))
    .digest('hex')
    .slice(0, 8);
  return { id, checks, faults };
}
