import {
  type AckedIndexes,
  jointCommitted,
  jointVote,
  majorityCommitted,
  majorityVote,
  type VoteResult,
} from '../../../src/consensus/quorum.ts';
import type { RaftId } from '../../../src/consensus/types.ts';
import { dumbCommitted } from '../dumbQuorum.ts';
import { type Case, wholeNumber } from './format.ts';

const voteNames: Readonly<Record<VoteResult, string>> = { pending: 'VotePending', lost: 'VoteLost', won: 'VoteWon' };

/** `committed` and `vote`: a quorum's arithmetic, with cross-checks that print where they fail. */
export function runQuorumCase({ command, args, line }: Case): string {
  const values = (key: string): readonly string[] => args.filter((arg) => arg.key === key).flatMap((arg) => arg.values);
  const joint = args.some(({ key }) => key === 'cfgj');
  const ids = values('cfg').map(wholeNumber);
  const outgoing = values('cfgj')
    .filter((value) => value !== 'zero')
    .map(wholeNumber);
  const known = args.find(({ key }) => !['cfg', 'cfgj', 'idx', 'votes'].includes(key));
  if (known !== undefined) throw new Error(`line ${line}: unknown arg ${known.key}`);
  const voters = [...new Set([...ids, ...outgoing])];
  const given = values(command === 'vote' ? 'votes' : 'idx');
  if (given.length !== voters.length) {
    return `error: mismatched input (explicit or _) for voters ${describe(voters)}: ${describe(given)}\n`;
  }
  if (command === 'committed') {
    const acked = new Map(voters.map((id, at) => [id, given[at] === '_' ? undefined : wholeNumber(given[at])]));
    const indexes: AckedIndexes = { ackedIndex: (id) => acked.get(id) };
    return joint ? committedJoint(ids, outgoing, indexes) : committedMajority(ids, indexes);
  }
  if (command === 'vote') {
    const votes = new Map(voters.map((id, at) => [id, given[at] === '_' ? undefined : given[at] === 'y']));
    return voted(ids, outgoing, joint, (id) => votes.get(id));
  }
  throw new Error(`line ${line}: unknown command ${command}`);
}

function committedMajority(ids: readonly RaftId[], indexes: AckedIndexes): string {
  const index = majorityCommitted(ids, indexes);
  let out = progressBars(ids, indexes);
  const mustEqual = (other: number, how: string): void => {
    if (other !== index) out += `${indexWords(other)} <-- ${how}\n`;
  };
  mustEqual(dumbCommitted(ids, indexes), 'via alternative computation');
  mustEqual(jointCommitted(ids, [], indexes), 'via zero-joint quorum');
  mustEqual(jointCommitted(ids, ids, indexes), 'via self-joint quorum');
  for (const id of ids) {
    const own = indexes.ackedIndex(id) ?? 0;
    if (index <= own || own === 0) continue;
    // What lies below the committed index already does not change it by lying lower.
    for (const lower of [own - 1, 0]) {
      const overlaid: AckedIndexes = { ackedIndex: (other) => (other === id ? lower : indexes.ackedIndex(other)) };
      mustEqual(majorityCommitted(ids, overlaid), `overlaying ${id}->${lower}`);
    }
  }
  return `${out}${indexWords(index)}\n`;
}

function committedJoint(ids: readonly RaftId[], outgoing: readonly RaftId[], indexes: AckedIndexes): string {
  const index = jointCommitted(ids, outgoing, indexes);
  let out = progressBars([...new Set([...ids, ...outgoing])], indexes);
  const swapped = jointCommitted(outgoing, ids, indexes);
  if (swapped !== index) out += `${indexWords(swapped)} <-- via symmetry\n`;
  return `${out}${indexWords(index)}\n`;
}

function voted(
  ids: readonly RaftId[],
  outgoing: readonly RaftId[],
  joint: boolean,
  vote: (id: RaftId) => boolean | undefined,
): string {
  if (!joint) return `${voteNames[majorityVote(ids, { vote })]}\n`;
  const result = jointVote(ids, outgoing, { vote });
  const swapped = jointVote(outgoing, ids, { vote });
  const symmetry = swapped === result ? '' : `${voteNames[swapped]} <-- via symmetry\n`;
  return `${symmetry}${voteNames[result]}\n`;
}

function indexWords(index: number): string {
  return index === Number.POSITIVE_INFINITY ? '∞' : `${index}`;
}

function describe(items: readonly (number | string)[]): string {
  return `[${items.join(' ')}]`;
}

/** A bar for each voter, as long as the number of voters that are behind it. */
function progressBars(ids: readonly RaftId[], indexes: AckedIndexes): string {
  if (ids.length === 0) return '<empty majority quorum>';
  const count = ids.length;
  const indexOf = (id: RaftId): number => indexes.ackedIndex(id) ?? 0;
  const sorted = [...ids].sort((a, b) => a - b);
  const lines = sorted.map((id) => {
    const behind = ids.filter((other) => indexOf(other) < indexOf(id)).length;
    const known = indexes.ackedIndex(id) !== undefined;
    const bar = known ? `${'x'.repeat(behind)}>${' '.repeat(count - behind)}` : `?${' '.repeat(count)}`;
    return `${bar} ${String(indexOf(id)).padStart(5)}    (id=${id})\n`;
  });
  return `${' '.repeat(count)}    idx\n${lines.join('')}`;
}
