import { maxPendingReads, type Raft } from './core.ts';
import { type ReadRequest, readRequestOf } from './readOnly.ts';
import { broadcastHeartbeat } from './replication.ts';
import type { Message } from './types.ts';

/**
 * Leader: somebody asks for a read index. Not before an entry of this term is committed: until then the commit index may lie
 * behind what an earlier leader has acknowledged (Raft thesis §6.4); that holds for a single voter after a restart, too.
 */
export function handleReadIndex(raft: Raft, message: Message): void {
  const request = readRequestOf(message);
  if (request === undefined) return;
  if (raft.committedInTerm()) {
    confirmRead(raft, request);
  } else if (raft.pendingReads.length < maxPendingReads) {
    raft.pendingReads.push(request);
  } else {
    raft.sink?.event({ kind: 'reads-over-limit', id: raft.id, limit: maxPendingReads });
  }
}

/** Leader: the first entry of its term is committed. */
export function releasePendingReads(raft: Raft): void {
  if (raft.pendingReads.length === 0 || !raft.committedInTerm()) return;
  const requests = raft.pendingReads;
  raft.pendingReads = [];
  for (const request of requests) confirmRead(raft, request);
}

function confirmRead(raft: Raft, request: ReadRequest): void {
  if (raft.leaseReads || raft.tracker.isSingleton) {
    answerRead(raft, request, raft.log.committed);
    return;
  }
  if (raft.reads.waiting >= maxPendingReads) {
    raft.sink?.event({ kind: 'reads-over-limit', id: raft.id, limit: maxPendingReads });
    return;
  }
  raft.reads.add(raft.log.committed, request);
  const context = raft.reads.heartbeatContext();
  if (context !== undefined) raft.reads.acknowledge(raft.id, context);
  broadcastHeartbeat(raft);
}

/** Leader: a heartbeat was answered; that may be the answer that makes a quorum. */
export function confirmReads(raft: Raft, { from, context }: Message): void {
  if (context === undefined || !raft.reads.acknowledge(from, context)) return;
  for (const read of raft.reads.takeConfirmed(raft.tracker.configuration)) answerRead(raft, read, read.index);
}

function answerRead(raft: Raft, { from, context }: ReadRequest, index: number): void {
  if (from === 0 || from === raft.id) {
    raft.readStates.push({ index, context });
    return;
  }
  const answer = raft.draft('MsgReadIndexResp', from);
  answer.index = index;
  answer.entries = [{ term: 0, index: 0, type: 'normal', data: context }];
  raft.send(answer);
}
