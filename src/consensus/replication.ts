import { isMemberIn } from './configuration.ts';
import type { Raft } from './core.ts';
import { payloadBytes } from './entries.ts';
import { RaftPanic, SnapshotNotReady } from './errors.ts';
import { noEntries } from './message.ts';
import type { Progress } from './progress.ts';
import type { Snapshot } from './types.ts';
import { unknownTerm } from './unstable.ts';

/**
 * Leader: sends entries, or a snapshot where they are compacted. Without `sendIfEmpty` only if there are any: a bare commit
 * index is not worth a message in a burst. False: nothing was sent.
 */
export function sendAppend(raft: Raft, to: Progress, sendIfEmpty: boolean): boolean {
  if (to.paused) return false;
  const { log } = raft;
  const previous = to.next - 1;
  const previousTerm = log.term(previous);
  if (previousTerm === unknownTerm) return sendSnapshot(raft, to);
  // With a full window an empty message still goes out: if all that filled it was lost, its answer opens it again.
  const open = to.state !== 'replicate' || !to.inflights.full;
  const entries = open ? log.entriesFrom(to.next, raft.maxBytesPerMessage) : noEntries;
  if (!sendIfEmpty && (entries === undefined || entries.length === 0)) return false;
  if (entries === undefined) return sendSnapshot(raft, to);
  const message = raft.draft('MsgApp', to.id);
  message.index = previous;
  message.logTerm = previousTerm;
  message.entries = entries;
  message.commit = log.committed;
  raft.send(message);
  to.sentEntries(entries.length, payloadBytes(entries));
  to.sentCommit(log.committed);
  return true;
}

function sendSnapshot(raft: Raft, to: Progress): boolean {
  if (!to.recentActive) {
    raft.sink?.event({ kind: 'snapshot-to-inactive', to: to.id });
    return false;
  }
  const snapshot = snapshotOrNotReady(raft);
  // One from before the member was added would be ignored there, and asked for again at once, and so on.
  if (snapshot === undefined || !isMemberIn(snapshot.metadata.confState, to.id)) {
    raft.sink?.event({ kind: 'snapshot-not-ready', id: raft.id, to: to.id });
    return false;
  }
  const { index, term } = snapshot.metadata;
  if (index === 0) throw new RaftPanic('need non-empty snapshot');
  raft.sink?.event({
    kind: 'snapshot-sent',
    id: raft.id,
    firstIndex: raft.log.firstIndex,
    commit: raft.log.committed,
    snapshot: { index, term },
    to: to.id,
    progress: to.status(),
  });
  to.becomeSnapshot(index);
  raft.sink?.event({ kind: 'replication-paused', id: raft.id, to: to.id, progress: to.status() });
  const message = raft.draft('MsgSnap', to.id);
  message.snapshot = snapshot;
  raft.send(message);
  return true;
}

function snapshotOrNotReady(raft: Raft): Snapshot | undefined {
  try {
    if (raft.mutant('snapshot-older')) {
      raft.oldestSnapshot ??= raft.log.snapshot();
      return raft.oldestSnapshot;
    }
    return raft.log.snapshot();
  } catch (error) {
    if (error instanceof SnapshotNotReady) return undefined;
    throw error;
  }
}

/** To everybody else, also without entries. */
export function broadcastAppend(raft: Raft): void {
  for (const progress of raft.tracker.members) {
    if (progress.id !== raft.id) sendAppend(raft, progress, true);
  }
}

/** Carries the number of the newest read that waits, so its answers confirm it and all before it. */
export function broadcastHeartbeat(raft: Raft): void {
  const context = raft.reads.heartbeatContext();
  const { committed } = raft.log;
  const unclamped = raft.mutant('commit-unclamped');
  for (const progress of raft.tracker.members) {
    if (progress.id === raft.id) continue;
    const message = raft.draft('MsgHeartbeat', progress.id);
    // Beyond what is known to match, the member's log may hold other entries: it must not commit those.
    message.commit = unclamped ? committed : Math.min(progress.match, committed);
    message.context = context;
    raft.send(message);
    progress.sentCommit(message.commit);
  }
}

/** Leader: commits what a quorum has stored. True: the commit index has moved. */
export function maybeCommit(raft: Raft): boolean {
  const index = raft.tracker.committed();
  if (raft.mutant('commit-old-term') && index > raft.log.committed && index <= raft.log.lastIndex) {
    raft.log.commitTo(index);
    return true;
  }
  return raft.log.maybeCommit(index, raft.term);
}

export function sendTimeoutNow(raft: Raft, to: Progress): void {
  raft.send(raft.draft('MsgTimeoutNow', to.id));
}
