import type { AckedIndexes, VoteResult, Votes } from '../../src/consensus/quorum.ts';
import type { RaftId } from '../../src/consensus/types.ts';

/** The committed index, by counting for each candidate index how many voters have reached it. */
export function dumbCommitted(voters: readonly RaftId[], acked: AckedIndexes): number {
  if (voters.length === 0) return Number.POSITIVE_INFINITY;
  const candidates = [0, ...voters.map((id) => acked.ackedIndex(id) ?? 0)];
  const reached = candidates.filter((index) => {
    const have = voters.filter((id) => (acked.ackedIndex(id) ?? 0) >= index);
    return have.length * 2 > voters.length;
  });
  return Math.max(...reached);
}

/** The result of a vote, by playing every way in which those who are silent could still vote. */
export function dumbVote(halves: readonly (readonly RaftId[])[], votes: Votes): VoteResult {
  const silent = [...new Set(halves.flat())].filter((id) => votes.vote(id) === undefined);
  const outcomes = new Set<boolean>();
  for (let ways = 0; ways < 2 ** silent.length; ways++) {
    const granted = (id: RaftId): boolean => {
      const at = silent.indexOf(id);
      return at < 0 ? votes.vote(id) === true : Math.floor(ways / 2 ** at) % 2 === 1;
    };
    outcomes.add(halves.every((half) => half.length === 0 || half.filter(granted).length * 2 > half.length));
  }
  if (outcomes.size === 2) return 'pending';
  return outcomes.has(true) ? 'won' : 'lost';
}
