import { createHash } from 'node:crypto';
import { parse } from 'yaml';
import type { PlayedRun } from '../campaign.ts';
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
  /** Plays a scenario of the last campaign again. */
  readonly replay: (scenario: string) => Promise<Replayed>;
}

/**
 * Compares what a campaign found with what the last one found. A finding that the runs of this campaign did not show is
 * `resolved` only if its own scenario was played again and held: other runs were drawn perhaps, and missed it.
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
    if (failure === undefined) continue;
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
    });
  }
  for (const before of open.values()) {
    if (found.has(before.id)) continue;
    const replayed = await replay(before.scenario);
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
