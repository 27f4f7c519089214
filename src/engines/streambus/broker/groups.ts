import type { RaftId } from '../../../consensus/types.ts';
import type { Millis, Timer } from '../../../host/clock.ts';
import type { Lsn } from '../../../storage/journal/index.ts';
import { type BrokerId, type GroupId, type Incarnation, metaGroup, raftIdOf } from '../ids.ts';
import { CheckpointRounds } from './checkpointRounds.ts';
import { FirstElections } from './firstElections.ts';
import type { Leadership } from './gossip.ts';
import { Gossiper } from './gossiper.ts';
import { type CatchUpPeers, type MachineCheckpoint, NotProposed } from './group.ts';
import { GroupFrames } from './groupFrames.ts';
import type { GroupReplica } from './groupReplica.ts';
import { serveGroupRequests, tellChoice } from './groupRequests.ts';
import type { GroupsOptions } from './groupsOptions.ts';
import { HandOvers } from './handOvers.ts';
import { removedRecord } from './journalFormat.ts';
import { appendBytesOf, JournalWriter } from './journalWriter.ts';
import { Leads } from './leads.ts';
import { Opener } from './opening.ts';
import { Outbox, type Undelivered } from './outbox.ts';
import { Reconciler } from './reconcile.ts';
import { type Recovered, recoverGroups } from './recovery.ts';
import { replicaContext } from './replicaContext.ts';
import type { DesiredMembers, GroupSpec, GroupsRuntime, GroupView, OpenGroup } from './runtime.ts';
import { SnapshotFiles } from './snapshotFiles.ts';
import { Turns } from './turn.ts';

/** How long the last checkpoints and writes may take when the broker stops. */
const closeMs: Millis = 8_000;

/** Reads the journal and makes ready to open its groups. */
export async function startGroups(options: GroupsOptions): Promise<Groups> {
  const snapshots = new SnapshotFiles(options.host, options.snapshotDirectory);
  await snapshots.open();
  const recovered = await recoverGroups(options.journal);
  return new Groups(options, snapshots, recovered);
}

/** Every group of this broker: see `GroupsRuntime`. */
export class Groups implements GroupsRuntime {
  readonly incarnation: Incarnation;
  readonly member: RaftId;
  /** What hears the network for them. */
  readonly frames: GroupFrames;
  readonly #options: GroupsOptions;
  readonly #snapshots: SnapshotFiles;
  readonly #recovered: Recovered;
  readonly #replicas = new Map<GroupId, GroupReplica>();
  readonly #open = new Map<GroupId, OpenGroup>();
  readonly #leads: Leads;
  readonly #turns: Turns;
  readonly #outbox: Outbox;
  readonly #journalWriter: JournalWriter;
  readonly #gossiper: Gossiper;
  readonly #reconciler: Reconciler;
  readonly #handOvers: HandOvers;
  readonly #opener: Opener;
  readonly #rounds: CheckpointRounds;
  readonly #firstElections: FirstElections;
  #tickTimer: Timer | undefined;
  #ticks = 0;
  #isStopping = false;
  desired: (group: GroupId) => DesiredMembers | undefined = () => undefined;

  constructor(options: GroupsOptions, snapshots: SnapshotFiles, recovered: Recovered) {
    const { host, broker, incarnation, journal, transport, raft } = options;
    const replicas = this.#replicas;
    const fatal = (error: unknown) => this.#fatal(error);
    const isStopping = () => this.#isStopping;
    const desired = (group: GroupId) => this.desired(group);
    this.#options = options;
    this.#snapshots = snapshots;
    this.#recovered = recovered;
    this.incarnation = incarnation;
    this.member = raftIdOf(broker, incarnation);
    this.#turns = new Turns(host, {
      journal: () => this.#journalWriter,
      flush: () => this.#flush(),
      onSynced: (ms) => options.events.journalSynced(ms),
      onDefect: fatal,
    });
    this.#journalWriter = new JournalWriter(host, journal, appendBytesOf(options.journalSegmentBytes), {
      onFatal: fatal,
      onDurable: () => {
        this.#turns.wake();
        this.#turns.runNow();
      },
    });
    this.#outbox = new Outbox({
      telemetry: host.telemetry,
      peerOf: (to) => transport.peer(to),
      onFenced: (reason) => options.events.fenced(reason),
      journalEnd: () => journal.provenLsn,
    });
    this.#leads = new Leads(replicas, (replica) => options.events.leaderChanged(replica.spec.kind));
    this.#gossiper = new Gossiper({ host, journal, transport, replicas });
    this.frames = new GroupFrames({
      host,
      broker,
      incarnation,
      transport,
      replicas,
      onLead: (group, term, leader) => this.#leads.heard(group, term, leader),
      onRead: () => this.#turns.runNow(),
      onUp: (peer) => this.#gossiper.greet(peer),
      onFenced: (reason) => options.events.fenced(reason),
      onFatal: fatal,
    });
    this.#reconciler = new Reconciler({
      host,
      broker,
      replicas: () => replicas.values(),
      desired,
      isReachable: (id) => this.frames.isReachable(id),
      isHandingOver: () => this.#gossiper.yields,
      yields: (peer) => this.frames.yields(peer),
      isOnProbation: (group, id) => this.frames.isOnProbation(group, id),
      tickMs: raft.tickMs,
    });
    this.#handOvers = new HandOvers({
      host,
      broker,
      replicas,
      replicaOf: (group) => this.#replicaOf(group),
      leads: this.#leads,
      gossiper: this.#gossiper,
      reconciler: this.#reconciler,
      tellChoice: (to, group, generation, term) => tellChoice(transport, to, group, generation, term),
      takeOverMs: 2 * raft.electionTicks * raft.tickMs,
      isStopping,
    });
    this.#opener = new Opener({
      host,
      member: this.member,
      snapshots,
      recovered,
      replicas,
      context: replicaContext({
        options,
        member: this.member,
        snapshots,
        turns: this.#turns,
        outbox: this.#outbox,
        leads: this.#leads,
        gossiper: this.#gossiper,
        isStopping,
        heartbeatPhase: () => this.#ticks % raft.heartbeatTicks,
        fatal,
      }),
      record: (records) => this.#record(records),
    });
    this.#firstElections = new FirstElections({
      desired,
      isHandingOver: () => this.#gossiper.yields,
      electionTicks: raft.electionTicks,
    });
    this.#rounds = new CheckpointRounds({
      host,
      journal,
      replicas,
      recovered,
      record: (records, durable) => this.#turns.record(records, durable),
      flushIntervalMs: options.flushIntervalMs,
      isGone: (group) => desired(metaGroup) !== undefined && desired(group) === undefined,
      onFatal: fatal,
    });
    transport.attach(this.frames);
    transport.leaderOf = (group) => this.#leads.of(group)?.broker;
    serveGroupRequests(transport, {
      broker,
      open: this.#open,
      replicas,
      onChosen: (group, afterTerm) => this.#reconciler.chosen(group, afterTerm),
    });
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
    const { term, vote } = replica?.hardState ?? recovered?.hardState ?? { term: 0, vote: 0 };
    const removed = { generation, metaIndex, term, vote };
    this.#open.delete(group);
    this.#leads.removed(group);
    const lsn = await this.#record([removedRecord(group, removed)]);
    // Not before: until the record is durable a start needs what the journal has of the group, its vote above all.
    this.#recovered.removed.set(group, { ...removed, lsn });
    this.#replicas.delete(group);
    this.#recovered.groups.delete(group);
    await this.#snapshots.removeOthers(group, undefined);
  }

  get(group: GroupId): OpenGroup | undefined {
    return this.#open.get(group);
  }

  /** This broker had removed the group when it knew more of the metadata than it has read again since its start. */
  isRemovedLater({ group, generation }: Pick<GroupSpec, 'group' | 'generation'>): boolean {
    const removed = this.#recovered.removed.get(group);
    if (removed === undefined || removed.generation < generation) return false;
    // What it knew then is counted up to the entry before the one that was being applied: at that index it was not gone yet.
    return removed.metaIndex >= (this.#replicas.get(metaGroup)?.appliedIndex ?? 0);
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
    return this.#leads.of(group);
  }

  onLeader(fn: (group: GroupId) => void): () => void {
    return this.#leads.onChange(fn);
  }

  campaign(group: GroupId): void {
    const replica = this.#replicaOf(group);
    if (replica.isOnProbation || !replica.storage.confState.voters.includes(this.member)) {
      throw new NotProposed('not-leader', `broker ${this.#options.broker} has no vote in group ${group}`);
    }
    replica.campaign();
  }

  transfer(group: GroupId, to: BrokerId): Promise<void> {
    return this.#handOvers.transfer(group, to);
  }

  async checkpoint(group: GroupId): Promise<MachineCheckpoint> {
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
    this.#handOvers.one(group);
  }

  /** How a group's machine asks the other replicas. */
  peersOf(group: GroupId): CatchUpPeers {
    return this.#replicaOf(group).peers;
  }

  handOver(withinMs: Millis): Promise<readonly GroupId[]> {
    return this.#handOvers.all(withinMs);
  }

  resume(): void {
    this.#handOvers.resume();
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
    // All at once: what is under way for one is not followed by the next one's.
    await Promise.all([...this.#replicas.values()].map((replica) => replica.close()));
    this.#open.clear();
  }

  /** Everything applied is in checkpoints, everything given to the journal is durable. */
  async #settle(): Promise<void> {
    await this.#rounds.stop();
    await this.#rounds.checkpointAll((replica) => replica.appliedIndex > replica.checkpointIndex);
    await this.#journalWriter.settled();
  }

  // The turn's end.

  #flush(): void {
    this.#gossiper.flush();
    for (const { group, message } of this.#outbox.flush()) this.#undelivered({ group, message });
  }

  #undelivered({ group, message }: Undelivered): void {
    const replica = this.#replicas.get(group);
    if (replica?.isOpen === true) replica.undelivered(message.to, message.type === 'MsgSnap');
  }

  // Time.

  #tickLater(): void {
    this.#tickTimer = this.#options.host.clock.timer(this.#options.raft.tickMs, () => {
      if (this.#isStopping) return;
      this.#tickLater();
      try {
        this.#tick();
        this.#turns.runNow();
      } catch (error) {
        this.#fatal(error);
      }
    });
  }

  #tick(): void {
    this.#ticks++;
    this.#options.transport.tick();
    for (const replica of this.#replicas.values()) if (replica.isOpen) replica.tick();
    this.#firstElections.tick();
    this.#reconciler.tick();
    this.#gossiper.tick();
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

  #fatal(error: unknown): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#tickTimer?.cancel();
    void this.#rounds.stop();
    this.#turns.stop();
    this.#options.onFatal(error);
  }
}
