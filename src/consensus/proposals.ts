import { appendProposals, type Proposal } from './append.ts';
import { asV2, decodeConfChange } from './confChange.ts';
import { isJoint } from './configuration.ts';
import type { Raft } from './core.ts';
import { ProposalDropped, RaftPanic } from './errors.ts';
import { noBytes } from './message.ts';
import { broadcastAppend } from './replication.ts';
import type { ConfChange, ConfChangeV2 } from './types.ts';

const emptyProposal: Proposal = { type: 'normal', data: noBytes };

/** Leader: appends proposals and sends them out. Throws `ProposalDropped`; then nothing was appended. */
export function proposeAsLeader(raft: Raft, proposals: readonly Proposal[]): void {
  if (proposals.length === 0) throw new RaftPanic(`${raft.id} stepped empty MsgProp`);
  // A leader that was removed may finish what it has begun, and begins nothing more.
  if (raft.tracker.get(raft.id) === undefined) throw new ProposalDropped();
  if (raft.leadTransferee !== 0) {
    raft.sink?.event({ kind: 'proposal-in-transfer', id: raft.id, term: raft.term, to: raft.leadTransferee });
    throw new ProposalDropped();
  }
  const admitted = proposals.some(({ type }) => type !== 'normal') ? admitChanges(raft, proposals) : proposals;
  if (!appendProposals(raft, admitted)) throw new ProposalDropped();
  broadcastAppend(raft);
}

/** Configuration changes that do not fit become empty entries, so that those behind them keep their place. */
function admitChanges(raft: Raft, proposals: readonly Proposal[]): readonly Proposal[] {
  const lastIndex = raft.log.lastIndex;
  return proposals.map((proposal, at) => {
    if (proposal.type === 'normal') return proposal;
    const change = decodeConfChange(proposal);
    // It came from another member, as bytes: it must never be appended, or all would fail to apply it.
    if (change === undefined) throw new ProposalDropped();
    const reason = whyNot(raft, change);
    if (reason !== undefined && !raft.disableConfChangeValidation) {
      const { configuration } = raft.tracker;
      raft.sink?.event({ kind: 'change-ignored', id: raft.id, change, configuration, reason });
      return emptyProposal;
    }
    raft.pendingConfIndex = lastIndex + at + 1;
    return proposal;
  });
}

/** One change at a time: the next has to wait until the one before is applied, here and so on a majority. */
function whyNot(raft: Raft, change: ConfChange | ConfChangeV2): string | undefined {
  const { applied } = raft.log;
  if (raft.pendingConfIndex > applied && !raft.mutant('two-pending')) {
    return `possible unapplied conf change at index ${raft.pendingConfIndex} (applied to ${applied})`;
  }
  const joint = isJoint(raft.tracker.configuration);
  const leaves = asV2(change).changes.length === 0;
  if (joint && !leaves) return 'must transition out of joint config first';
  if (!joint && leaves) return 'not in joint state; refusing empty conf change';
  return undefined;
}

/** The entry without bytes that leaves a joint configuration: no limit can refuse it. */
export const leaveJointProposal: Proposal = { type: 'conf-change-v2', data: noBytes };
