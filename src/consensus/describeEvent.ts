import type { RaftEvent } from './events.ts';
import { electionWords } from './words/election.ts';
import type { LogLine, Words } from './words/line.ts';
import { proposalWords } from './words/proposal.ts';
import { replicationWords } from './words/replication.ts';

const words: Words<RaftEvent['kind']> = { ...electionWords, ...replicationWords, ...proposalWords };

/** An event in the words that etcd's raft has for it, so that whoever can read one log can read the other. */
export function describeEvent(event: RaftEvent): LogLine {
  // The table's type says that each kind's words take its event; that this holds for `event.kind` and `event` together is
  // more than the compiler follows.
  const wordsOf = words[event.kind] as (event: RaftEvent) => LogLine;
  return wordsOf(event);
}
