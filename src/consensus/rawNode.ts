import { hasRoomFor, type Proposal } from './append.ts';
import { encodeConfChange } from './confChange.ts';
import type { RaftConfig } from './config.ts';
import { configurationOf, confStateOf, membersOf, votersOf } from './configuration.ts';
import { Raft } from './core.ts';
import { totalBytes } from './entries.ts';
import { LocalMessage, PeerNotFound, RaftPanic } from './errors.ts';
import { applyConfChange, switchConfiguration } from './membership.ts';
import { draftMessage, isLocalMessage, isResponseMessage, isStorageThread } from './message.ts';
import { proposeAsLeader } from './proposals.ts';
import { becomeFollower } from './states.ts';
import type { ProgressState, Status } from './status.ts';
import { step } from './step.ts';
import {
  needsAppend,
  storageAppend,
  storageAppendResponse,
  storageApply,
  storageApplyResponse,
} from './storageMessages.ts';
import { tick } from './tick.ts';
import type {
  ConfChange,
  ConfChangeV2,
  ConfState,
  Entry,
  HardState,
  Message,
  RaftId,
  RaftState,
  Ready,
  SoftState,
} from './types.ts';

/**
 * One member of one group: pure, without I/O, clock, promise or thread. Its driver ticks it, steps what others send, and does
 * what each Ready asks for. Two modes: with ready/advance, the driver stores, sends, applies and then calls `advance`; with
 * `asyncStorageWrites` the work comes as messages to the append and the apply thread, whose responses are stepped when it is
 * done, while later Readies are already under way.
 */
export class RawNode {
  /** For tests and the stand, which look inside; drivers have no business there. */
  readonly core: Raft;
  readonly #async: boolean;
  #previousLeader: RaftId;
  #previousState: RaftState;
  #previousTerm: number;
  #previousVote: RaftId;
  #previousCommit: number;
  /** Of the Ready that is being worked on: what to step when it is advanced. */
  #stepsOnAdvance: Message[] = [];

  /** Throws `RaftConfigInvalid`. */
  constructor(config: RaftConfig) {
    const raft = new Raft(config);
    this.core = raft;
    this.#async = config.asyncStorageWrites;
    const { hardState, confState } = config.storage.initialState();
    const configuration = configurationOf(confState);
    const last = raft.log.last();
    switchConfiguration(raft, configuration, new Set(membersOf(configuration)));
    raft.restore(hardState, config.applied);
    becomeFollower(raft, raft.term, 0);
    raft.sink?.event({
      kind: 'started',
      id: raft.id,
      voters: votersOf(configuration),
      term: raft.term,
      commit: raft.log.committed,
      applied: raft.log.applied,
      last,
    });
    this.#previousLeader = raft.leader;
    this.#previousState = raft.state;
    this.#previousTerm = raft.term;
    this.#previousVote = raft.vote;
    this.#previousCommit = raft.log.committed;
  }

  get id(): RaftId {
    return this.core.id;
  }

  get term(): number {
    return this.core.term;
  }

  get state(): RaftState {
    return this.core.state;
  }

  /** 0: unknown. */
  get leader(): RaftId {
    return this.core.leader;
  }

  get commit(): number {
    return this.core.log.committed;
  }

  get applied(): number {
    return this.core.log.applied;
  }

  /** Of the log, also of entries that are not stored yet. */
  get lastIndex(): number {
    return this.core.log.lastIndex;
  }

  /** Target of a transfer under way; 0: none. */
  get leadTransferee(): RaftId {
    return this.core.leadTransferee;
  }

  /** Whether a proposal of so many bytes fits what may be uncommitted, behind `ahead` bytes of others. */
  hasRoomFor(bytes: number, ahead = 0): boolean {
    return hasRoomFor(this.core, bytes, ahead);
  }

  /** This member leads and has committed an entry of its own term: it may answer reads and change the configuration. */
  get committedInTerm(): boolean {
    return this.core.isLeader && this.core.committedInTerm();
  }

  /** This member leads, and no configuration change is in its log without being applied. */
  get mayChangeConfiguration(): boolean {
    return this.core.isLeader && this.core.pendingConfIndex <= this.core.log.applied;
  }

  confState(): ConfState {
    return confStateOf(this.core.tracker.configuration);
  }

  tick(): void {
    tick(this.core);
  }

  /**
   * A message from another member, or a storage message's response. Throws `LocalMessage`, `PeerNotFound` (both: ignore it),
   * `ProposalDropped` (a forwarded proposal was not taken).
   */
  step(message: Message): void {
    const fromStorage = isStorageThread(message.from);
    if (!fromStorage) {
      if (isLocalMessage(message.type)) throw new LocalMessage();
      if (isResponseMessage(message.type) && this.core.tracker.get(message.from) === undefined)
        throw new PeerNotFound();
    }
    step(this.core, message);
  }

  campaign(): void {
    step(this.core, draftMessage('MsgHup', 0, this.id, 0));
  }

  /**
   * On return the entry is appended at `lastIndex` if this member leads, else it is on its way to the leader.
   * Throws `ProposalDropped`: it was not and will not be appended.
   */
  propose(data: Uint8Array): void {
    this.#propose([{ type: 'normal', data }]);
  }

  /** Several entries with one MsgApp a follower: all are appended, the last at `lastIndex`, or none. Throws `ProposalDropped`. */
  proposeAll(datas: readonly Uint8Array[]): void {
    if (datas.length > 0) this.#propose(datas.map((data) => ({ type: 'normal', data })));
  }

  /** Throws `ProposalDropped`. A change that does not fit the present configuration becomes an empty normal entry. */
  proposeConfChange(change: ConfChange | ConfChangeV2): void {
    this.#propose([encodeConfChange(change)]);
  }

  #propose(proposals: readonly Proposal[]): void {
    if (this.core.isLeader) {
      proposeAsLeader(this.core, proposals);
      return;
    }
    const message = draftMessage('MsgProp', 0, this.id, 0);
    message.entries = proposals.map(({ type, data }) => ({ term: 0, index: 0, type, data }));
    step(this.core, message);
  }

  /**
   * To be called for each committed configuration change, before `advance` or the apply response; `index` is its entry's. A
   * change that lies behind the present configuration is ignored: a snapshot may have brought a later one since the entry was
   * handed out. Changes of node 0 are left out. Throws `ConfChangeInvalid` when it cannot be made from the present
   * configuration; nothing has changed then.
   */
  applyConfChange(change: ConfChange | ConfChangeV2, index: number): ConfState {
    if (index <= this.core.configurationIndex) return this.confState();
    const confState = applyConfChange(this.core, change);
    this.core.configurationIndex = index;
    return confState;
  }

  /** Cheap: nothing is read or copied. */
  hasReady(): boolean {
    const { core } = this;
    return (
      core.messages.length > 0 ||
      core.messagesAfterAppend.length > 0 ||
      core.log.unstable.hasNextEntries ||
      core.log.committed !== this.#previousCommit ||
      core.term !== this.#previousTerm ||
      core.vote !== this.#previousVote ||
      core.leader !== this.#previousLeader ||
      core.state !== this.#previousState ||
      core.readStates.length > 0 ||
      core.log.hasNextCommitted(!this.#async) ||
      core.log.unstable.nextSnapshot !== undefined
    );
  }

  /** Takes the work that is there. With ready/advance, `advance` must follow before the next `ready`. */
  ready(): Ready {
    const { core } = this;
    const { log } = core;
    const softState = this.#changedSoftState();
    const mustSync =
      log.unstable.hasNextEntries || core.vote !== this.#previousVote || core.term !== this.#previousTerm;
    const hardState = this.#changedHardState();
    const entries = log.unstable.nextEntries();
    const committedEntries = log.nextCommitted(!this.#async);
    const snapshot = log.unstable.nextSnapshot;
    const { messages, readStates } = core;
    const work = { hardState, entries, snapshot };
    if (this.#async) {
      if (needsAppend(core, work)) messages.push(storageAppend(core, work));
      if (committedEntries.length > 0) messages.push(storageApply(core, committedEntries));
    } else {
      for (const message of core.messagesAfterAppend) {
        if (message.to !== core.id) messages.push(message);
      }
      this.#rememberSteps(work.snapshot, committedEntries);
    }
    this.#accept(committedEntries);
    return { softState, hardState, readStates, entries, snapshot, committedEntries, messages, mustSync };
  }

  #changedSoftState(): SoftState | undefined {
    const { leader, state } = this.core;
    if (leader === this.#previousLeader && state === this.#previousState) return undefined;
    this.#previousLeader = leader;
    this.#previousState = state;
    return { leader, state };
  }

  #changedHardState(): HardState | undefined {
    const { term, vote, log } = this.core;
    if (term === this.#previousTerm && vote === this.#previousVote && log.committed === this.#previousCommit) {
      return undefined;
    }
    this.#previousTerm = term;
    this.#previousVote = vote;
    this.#previousCommit = log.committed;
    return { term, vote, commit: log.committed };
  }

  #rememberSteps(snapshot: Ready['snapshot'], committedEntries: readonly Entry[]): void {
    if (this.#stepsOnAdvance.length > 0) throw new RaftPanic('two accepted Ready structs without call to Advance');
    for (const message of this.core.messagesAfterAppend) {
      if (message.to === this.id) this.#stepsOnAdvance.push(message);
    }
    const report = storageAppendResponse(this.core, snapshot);
    if (report !== undefined) this.#stepsOnAdvance.push(report);
    if (committedEntries.length > 0) this.#stepsOnAdvance.push(storageApplyResponse(this.core, committedEntries));
  }

  #accept(committedEntries: readonly Entry[]): void {
    const { core } = this;
    core.messages = [];
    core.messagesAfterAppend = [];
    core.readStates = [];
    core.log.unstable.acceptInProgress();
    const last = committedEntries.at(-1);
    if (last !== undefined) {
      core.log.acceptApplying(last.index, totalBytes(committedEntries, core.entryBytes), !this.#async);
    }
  }

  /** With ready/advance only: the Ready's state is durable, its messages are sent, its committed entries applied. */
  advance(_ready: Ready): void {
    if (this.#async) throw new RaftPanic('Advance must not be called when using AsyncStorageWrites');
    const steps = this.#stepsOnAdvance;
    this.#stepsOnAdvance = [];
    for (const message of steps) step(this.core, message);
  }

  /** Asks for a read index: a ReadState with this context follows in a Ready, or nothing (no leader, lost message): ask again. */
  readIndex(context: Uint8Array): void {
    const message = draftMessage('MsgReadIndex', 0, 0, 0);
    message.entries = [{ term: 0, index: 0, type: 'normal', data: context }];
    step(this.core, message);
  }

  transferLeader(to: RaftId): void {
    step(this.core, draftMessage('MsgTransferLeader', 0, to, 0));
  }

  /** A follower forgets its leader and may vote for others within the election time-out. Not with lease reads. */
  forgetLeader(): void {
    step(this.core, draftMessage('MsgForgetLeader', 0, 0, 0));
  }

  /** The last message to `id` could not be sent. */
  reportUnreachable(id: RaftId): void {
    step(this.core, draftMessage('MsgUnreachable', 0, id, 0));
  }

  /** The snapshot sent to `id` was received (`ok`) or failed. */
  reportSnapshot(id: RaftId, ok: boolean): void {
    const message = draftMessage('MsgSnapStatus', 0, id, 0);
    message.reject = !ok;
    step(this.core, message);
  }

  /**
   * Tells the leader again up to where this member has its log for certain: an answer to a snapshot may be lost, and the leader sends nothing
   * until it comes. Without a leader, or as one: nothing.
   */
  acknowledge(): void {
    const { core } = this;
    if (core.leader === 0 || core.isLeader || core.log.committed === 0) return;
    const answer = core.draft('MsgAppResp', core.leader);
    answer.index = core.log.committed;
    core.send(answer);
  }

  /**
   * Somebody has shown that the entry of this term at this index is committed: a snapshot ends there, say. If this member's log has it, all
   * up to there is the same as what was committed (Raft §5.3). A leader goes by what it counts itself. True: it did not
   * know.
   */
  learnCommitted({ index, term }: { readonly index: number; readonly term: number }): boolean {
    return !this.core.isLeader && this.core.log.maybeCommit(index, term);
  }

  /** How this leader sends to a member; undefined: it does not lead, or there is no such member. */
  progressState(id: RaftId): ProgressState | undefined {
    return this.core.isLeader ? this.core.tracker.get(id)?.state : undefined;
  }

  /**
   * Forgets what a leader knows of a member's log: the member has said that it lost what it had acknowledged. Nothing that it
   * acknowledged before counts from now on; it is probed as at the start of a term. Without the lead, or of the member itself: nothing.
   */
  resetProgress(id: RaftId): void {
    const { core } = this;
    if (!core.isLeader || id === core.id) return;
    core.tracker.get(id)?.reset(0, core.log.lastIndex + 1);
  }

  status(): Status {
    const { core } = this;
    return {
      id: core.id,
      softState: { leader: core.leader, state: core.state },
      hardState: core.hardState(),
      state: core.state,
      applied: core.log.applied,
      lastIndex: core.log.lastIndex,
      leadTransferee: core.leadTransferee,
      confState: this.confState(),
      progress: core.isLeader ? core.tracker.members.map((progress) => progress.status()) : [],
    };
  }
}
