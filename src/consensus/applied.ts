import type { Raft } from './core.ts';
import { ProposalDropped } from './errors.ts';
import { leaveJointProposal, proposeAsLeader } from './proposals.ts';
import type { Snapshot } from './types.ts';

/** The driver has applied up to `index`; `bytes` of entries are done with. */
export function appliedTo(raft: Raft, index: number, bytes: number): void {
  const applied = Math.max(index, raft.log.applied);
  raft.log.appliedTo(applied, bytes);
  const { configuration } = raft.tracker;
  if (!configuration.autoLeave || raft.state !== 'leader' || applied < raft.pendingConfIndex) return;
  try {
    proposeAsLeader(raft, [leaveJointProposal]);
  } catch (error) {
    // A transfer is under way: the new leader will do it, or this one with the next entry that it applies.
    if (!(error instanceof ProposalDropped)) throw error;
    raft.sink?.event({ kind: 'auto-leave-failed', configuration, error: error.message });
    return;
  }
  raft.sink?.event({ kind: 'auto-leave-started', configuration });
}

/** The snapshot is stored and applied. */
export function appliedSnapshot(raft: Raft, snapshot: Snapshot): void {
  raft.log.unstable.stableSnapshotTo(snapshot.metadata.index);
  appliedTo(raft, snapshot.metadata.index, 0);
}
