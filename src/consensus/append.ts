import type { Raft } from './core.ts';
import { payloadBytes } from './entries.ts';
import type { Entry } from './types.ts';

/** What becomes an entry: term and index are the leader's to give. */
export type Proposal = Pick<Entry, 'type' | 'data'>;

/** Leader: appends to its own log. False: the uncommitted tail is too large; nothing was appended. */
export function appendProposals(raft: Raft, proposals: readonly Proposal[]): boolean {
  if (!growUncommitted(raft, payloadBytes(proposals))) {
    raft.sink?.event({ kind: 'proposal-over-limit', id: raft.id });
    return false;
  }
  const term = raft.term;
  let index = raft.log.lastIndex;
  const entries: Entry[] = [];
  for (const { type, data } of proposals) {
    index++;
    entries.push({ term, index, type, data });
  }
  raft.log.append(entries);
  // The leader is one voter among others: its own acknowledgement counts when the entries are durable, not before.
  const acknowledgement = raft.draft('MsgAppResp', raft.id);
  acknowledgement.index = index;
  raft.send(acknowledgement);
  return true;
}

/** An empty tail takes a proposal of any size, and empty entries are never refused: a new term and leaving a joint need them. */
function growUncommitted(raft: Raft, bytes: number): boolean {
  if (!hasRoomFor(raft, bytes)) return false;
  raft.uncommittedBytes += bytes;
  return true;
}

/** Whether a leader may append so many bytes more before others are committed, when `ahead` bytes are appended before them. */
export function hasRoomFor(raft: Raft, bytes: number, ahead = 0): boolean {
  const uncommitted = raft.uncommittedBytes + ahead;
  return uncommitted === 0 || bytes === 0 || uncommitted + bytes <= raft.maxUncommittedBytes;
}

/** Entries of so many bytes are committed and applied. */
export function shrinkUncommitted(raft: Raft, bytes: number): void {
  raft.uncommittedBytes = Math.max(0, raft.uncommittedBytes - bytes);
}
