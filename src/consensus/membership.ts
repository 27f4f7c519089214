import { changeSimply, enterJoint, leaveJoint } from './changer.ts';
import { asV2, entersJoint, leavesJoint } from './confChange.ts';
import { type Configuration, confStateOf, isVoter } from './configuration.ts';
import type { Raft } from './core.ts';
import { broadcastAppend, maybeCommit, sendAppend } from './replication.ts';
import { becomeFollower } from './states.ts';
import type { ConfChange, ConfChangeV2, ConfState, RaftId } from './types.ts';

/** A committed change takes effect. Throws `ConfChangeInvalid`; then nothing has changed. */
export function applyConfChange(raft: Raft, change: ConfChange | ConfChangeV2): ConfState {
  const v2 = asV2(change);
  const before = raft.tracker.configuration;
  const joint = entersJoint(v2);
  let changed: ReturnType<typeof leaveJoint>;
  if (leavesJoint(v2)) changed = leaveJoint(before);
  else if (joint !== undefined) changed = enterJoint(before, joint.autoLeave, v2.changes);
  else changed = changeSimply(before, v2.changes);
  return switchConfiguration(raft, changed.configuration, changed.fresh);
}

/** Takes a configuration over, and does at once what it makes possible or necessary. */
export function switchConfiguration(raft: Raft, configuration: Configuration, fresh: ReadonlySet<RaftId>): ConfState {
  raft.tracker.adopt(configuration, fresh, raft.log.lastIndex);
  raft.sink?.event({ kind: 'configuration-switched', id: raft.id, configuration });
  const confState = confStateOf(configuration);
  const own = raft.tracker.get(raft.id);
  raft.isLearner = own?.isLearner === true;
  if (raft.state !== 'leader') return confState;
  if (own === undefined || own.isLearner) {
    if (raft.stepDownOnRemoval) becomeFollower(raft, raft.term, 0);
    return confState;
  }
  if (maybeCommit(raft)) {
    // A smaller quorum may have what a larger one had not.
    broadcastAppend(raft);
  } else {
    // New members hear of the group now, not with the next heartbeat or proposal.
    for (const progress of raft.tracker.members) {
      if (progress.id !== raft.id) sendAppend(raft, progress, false);
    }
  }
  if (raft.leadTransferee !== 0 && !isVoter(configuration, raft.leadTransferee)) raft.leadTransferee = 0;
  return confState;
}
