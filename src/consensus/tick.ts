import type { Raft } from './core.ts';
import { hup } from './election.ts';
import { ageSnapshots, checkQuorum } from './leader.ts';
import { broadcastHeartbeat } from './replication.ts';

/** One tick of the driver's clock. Thousands of groups tick in one process: nothing is allocated when nothing is due. */
export function tick(raft: Raft): void {
  raft.electionElapsed++;
  if (raft.state === 'leader') tickLeader(raft);
  else if (raft.electionElapsed >= raft.randomizedElectionTimeout && raft.promotable()) {
    raft.electionElapsed = 0;
    hup(raft, raft.preVote ? 'pre-election' : 'election');
  }
}

function tickLeader(raft: Raft): void {
  raft.heartbeatElapsed++;
  if (raft.electionElapsed >= raft.electionTicks) {
    raft.electionElapsed = 0;
    if (raft.checkQuorum) checkQuorum(raft);
    // A transfer that did not succeed in this time is given up.
    raft.leadTransferee = 0;
    if (!raft.isLeader) return;
    if (raft.snapshotPatience > 0) ageSnapshots(raft);
  }
  if (raft.heartbeatElapsed >= raft.heartbeatTicks) {
    raft.heartbeatElapsed = 0;
    broadcastHeartbeat(raft);
  }
}
