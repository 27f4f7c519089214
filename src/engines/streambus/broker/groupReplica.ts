import { RaftError, SnapshotNotReady } from '../../../consensus/errors.ts';
import { RawNode } from '../../../consensus/rawNode.ts';
import {
  appendThread,
  applyThread,
  type ConfChange,
  type ConfChangeV2,
  type HardState,
  type Message,
  type RaftId,
  type Ready,
  type Snapshot,
} from '../../../consensus/types.ts';
import type { Millis } from '../../../host/clock.ts';
import type { Lsn } from '../../../storage/journal/index.ts';
import { type BrokerId, brokerOf, type GroupId } from '../ids.ts';
import { Followers } from './followers.ts';
import {
  type CatchUpPeers,
  type GroupHandle,
  type MachineCheckpoint,
  NotProposed,
  type PeerAnswers,
  type Proposed,
  type ReplicatedMachine,
} from './group.ts';
import type { CommittedEnd } from './groupRequests.ts';
import type { GroupStorage } from './groupStorage.ts';
import { Leading } from './leading.ts';
import { Probation } from './probation.ts';
import { Proposals } from './proposals.ts';
import { ReadBarriers } from './readBarriers.ts';
import { ReplicaAppends } from './replicaAppends.ts';
import { ReplicaApplies } from './replicaApplies.ts';
import type { ReplicaBody, ReplicaContext, ReplicaStart } from './replicaBody.ts';
import { ReplicaCheckpoints } from './replicaCheckpoints.ts';
import { raftConfig } from './replicaRaft.ts';
import { RoomWaiters } from './roomWaiters.ts';
import type { GroupSpec } from './runtime.ts';

/** Rounds of one group in one turn: the others get theirs before it goes on. */
const roundsMax = 16;

/** A group's replica on this broker: its member of the group, its log, its machine, and who waits for them. */
export class GroupReplica implements GroupHandle {
  readonly spec: GroupSpec;
  readonly member: RaftId;
  readonly storage: GroupStorage;
  readonly #context: ReplicaContext;
  readonly #proposals = new Proposals();
  readonly #barriers = new ReadBarriers();
  readonly #room = new RoomWaiters(
    (bytes, ahead) => this.#mustWait(bytes, ahead),
    () => this.#context.schedule(this),
  );
  readonly #closed = new AbortController();
  #isOpen = false;
  #core: { readonly node: RawNode; readonly machine: ReplicatedMachine & PeerAnswers } | undefined;

  readonly #checkpoints: ReplicaCheckpoints;
  readonly #appends: ReplicaAppends;
  readonly #applies: ReplicaApplies;
  readonly #probation: Probation;
  readonly #followers: Followers;
  readonly #leading: Leading;

  constructor(context: ReplicaContext, spec: GroupSpec, start: ReplicaStart) {
    this.#context = context;
    this.spec = spec;
    this.member = context.member;
    this.storage = start.storage;
    const body = this.#body();
    this.#checkpoints = new ReplicaCheckpoints(body, start);
    this.#appends = new ReplicaAppends(body);
    this.#applies = new ReplicaApplies(body, start.checkpoint.metadata);
    this.#probation = new Probation(body, start.checkpoint.probation);
    this.#followers = new Followers(body);
    this.#leading = new Leading(body, this.#followers);
  }

  /** Opens the machine and lets the replica take part. */
  async open(checkpoint: MachineCheckpoint | undefined): Promise<void> {
    // It waits for a leader's snapshot: what its machine still holds of the group's log need not be fetched.
    const isSalvaged = this.#checkpoints.index === 0 && checkpoint === undefined;
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
    const node = new RawNode(raftConfig(this.#context, this.storage, this.#applies.last.index));
    this.#core = { node, machine };
    this.#isOpen = true;
    const { voters, votersOutgoing } = this.storage.confState;
    const isAlone = voters.length === 1 && voters[0] === this.member && votersOutgoing.length === 0;
    if (this.#probation.isOn) void this.#probation.findBarrier();
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

  /** What it has promised by now, at the least. */
  get hardState(): HardState {
    return this.#core?.node.status().hardState ?? this.storage.hardState;
  }

  get serving(): boolean {
    return this.#leading.isServing(this.#core?.node);
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

  room(bytes: number, signal?: AbortSignal): Promise<void> | undefined {
    return this.#room.ask(bytes, signal);
  }

  /** True when `propose` would refuse so many bytes, behind `ahead` bytes of others, now, and might take them in a moment. */
  #mustWait(bytes: number, ahead: number): boolean {
    const { isCongested, isStopping, raft } = this.#context;
    const node = this.#core?.node;
    if (node === undefined || !this.serving || isStopping || bytes > raft.maxEntryBytes) return false;
    return isCongested || node.leadTransferee !== 0 || !node.hasRoomFor(bytes, ahead);
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
    // What was in the way may have been another group's, or the end of a handover that came to nothing.
    this.#room.look();
    // On probation it neither campaigns nor counts the time since it heard a leader.
    if (this.#probation.isOn) return;
    node.tick();
    if (node.hasReady()) this.#context.schedule(this);
  }

  /** A message of another member. */
  step(message: Message): void {
    const { node } = this.#opened;
    const admitted = this.#probation.isOn ? this.#probation.admit(message) : message;
    if (admitted === undefined) return;
    try {
      node.step(admitted);
    } catch (error) {
      // A member that was removed meanwhile, or a message that nobody can use: as good as lost.
      if (!(error instanceof RaftError)) throw error;
    }
    this.#followers.heard(message);
    this.#context.schedule(this);
  }

  /** Members that this leader has heard of within `ms`, itself among them. Empty for a follower. */
  heardWithin(ms: Millis): ReadonlySet<RaftId> {
    if (this.#core?.node.state !== 'leader') return new Set();
    return new Set([...this.#followers.heardWithin(ms), this.member]);
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

  /** There is a connection to this broker again: an answer that its leader waits for may have been lost with the last one. */
  reachable(broker: BrokerId): void {
    const { node } = this.#opened;
    const { leader } = node;
    if (leader === 0 || leader === this.member || brokerOf(leader) !== broker) return;
    node.acknowledge();
    this.#context.schedule(this);
  }

  /**
   * Another replica restores a snapshot that ends there, and asks for what it lacks: it is committed, though this one may not have heard of
   * it, and nobody leads who could tell. Without what this one has the other cannot vote, and nobody would ever lead.
   */
  learnCommitted(committed: CommittedEnd): void {
    if (this.#core === undefined || !this.#isOpen) return;
    if (this.#core.node.learnCommitted(committed)) this.#context.schedule(this);
  }

  /** The replica's part of a turn. True: there is more to do. */
  run(): boolean {
    const more = this.#runRounds();
    this.#room.look();
    return more;
  }

  #runRounds(): boolean {
    const { node } = this.#opened;
    const round = this.#barriers.isAwaited && node.committedInTerm ? this.#barriers.begin() : undefined;
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
    this.#leading.noteRole(node);
    for (const readState of ready.readStates) this.#barriers.confirmed(readState);
    for (const message of ready.messages) {
      if (message.to === appendThread) this.#appends.add(message);
      else if (message.to === applyThread) this.#applies.add(message);
      else this.#send(message);
    }
    if (ready.readStates.length > 0) this.#barriers.applied(this.#applies.last.index);
  }

  #answer(responses: readonly Message[]): void {
    const { node } = this.#opened;
    for (const response of responses) {
      if (response.to === this.member) node.step(response);
      else this.#send(response);
    }
  }

  #send(message: Message): void {
    if (!this.#followers.takes(message)) return;
    this.#context.observer?.sent(this.group, message);
    this.#context.send(this, message);
  }

  // Probation.

  get isOnProbation(): boolean {
    return this.#probation.isOn;
  }

  /** A member has lost what it had acknowledged: none of that counts any more. Resolves to where its probation ends. */
  async barrierFor(member: RaftId): Promise<number> {
    if (!this.#context.host.telemetry.mutant('barrier-keeps-match')) this.node.resetProgress(member);
    this.#context.observer?.probation(this.group, this.member, member);
    this.#context.schedule(this);
    // Only a leader that is one for sure knows everything that the member may have helped to commit.
    await this.readBarrier();
    return this.#applies.last.index;
  }

  // Snapshots.

  /** What a follower gets whom the log no longer reaches. Throws `SnapshotNotReady`. */
  takeSnapshot(): Snapshot {
    if (this.#appends.isRestoring || this.#core === undefined) throw new SnapshotNotReady();
    const { index, term } = this.#applies.last;
    const confState = this.#checkpoints.confStateOf(index);
    return { metadata: { index, term, confState }, data: this.machine.snapshot() };
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
      ask: (broker, request) => {
        const committed = this.#appends.restoresTo ?? { index: 0, term: 0 };
        return this.#context.ask(broker, this.group, this.spec.generation, request, committed, signal);
      },
    };
  }

  // Checkpoints.

  get appliedIndex(): number {
    return this.#applies.last.index;
  }

  get checkpointIndex(): number {
    return this.#checkpoints.index;
  }

  get isRestoring(): boolean {
    return this.#appends.isRestoring;
  }

  /** The oldest record of the journal that this group's recovery needs. */
  get neededLsn(): Lsn {
    return this.#checkpoints.neededLsn;
  }

  /** Makes a checkpoint of what is applied; one at a time. */
  checkpoint(): Promise<MachineCheckpoint> {
    return this.#checkpoints.make();
  }

  /** Writes once more what recovery needs of this group, so that the journal's old files may go. */
  carryForward(): void {
    this.#checkpoints.carryForward();
  }

  get pendingProposals(): number {
    return this.#proposals.size;
  }

  /** Resolves when nothing of it works on files any more. */
  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    this.#isOpen = false;
    this.#leading.close();
    this.#room.look();
    this.#context.observer?.closed(this.group, this.member);
    await this.#core?.machine.close();
    await this.#checkpoints.stored();
  }

  /** What the parts see; they are there when they are asked for. */
  #body(): ReplicaBody {
    const replica = this;
    return {
      context: this.#context,
      spec: this.spec,
      group: this.spec.group,
      member: this.member,
      storage: this.storage,
      proposals: this.#proposals,
      barriers: this.#barriers,
      signal: this.#closed.signal,
      get isOpen() {
        return replica.#isOpen;
      },
      get node() {
        return replica.node;
      },
      get machine() {
        return replica.machine;
      },
      get peers() {
        return replica.peers;
      },
      get checkpoints() {
        return replica.#checkpoints;
      },
      get appends() {
        return replica.#appends;
      },
      get applies() {
        return replica.#applies;
      },
      get probation() {
        return replica.#probation;
      },
      schedule: () => this.#context.schedule(this),
      answer: (responses) => this.#answer(responses),
      applied: (term) => this.#leading.noteApplied(term),
      electionBegun: () => this.#context.electionBegun(this),
      leaderChanged: () => this.#context.leaderChanged(this),
      confChanged: () => this.#context.confChanged(this),
    };
  }
}
