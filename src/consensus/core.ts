import type { RaftConfig, RaftMutant } from './config.ts';
import { mustBeValid } from './configCheck.ts';
import type { EntrySize } from './entries.ts';
import { RaftPanic } from './errors.ts';
import type { LogSink } from './events.ts';
import { draftMessage, type MessageDraft } from './message.ts';
import { RaftLog } from './raftLog.ts';
import { ReadOnly, type ReadRequest } from './readOnly.ts';
import { Tracker } from './tracker.ts';
import type { HardState, Message, MessageType, RaftId, RaftState, ReadState, Snapshot } from './types.ts';

/** Reads that wait until a new leader has committed an entry of its term; more are dropped and have to be asked again. */
export const maxPendingReads = 4096;

/**
 * The state of one member: what Raft's figure 2 lists, and the extensions of the thesis. The rules are functions over it, one
 * file each: states, election, leader, follower, replication, proposals, membership, step, tick.
 */
export class Raft {
  readonly id: RaftId;
  readonly log: RaftLog;
  readonly tracker: Tracker;
  readonly reads = new ReadOnly();
  readonly sink: LogSink | null;

  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly checkQuorum: boolean;
  readonly preVote: boolean;
  readonly leaseReads: boolean;
  readonly stepDownOnRemoval: boolean;
  readonly disableProposalForwarding: boolean;
  readonly disableConfChangeValidation: boolean;
  /** Election time-outs; 0: for ever. */
  readonly snapshotPatience: number;
  readonly maxBytesPerMessage: number;
  readonly maxUncommittedBytes: number;
  readonly entryBytes: EntrySize;
  readonly randomTimeout: () => number;
  /** Ticks of the heartbeat's interval that are over when a lead begins. */
  readonly heartbeatPhase: () => number;
  readonly mutant: (name: RaftMutant) => boolean;

  term = 0;
  vote: RaftId = 0;
  state: RaftState = 'follower';
  leader: RaftId = 0;
  isLearner = false;
  /** To whom this leader hands over; 0: nobody. */
  leadTransferee: RaftId = 0;

  electionElapsed = 0;
  heartbeatElapsed = 0;
  /** Ticks of this term's time-out, of [electionTicks, 2 × electionTicks). */
  randomizedElectionTimeout = 0;

  /** The entry, or snapshot, that brought the present configuration; 0: the one at the start. */
  configurationIndex = 0;
  /** No configuration change may be appended before this index is applied. */
  pendingConfIndex = 0;
  /** Of a planted bug: the first snapshot that was ever sent. */
  oldestSnapshot: Snapshot | undefined;
  /** Bytes of data in the leader's uncommitted tail: an estimate, never too high. */
  uncommittedBytes = 0;

  /** May leave at once. */
  messages: Message[] = [];
  /** May leave when all that is unstable now is durable. Some are to this member itself. */
  messagesAfterAppend: Message[] = [];
  readStates: ReadState[] = [];
  /** Asked of a leader that has not committed an entry of its term. */
  pendingReads: ReadRequest[] = [];

  constructor(config: RaftConfig) {
    mustBeValid(config);
    const never = (): boolean => false;
    this.id = config.id;
    this.sink = config.log;
    this.mutant = config.mutant === undefined ? never : (name) => config.mutant?.(name) === true;
    this.electionTicks = config.electionTicks;
    this.heartbeatTicks = config.heartbeatTicks;
    this.checkQuorum = config.checkQuorum && !this.mutant('no-check-quorum');
    this.preVote = config.preVote && !this.mutant('no-prevote');
    this.leaseReads = config.readOnly === 'lease';
    this.stepDownOnRemoval = config.stepDownOnRemoval;
    this.disableProposalForwarding = config.disableProposalForwarding;
    this.disableConfChangeValidation = config.disableConfChangeValidation;
    this.snapshotPatience = config.snapshotPatience ?? 0;
    this.maxBytesPerMessage = config.maxBytesPerMessage;
    this.maxUncommittedBytes = config.maxUncommittedBytes === 0 ? Number.POSITIVE_INFINITY : config.maxUncommittedBytes;
    this.entryBytes = (entry) => config.entryBytes(entry);
    this.randomTimeout = () => config.randomTimeout();
    this.heartbeatPhase = () => config.heartbeatPhase?.() ?? 0;
    const maxApplyingBytes = config.maxCommittedBytesPerReady || config.maxBytesPerMessage || 1;
    this.log = new RaftLog(config.storage, maxApplyingBytes, this.entryBytes, config.log);
    this.tracker = new Tracker(config.maxInflightMessages, config.maxInflightBytes, this.mutant('learner-counts'));
  }

  get isLeader(): boolean {
    return this.state === 'leader';
  }

  hardState(): HardState {
    return { term: this.term, vote: this.vote, commit: this.log.committed };
  }

  /** Has this leader committed an entry of its own term? Before it does, its commit index may lie behind what was acknowledged. */
  committedInTerm(): boolean {
    return this.log.term(this.log.committed) === this.term;
  }

  /** May it become leader? Not as a learner, not outside the group, not while a snapshot is being restored. */
  promotable(): boolean {
    const own = this.tracker.get(this.id);
    return own !== undefined && !own.isLearner && this.log.unstable.snapshot === undefined;
  }

  /** A message in this member's name and term. */
  draft(type: MessageType, to: RaftId): MessageDraft {
    return draftMessage(type, to, this.id, this.term);
  }

  /**
   * Queues a message. Answers that promise something (a vote, an append) wait until all that is unstable is durable: a member
   * that forgets them in a crash would break its word (Raft thesis §3.8). Rejections wait as well: they are rare.
   */
  send(message: Message): void {
    if (message.type === 'MsgAppResp' || message.type === 'MsgVoteResp' || message.type === 'MsgPreVoteResp') {
      this.messagesAfterAppend.push(message);
      return;
    }
    if (message.to === this.id) {
      throw new RaftPanic(`message should not be self-addressed when sending ${message.type}`);
    }
    this.messages.push(message);
  }

  /**
   * Takes over what storage remembers. What was compacted or applied was committed, even if the hard state that says so did not
   * become durable: with asynchronous writes entries may be applied, and a snapshot of that be stored, before it does.
   */
  restore({ term, vote, commit }: HardState, applied: number): void {
    const { committed, lastIndex } = this.log;
    const known = Math.max(commit, committed, applied);
    if (known > lastIndex) {
      throw new RaftPanic(`${this.id} state.commit ${known} is out of range [${committed}, ${lastIndex}]`);
    }
    this.log.commitTo(known);
    this.log.appliedTo(Math.max(applied, committed), 0);
    this.term = term;
    this.vote = vote;
  }
}
