import type { RaftId } from './types.ts';

/** Of an election: `pending` as long as those who have not answered could still turn it. */
export type VoteResult = 'pending' | 'lost' | 'won';

/** Up to which index each member has acknowledged. */
export interface AckedIndexes {
  /** Undefined: nothing is known of it, which counts as 0. */
  ackedIndex(id: RaftId): number | undefined;
}

/** How each member has voted. */
export interface Votes {
  /** Undefined: it has not answered. */
  vote(id: RaftId): boolean | undefined;
}

/** The core runs synchronously, so one array serves all groups and a commit costs no allocation. */
const scratch: number[] = [];

/**
 * The highest index that a majority of `voters` has acknowledged. No voters: infinity, so that an empty half of a joint
 * configuration never holds back the other.
 */
export function majorityCommitted(voters: readonly RaftId[], acked: AckedIndexes): number {
  const count = voters.length;
  if (count === 0) return Number.POSITIVE_INFINITY;
  for (let at = 0; at < count; at++) {
    const index = acked.ackedIndex(voters[at] ?? 0) ?? 0;
    let hole = at;
    while (hole > 0 && (scratch[hole - 1] ?? 0) > index) {
      scratch[hole] = scratch[hole - 1] ?? 0;
      hole--;
    }
    scratch[hole] = index;
  }
  return scratch[count - (Math.floor(count / 2) + 1)] ?? 0;
}

/** Both halves of a joint configuration must have it. */
export function jointCommitted(incoming: readonly RaftId[], outgoing: readonly RaftId[], acked: AckedIndexes): number {
  const first = majorityCommitted(incoming, acked);
  if (outgoing.length === 0) return first;
  return Math.min(first, majorityCommitted(outgoing, acked));
}

/** No voters: won, so that an empty half of a joint configuration decides nothing. */
export function majorityVote(voters: readonly RaftId[], votes: Votes): VoteResult {
  if (voters.length === 0) return 'won';
  let granted = 0;
  let missing = 0;
  for (const id of voters) {
    const vote = votes.vote(id);
    if (vote === undefined) missing++;
    else if (vote) granted++;
  }
  const majority = Math.floor(voters.length / 2) + 1;
  if (granted >= majority) return 'won';
  return granted + missing >= majority ? 'pending' : 'lost';
}

/** Won when both halves are, lost when either is. */
export function jointVote(incoming: readonly RaftId[], outgoing: readonly RaftId[], votes: Votes): VoteResult {
  const first = majorityVote(incoming, votes);
  if (outgoing.length === 0) return first;
  const second = majorityVote(outgoing, votes);
  if (first === second) return first;
  return first === 'lost' || second === 'lost' ? 'lost' : 'pending';
}
