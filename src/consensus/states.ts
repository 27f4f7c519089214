import { appendProposals } from './append.ts';
import type { Raft } from './core.ts';
import { RaftPanic } from './errors.ts';
import { noBytes } from './message.ts';
import type { RaftId } from './types.ts';

/** `leader` 0: not known yet. */
export function becomeFollower(raft: Raft, term: number, leader: RaftId): void {
  startTerm(raft, term);
  raft.leader = leader;
  raft.state = 'follower';
  raft.sink?.event({ kind: 'became', id: raft.id, state: 'follower', term: raft.term });
}

/** Votes for itself in the next term. */
export function becomeCandidate(raft: Raft): void {
  if (raft.state === 'leader') throw new RaftPanic('invalid transition [leader -> candidate]');
  startTerm(raft, raft.term + 1);
  raft.vote = raft.id;
  raft.state = 'candidate';
  raft.sink?.event({ kind: 'became', id: raft.id, state: 'candidate', term: raft.term });
}

/** Changes neither term nor vote: whoever cannot win leaves no trace (Raft thesis §9.6). */
export function becomePreCandidate(raft: Raft): void {
  if (raft.state === 'leader') throw new RaftPanic('invalid transition [leader -> pre-candidate]');
  raft.tracker.resetVotes();
  raft.leader = 0;
  raft.state = 'precandidate';
  raft.sink?.event({ kind: 'became', id: raft.id, state: 'precandidate', term: raft.term });
}

/** Begins its term with an empty entry: when that is committed, so is all before it (Raft §8). */
export function becomeLeader(raft: Raft): void {
  if (raft.state === 'follower') throw new RaftPanic('invalid transition [follower -> leader]');
  const own = raft.tracker.get(raft.id);
  if (own === undefined) {
    // A change took this member out of the group while it stood for election.
    becomeFollower(raft, raft.term, 0);
    return;
  }
  startTerm(raft, raft.term);
  raft.leader = raft.id;
  raft.state = 'leader';
  own.becomeReplicate();
  own.recentActive = true;
  raft.heartbeatElapsed = raft.heartbeatPhase();
  // There may be a configuration change anywhere in the tail; to wait until all of it is applied costs less than to look.
  raft.pendingConfIndex = raft.mutant('conf-before-own-term') ? 0 : raft.log.lastIndex;
  if (!appendProposals(raft, [{ type: 'normal', data: noBytes }])) throw new RaftPanic('empty entry was dropped');
  raft.sink?.event({ kind: 'became', id: raft.id, state: 'leader', term: raft.term });
}

/** All that belongs to a term, or to a change of role within it, starts anew. */
function startTerm(raft: Raft, term: number): void {
  if (raft.term !== term) {
    raft.term = term;
    raft.vote = 0;
  }
  raft.leader = 0;
  raft.electionElapsed = 0;
  raft.heartbeatElapsed = 0;
  raft.randomizedElectionTimeout = raft.randomTimeout();
  raft.leadTransferee = 0;
  raft.tracker.resetVotes();
  const lastIndex = raft.log.lastIndex;
  for (const progress of raft.tracker.members) {
    progress.reset(progress.id === raft.id ? lastIndex : 0, lastIndex + 1);
  }
  raft.pendingConfIndex = 0;
  raft.uncommittedBytes = 0;
  raft.reads.clear();
  raft.pendingReads.length = 0;
}
