import type { Raft } from './core.ts';
import { campaign, poll } from './election.ts';
import { ProposalDropped } from './errors.ts';
import { handleAppend, handleHeartbeat } from './follower.ts';
import { broadcastAppend } from './replication.ts';
import { handleSnapshot } from './restore.ts';
import { becomeFollower, becomeLeader } from './states.ts';
import type { Message } from './types.ts';

/** Candidate and pre-candidate: they differ in the answers that they count. */
export function stepCandidate(raft: Raft, message: Message): void {
  switch (message.type) {
    case 'MsgProp':
      raft.sink?.event({ kind: 'proposal-without-leader', id: raft.id, term: raft.term });
      throw new ProposalDropped();
    // Whoever leads this term has won it: the messages of other terms do not come this far.
    case 'MsgApp':
      becomeFollower(raft, message.term, message.from);
      handleAppend(raft, message);
      return;
    case 'MsgHeartbeat':
      becomeFollower(raft, message.term, message.from);
      handleHeartbeat(raft, message);
      return;
    case 'MsgSnap':
      becomeFollower(raft, message.term, message.from);
      handleSnapshot(raft, message);
      return;
    case 'MsgVoteResp':
      if (raft.state === 'candidate') countVote(raft, message);
      return;
    case 'MsgPreVoteResp':
      if (raft.state === 'precandidate' && !isPromiseOfEarlier(raft, message)) countVote(raft, message);
      return;
    case 'MsgTimeoutNow': {
      const { id, term, state } = raft;
      raft.sink?.event({ kind: 'timeout-now-ignored', id, term, state, from: message.from });
      return;
    }
  }
}

/**
 * A promise names the term that it is for. One for a term that was given up since is late, and says nothing of the next one; etcd counts
 * it, and then holds an election that nobody may have promised to vote in.
 */
function isPromiseOfEarlier(raft: Raft, { term, reject }: Message): boolean {
  return !reject && term !== raft.term + 1;
}

function countVote(raft: Raft, message: Message): void {
  const { granted, rejected, result } = poll(raft, message);
  raft.sink?.event({ kind: 'votes-counted', id: raft.id, granted, type: message.type, rejected });
  if (result === 'lost') {
    becomeFollower(raft, raft.term, 0);
  } else if (result === 'won') {
    if (raft.state === 'precandidate') {
      campaign(raft, 'election');
    } else {
      becomeLeader(raft);
      if (raft.isLeader) broadcastAppend(raft);
    }
  }
}
