import type { Raft } from './core.ts';
import { hup } from './election.ts';
import { ProposalDropped } from './errors.ts';
import { handleSnapshot } from './restore.ts';
import type { Entry, Message } from './types.ts';

export function stepFollower(raft: Raft, message: Message): void {
  const { id, term, sink } = raft;
  switch (message.type) {
    case 'MsgApp':
      hearLeader(raft, message);
      handleAppend(raft, message);
      return;
    case 'MsgHeartbeat':
      hearLeader(raft, message);
      handleHeartbeat(raft, message);
      return;
    case 'MsgSnap':
      hearLeader(raft, message);
      handleSnapshot(raft, message);
      return;
    case 'MsgProp':
      forwardProposal(raft, message);
      return;
    case 'MsgReadIndex':
      if (raft.leader === 0) sink?.event({ kind: 'read-without-leader', id, term });
      else forward(raft, message, 0);
      return;
    case 'MsgTransferLeader':
      if (raft.leader === 0) sink?.event({ kind: 'transfer-without-leader', id, term });
      else forward(raft, message, term);
      return;
    case 'MsgReadIndexResp':
      handleReadAnswer(raft, message);
      return;
    case 'MsgForgetLeader':
      forgetLeader(raft);
      return;
    case 'MsgTimeoutNow':
      sink?.event({ kind: 'timeout-now-received', id, term, from: message.from });
      // No pre-vote: the leader has asked for this election.
      hup(raft, 'transfer');
      return;
  }
}

function hearLeader(raft: Raft, message: Message): void {
  raft.electionElapsed = 0;
  raft.leader = message.from;
}

/** Entries of the leader: appended if the log holds the entry before them, else refused with a hint where it may match. */
export function handleAppend(raft: Raft, message: Message): void {
  const { from, index, logTerm, entries } = message;
  const { log } = raft;
  if (!areConsecutive(entries, index)) {
    raft.sink?.event({ kind: 'append-malformed', id: raft.id, from });
    return;
  }
  const answer = raft.draft('MsgAppResp', from);
  if (index < log.committed) {
    answer.index = log.committed;
    raft.send(answer);
    return;
  }
  if (raft.mutant('truncate-always') && entries.length > 0 && log.matches(index, logTerm)) log.append(entries);
  const last = log.maybeAppend(index, logTerm, entries);
  if (last !== undefined) {
    // What lies behind the last of these entries may be another leader's: it is not covered by this commit index.
    log.commitTo(Math.min(message.commit, raft.mutant('commit-unclamped') ? log.lastIndex : last));
    answer.index = last;
    raft.send(answer);
    return;
  }
  raft.sink?.event({ kind: 'append-refused', id: raft.id, ownTerm: log.termOrZero(index), index, logTerm, from });
  // The leader's log has no term above `logTerm` up to `index`: what has one here cannot match.
  const hint = log.findConflictByTerm(Math.min(index, log.lastIndex), logTerm);
  answer.index = index;
  answer.reject = true;
  answer.rejectHint = hint.index;
  answer.logTerm = hint.term;
  raft.send(answer);
}

function areConsecutive(entries: readonly Entry[], previous: number): boolean {
  let index = previous;
  for (const entry of entries) {
    index++;
    if (entry.index !== index) return false;
  }
  return true;
}

export function handleHeartbeat(raft: Raft, message: Message): void {
  const { commit } = message;
  raft.log.commitTo(raft.mutant('commit-unclamped') ? Math.min(commit, raft.log.lastIndex) : commit);
  const answer = raft.draft('MsgHeartbeatResp', message.from);
  answer.context = message.context;
  raft.send(answer);
}

function forwardProposal(raft: Raft, message: Message): void {
  const { id, term, leader, sink } = raft;
  if (leader === 0) {
    sink?.event({ kind: 'proposal-without-leader', id, term });
    throw new ProposalDropped();
  }
  if (raft.disableProposalForwarding) {
    sink?.event({ kind: 'proposal-not-forwarded', id, leader, term });
    throw new ProposalDropped();
  }
  forward(raft, message, 0);
}

/** To the leader, in the name of whoever asked. Proposals and reads carry no term: they are good in any. */
function forward(raft: Raft, message: Message, term: number): void {
  const forwarded = raft.draft(message.type, raft.leader);
  forwarded.from = message.from === 0 ? raft.id : message.from;
  forwarded.term = term;
  forwarded.entries = message.entries;
  raft.send(forwarded);
}

function handleReadAnswer(raft: Raft, { from, index, entries }: Message): void {
  const [entry] = entries;
  if (entry === undefined || entries.length !== 1) {
    raft.sink?.event({ kind: 'read-answer-malformed', id: raft.id, from, entries: entries.length });
    return;
  }
  raft.readStates.push({ index, context: entry.data });
}

/** Without a leader in mind it may vote for another before its time-out. A lease is a promise not to. */
function forgetLeader(raft: Raft): void {
  const { id, term, leader, sink } = raft;
  if (raft.leaseReads) {
    sink?.event({ kind: 'forget-leader-refused' });
    return;
  }
  if (leader === 0) return;
  sink?.event({ kind: 'leader-forgotten', id, leader, term });
  raft.leader = 0;
}
