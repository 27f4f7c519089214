import { configurationOf, isMemberIn, membersOf } from './configuration.ts';
import type { Raft } from './core.ts';
import { switchConfiguration } from './membership.ts';
import { becomeFollower } from './states.ts';
import type { Message, Snapshot } from './types.ts';

/** Follower: a snapshot from the leader, and the answer how far this log goes now. */
export function handleSnapshot(raft: Raft, message: Message): void {
  const { snapshot } = message;
  const answer = raft.draft('MsgAppResp', message.from);
  if (snapshot !== undefined && restoreSnapshot(raft, snapshot)) {
    tell(raft, 'snapshot-accepted', snapshot);
    answer.index = raft.log.lastIndex;
  } else {
    if (snapshot !== undefined) tell(raft, 'snapshot-ignored', snapshot);
    answer.index = raft.log.committed;
  }
  raft.send(answer);
}

function tell(raft: Raft, kind: 'snapshot-accepted' | 'snapshot-ignored', { metadata }: Snapshot): void {
  const { index, term } = metadata;
  raft.sink?.event({ kind, id: raft.id, commit: raft.log.committed, snapshot: { index, term } });
}

/** False: it was not needed, or not for this member. */
function restoreSnapshot(raft: Raft, snapshot: Snapshot): boolean {
  const { index, term, confState } = snapshot.metadata;
  const { log } = raft;
  if (index <= log.committed) return false;
  if (raft.state !== 'follower') {
    raft.sink?.event({ kind: 'snapshot-as-leader', id: raft.id });
    becomeFollower(raft, raft.term + 1, 0);
    return false;
  }
  const configuration = configurationOf(confState);
  if (!isMemberIn(confState, raft.id)) {
    raft.sink?.event({ kind: 'snapshot-without-me', id: raft.id, confState });
    return false;
  }
  if (log.matches(index, term)) {
    // The log holds all that the snapshot holds: it need not be thrown away to commit it.
    raft.sink?.event({
      kind: 'snapshot-known',
      id: raft.id,
      commit: log.committed,
      last: log.last(),
      snapshot: { index, term },
    });
    log.commitTo(index);
    return false;
  }
  const suffix = raft.mutant('snapshot-keeps-suffix')
    ? (log.entriesFrom(index + 1, Number.POSITIVE_INFINITY) ?? [])
    : [];
  log.restore(raft.mutant('snapshot-term-zero') ? withTermZero(snapshot) : snapshot);
  log.append(suffix);
  raft.configurationIndex = index;
  switchConfiguration(raft, configuration, new Set(membersOf(configuration)));
  raft.sink?.event({
    kind: 'snapshot-restored',
    id: raft.id,
    commit: log.committed,
    last: log.last(),
    snapshot: { index, term },
  });
  return true;
}

function withTermZero(snapshot: Snapshot): Snapshot {
  return { metadata: { ...snapshot.metadata, term: 0 }, data: snapshot.data };
}
