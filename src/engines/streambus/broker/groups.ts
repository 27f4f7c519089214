import { LogLost } from '../../../consensus/errors.ts';
import type { Message, RaftId } from '../../../consensus/types.ts';
import type { Millis, Timer } from '../../../host/clock.ts';
import type { Host } from '../../../host/host.ts';
import type { Journal, Lsn } from '../../../storage/journal/index.ts';
import { ByteReader, ByteWriter } from '../../../wire/rpc/bytes.ts';
import type { Introduction } from '../../../wire/rpc/handshake.ts';
import { StreamBusError } from '../errors.ts';
import { type BrokerId, brokerOf, type GroupId, type Incarnation, incarnationOf, metaGroup, raftIdOf } from '../ids.ts';
import { CheckpointRounds } from './checkpointRounds.ts';
import { FirstElections } from './firstElections.ts';
import { type Gossip, type Leadership, LeaderTable } from './gossip.ts';
import { type CatchUpPeers, type MachineCheckpoint, NotProposed } from './group.ts';
import type { GroupReplica } from './groupReplica.ts';
import { removedRecord } from './journalFormat.ts';
import { appendBytesOf, entryBytesOf, JournalWriter } from './journalWriter.ts';
import type { GroupObserver } from './observer.ts';
import { Opener } from './opening.ts';
import { gossipFrame, Outbox, readRaftFrame, type Undelivered } from './outbox.ts';
import { Reconciler } from './reconcile.ts';
import { type Recovered, recoverGroups } from './recovery.ts';
import type { ReplicaContext } from './replicaBody.ts';
import { RpcRefusal } from './rpc.ts';
import type { DesiredMembers, GroupSpec, GroupsRuntime, GroupView, OpenGroup } from './runtime.ts';
import { SnapshotFiles } from './snapshotFiles.ts';
import type { Transport, TransportListener } from './transport.ts';
import { Turns } from './turn.ts';

/** Everybody is told of all that this broker leads, so that a word that was lost is said again. */
const gossipEveryMs: Millis = 10_000;
/** How often a hand-over looks how far it is. */
const handOverPollMs = 50;
const peerAskTimeoutMs = 30_000;
/** How long the last checkpoints and writes may take when the broker stops. */
const closeMs = 8_000;

/** What is counted of groups. */
export interface GroupEvents {
  /** A message was dropped: of another incarnation, generation, cluster, or of a process that was replaced. */
  fenced(reason: string): void;
  /** A write of the journal took so long, from the append until it was durable. */
  journalSynced(ms: Millis): void;
  leaderChanged(kind: GroupSpec['kind']): void;
  electionBegun(kind: GroupSpec['kind']): void;
  confChanged(kind: GroupSpec['kind']): void;
}

/** What runs a broker's groups. */
export interface GroupsOptions {
  readonly host: Host;
  readonly broker: BrokerId;
  readonly incarnation: Incarnation;
  readonly journal: Journal;
  readonly journalSegmentBytes: number;
  /** `raft-state/snapshots`. */
  readonly snapshotDirectory: string;
  readonly transport: Transport;
  readonly observer?: GroupObserver | undefined;
  readonly raft: {
    readonly tickMs: Millis;
    readonly heartbeatTicks: number;
    readonly electionTicks: number;
    readonly maxUncommittedBytes: number;
  };
  /** Read when it is needed: it may be reloaded. */
  readonly flushIntervalMs: () => Millis;
  readonly events: GroupEvents;
  /** The process cannot go on: a write failed, or a defect. */
  readonly onFatal: (error: unknown) => void;
}

/** Reads the journal and makes ready to open its groups. */
export async function startGroups(options: GroupsOptions): Promise<Groups> {
  const snapshots = new SnapshotFiles(options.host, options.snapshotDirectory);
  await snapshots.open();
  const recovered = await recoverGroups(options.journal);
  return new Groups(options, snapshots, recovered);
}

/** Every group of this broker: see `GroupsRuntime`. */
export class Groups implements GroupsRuntime, TransportListener {
  readonly incarnation: Incarnation;
  readonly member: RaftId;
  readonly #options: GroupsOptions;
  readonly #snapshots: SnapshotFiles;
  readonly #recovered: Recovered;
  readonly #replicas = new Map<GroupId, GroupReplica>();
  readonly #open = new Map<GroupId, OpenGroup>();
  readonly #leaders = new LeaderTable();
  readonly #turns: Turns;
  readonly #outbox: Outbox;
  readonly #journalWriter: JournalWriter;
  readonly #context: ReplicaContext;
  readonly #reconciler: Reconciler;
  readonly #opener: Opener;
  readonly #rounds: CheckpointRounds;
  readonly #firstElections: FirstElections;
  readonly #newlyLed = new Set<GroupReplica>();
  /** Brokers that want no leads. */
  readonly #yielding = new Set<BrokerId>();
  /** Groups of other brokers whose replicas have no vote. */
  readonly #onProbation = new Map<BrokerId, ReadonlySet<GroupId>>();
  #tickTimer: Timer | undefined;
  #nextGossipMs: Millis;
  #isHandingOver = false;
  #isStopping = false;
  desired: (group: GroupId) => DesiredMembers | undefined = () => undefined;

  constructor(options: GroupsOptions, snapshots: SnapshotFiles, recovered: Recovered) {
    const { host, broker, incarnation, journal, transport } = options;
    this.#options = options;
    this.#snapshots = snapshots;
    this.#recovered = recovered;
    this.incarnation = incarnation;
    this.member = raftIdOf(broker, incarnation);
    this.#turns = new Turns(host, {
      journal: () => this.#journalWriter,
      flush: () => this.#flush(),
      onSynced: (ms) => options.events.journalSynced(ms),
      onDefect: (error) => this.#fatal(error),
    });
    this.#journalWriter = new JournalWriter(host, journal, appendBytesOf(options.journalSegmentBytes), {
      onFatal: (error) => this.#fatal(error),
      onDurable: () => {
        this.#turns.wake();
        this.#turns.runNow();
      },
    });
    this.#outbox = new Outbox({
      telemetry: host.telemetry,
      peerOf: (to) => transport.peer(to),
      onFenced: (reason) => options.events.fenced(reason),
      journalEnd: () => journal.durableLsn,
    });
    this.#context = this.#replicaContext();
    this.#reconciler = new Reconciler({
      host,
      broker,
      replicas: () => this.#replicas.values(),
      desired: (group) => this.desired(group),
      isReachable: (id) => this.#isReachable(id),
      isHandingOver: () => this.#isHandingOver,
      yields: (broker) => this.#yielding.has(broker),
      isOnProbation: (group, id) => this.#onProbation.get(brokerOf(id))?.has(group) === true,
      tickMs: options.raft.tickMs,
    });
    this.#opener = new Opener({
      host,
      member: this.member,
      snapshots,
      recovered,
      replicas: this.#replicas,
      context: this.#context,
      record: (records) => this.#record(records),
    });
    this.#firstElections = new FirstElections({
      desired: (group) => this.desired(group),
      isHandingOver: () => this.#isHandingOver,
      electionTicks: options.raft.electionTicks,
    });
    this.#rounds = new CheckpointRounds({
      host,
      journal,
      replicas: this.#replicas,
      recovered,
      record: (records, durable) => this.#turns.record(records, durable),
      flushIntervalMs: options.flushIntervalMs,
      onFatal: (error) => this.#fatal(error),
    });
    this.#nextGossipMs = host.clock.now() + gossipEveryMs;
    transport.attach(this);
    transport.leaderOf = (group) => this.leaderOf(group)?.broker;
    transport.serve('group.peer', (body, from) => this.#answerPeer(body, from));
    transport.serve('group.barrier', (body, from) => this.#answerBarrier(body, from));
    this.#tickLater();
    this.#rounds.start();
  }

  /** Groups that the journal has and nobody has opened. */
  get unopened(): readonly GroupId[] {
    return [...this.#recovered.groups.keys()];
  }

  async open(spec: GroupSpec): Promise<OpenGroup> {
    if (this.#replicas.has(spec.group)) throw new Error(`group ${spec.group} is open already`);
    const replica = await this.#opener.open(spec);
    const group = { spec, handle: replica, machine: replica.machine };
    this.#open.set(spec.group, group);
    this.#firstElections.opened(replica);
    return group;
  }

  async remove(group: GroupId): Promise<void> {
    const replica = this.#replicas.get(group);
    const recovered = this.#recovered.groups.get(group);
    if (replica === undefined && recovered === undefined) return;
    const generation = replica?.spec.generation ?? recovered?.checkpoint.generation ?? 0;
    const metaIndex = this.#replicas.get(metaGroup)?.appliedIndex ?? 0;
    await replica?.close();
    this.#replicas.delete(group);
    this.#open.delete(group);
    this.#recovered.groups.delete(group);
    this.#leaders.changed(group);
    const lsn = await this.#record([removedRecord(group, generation, metaIndex)]);
    this.#recovered.removed.set(group, { generation, metaIndex, lsn });
    await this.#snapshots.removeOthers(group, undefined);
  }

  get(group: GroupId): OpenGroup | undefined {
    return this.#open.get(group);
  }

  /** This broker belongs to the group, as far as its own log says. */
  isMember(group: GroupId): boolean {
    const replica = this.#replicas.get(group);
    if (replica === undefined) return false;
    const { voters, votersOutgoing, learners, learnersNext } = replica.storage.confState;
    return [voters, votersOutgoing, learners, learnersNext].some((ids) => ids.includes(this.member));
  }

  get all(): Iterable<OpenGroup> {
    return this.#open.values();
  }

  /** Bytes of a group's log in memory. */
  windowBytes(group: GroupId): number {
    return this.#replicas.get(group)?.storage.windowBytes ?? 0;
  }

  view(group: GroupId): GroupView | undefined {
    const replica = this.#replicas.get(group);
    if (replica?.isOpen !== true) return undefined;
    const status = replica.node.status();
    const { leader } = status.softState;
    return {
      group,
      kind: replica.spec.kind,
      mode: replica.isOnProbation ? 'probation' : replica.isRestoring ? 'restoring' : 'normal',
      status,
      leader,
      leaderBroker: this.leaderOf(group)?.broker,
      confState: status.confState,
      firstIndex: replica.storage.firstIndex(),
      windowBytes: replica.storage.windowBytes,
      pendingProposals: replica.pendingProposals,
      heard: replica.heardWithin(2 * this.#options.raft.electionTicks * this.#options.raft.tickMs),
    };
  }

  leaderOf(group: GroupId): Leadership | undefined {
    const replica = this.#replicas.get(group);
    const heard = this.#leaders.get(group);
    if (replica?.isOpen !== true) return heard;
    const { node } = replica;
    if (node.leader !== 0 && (heard === undefined || heard.term <= node.term)) {
      return { broker: brokerOf(node.leader), term: node.term };
    }
    // A member knows best that its own term's leader is not heard of any more.
    return heard !== undefined && heard.term > node.term ? heard : undefined;
  }

  onLeader(fn: (group: GroupId) => void): () => void {
    return this.#leaders.onChange(fn);
  }

  campaign(group: GroupId): void {
    const replica = this.#replicaOf(group);
    if (replica.isOnProbation || !replica.storage.confState.voters.includes(this.member)) {
      throw new NotProposed('not-leader', `broker ${this.#options.broker} has no vote in group ${group}`);
    }
    replica.campaign();
  }

  async transfer(group: GroupId, to: BrokerId): Promise<void> {
    const replica = this.#replicaOf(group);
    const target = replica.storage.confState.voters.find((id) => brokerOf(id) === to);
    if (!replica.serving || target === undefined) {
      throw new NotProposed(
        'not-leader',
        `group ${group} is not led by broker ${this.#options.broker}, or ${to} has no vote`,
      );
    }
    replica.transferLeader(target);
    const { tickMs, electionTicks } = this.#options.raft;
    const { clock } = this.#options.host;
    for (let waitedMs = 0; waitedMs < 2 * electionTicks * tickMs; waitedMs += handOverPollMs) {
      if (this.leaderOf(group)?.broker === to) return;
      await clock.sleep(handOverPollMs);
    }
    throw new NotProposed('transferring', `broker ${to} did not take the lead of group ${group} in time`);
  }

  checkpoint(group: GroupId): Promise<MachineCheckpoint> {
    return this.#replicaOf(group).checkpoint();
  }

  /** A machine would like one: made when none is under way; a failure is its own to tell. */
  checkpointSoon(group: GroupId): void {
    const replica = this.#replicas.get(group);
    if (replica?.isOpen !== true || replica.isRestoring || this.#isStopping) return;
    this.#rounds.checkpoint(replica).catch((error: unknown) => this.#fatal(error));
  }

  /** Gives the lead of one group away, if it is led here and somebody can take it. */
  handOverOne(group: GroupId): void {
    const replica = this.#replicas.get(group);
    if (replica?.isOpen === true) this.#reconciler.handOver(replica);
  }

  /** How a group's machine asks the other replicas. */
  peersOf(group: GroupId): CatchUpPeers {
    return this.#replicaOf(group).peers;
  }

  async handOver(withinMs: Millis): Promise<readonly GroupId[]> {
    this.#isHandingOver = true;
    this.#gossip([]);
    const { clock } = this.#options.host;
    const deadline = clock.now() + withinMs;
    for (;;) {
      const led = [...this.#replicas.values()].filter((replica) => replica.isOpen && replica.node.state === 'leader');
      const movable = led.filter((replica) => this.#reconciler.handOver(replica));
      if (movable.length === 0 || clock.now() >= deadline || this.#isStopping) return movable.map(({ group }) => group);
      await clock.sleep(handOverPollMs);
    }
  }

  resume(): void {
    this.#isHandingOver = false;
    this.#gossip([]);
  }

  async close(): Promise<void> {
    if (this.#isStopping) return;
    this.#tickTimer?.cancel();
    // What a journal without room keeps from ending is made good by the next start.
    const enough = new AbortController();
    const late = this.#options.host.clock.sleep(closeMs, enough.signal).catch(() => undefined);
    await Promise.race([this.#settle(), late]).finally(() => enough.abort());
    this.#isStopping = true;
    this.#turns.stop();
    for (const replica of this.#replicas.values()) await replica.close();
    this.#open.clear();
  }

  /** Everything applied is in checkpoints, everything given to the journal is durable. */
  async #settle(): Promise<void> {
    await this.#rounds.stop();
    await this.#rounds.checkpointAll((replica) => replica.appliedIndex > replica.checkpointIndex);
    await this.#journalWriter.settled();
  }

  // What the network brings.

  onFrame(kind: number, payload: Uint8Array, from: Introduction): void {
    if (this.#options.transport.isFenced(from.broker, from.incarnation)) {
      this.#options.events.fenced('incarnation');
      return;
    }
    const { broker, incarnation } = this.#options;
    readRaftFrame(
      kind,
      payload,
      from,
      { broker, incarnation },
      {
        message: (group, generation, message) => {
          if (message.from !== raftIdOf(from.broker, from.incarnation)) this.#options.events.fenced('sender');
          else this.#deliver(group, message, (own) => own === generation);
        },
        heartbeat: (group, byte, message) => this.#deliver(group, message, (own) => (own & 255) === byte),
        probation: (groups) => this.#onProbation.set(from.broker, groups),
        journalEnd: (end) => this.#options.transport.journalEnds.heard(from.broker, from.incarnation, end),
        leads: (group, term) => this.#leaders.heard(group, term, from.broker),
        yields: (yields) => {
          if (yields) this.#yielding.add(from.broker);
          else this.#yielding.delete(from.broker);
        },
      },
    );
  }

  onRead(): void {
    this.#turns.runNow();
  }

  onUp(broker: BrokerId): void {
    const led = [...this.#replicas.values()].filter((replica) => replica.serving);
    this.#options.transport.peer(broker)?.send(this.#gossipFrame(led));
  }

  onDown(broker: BrokerId): void {
    this.#lostTouch(broker);
  }

  onNewProcess(broker: BrokerId): void {
    this.#lostTouch(broker);
  }

  onFenced(reason: string): void {
    this.#options.events.fenced(reason);
  }

  #deliver(group: GroupId, message: Message, isGeneration: (own: number) => boolean): void {
    const replica = this.#replicas.get(group);
    if (replica?.isOpen !== true) return;
    if (message.to !== this.member) this.#options.events.fenced('incarnation');
    else if (!isGeneration(replica.spec.generation)) this.#options.events.fenced('generation');
    else this.#step(replica, message);
  }

  /** An invariant that does not hold is the process's end, not the connection's. */
  #step(replica: GroupReplica, message: Message): void {
    try {
      replica.step(message);
    } catch (error) {
      const isAccepted = this.#options.host.telemetry.mutant('rollback-accepted');
      this.#fatal(error instanceof LogLost && !isAccepted ? rolledBack(replica.group, message.from, error) : error);
    }
  }

  /** What was on its way to a broker may be lost: the leaders here hear of it, also of snapshots. */
  #lostTouch(broker: BrokerId): void {
    for (const replica of this.#replicas.values()) {
      if (!replica.isOpen || replica.node.state !== 'leader') continue;
      const { voters, votersOutgoing, learners } = replica.storage.confState;
      for (const id of new Set([...voters, ...votersOutgoing, ...learners])) {
        if (brokerOf(id) === broker) replica.undelivered(id, true);
      }
    }
  }

  #isReachable(id: RaftId): boolean {
    const broker = brokerOf(id);
    if (broker === this.#options.broker) return incarnationOf(id) === this.incarnation;
    return this.#options.transport.peer(broker)?.peer?.incarnation === incarnationOf(id);
  }

  async #answerPeer(body: Uint8Array, from: BrokerId): Promise<Uint8Array> {
    const reader = new ByteReader(body);
    const group = reader.u32();
    const generation = reader.u32();
    const open = this.#open.get(group);
    if (open === undefined || open.spec.generation !== generation) {
      throw new RpcRefusal('NO_REPLICA', `broker ${this.#options.broker} has no replica of group ${group}`);
    }
    return open.machine.answerPeer(reader.raw(reader.left), from);
  }

  async #answerBarrier(body: Uint8Array, from: BrokerId): Promise<Uint8Array> {
    const reader = new ByteReader(body);
    const group = reader.u32();
    const generation = reader.u32();
    const member = reader.u48();
    if (brokerOf(member) !== from) {
      throw new RpcRefusal('NOT_YOURS', `broker ${from} asks for a member of broker ${brokerOf(member)}`);
    }
    const replica = this.#replicas.get(group);
    if (replica?.serving !== true || replica.spec.generation !== generation) {
      throw new RpcRefusal('NOT_LEADER', `broker ${this.#options.broker} does not lead group ${group}`);
    }
    try {
      const index = await replica.barrierFor(member);
      const writer = new ByteWriter(8);
      writer.u48(index);
      return writer.take();
    } catch (error) {
      if (error instanceof NotProposed) throw new RpcRefusal('NOT_LEADER', error.message);
      throw error;
    }
  }

  // The turn's end.

  #flush(): void {
    if (this.#newlyLed.size > 0) this.#gossip(this.#newlyLed);
    this.#newlyLed.clear();
    for (const { group, message } of this.#outbox.flush()) this.#undelivered({ group, message });
  }

  #undelivered({ group, message }: Undelivered): void {
    const replica = this.#replicas.get(group);
    if (replica?.isOpen === true) replica.undelivered(message.to, message.type === 'MsgSnap');
  }

  #gossip(led: Gossip['led']): void {
    if (this.#options.host.telemetry.buggify('gossip lost')) return;
    const frame = this.#gossipFrame(led);
    for (const peer of this.#options.transport.peers) peer.send(frame);
  }

  #gossipFrame(led: Gossip['led']): Uint8Array {
    const onProbation = [...this.#replicas.values()].filter((replica) => replica.isOnProbation);
    const probation = onProbation.map(({ group }) => group);
    return gossipFrame({ yields: this.#isHandingOver, led, probation }, this.#options.journal.durableLsn);
  }

  // Time.

  #tickLater(): void {
    this.#tickTimer = this.#options.host.clock.timer(this.#options.raft.tickMs, () => {
      if (this.#isStopping) return;
      this.#tickLater();
      try {
        this.#tick();
      } catch (error) {
        this.#fatal(error);
      }
    });
  }

  #tick(): void {
    const { host, transport } = this.#options;
    transport.tick();
    for (const replica of this.#replicas.values()) if (replica.isOpen) replica.tick();
    this.#firstElections.tick();
    this.#reconciler.tick();
    const now = host.clock.now();
    if (now < this.#nextGossipMs) return;
    this.#nextGossipMs = now + gossipEveryMs;
    this.#gossip([...this.#replicas.values()].filter((replica) => replica.serving));
  }

  #record(records: Parameters<Turns['record']>[0]): Promise<Lsn> {
    return new Promise((resolve) => this.#turns.record(records, resolve));
  }

  #replicaOf(group: GroupId): GroupReplica {
    const replica = this.#replicas.get(group);
    if (replica?.isOpen !== true) {
      throw new NotProposed('not-leader', `broker ${this.#options.broker} has no replica of group ${group}`);
    }
    return replica;
  }

  #replicaContext(): ReplicaContext {
    const { host, broker, observer, raft, transport } = this.#options;
    const turns = this.#turns;
    const isStopping = () => this.#isStopping;
    return {
      host,
      broker,
      member: this.member,
      snapshots: this.#snapshots,
      observer,
      raft: { ...raft, maxEntryBytes: entryBytesOf(this.#options.journalSegmentBytes) },
      schedule: (replica) => turns.schedule(replica),
      record: (records, durable) => turns.record(records, durable),
      send: (replica, message) => this.#outbox.add(replica.group, replica.spec.generation, message),
      ask: (to, group, generation, request, signal) => {
        const writer = new ByteWriter(request.length + 16);
        writer.u32(group);
        writer.u32(generation);
        writer.raw(request);
        return transport.call(to, 'group.peer', writer.take(), { timeoutMs: peerAskTimeoutMs, signal });
      },
      leaderOf: (group) => this.leaderOf(group)?.broker,
      askBarrier: async (group, generation, signal) => {
        const writer = new ByteWriter(16);
        writer.u32(group);
        writer.u32(generation);
        writer.u48(this.member);
        const answer = await transport.callLeader(group, 'group.barrier', writer.take(), { signal });
        return new ByteReader(answer).u48();
      },
      leaderChanged: (replica) => this.#leaderChanged(replica),
      electionBegun: (replica) => this.#options.events.electionBegun(replica.spec.kind),
      probationChanged: () => this.#gossip([]),
      confChanged: (replica) => this.#options.events.confChanged(replica.spec.kind),
      fatal: (error) => this.#fatal(error),
      get isCongested() {
        return turns.isCongested;
      },
      get isStopping() {
        return isStopping();
      },
    };
  }

  #leaderChanged(replica: GroupReplica): void {
    const { node, group } = replica;
    if (replica.serving) this.#newlyLed.add(replica);
    const known = this.#leaders.get(group);
    const leader = node.leader === 0 ? undefined : brokerOf(node.leader);
    if (leader !== undefined && (known?.term !== node.term || known.broker !== leader)) {
      this.#options.events.leaderChanged(replica.spec.kind);
      this.#leaders.heard(group, node.term, leader);
    } else {
      this.#leaders.changed(group);
    }
  }

  #fatal(error: unknown): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#tickTimer?.cancel();
    void this.#rounds.stop();
    this.#turns.stop();
    this.#options.onFatal(error);
  }
}

/** What a leader knows that this broker has acknowledged is gone: no vote and no word of its log counts any more. */
function rolledBack(group: GroupId, leader: RaftId, { commit, lastIndex }: LogLost): StreamBusError {
  return new StreamBusError(
    'ROLLED_BACK_DISK',
    `group ${group}: broker ${brokerOf(leader)} leads and counts on entry ${commit}, which this broker has acknowledged, and its log ends at ${lastIndex}: ` +
      'the disk is an older copy, or has lost what it called durable. Start again, and the broker takes a new incarnation',
  );
}
