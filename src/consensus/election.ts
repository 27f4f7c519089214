import { votersOf } from './configuration.ts';
import type { Raft } from './core.ts';
import type { LogEnd } from './events.ts';
import { becomeCandidate, becomePreCandidate } from './states.ts';
import type { Tally } from './tracker.ts';
import type { Message, MessageType } from './types.ts';

/** Why a member campaigns. A transfer asks no pre-vote and is heard by those who still hear the old leader. */
export type CampaignKind = 'pre-election' | 'election' | 'transfer';

/** Context of a vote request that a leader has asked for by MsgTimeoutNow. */
const transferContext = new TextEncoder().encode('CampaignTransfer');

function asksForTransfer({ context }: Message): boolean {
  return context?.length === transferContext.length && transferContext.every((byte, at) => byte === context[at]);
}

/** Stands for election, if it may. */
export function hup(raft: Raft, kind: CampaignKind): void {
  if (raft.state === 'leader') {
    raft.sink?.event({ kind: 'campaign-as-leader', id: raft.id });
    return;
  }
  if (!raft.promotable()) {
    raft.sink?.event({ kind: 'campaign-unpromotable', id: raft.id });
    return;
  }
  // Whom to ask is not known before the changes that are committed are applied.
  if (raft.log.hasUnappliedConfChange()) {
    raft.sink?.event({ kind: 'campaign-changes-pending', id: raft.id, term: raft.term });
    return;
  }
  raft.sink?.event({ kind: 'election-started', id: raft.id, term: raft.term });
  campaign(raft, kind);
}

/** Asks all voters, itself included: its own vote counts when it is durable. */
export function campaign(raft: Raft, kind: CampaignKind): void {
  if (!raft.promotable()) raft.sink?.event({ kind: 'election-unpromotable', id: raft.id });
  const preVote = kind === 'pre-election';
  if (preVote) becomePreCandidate(raft);
  else becomeCandidate(raft);
  // A pre-vote is about the term that would follow.
  const term = preVote ? raft.term + 1 : raft.term;
  const type: MessageType = preVote ? 'MsgPreVote' : 'MsgVote';
  const last = raft.log.last();
  for (const id of votersOf(raft.tracker.configuration)) {
    if (id === raft.id) {
      const own = raft.draft(voteAnswer(type), id);
      own.term = term;
      raft.send(own);
      continue;
    }
    raft.sink?.event({ kind: 'vote-requested', id: raft.id, last, type, to: id, term: raft.term });
    const message = raft.draft(type, id);
    message.term = term;
    message.index = last.index;
    message.logTerm = last.term;
    if (kind === 'transfer') message.context = transferContext;
    raft.send(message);
  }
}

/** One more answer. */
export function poll(raft: Raft, { type, from, reject }: Message): Tally {
  raft.sink?.event({ kind: 'vote-received', id: raft.id, type, from, granted: !reject, term: raft.term });
  raft.tracker.recordVote(from, !reject);
  return raft.tracker.tally();
}

/**
 * Somebody asks for a vote in a later term, while this member hears from a leader: it is not even answered, or a member that
 * was cut off could depose a leader that all others hear (Raft thesis §4.2.3, §6.4.1).
 */
export function ignoredInLease(raft: Raft, message: Message): boolean {
  const inLease = raft.checkQuorum && raft.leader !== 0 && raft.electionElapsed < raft.electionTicks;
  if (!inLease || asksForTransfer(message)) return false;
  const remainingTicks = raft.electionTicks - raft.electionElapsed;
  if (raft.sink !== null) raft.sink.event({ kind: 'vote-ignored-in-lease', remainingTicks, ...asked(raft, message) });
  return true;
}

/** Gives or refuses a vote or pre-vote. Learners vote, too: they may have become voters without having heard of it. */
export function handleVoteRequest(raft: Raft, message: Message): void {
  const { type, from, term } = message;
  const free =
    raft.vote === from || (raft.vote === 0 && raft.leader === 0) || (type === 'MsgPreVote' && term > raft.term);
  const candidateLast: LogEnd = { index: message.index, term: message.logTerm };
  if (!free || !raft.log.isUpToDate(candidateLast)) {
    rejectVote(raft, message);
    return;
  }
  if (raft.sink !== null) raft.sink.event({ kind: 'vote-cast', ...asked(raft, message) });
  // In the term that was asked for: for a pre-vote that is not this member's own, which the candidate would ignore.
  const answer = raft.draft(voteAnswer(type), from);
  answer.term = term;
  raft.send(answer);
  if (type === 'MsgVote') {
    raft.electionElapsed = 0;
    raft.vote = from;
  }
}

/** In this member's own term, so that one who is behind learns of it. */
export function rejectVote(raft: Raft, message: Message): void {
  if (raft.sink !== null) raft.sink.event({ kind: 'vote-rejected', ...asked(raft, message) });
  const answer = raft.draft(voteAnswer(message.type), message.from);
  answer.reject = true;
  raft.send(answer);
}

function voteAnswer(type: MessageType): MessageType {
  return type === 'MsgPreVote' ? 'MsgPreVoteResp' : 'MsgVoteResp';
}

function asked(raft: Raft, { type, from, index, logTerm }: Message) {
  return {
    id: raft.id,
    last: raft.log.last(),
    vote: raft.vote,
    type,
    from,
    candidateLast: { index, term: logTerm },
    term: raft.term,
  };
}
