import { decodeConfChange } from '../../../consensus/confChange.ts';
import type { RaftConfig, RaftMutant } from '../../../consensus/config.ts';
import { RaftError, SnapshotNotReady } from '../../../consensus/errors.ts';
import { hardStateOf } from '../../../consensus/message.ts';
import { RawNode } from '../../../consensus/rawNode.ts';
import {
  appendThread,
  applyThread,
  type ConfChange,
  type ConfChangeV2,
  type ConfState,
  type Entry,
  type Message,
  type RaftId,
  type Ready,
  type Snapshot,
} from '../../../consensus/types.ts';
import type { Millis } from '../../../host/clock.ts';
import type { Host } from '../../../host/host.ts';
import type { Lsn, RecordIn } from '../../../storage/journal/index.ts';
import { type BrokerId, brokerOf, type GroupId } from '../ids.ts';
import {
  type CatchUpPeers,
  type GroupHandle,
  type MachineCheckpoint,
  NotProposed,
  type PeerAnswers,
  type Proposed,
  type ReplicatedMachine,
} from './group.ts';
import { entryBytes, type GroupStorage } from './groupStorage.ts';
import {
  type CheckpointRecord,
  carriedRecords,
  checkpointRecord,
  entriesRecords,
  hardStateRecord,
} from './journalFormat.ts';
import type { GroupObserver } from './observer.ts';
import { Proposals } from './proposals.ts';
import { ReadBarriers } from './readBarriers.ts';
import type { EntriesMark } from './recovery.ts';
import type { GroupSpec } from './runtime.ts';
import type { SnapshotFiles } from './snapshotFiles.ts';

/** Limits of every group. Bytes. */
export const groupLimits = {
  /** Of a MsgApp; one entry always fits. */
  messageBytes: 1024 * 1024,
  committedBytesPerReady: 4 * 1024 * 1024,
  inflightMessages: 64,
  inflightBytes: 8 * 1024 * 1024,
  /** Of applied entries that are kept for followers. */
  windowBytes: 8 * 1024 * 1024,
} as const;

/** How long a machine that could not fetch a snapshot waits before it tries again. */
const restoreAgainMs = 1_000;

/**
 * Election time-outs after which a snapshot that was not acknowledged is sent again. It may be lost without anybody's knowing, with a
 * receiver that had not opened the group yet; one that is still being restored is in no way disturbed by another.
 */
const snapshotPatience = 30;

/** What a replica uses of its broker. */
export interface ReplicaContext {
  readonly host: Host;
  readonly broker: BrokerId;
  readonly member: RaftId;
  readonly snapshots: SnapshotFiles;
  readonly observer: GroupObserver | undefined;
  readonly raft: {
    readonly electionTicks: number;
    readonly heartbeatTicks: number;
    readonly maxUncommittedBytes: number;
    /** Of one entry: the journal takes no larger one. */
    readonly maxEntryBytes: number;
  };
  /** Something is to do for this replica: it gets a turn. */
  schedule(replica: GroupReplica): void;
  /** Adds to this turn's append; `durable` is told the number of the first of the records. */
  record(records: readonly RecordIn[], durable: (first: Lsn) => void): void;
  send(replica: GroupReplica, message: Message): void;
  ask(
    broker: BrokerId,
    group: GroupId,
    generation: number,
    request: Uint8Array,
    signal: AbortSignal,
  ): Promise<Uint8Array>;
  leaderOf(group: GroupId): BrokerId | undefined;
  /**
   * Tells the leader that this member has lost what it had acknowledged; resolves to the index up to which it must have applied the log
   * before it may vote again.
   */
  askBarrier(group: GroupId, generation: number, signal: AbortSignal): Promise<number>;
  /** Who leads, or whether this replica serves, has changed. */
  leaderChanged(replica: GroupReplica): void;
  electionBegun(replica: GroupReplica): void;
  confChanged(replica: GroupReplica): void;
  /** The process cannot go on. */
  fatal(error: unknown): void;
  /** Bytes that wait for the journal: beyond some of them nothing more is proposed. */
  readonly isCongested: boolean;
  readonly isStopping: boolean;
}

/** What a replica begins with. */
export interface ReplicaStart {
  readonly storage: GroupStorage;
  readonly checkpoint: CheckpointRecord;
  readonly checkpointLsn: Lsn;
  readonly hardStateLsn: Lsn;
  readonly marks: readonly EntriesMark[];
}

/** A storage append that has not been answered. */
interface Append {
  readonly message: Message;
  isDurable: boolean;
  firstLsn: Lsn;
}

/** A group's replica on this broker: its member of the group, its log, its machine, and who waits for them. */
export class GroupReplica implements GroupHandle {
  readonly spec: GroupSpec;
  readonly member: RaftId;
  readonly storage: GroupStorage;
  readonly #context: ReplicaContext;
  readonly #proposals = new Proposals();
  readonly #barriers = new ReadBarriers();
  readonly #closed = new AbortController();
  #isOpen = false;
  #core: { readonly node: RawNode; readonly machine: ReplicatedMachine & PeerAnswers } | undefined;

  /** Appends given to the journal, or behind a snapshot that is being restored; answered in order. */
  readonly #appends: Append[] = [];
  #isRestoring = false;
  readonly #behindRestore: Message[] = [];
  /** Term and vote as they were last given to the journal. */
  #written: { term: number; vote: RaftId };

  readonly #applies: Message[] = [];
  #appliedOfFirst = 0;
  /** Resolves when the machine takes entries again and was given those that wait; undefined while it takes them. */
  #holding: Promise<void> | undefined;
  #applied: { index: number; term: number };
  #confHistory: { index: number; confState: ConfState }[];

  /** When each member was last heard of by this leader. */
  readonly #heard = new Map<RaftId, Millis>();
  /** Members that have answered a heartbeat since the last MsgApp to them: the next one, be it empty, asks how far they are. */
  readonly #answered = new Set<RaftId>();
  #leadTerm = 0;
  #serving = false;
  #knownLeader: RaftId = 0;
  #knownTerm = 0;

  #checkpoint: CheckpointRecord;
  #checkpointLsn: Lsn;
  #hardStateLsn: Lsn;
  #marks: EntriesMark[];
  #probation: boolean;
  /** Where probation ends; undefined until a leader has said. */
  #barrier: number | undefined;
  #isEndingProbation = false;
  #checkpointing: Promise<MachineCheckpoint> | undefined;

  constructor(context: ReplicaContext, spec: GroupSpec, start: ReplicaStart) {
    this.#context = context;
    this.spec = spec;
    this.member = context.member;
    this.storage = start.storage;
    const { term, vote } = start.storage.hardState;
    this.#written = { term, vote };
    this.#checkpoint = start.checkpoint;
    this.#probation = start.checkpoint.probation && !context.host.telemetry.mutant('probation-skipped');
    this.#checkpointLsn = start.checkpointLsn;
    this.#hardStateLsn = start.hardStateLsn;
    this.#marks = [...start.marks];
    this.#applied = { index: start.checkpoint.metadata.index, term: start.checkpoint.metadata.term };
    this.#confHistory = [{ index: this.#applied.index, confState: start.checkpoint.metadata.confState }];
  }

  /** Opens the machine and lets the replica take part. */
  async open(checkpoint: MachineCheckpoint | undefined): Promise<void> {
    // It waits for a leader's snapshot: what its machine still holds of the group's log need not be fetched.
    const isSalvaged = this.#checkpoint.metadata.index === 0 && checkpoint === undefined;
    const open = isSalvaged ? (this.spec.openSalvaged ?? this.spec.open) : this.spec.open;
    const machine = await open(this, checkpoint);
    const { observer } = this.#context;
    observer?.opened({
      group: this.group,
      member: this.member,
      hardState: this.storage.hardState,
      confState: this.storage.confState,
      firstIndex: this.storage.firstIndex(),
      lastIndex: this.storage.lastIndex(),
      term: (index) => {
        const isHeld = index >= this.storage.firstIndex() - 1 && index <= this.storage.lastIndex();
        return isHeld ? this.storage.term(index) : undefined;
      },
    });
    const node = new RawNode(this.#raftConfig());
    this.#core = { node, machine };
    this.#isOpen = true;
    const { voters, votersOutgoing } = this.storage.confState;
    const isAlone = voters.length === 1 && voters[0] === this.member && votersOutgoing.length === 0;
    if (this.#probation) void this.#findBarrier();
    // Nobody else could lead or be asked: there is nothing to wait for.
    else if (isAlone) node.campaign();
    this.#context.schedule(this);
  }

  get node(): RawNode {
    return this.#opened.node;
  }

  get machine(): ReplicatedMachine & PeerAnswers {
    return this.#opened.machine;
  }

  /** It takes part: its machine is open, and it was not closed. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  get #opened(): { readonly node: RawNode; readonly machine: ReplicatedMachine & PeerAnswers } {
    if (this.#core === undefined) throw new Error(`group ${this.group} is not open yet`);
    return this.#core;
  }

  // What the machine and its users see.

  get group(): GroupId {
    return this.spec.group;
  }

  get term(): number {
    return this.#core?.node.term ?? this.storage.hardState.term;
  }

  get serving(): boolean {
    return this.#serving && this.#core?.node.state === 'leader' && this.#core.node.term === this.#leadTerm;
  }

  get leader(): BrokerId | undefined {
    return this.#context.leaderOf(this.group);
  }

  propose(data: Uint8Array): Promise<Proposed> {
    const node = this.#core?.node;
    if (this.#context.isStopping) throw new NotProposed('stopping', `broker ${this.#context.broker} is stopping`);
    if (node === undefined || !this.serving) {
      throw new NotProposed('not-leader', `broker ${this.#context.broker} does not lead group ${this.group}`);
    }
    if (data.length > this.#context.raft.maxEntryBytes) {
      const most = this.#context.raft.maxEntryBytes;
      throw new NotProposed(
        'busy',
        `an entry of ${data.length} bytes does not fit the journal's files: at most ${most}`,
      );
    }
    if (this.#context.isCongested) throw new NotProposed('busy', 'too much waits for the journal');
    if (node.leadTransferee !== 0) {
      throw new NotProposed('transferring', `the lead of group ${this.group} is being handed over`);
    }
    try {
      node.propose(data);
    } catch (error) {
      if (!(error instanceof RaftError) || error.code !== 'PROPOSAL_DROPPED') throw error;
      const bytes = this.#context.raft.maxUncommittedBytes;
      throw new NotProposed('busy', `group ${this.group} has ${bytes} bytes uncommitted or is not a member any more`);
    }
    this.#context.schedule(this);
    return this.#proposals.wait(node.lastIndex, node.term, this.#context.host.clock.now());
  }

  readBarrier(): Promise<void> {
    if (!this.serving || this.#context.isStopping) {
      const why = `broker ${this.#context.broker} does not lead group ${this.group}`;
      return Promise.reject(new NotProposed('not-leader', why));
    }
    this.#context.schedule(this);
    return this.#barriers.wait();
  }

  ownSync(): Promise<void> {
    const node = this.#core?.node;
    if (node === undefined || node.lastIndex <= this.storage.lastIndex()) return Promise.resolve();
    return this.#proposals.untilDurable(node.lastIndex);
  }

  // What the broker gives it.

  tick(): void {
    const { node } = this.#opened;
    // On probation it neither campaigns nor counts the time since it heard a leader.
    if (this.#probation) return;
    node.tick();
    if (node.hasReady()) this.#context.schedule(this);
  }

  /** A message of another member. */
  step(message: Message): void {
    const { node } = this.#opened;
    const admitted = this.#probation ? onProbation(message, node.lastIndex) : message;
    if (admitted === undefined) return;
    try {
      node.step(admitted);
    } catch (error) {
      // A member that was removed meanwhile, or a message that nobody can use: as good as lost.
      if (!(error instanceof RaftError)) throw error;
    }
    if (node.state === 'leader') this.#heard.set(message.from, this.#context.host.clock.now());
    if (message.type === 'MsgHeartbeatResp') this.#answered.add(message.from);
    this.#context.schedule(this);
  }

  /** Members that this leader has heard of within `ms`, itself among them. Empty for a follower. */
  heardWithin(ms: Millis): ReadonlySet<RaftId> {
    if (this.#core?.node.state !== 'leader') return new Set();
    const since = this.#context.host.clock.now() - ms;
    const heard = [...this.#heard].filter(([, atMs]) => atMs >= since).map(([id]) => id);
    return new Set([...heard, this.member]);
  }

  proposeConfChange(change: ConfChange | ConfChangeV2): void {
    this.node.proposeConfChange(change);
    this.#context.schedule(this);
  }

  transferLeader(to: RaftId): void {
    this.node.transferLeader(to);
    this.#context.schedule(this);
  }

  campaign(): void {
    this.node.campaign();
    this.#context.schedule(this);
  }

  /** What was sent to a member did not leave, or its process is gone. */
  undelivered(to: RaftId, isSnapshotLost: boolean): void {
    const { node } = this.#opened;
    if (node.state !== 'leader') return;
    node.reportUnreachable(to);
    if (isSnapshotLost) node.reportSnapshot(to, false);
    this.#context.schedule(this);
  }

  /** The replica's part of a turn. True: there is more to do. */
  run(): boolean {
    const { node } = this.#opened;
    const round = node.committedInTerm ? this.#barriers.begin() : undefined;
    if (round !== undefined) node.readIndex(round);
    for (let rounds = 0; rounds < roundsMax; rounds++) {
      if (!this.#isOpen || !node.hasReady()) return false;
      const ready = node.ready();
      this.#take(node, ready);
    }
    return node.hasReady();
  }

  #take(node: RawNode, ready: Ready): void {
    const { observer } = this.#context;
    observer?.ready(this.group, this.member, ready, {
      term: node.term,
      leads: node.state === 'leader',
      commit: node.commit,
    });
    this.#noteRole(node);
    for (const readState of ready.readStates) this.#barriers.confirmed(readState);
    for (const message of ready.messages) {
      if (message.to === appendThread) this.#append(message);
      else if (message.to === applyThread) this.#apply(message);
      else this.#send(message);
    }
    if (ready.readStates.length > 0) this.#barriers.applied(this.#applied.index);
  }

  #send(message: Message): void {
    if (message.type === 'MsgApp') {
      if (this.#isOnlyCommit(message)) return;
      this.#answered.delete(message.to);
    }
    this.#context.observer?.sent(this.group, message);
    this.#context.send(this, message);
  }

  /**
   * A message that tells a follower of nothing but a commit: the next entries tell it too, and so does the next heartbeat. It would
   * double the messages of a batch, for a follower that nobody reads from. The metadata is read everywhere.
   *
   * Not so one that follows the answer to a heartbeat: it asks for an acknowledgement that was lost. Nor one during a change of the
   * members: who is removed by it hears of its commit now or never.
   */
  #isOnlyCommit({ entries, to }: Message): boolean {
    if (entries.length > 0 || this.spec.kind === 'meta' || this.#answered.has(to)) return false;
    return this.node.mayChangeConfiguration && this.node.progressState(to) === 'replicate';
  }

  // Probation.

  get isOnProbation(): boolean {
    return this.#probation;
  }

  /** A member has lost what it had acknowledged: none of that counts any more. Resolves to where its probation ends. */
  async barrierFor(member: RaftId): Promise<number> {
    if (!this.#context.host.telemetry.mutant('barrier-keeps-match')) this.node.resetProgress(member);
    this.#context.schedule(this);
    // Only a leader that is one for sure knows everything that the member may have helped to commit.
    await this.readBarrier();
    return this.#applied.index;
  }

  async #findBarrier(): Promise<void> {
    const { host } = this.#context;
    const { signal } = this.#closed;
    host.telemetry.logger.warn('a replica is on probation: it has lost what it had applied', { group: this.group });
    while (!signal.aborted) {
      try {
        this.#barrier = await this.#context.askBarrier(this.group, this.spec.generation, signal);
        this.#endProbation();
        return;
      } catch (error) {
        if (signal.aborted) return;
        const message = error instanceof Error ? error.message : String(error);
        host.telemetry.logger.info('no leader has confirmed the probation yet', { group: this.group, error: message });
        await host.clock.sleep(restoreAgainMs, signal).catch(() => undefined);
      }
    }
  }

  /** Once everything that it may have helped to commit is applied again: durably first, then it has its vote. */
  #endProbation(): void {
    const isThere = this.#barrier !== undefined && this.#applied.index >= this.#barrier;
    if (!this.#probation || !isThere || this.#awaitsSnapshot || this.#isEndingProbation) return;
    this.#isEndingProbation = true;
    const { telemetry } = this.#context.host;
    void this.#writeCheckpoint({ ...this.#checkpoint, replacesLog: false, probation: false }).then(() => {
      this.#probation = false;
      telemetry.sometimes('probation ended', true);
      telemetry.logger.info('probation ended', { group: this.group, index: this.#applied.index });
      this.#context.schedule(this);
    });
  }

  // Leading and following.

  #noteRole(node: RawNode): void {
    const leads = node.state === 'leader';
    if (this.#leadTerm !== 0 && (!leads || node.term !== this.#leadTerm)) this.#loseLead(node);
    if (leads && this.#leadTerm === 0) {
      this.#leadTerm = node.term;
      if (this.#context.host.telemetry.mutant('serve-before-noop')) this.#serve();
    }
    if (node.leader === this.#knownLeader && node.term === this.#knownTerm) return;
    if (node.state === 'candidate' && node.term !== this.#knownTerm) this.#context.electionBegun(this);
    this.#knownLeader = node.leader;
    this.#knownTerm = node.term;
    this.#context.leaderChanged(this);
  }

  #loseLead(node: RawNode): void {
    const { telemetry } = this.#context.host;
    telemetry.sometimes('deposed leader had a tail', node.lastIndex > node.commit);
    const served = this.#serving;
    this.#leadTerm = 0;
    this.#serving = false;
    this.#heard.clear();
    this.#answered.clear();
    const why = `broker ${this.#context.broker} does not lead group ${this.group} any more`;
    if (served) this.machine.follow();
    this.#proposals.lose(why);
    this.#barriers.fail(why);
  }

  /** The no-op of its own term is applied, and so is everything before it: it may promise now. */
  #serve(): void {
    this.#serving = true;
    this.machine.lead(this.#leadTerm);
    this.#context.leaderChanged(this);
  }

  // What becomes durable.

  #append(message: Message): void {
    if (this.#isRestoring) {
      this.#behindRestore.push(message);
      return;
    }
    if (message.snapshot !== undefined) {
      this.#isRestoring = true;
      const append: Append = { message, isDurable: false, firstLsn: 0 };
      this.#appends.push(append);
      this.#restore(append, message.snapshot).catch((error: unknown) => {
        if (!this.#closed.signal.aborted) this.#context.fatal(error);
      });
      return;
    }
    this.#persist(message);
  }

  #persist(message: Message): void {
    const { mutant } = this.#context.host.telemetry;
    const append: Append = { message, isDurable: false, firstLsn: 0 };
    this.#appends.push(append);
    const records = this.#recordsOf(message);
    const isForgotten =
      message.entries.length === 0 &&
      ((mutant('vote-unsynced') && message.vote !== 0) || (mutant('term-unsynced') && message.term !== 0));
    // A commit index alone is not worth a write: the next one carries it. What answers such a message waits for those before it.
    if (records.length === 0 || isForgotten) {
      append.isDurable = true;
      if (this.#appends.length === 1) this.#completeAppends();
      return;
    }
    if (mutant('self-ack-early')) this.#answerOwn(message);
    const durable = (first: Lsn) => {
      append.isDurable = true;
      append.firstLsn = first;
      this.#completeAppends();
    };
    if (mutant('log-rewritten')) this.#rewrite(records, durable);
    else this.#context.record(records, durable);
  }

  /** Planted: the log is emptied first and written again whole, as if it were a file of its own. */
  #rewrite(records: readonly RecordIn[], durable: (first: Lsn) => void): void {
    const emptied = checkpointRecord(this.group, { ...this.#checkpoint, replacesLog: true });
    this.#context.record([emptied], () => {
      const from = Math.max(this.checkpointIndex + 1, this.storage.firstIndex());
      const held = this.storage.entries(from, this.storage.lastIndex() + 1, Number.POSITIVE_INFINITY);
      this.#context.record([...entriesRecords(this.group, held, this.storage.hardState.commit), ...records], durable);
    });
  }

  #recordsOf(message: Message): RecordIn[] {
    const records: RecordIn[] = [];
    const hardState = hardStateOf(message);
    // The vote goes first: entries of a term stand behind it.
    if (hardState !== undefined && (hardState.term !== this.#written.term || hardState.vote !== this.#written.vote)) {
      this.#written = { term: hardState.term, vote: hardState.vote };
      records.push(hardStateRecord(this.group, hardState));
    }
    const commit = hardState?.commit ?? this.storage.hardState.commit;
    records.push(...entriesRecords(this.group, message.entries, commit));
    return records;
  }

  #answerOwn(message: Message): void {
    for (const response of message.responses) {
      if (response.to === this.member && response.type === 'MsgAppResp') this.node.step(response);
    }
  }

  /** Takes over what is durable, in the order in which it was given, and lets go what waited for it. */
  #completeAppends(): void {
    if (!this.#isOpen) return;
    while (this.#appends[0]?.isDurable === true) {
      const append = this.#appends.shift();
      if (append !== undefined) this.#complete(append);
    }
    this.#context.schedule(this);
  }

  #complete({ message, firstLsn }: Append): void {
    const { snapshot, entries } = message;
    if (snapshot !== undefined) this.#takeSnapshot(snapshot);
    const hardState = hardStateOf(message);
    if (hardState !== undefined) {
      const { term, vote } = this.storage.hardState;
      if (firstLsn > 0 && (hardState.term !== term || hardState.vote !== vote)) this.#hardStateLsn = firstLsn;
      this.storage.hardState = hardState;
    }
    const last = entries.at(-1);
    if (last !== undefined) {
      this.storage.append(entries);
      this.#marks.push({ lsn: firstLsn, lastIndex: last.index });
      this.#proposals.durable(last.index, this.#context.host.clock.now());
    }
    const { node } = this.#opened;
    for (const response of message.responses) {
      if (response.to === this.member) node.step(response);
      else this.#send(response);
    }
  }

  // What is committed.

  #apply(message: Message): void {
    this.#applies.push(message);
    this.#drainApplies();
  }

  #drainApplies(): void {
    if (this.#holding !== undefined) return;
    for (let message = this.#applies[0]; message !== undefined; message = this.#applies[0]) {
      while (this.#appliedOfFirst < message.entries.length) {
        const hold = this.machine.hold?.();
        if (hold !== undefined) {
          this.#waitFor(hold);
          return;
        }
        const entry = message.entries[this.#appliedOfFirst++];
        if (entry !== undefined) this.#applyEntry(entry);
      }
      this.#applies.shift();
      this.#appliedOfFirst = 0;
      for (const response of message.responses) {
        if (response.to === this.member) this.node.step(response);
        else this.#send(response);
      }
    }
    this.#barriers.applied(this.#applied.index);
    this.#endProbation();
    this.storage.shrink(this.#windowBytes, this.#applied.index);
    this.#context.schedule(this);
  }

  get #windowBytes(): number {
    return this.#context.host.telemetry.buggify('no log window') ? 0 : groupLimits.windowBytes;
  }

  #waitFor(hold: Promise<void>): void {
    this.#holding = hold
      .then(() => {
        this.#holding = undefined;
        if (!this.#closed.signal.aborted) this.#drainApplies();
      })
      .catch((error: unknown) => this.#context.fatal(error));
  }

  #applyEntry(entry: Entry): void {
    if (entry.index !== this.#applied.index + 1) {
      throw new Error(`group ${this.group}: entry ${entry.index} came to be applied after ${this.#applied.index}`);
    }
    const { node, machine } = this.#opened;
    const change = decodeConfChange(entry);
    const isNormal = entry.type === 'normal';
    if (!isNormal) this.#configure(node, entry, change);
    const data = isNormal ? entry.data : nothing;
    const committed = { index: entry.index, term: entry.term, data };
    const result = machine.apply(committed);
    this.#applied = { index: entry.index, term: entry.term };
    this.#context.observer?.applied(this.group, this.member, committed);
    this.#proposals.applied(entry.index, entry.term, result);
    const isOwnTerm = this.#leadTerm !== 0 && entry.term === this.#leadTerm;
    if (isOwnTerm && !this.#serving && node.state === 'leader' && node.term === this.#leadTerm) this.#serve();
  }

  #configure(node: RawNode, entry: Entry, change: ConfChange | ConfChangeV2 | undefined): void {
    if (change === undefined) throw new Error(`group ${this.group}: entry ${entry.index} holds no change`);
    const confState = node.applyConfChange(change, entry.index);
    this.storage.confState = confState;
    this.#confHistory.push({ index: entry.index, confState });
    this.#context.confChanged(this);
    this.#context.observer?.configured(this.group, this.member, entry.index, confState);
  }

  #confAt(index: number): ConfState {
    const found = this.#confHistory.findLast((known) => known.index <= index);
    return (found ?? { confState: this.storage.confState }).confState;
  }

  // Snapshots.

  /** What a follower gets whom the log no longer reaches. Throws `SnapshotNotReady`. */
  takeSnapshot(): Snapshot {
    if (this.#isRestoring || this.#core === undefined) throw new SnapshotNotReady();
    const { index, term } = this.#applied;
    const { mutant } = this.#context.host.telemetry;
    const confState = mutant('conf-state-only-in-snapshot') ? this.#checkpoint.metadata.confState : this.#confAt(index);
    return { metadata: { index, term, confState }, data: this.machine.snapshot() };
  }

  async #restore(append: Append, snapshot: Snapshot): Promise<void> {
    const { host } = this.#context;
    const { index, term, confState } = snapshot.metadata;
    const { signal } = this.#closed;
    host.telemetry.logger.info('restoring a replica', { group: this.group, index, term });
    // What was committed before goes in first: after the snapshot it would come too late.
    while (this.#holding !== undefined) await this.#holding;
    for (;;) {
      try {
        await this.machine.restore({ index, term, data: snapshot.data }, this.peers);
        break;
      } catch (error) {
        if (signal.aborted) return;
        const message = error instanceof Error ? error.message : String(error);
        host.telemetry.logger.warn('a replica could not be restored yet', { group: this.group, error: message });
        await host.clock.sleep(restoreAgainMs, signal);
      }
    }
    const made = await this.machine.checkpoint();
    if (made.index !== index) {
      throw new Error(`group ${this.group}: restored to ${index}, its checkpoint says ${made.index}`);
    }
    const data = await this.#storeCheckpoint(made);
    if (signal.aborted) return;
    const { generation } = this.spec;
    const checkpoint = {
      generation,
      metadata: { index, term, confState },
      replacesLog: true,
      probation: this.#probation,
      data,
    };
    const hardState = hardStateOf(append.message) ?? this.storage.hardState;
    this.#written = { term: hardState.term, vote: hardState.vote };
    const records = [
      hardStateRecord(this.group, hardState),
      checkpointRecord(this.group, checkpoint),
      ...entriesRecords(this.group, append.message.entries, hardState.commit),
    ];
    this.#context.record(records, (first) => {
      append.isDurable = true;
      append.firstLsn = first;
      this.#checkpoint = checkpoint;
      this.#checkpointLsn = first;
      this.#hardStateLsn = first;
      this.#marks = [];
      this.#completeAppends();
      this.machine.checkpointed?.(index);
      this.#removeOldFiles();
      this.#endProbation();
    });
    this.#isRestoring = false;
    for (const message of this.#behindRestore.splice(0)) this.#append(message);
    this.#context.schedule(this);
  }

  #takeSnapshot(snapshot: Snapshot): void {
    const { index, term, confState } = snapshot.metadata;
    this.storage.reset(snapshot.metadata);
    this.#applied = { index, term };
    this.#confHistory = [{ index, confState }];
    this.#context.observer?.restored(this.group, this.member, snapshot.metadata);
    this.#context.observer?.configured(this.group, this.member, index, confState);
  }

  /** The other replicas, as the machine asks them. */
  get peers(): CatchUpPeers {
    const { signal } = this.#closed;
    return {
      signal,
      brokers: () => {
        const { voters, learners } = this.node.confState();
        const others = [...new Set([...voters, ...learners].map(brokerOf))].filter((it) => it !== this.#context.broker);
        const leader = this.leader;
        return others.sort((left, right) => Number(right === leader) - Number(left === leader));
      },
      ask: (broker, request) => this.#context.ask(broker, this.group, this.spec.generation, request, signal),
    };
  }

  // Checkpoints.

  get appliedIndex(): number {
    return this.#applied.index;
  }

  get checkpointIndex(): number {
    return this.#checkpoint.metadata.index;
  }

  get isRestoring(): boolean {
    return this.#isRestoring;
  }

  /** A snapshot is being restored, or its record is not durable yet. */
  get #awaitsSnapshot(): boolean {
    return this.#isRestoring || this.#appends.some(({ message }) => message.snapshot !== undefined);
  }

  get pendingProposals(): number {
    return this.#proposals.size;
  }

  /** The oldest record of the journal that this group's recovery needs. */
  get neededLsn(): Lsn {
    const mark = this.#marks[0]?.lsn ?? Number.POSITIVE_INFINITY;
    return Math.min(this.#hardStateLsn, this.#checkpointLsn, mark);
  }

  /** Makes a checkpoint of what is applied; one at a time. */
  checkpoint(): Promise<MachineCheckpoint> {
    this.#checkpointing ??= this.#makeCheckpoint().finally(() => {
      this.#checkpointing = undefined;
    });
    return this.#checkpointing;
  }

  async #makeCheckpoint(): Promise<MachineCheckpoint> {
    if (this.#isRestoring) throw new Error(`group ${this.group} is being restored`);
    const made = await this.machine.checkpoint();
    const data = await this.#storeCheckpoint(made);
    // A snapshot that came meanwhile stands for more than this, also while its record is under way: this one would stand behind it.
    if (this.#awaitsSnapshot || made.index < this.checkpointIndex) return made;
    const { mutant } = this.#context.host.telemetry;
    const confState = mutant('conf-state-only-in-snapshot')
      ? this.#checkpoint.metadata.confState
      : this.#confAt(made.index);
    const metadata = { index: made.index, term: made.term, confState };
    const { generation } = this.spec;
    await this.#writeCheckpoint({ generation, metadata, replacesLog: false, probation: this.#probation, data });
    this.machine.checkpointed?.(made.index);
    this.#removeOldFiles();
    return made;
  }

  #writeCheckpoint(checkpoint: CheckpointRecord): Promise<void> {
    return new Promise((resolve) => {
      this.#context.record([checkpointRecord(this.group, checkpoint)], (first) => {
        const { index } = checkpoint.metadata;
        if (index >= this.checkpointIndex) {
          this.#checkpoint = checkpoint;
          this.#checkpointLsn = first;
          while ((this.#marks[0]?.lastIndex ?? Number.POSITIVE_INFINITY) <= index) this.#marks.shift();
          while ((this.#confHistory[1]?.index ?? Number.POSITIVE_INFINITY) <= index) this.#confHistory.shift();
        }
        resolve();
      });
    });
  }

  /** A partition's checkpoint is a few bytes and stands in the journal; the state of a small machine has a file. */
  async #storeCheckpoint(made: MachineCheckpoint): Promise<Uint8Array | 'file'> {
    if (this.spec.kind === 'partition') return made.data;
    await this.#context.snapshots.write(this.group, made.index, made.term, made.data);
    return 'file';
  }

  #removeOldFiles(): void {
    if (this.spec.kind === 'partition') return;
    this.#context.snapshots.removeOthers(this.group, this.checkpointIndex).catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      this.#context.host.telemetry.logger.warn('an old snapshot stays', { group: this.group, error: message });
    });
  }

  /**
   * Writes once more what recovery needs of this group, so that the journal's old files may go: after a checkpoint, so that little is
   * left behind it.
   */
  carryForward(): void {
    const base = this.checkpointIndex;
    // Entries that are under way stand in the journal already: written after them, these would replace them.
    if (this.#isRestoring || this.#appends.length > 0 || this.storage.firstIndex() > base + 1) return;
    const { mutant } = this.#context.host.telemetry;
    const entries = this.storage.entries(base + 1, this.storage.lastIndex() + 1, Number.POSITIVE_INFINITY);
    const hardState = { ...this.#written, commit: this.storage.hardState.commit };
    const records: RecordIn[] = [
      ...(mutant('hard-state-not-carried') ? [] : [hardStateRecord(this.group, hardState)]),
      checkpointRecord(this.group, { ...this.#checkpoint, replacesLog: false }),
      ...carriedRecords(this.group, entries, hardState.commit),
    ];
    this.#context.record(records, (first) => {
      if (this.checkpointIndex === base) this.#checkpointLsn = Math.max(this.#checkpointLsn, first);
      this.#hardStateLsn = Math.max(this.#hardStateLsn, first);
      const last = entries.at(-1);
      if (this.checkpointIndex !== base) return;
      // By their place in the journal, not by number: another carrying may have been under way, and they have moved.
      this.#marks = this.#marks.filter(({ lsn }) => lsn > first);
      if (last !== undefined) this.#marks.unshift({ lsn: first, lastIndex: last.index });
    });
  }

  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    this.#isOpen = false;
    const served = this.#serving;
    this.#serving = false;
    const why = `group ${this.group} is closed on broker ${this.#context.broker}`;
    if (served) this.machine.follow();
    this.#proposals.lose(why);
    this.#barriers.fail(why);
    this.#context.observer?.closed(this.group, this.member);
    await this.#core?.machine.close();
  }

  #raftConfig(): RaftConfig {
    const { host, raft } = this.#context;
    const election = host.random.stream('election');
    return {
      id: this.member,
      storage: this.storage,
      applied: this.#applied.index,
      electionTicks: raft.electionTicks,
      heartbeatTicks: raft.heartbeatTicks,
      asyncStorageWrites: true,
      preVote: true,
      checkQuorum: true,
      log: null,
      maxBytesPerMessage: host.telemetry.buggify('one-entry MsgApp') ? 0 : groupLimits.messageBytes,
      maxCommittedBytesPerReady: groupLimits.committedBytesPerReady,
      maxUncommittedBytes: raft.maxUncommittedBytes,
      maxInflightMessages: groupLimits.inflightMessages,
      maxInflightBytes: groupLimits.inflightBytes,
      stepDownOnRemoval: true,
      readOnly: 'safe',
      disableProposalForwarding: true,
      disableConfChangeValidation: false,
      randomTimeout: () => election.integer(raft.electionTicks, 2 * raft.electionTicks - 1),
      entryBytes,
      snapshotPatience,
      mutant: (name: RaftMutant) => host.telemetry.mutant(name),
    };
  }
}

/**
 * What a member on probation takes: nothing that asks for its vote, and no word of a commit that lies beyond what it holds now (the
 * leader may still believe what it had acknowledged). Undefined: nothing of it.
 */
function onProbation(message: Message, lastIndex: number): Message | undefined {
  switch (message.type) {
    case 'MsgVote':
    case 'MsgPreVote':
    case 'MsgTimeoutNow':
      return undefined;
    case 'MsgHeartbeat':
      return message.commit > lastIndex ? { ...message, commit: lastIndex } : message;
    default:
      return message;
  }
}

/** Rounds of one group in one turn: the others get theirs before it goes on. */
const roundsMax = 16;
const nothing = new Uint8Array(0);
