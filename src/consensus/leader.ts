import type { Raft } from './core.ts';
import type { Progress } from './progress.ts';
import { proposeAsLeader } from './proposals.ts';
import { confirmReads, handleReadIndex, releasePendingReads } from './readIndex.ts';
import { broadcastAppend, broadcastHeartbeat, maybeCommit, sendAppend, sendTimeoutNow } from './replication.ts';
import { becomeFollower } from './states.ts';
import type { Message } from './types.ts';

export function stepLeader(raft: Raft, message: Message): void {
  switch (message.type) {
    case 'MsgBeat':
      broadcastHeartbeat(raft);
      return;
    case 'MsgCheckQuorum':
      checkQuorum(raft);
      return;
    case 'MsgProp':
      proposeAsLeader(raft, message.entries);
      return;
    case 'MsgReadIndex':
      handleReadIndex(raft, message);
      return;
    case 'MsgForgetLeader':
      return;
  }
  const from = raft.tracker.get(message.from);
  if (from === undefined) {
    raft.sink?.event({ kind: 'no-progress', id: raft.id, from: message.from });
    return;
  }
  switch (message.type) {
    case 'MsgAppResp':
      from.recentActive = true;
      if (message.reject) handleRejection(raft, from, message);
      else handleAcknowledgement(raft, from, message.index);
      return;
    case 'MsgHeartbeatResp':
      handleHeartbeatAnswer(raft, from, message);
      return;
    case 'MsgSnapStatus':
      handleSnapshotStatus(raft, from, message.reject);
      return;
    case 'MsgUnreachable':
      // What was sent in the hope that it arrives has probably been lost.
      if (from.state === 'replicate') from.becomeProbe();
      raft.sink?.event({ kind: 'unreachable', id: raft.id, to: from.id, progress: from.status() });
      return;
    case 'MsgTransferLeader':
      handleTransfer(raft, from);
      return;
  }
}

/** A leader that hears from no quorum leads nobody: it steps down, so that its clients look for another (Raft thesis §6.2). */
export function checkQuorum(raft: Raft): void {
  if (!raft.tracker.quorumActive()) {
    raft.sink?.event({ kind: 'quorum-inactive', id: raft.id });
    becomeFollower(raft, raft.term, 0);
  }
  raft.tracker.forgetActivity(raft.id);
}

/**
 * The follower's log does not match where it was probed. Its hint and the term there skip whole terms: no index of ours with a
 * higher term than that can match, since terms never fall along a log.
 */
function handleRejection(raft: Raft, from: Progress, message: Message): void {
  const { index, logTerm, rejectHint } = message;
  raft.sink?.event({
    kind: 'append-rejected',
    id: raft.id,
    hint: { index: rejectHint, term: logTerm },
    from: from.id,
    index,
  });
  const next = logTerm > 0 ? raft.log.findConflictByTerm(rejectHint, logTerm).index : rejectHint;
  if (!from.maybeDecrease(index, next)) return;
  raft.sink?.event({ kind: 'progress-decreased', id: raft.id, from: from.id, progress: from.status() });
  if (from.state === 'replicate') from.becomeProbe();
  sendAppend(raft, from, true);
}

/** The follower has stored all up to `index`. */
function handleAcknowledgement(raft: Raft, from: Progress, index: number): void {
  // An old index still ends a probe: the follower answers, so its log can be streamed again.
  const endsProbe = from.match === index && from.state === 'probe';
  if (!from.maybeUpdate(index) && !endsProbe) return;
  if (from.state === 'probe') {
    from.becomeReplicate();
  } else if (from.state === 'snapshot') {
    // Whatever snapshot it has restored, and from wherever: it is enough if the log goes on from there.
    if (from.match + 1 >= raft.log.firstIndex) {
      raft.sink?.event({ kind: 'snapshot-overtaken', id: raft.id, from: from.id, progress: from.status() });
      from.becomeProbe();
      from.becomeReplicate();
    } else if (from.match >= from.pendingSnapshot) {
      // It was restored, but the log has been compacted beyond it meanwhile. Without this the member would wait for a report
      // on the snapshot for ever, if that was lost.
      raft.sink?.event({ kind: 'snapshot-outrun', id: raft.id, from: from.id, progress: from.status() });
      from.becomeProbe();
    }
  } else {
    from.inflights.freeUpTo(index);
  }
  const { log } = raft;
  const other = from.id !== raft.id;
  if (maybeCommit(raft)) {
    releasePendingReads(raft);
    broadcastAppend(raft);
  } else if (other && from.canBumpCommit(log.committed)) {
    // Not necessary, the next heartbeat brings it: but this is sooner.
    sendAppend(raft, from, true);
  }
  if (other) {
    // The window may be open now for more than one message.
    while (sendAppend(raft, from, false));
  }
  if (from.id === raft.leadTransferee && from.match === log.lastIndex) {
    raft.sink?.event({ kind: 'timeout-now-sent', id: raft.id, to: from.id });
    sendTimeoutNow(raft, from);
  }
}

function handleHeartbeatAnswer(raft: Raft, from: Progress, message: Message): void {
  from.recentActive = true;
  from.flowPaused = false;
  // With a full window this sends an empty message, whose answer tells whether all that filled it was lost.
  if (from.match < raft.log.lastIndex || from.state === 'probe') sendAppend(raft, from, true);
  if (!raft.leaseReads) confirmReads(raft, message);
}

/** Once an election time-out: a snapshot may be lost without anybody's knowing, with its receiver, or with its answer. */
export function ageSnapshots(raft: Raft): void {
  for (const progress of raft.tracker.members) {
    if (progress.state !== 'snapshot' || ++progress.snapshotAge < raft.snapshotPatience) continue;
    handleSnapshotStatus(raft, progress, true);
  }
}

function handleSnapshotStatus(raft: Raft, from: Progress, failed: boolean): void {
  if (from.state !== 'snapshot') return;
  // One that failed must not be where the next probe begins.
  if (failed) from.pendingSnapshot = 0;
  from.becomeProbe();
  const kind = failed ? 'snapshot-failed' : 'snapshot-succeeded';
  raft.sink?.event({ kind, id: raft.id, from: from.id, progress: from.status() });
  // After a success the follower's own answer comes next; after a failure the next heartbeat's is soon enough.
  from.flowPaused = true;
}

/** Hands over to `to` (Raft thesis §3.10): proposals stop, its log is brought up to date, then it is told to campaign. */
function handleTransfer(raft: Raft, to: Progress): void {
  const { id, term, sink } = raft;
  if (to.isLearner) {
    sink?.event({ kind: 'transfer-to-learner', id });
    return;
  }
  if (raft.leadTransferee !== 0) {
    if (raft.leadTransferee === to.id) {
      sink?.event({ kind: 'transfer-repeated', id, term, to: to.id });
      return;
    }
    const previous = raft.leadTransferee;
    raft.leadTransferee = 0;
    sink?.event({ kind: 'transfer-aborted', id, term, to: previous });
  }
  if (to.id === id) {
    sink?.event({ kind: 'transfer-to-self', id });
    return;
  }
  sink?.event({ kind: 'transfer-started', id, term, to: to.id });
  // It has one election time-out; then this leader takes proposals again.
  raft.electionElapsed = 0;
  raft.leadTransferee = to.id;
  if (to.match === raft.log.lastIndex) {
    sendTimeoutNow(raft, to);
    sink?.event({ kind: 'timeout-now-sent-at-once', id, to: to.id });
  } else {
    sendAppend(raft, to, true);
  }
}
