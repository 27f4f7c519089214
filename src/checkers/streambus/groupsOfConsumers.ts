import { Findings } from '../findings.ts';
import type { StreamBusCheck } from './check.ts';
import type { AssignmentSeen, CommitSeen } from './evidence.ts';

/** Within a generation a partition has one owner, and commits of a generation that is over are refused. */
export const oneOwner: StreamBusCheck = {
  name: 'one-owner',
  claim: 'a partition has one owner a generation, and members of an old one commit nothing',
  run(evidence) {
    const findings = new Findings('one-owner');
    const owners = new Map<string, AssignmentSeen>();
    for (const seen of evidence.assignments) {
      for (const key of seen.keys) {
        const at = `${seen.group} ${seen.generation} ${key}`;
        const other = owners.get(at);
        if (other !== undefined && other.member !== seen.member) {
          findings.add(
            `in generation ${seen.generation} of ${seen.group} the partition ${key} was given to ${other.member} and to ${seen.member}`,
            { atMs: seen.atMs, fromMs: other.atMs },
          );
        }
        owners.set(at, other ?? seen);
      }
    }
    for (const commit of evidence.commits) {
      if (commit.outcome !== 'ok' || commit.generation === undefined) continue;
      const newer = evidence.assignments.find(
        ({ group, generation, atMs }) =>
          group === commit.group && generation > (commit.generation ?? 0) && atMs < commit.invokedAt,
      );
      if (newer === undefined) continue;
      findings.add(
        `${commit.group} took a commit of generation ${commit.generation}, though ${newer.member} had been told of generation ${newer.generation} before`,
        { atMs: commit.completedAt, fromMs: newer.atMs },
      );
    }
    return findings.result(`${evidence.assignments.length} assignments, ${evidence.commits.length} commits`);
  },
};

/**
 * What was committed and acknowledged is told to whoever asks after it, or what somebody committed later or at the same time. Offsets that
 * a transaction took along count when it was committed.
 */
export const offsetCommit: StreamBusCheck = {
  name: 'offset-commit',
  claim:
    'a fetch of offsets returns the last acknowledged commit or a later one; of a transaction only what was committed',
  run(evidence) {
    const findings = new Findings('offset-commit');
    for (const fetch of evidence.offsetFetches) {
      const commits = evidence.commits.filter(({ group }) => group === fetch.group);
      for (const key of fetch.keys) {
        const told = fetch.offsets[key];
        const possible = possibleOffsets(commits, key, fetch.invokedAt, fetch.completedAt);
        if (possible.has(told)) continue;
        const known = [...possible].map((offset) => offset ?? 'none').join(', ');
        findings.add(
          `${fetch.group} was told ${told ?? 'no offset'} for ${key}; by the commits it is ${known === '' ? 'nothing that was ever committed' : known}`,
          { atMs: fetch.completedAt },
        );
      }
    }
    return findings.result(`${evidence.offsetFetches.length} fetches of offsets, ${evidence.commits.length} commits`);
  },
};

/** What a fetch may be told: every commit that may have taken effect before its end and that no later certain one has covered. */
function possibleOffsets(
  commits: readonly CommitSeen[],
  key: string,
  invokedAt: number,
  completedAt: number,
): Set<number | undefined> {
  const touching = commits.filter(
    ({ offsets, outcome, invokedAt: began }) =>
      offsets[key] !== undefined && outcome !== 'fail' && began <= completedAt,
  );
  const certain = touching.filter(({ outcome, completedAt: ended }) => outcome === 'ok' && ended < invokedAt);
  const possible = new Set<number | undefined>();
  if (certain.length === 0) possible.add(undefined);
  for (const commit of touching) {
    // In doubt it may take effect long after its call: nothing but a later call bounds it.
    const endedAt = commit.outcome === 'ok' ? commit.completedAt : Number.POSITIVE_INFINITY;
    const isCovered = certain.some((other) => other !== commit && other.invokedAt > endedAt);
    if (!isCovered) possible.add(commit.offsets[key]);
  }
  return possible;
}
