/** A bug that can be planted in the engine, to prove that a check sees it. */
export interface StreamBusMutant {
  readonly name: string;
  readonly breaks: string;
}

/** The bugs that can be planted. Each must be seen by a check. */
export const streamBusMutants: readonly StreamBusMutant[] = [
  { name: 'wiped-keeps-identity', breaks: 'a broker whose journal is gone votes as the one that it was' },
  { name: 'rollback-accepted', breaks: 'a broker on an older copy of its disk votes again' },
  { name: 'fetch-error-empty', breaks: 'a fetch that failed is answered as if there were nothing' },
  { name: 'no-verify', breaks: 'a late batch of a transaction that has ended begins the next one' },
  { name: 'hw-at-append', breaks: 'consumers see what is appended before it is committed' },
  { name: 'window-1', breaks: 'only the last batch of a producer is recognized when it comes again' },
  { name: 'tail-ignored', breaks: 'sequences are checked against what is committed, not against what is appended' },
  { name: 'pid-minus-1-checked', breaks: 'batches without a producer id are checked as if they had one' },
  { name: 'clock-read', breaks: 'a replica forgets producers by its own clock while it applies' },
  { name: 'repeat-answered-early', breaks: 'a repeated batch is acknowledged before its original is committed' },
  { name: 'error-6-after-append', breaks: 'a batch that was appended is answered as if nothing had been' },
  { name: 'fetch-skips-missing', breaks: 'a fetch goes on behind what cannot be read' },
  { name: 'truncate-at-bad-crc', breaks: 'recovery cuts a segment at a bad batch and goes on' },
  { name: 'checkpoint-before-sync', breaks: 'a checkpoint is named before its segment is synced' },
  { name: 'lso-ignores-open', breaks: 'readers of committed transactions see open ones' },
  { name: 'aborted-lost', breaks: 'a fetch does not say which transactions were aborted' },
  { name: 'trim-local', breaks: 'a leader forgets old segments without an entry of its log' },
  { name: 'roll-by-local-clock', breaks: 'a replica cuts its segments by its own clock' },
  { name: 'old-generation-commits', breaks: 'a member of an older generation commits offsets' },
  { name: 'offset-fetch-stale', breaks: 'a coordinator that was deposed answers with offsets that were overtaken' },
  { name: 'offsets-unlogged', breaks: 'committed offsets are in the memory of the leader alone' },
  { name: 'timers-not-renewed', breaks: 'after a fail-over nobody notices that a member is gone' },
  { name: 'marker-unlogged', breaks: 'markers leave before the decision of the transaction is committed' },
  { name: 'epoch-not-bumped', breaks: 'a new instance of a producer does not fence the former one' },
  { name: 'no-connection-fence', breaks: 'an end that comes late on an old connection ends the next transaction' },
  { name: 'commit-old-term', breaks: 'a leader counts replicas of an entry of an earlier term and commits it' },
  {
    name: 'commit-unclamped',
    breaks: 'a follower commits entries that the message with the commit index did not cover',
  },
  { name: 'truncate-always', breaks: 'a follower throws away what lies behind the entries of a late message' },
  { name: 'snapshot-term-zero', breaks: 'a restored snapshot is remembered without its term' },
  { name: 'snapshot-keeps-suffix', breaks: 'entries that contradict a restored snapshot stay behind it' },
  {
    name: 'conf-before-own-term',
    breaks: 'a new leader changes the configuration while an older change is in its tail',
  },
  { name: 'two-pending', breaks: 'a configuration change is appended while another is not applied' },
  { name: 'learner-counts', breaks: 'learners are counted when a leader commits' },
  { name: 'no-check-quorum', breaks: 'a leader that no majority hears goes on leading' },
  { name: 'no-prevote', breaks: 'a member that was cut off deposes the leader when it comes back' },
  { name: 'snapshot-older', breaks: 'a follower is sent an old snapshot again, from which the log does not go on' },
];
