import type { Raft } from './core.ts';
import { draftMessage } from './message.ts';
import type { Entry, HardState, Message, Snapshot } from './types.ts';
import { appendThread, applyThread } from './types.ts';

/** What one Ready asks storage to do. */
export interface StorageWork {
  readonly hardState: HardState | undefined;
  readonly entries: readonly Entry[];
  readonly snapshot: Snapshot | undefined;
}

/** Is there anything to store, or a message that must wait until what was stored before is durable? */
export function needsAppend(raft: Raft, { hardState, entries, snapshot }: StorageWork): boolean {
  return entries.length > 0 || hardState !== undefined || snapshot !== undefined || raft.messagesAfterAppend.length > 0;
}

/** To be stored in order; when it is durable, its responses are stepped or sent. */
export function storageAppend(raft: Raft, work: StorageWork): Message {
  const message = draftMessage('MsgStorageAppend', appendThread, raft.id, 0);
  message.entries = work.entries;
  if (work.hardState !== undefined) {
    message.term = work.hardState.term;
    message.vote = work.hardState.vote;
    message.commit = work.hardState.commit;
  }
  message.snapshot = work.snapshot;
  // The member's own acknowledgement comes before the report that its entries are stable: its term is then still at hand.
  const report = storageAppendResponse(raft, work.snapshot);
  message.responses = report === undefined ? raft.messagesAfterAppend : [...raft.messagesAfterAppend, report];
  return message;
}

/**
 * Reports that all is durable that was unstable when the work was handed out, also by earlier work. It names the log's last
 * entry and the term of the member: if the term has changed when the report comes, the entries may have been replaced by others
 * of the same index and, after two more leaders, even the same term, while a write of those between is still under way (the ABA
 * problem); such a report is ignored. Each new term stores its hard state and so brings a report that holds, which is why the
 * last entry is named even by work without entries. Undefined: nothing is to be reported.
 */
export function storageAppendResponse(raft: Raft, snapshot: Snapshot | undefined): Message | undefined {
  const hasUnstable = raft.log.unstable.length > 0;
  if (!hasUnstable && snapshot === undefined) return undefined;
  const message = draftMessage('MsgStorageAppendResp', raft.id, appendThread, raft.term);
  if (hasUnstable) {
    const { index, term } = raft.log.last();
    message.index = index;
    message.logTerm = term;
  }
  message.snapshot = snapshot;
  return message;
}

/** Committed entries to apply, in order. They are good in any term. */
export function storageApply(raft: Raft, entries: readonly Entry[]): Message {
  const message = draftMessage('MsgStorageApply', applyThread, raft.id, 0);
  message.entries = entries;
  message.responses = [storageApplyResponse(raft, entries)];
  return message;
}

export function storageApplyResponse(raft: Raft, entries: readonly Entry[]): Message {
  const message = draftMessage('MsgStorageApplyResp', raft.id, applyThread, 0);
  message.entries = entries;
  return message;
}
