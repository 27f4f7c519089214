import { shrinkUncommitted } from './append.ts';
import { appliedSnapshot, appliedTo } from './applied.ts';
import { stepCandidate } from './candidate.ts';
import type { Raft } from './core.ts';
import { handleVoteRequest, hup, ignoredInLease, rejectVote } from './election.ts';
import { payloadBytes, totalBytes } from './entries.ts';
import { stepFollower } from './follower.ts';
import { stepLeader } from './leader.ts';
import { becomeFollower } from './states.ts';
import type { Message } from './types.ts';

/** Takes one message: first its term, then what it says. Throws `ProposalDropped` for a MsgProp that is not taken. */
export function step(raft: Raft, message: Message): void {
  // Term 0: from this member itself, or one that is good in any term.
  if (message.term !== 0) {
    if (message.term > raft.term) {
      if (!takeHigherTerm(raft, message)) return;
    } else if (message.term < raft.term) {
      answerLowerTerm(raft, message);
      return;
    }
  }
  switch (message.type) {
    case 'MsgHup':
      hup(raft, raft.preVote ? 'pre-election' : 'election');
      return;
    case 'MsgVote':
    case 'MsgPreVote':
      handleVoteRequest(raft, message);
      return;
    case 'MsgStorageAppendResp':
      if (message.index !== 0) raft.log.unstable.stableTo(message.index, message.logTerm);
      if (message.snapshot !== undefined) appliedSnapshot(raft, message.snapshot);
      return;
    case 'MsgStorageApplyResp':
      handleApplied(raft, message);
      return;
  }
  if (raft.state === 'follower') stepFollower(raft, message);
  else if (raft.state === 'leader') stepLeader(raft, message);
  else stepCandidate(raft, message);
}

/** False: the message is not even looked at. */
function takeHigherTerm(raft: Raft, message: Message): boolean {
  const { type, from, term, reject } = message;
  if ((type === 'MsgVote' || type === 'MsgPreVote') && ignoredInLease(raft, message)) return false;
  // A pre-vote is about a term that nobody has begun; only a refusal is in the term of the one who refuses.
  if (type === 'MsgPreVote' || (type === 'MsgPreVoteResp' && !reject)) return true;
  raft.sink?.event({ kind: 'higher-term', id: raft.id, term: raft.term, type, from, messageTerm: term });
  const fromLeader = type === 'MsgApp' || type === 'MsgHeartbeat' || type === 'MsgSnap';
  becomeFollower(raft, term, fromLeader ? from : 0);
  return true;
}

function answerLowerTerm(raft: Raft, message: Message): void {
  const { type, from, term } = message;
  if ((raft.checkQuorum || raft.preVote) && (type === 'MsgHeartbeat' || type === 'MsgApp')) {
    // A leader of an old term. Where votes may go unheard, this member could stay stuck in its later term for ever: the
    // answer tells the leader of that term, and an election brings all together.
    raft.send(raft.draft('MsgAppResp', from));
    return;
  }
  if (type === 'MsgPreVote') {
    // Unanswered, candidates of older terms with longer logs could block each other.
    rejectVote(raft, message);
    return;
  }
  if (type === 'MsgStorageAppendResp') {
    // Entries that were written in an older term may since have been replaced, and their replacements not be stored yet.
    if (message.index !== 0) {
      raft.sink?.event({ kind: 'old-appends-ignored', id: raft.id, term: raft.term, type, messageTerm: term });
    }
    // A snapshot holds committed state only: it is good in any term.
    if (message.snapshot !== undefined) appliedSnapshot(raft, message.snapshot);
    return;
  }
  raft.sink?.event({ kind: 'lower-term-ignored', id: raft.id, term: raft.term, type, from, messageTerm: term });
}

function handleApplied(raft: Raft, { entries }: Message): void {
  const last = entries.at(-1);
  if (last === undefined) return;
  appliedTo(raft, last.index, totalBytes(entries, raft.entryBytes));
  shrinkUncommitted(raft, payloadBytes(entries));
}
