import type { ProgressStatus } from '../../../consensus/status.ts';
import type { ConfChangeSingle, RaftId } from '../../../consensus/types.ts';
import type { Millis } from '../../../host/clock.ts';
import type { Host } from '../../../host/host.ts';
import { type BrokerId, brokerOf, type GroupId } from '../ids.ts';
import type { GroupReplica } from './groupReplica.ts';
import type { DesiredMembers } from './runtime.ts';

/** A learner gets its vote once it has been this close to the end of the log for this long. */
const caughtUpEntries = 100;
/** And no further than these, or the lead is not handed over: meanwhile nothing is proposed, and an election time-out ends it. */
const handoverBytes = 4 * 1024 * 1024;
const caughtUpForMs: Millis = 5_000;
/** Each group is looked at once in this time. */
const lookEveryMs: Millis = 1_000;
/** How long a leader that is not the preferred one leads at least before it hands over, and what is added at random. */
const preferAfterMs: Millis = 10_000;
const preferJitterMs: Millis = 10_000;
/**
 * The same where clients would be disturbed: members of a consumer group that have to find their coordinator again may begin a rebalance
 * anew. As long as Kafka waits between two looks at its own leaders.
 */
const preferBusyAfterMs: Millis = 300_000;

/** An operator's choice of whom to lead holds for a lead that begins within this time. */
const choiceForMs: Millis = 10_000;

/** In the simulator: part of the looks at which a lead may move for no reason. */
const whimChance = 0.05;

/** What the reconciler knows of the broker. */
export interface ReconcileContext {
  readonly host: Host;
  readonly broker: BrokerId;
  readonly replicas: () => Iterable<GroupReplica>;
  readonly desired: (group: GroupId) => DesiredMembers | undefined;
  /** There is a connection to the very process that has this id. */
  readonly isReachable: (id: RaftId) => boolean;
  readonly isHandingOver: () => boolean;
  /** A broker has said that it wants no leads. */
  readonly yields: (broker: BrokerId) => boolean;
  /** A member has said that it has no vote in the group yet. */
  readonly isOnProbation: (group: GroupId, id: RaftId) => boolean;
  readonly tickMs: Millis;
}

/** What is remembered of a group that is led here. */
interface Watch {
  term: number;
  /** Since when learners are close to the end. */
  readonly closeSince: Map<RaftId, Millis>;
  readonly sinceMs: Millis;
  /** What this one adds to the time before it hands over. */
  readonly jitterMs: Millis;
  /** No earlier than that after the last try. */
  preferAgainMs: Millis;
  /** An operator gave the lead to this broker: it stays here, whoever is preferred. */
  isChosen: boolean;
}

/** An operator wants this broker to lead. */
interface Choice {
  /** In a term after this one. */
  readonly afterTerm: number;
  readonly untilMs: Millis;
}

/**
 * Brings the members of the groups that this broker leads to what the metadata says, one change at a time (Raft thesis §4; none before
 * an entry of the leader's own term is committed, as the correction of 2015 has it), and gives the lead to the replica that should have it.
 */
export class Reconciler {
  readonly #context: ReconcileContext;
  readonly #watches = new Map<GroupId, Watch>();
  /** Of leads that have not begun: as many as operators' transfers of the last seconds. */
  readonly #choices = new Map<GroupId, Choice>();
  #ticks = 0;

  constructor(context: ReconcileContext) {
    this.#context = context;
  }

  /** At each tick, a part of the groups, so that each has its turn once a second. */
  tick(): void {
    const parts = Math.max(1, Math.round(lookEveryMs / this.#context.tickMs));
    this.#ticks = (this.#ticks + 1) % parts;
    for (const replica of this.#context.replicas()) {
      if (replica.group % parts === this.#ticks && replica.isOpen) this.#look(replica);
    }
  }

  /**
   * An operator has given the lead of a group to this broker, in a term after `afterTerm`: it is not handed to the preferred leader for as
   * long as this broker leads. Another transfer, a fail-over and a restart end that.
   */
  chosen(group: GroupId, afterTerm: number): void {
    const now = this.#context.host.clock.now();
    for (const [other, { untilMs }] of this.#choices) if (untilMs < now) this.#choices.delete(other);
    const watch = this.#watches.get(group);
    if (watch !== undefined && watch.term > afterTerm) watch.isChosen = true;
    else this.#choices.set(group, { afterTerm, untilMs: now + choiceForMs });
  }

  /** Hands the lead of a group to its best follower; false when there is none. */
  handOver(replica: GroupReplica): boolean {
    const { node } = replica;
    if (node.state !== 'leader') return false;
    if (node.leadTransferee !== 0) return true;
    const { progress } = node.status();
    const best = progress
      .filter(
        (it) =>
          !it.isLearner && it.id !== replica.member && it.state === 'replicate' && this.#context.isReachable(it.id),
      )
      .filter(({ id }) => !this.#context.yields(brokerOf(id)) && !this.#context.isOnProbation(replica.group, id))
      .sort((left, right) => right.match - left.match)[0];
    if (best === undefined) return false;
    replica.transferLeader(best.id);
    return true;
  }

  #look(replica: GroupReplica): void {
    const { node, group } = replica;
    const { telemetry, random } = this.#context.host;
    const isEarly = !node.committedInTerm && !telemetry.mutant('conf-before-own-term');
    if (node.state !== 'leader' || isEarly) {
      this.#watches.delete(group);
      return;
    }
    if (telemetry.buggify('random transfer') && random.stream('election').chance(whimChance)) this.handOver(replica);
    const desired = this.#context.desired(group);
    if (desired === undefined || node.leadTransferee !== 0) return;
    const watch = this.#watchOf(replica);
    if (this.#changeMembers(replica, desired, watch)) return;
    this.#preferLeader(replica, desired, watch);
  }

  #watchOf(replica: GroupReplica): Watch {
    const { clock, random } = this.#context.host;
    let watch = this.#watches.get(replica.group);
    if (watch === undefined || watch.term !== replica.node.term) {
      const jitterMs = preferJitterMs * random.stream('election').float();
      const { term } = replica.node;
      const isChosen = this.#isChosen(replica.group, term);
      watch = { term, closeSince: new Map(), sinceMs: clock.now(), jitterMs, preferAgainMs: 0, isChosen };
      this.#watches.set(replica.group, watch);
    }
    return watch;
  }

  #isChosen(group: GroupId, term: number): boolean {
    const choice = this.#choices.get(group);
    if (choice === undefined || term <= choice.afterTerm) return false;
    this.#choices.delete(group);
    return this.#context.host.clock.now() <= choice.untilMs;
  }

  /** True when a change is under way or was proposed. */
  #changeMembers(replica: GroupReplica, desired: DesiredMembers, watch: Watch): boolean {
    const { confState } = replica.storage;
    // Joint configurations are left by themselves; until then nothing else is begun.
    if (confState.votersOutgoing.length > 0) return true;
    const wanted = new Set([...desired.voters, ...desired.learners]);
    const present = new Set([...confState.voters, ...confState.learners]);
    const missing = [...wanted].filter((id) => !present.has(id));
    if (missing.length > 0) {
      // A learner counts for nothing: all of them at once, and none is in the way of the others.
      return this.#propose(
        replica,
        missing.map((node) => ({ type: 'add-learner', node })),
      );
    }
    const changes: ConfChangeSingle[] = [];
    const isVoter = (id: RaftId) => confState.voters.includes(id);
    const toPromote = desired.voters.filter((id) => !isVoter(id));
    const promoted = toPromote.filter((id) => this.#isCaughtUp(replica, id, watch));
    for (const node of promoted) changes.push({ type: 'add-node', node });
    // What goes makes room for what comes: a voter is removed together with the promotion of who replaces it, or when all have come.
    if (promoted.length === toPromote.length) {
      for (const node of present) if (!wanted.has(node)) changes.push({ type: 'remove-node', node });
      for (const node of desired.learners) if (isVoter(node)) changes.push({ type: 'add-learner', node });
    }
    if (changes.length === 0) return toPromote.length > 0;
    return this.#propose(replica, changes);
  }

  #isCaughtUp(replica: GroupReplica, id: RaftId, watch: Watch): boolean {
    const now = this.#context.host.clock.now();
    const progress = replica.node.status().progress.find((it) => it.id === id);
    if (!this.#isClose(replica, progress) || this.#context.isOnProbation(replica.group, id)) {
      watch.closeSince.delete(id);
      return false;
    }
    const since = watch.closeSince.get(id) ?? now;
    watch.closeSince.set(id, since);
    return now - since >= caughtUpForMs;
  }

  /**
   * Near the end of the log, and there. Whether it was heard of since the last check of the quorum says less: that is forgotten once an
   * election time-out, maybe just before somebody looks.
   */
  #isClose(replica: GroupReplica, progress: ProgressStatus | undefined): boolean {
    return (
      progress?.state === 'replicate' &&
      replica.node.lastIndex - progress.match <= caughtUpEntries &&
      this.#context.isReachable(progress.id)
    );
  }

  #propose(replica: GroupReplica, changes: readonly ConfChangeSingle[]): boolean {
    const voters = new Set(replica.storage.confState.voters);
    for (const { type, node } of changes) {
      if (type === 'add-node') voters.add(node);
      else voters.delete(node);
    }
    const reachable = [...voters].filter((id) => this.#context.isReachable(id)).length;
    if (voters.size === 0 || reachable < Math.floor(voters.size / 2) + 1) return true;
    replica.proposeConfChange({ version: 2, transition: 'auto', changes, context: new Uint8Array(0) });
    return true;
  }

  #preferLeader(replica: GroupReplica, desired: DesiredMembers, watch: Watch): void {
    const preferred = desired.voters[0];
    const now = this.#context.host.clock.now();
    if (preferred === undefined || watch.isChosen || this.#context.isHandingOver()) return;
    if (now < Math.max(watch.preferAgainMs, watch.sinceMs + preferAfter(replica, watch))) return;
    watch.preferAgainMs = now + preferAfterMs;
    const broker = brokerOf(preferred);
    if (broker === this.#context.broker || this.#context.yields(broker)) return;
    if (this.#context.isOnProbation(replica.group, preferred)) return;
    const progress = replica.node.status().progress.find((it) => it.id === preferred);
    if (progress?.isLearner === false && this.#isClose(replica, progress) && isNear(replica, progress)) {
      replica.transferLeader(preferred);
    }
  }
}

/** How long after it began to lead a replica hands over. One that nobody has used yet does so at once: soon somebody may. */
function preferAfter({ machine }: GroupReplica, { jitterMs }: Watch): Millis {
  if (machine.use === 'none') return 0;
  return (machine.use === 'busy' ? preferBusyAfterMs : preferAfterMs) + jitterMs;
}

/** Whether a follower can have the rest of the log in a moment: a hundred entries may be a hundred megabytes. */
function isNear({ storage }: GroupReplica, { match }: ProgressStatus): boolean {
  const from = match + 1;
  if (from < storage.firstIndex()) return false;
  if (from > storage.lastIndex()) return true;
  const behind = storage.entries(from, storage.lastIndex() + 1, handoverBytes);
  return behind.length === storage.lastIndex() - match;
}
