import { watchConfigurations } from '../../../checkers/streambus/confSafety.ts';
import { watchDecisions } from '../../../checkers/streambus/decisions.ts';
import { type DurabilityWatch, watchDurability } from '../../../checkers/streambus/durability.ts';
import type { Configuration, EntrySeen, GroupEvent } from '../../../checkers/streambus/groupEvents.ts';
import { watchRaftPaper } from '../../../checkers/streambus/raftPaper.ts';
import { type RaftPace, watchRaftRules } from '../../../checkers/streambus/raftRules.ts';
import type { ConfState, Entry, Message, Ready } from '../../../consensus/types.ts';
import type { CoreState, GroupObserver } from '../../../engines/streambus/broker/observer.ts';
import { crc32c } from '../../../wire/crc32c.ts';
import { decisionOf, markerOf } from './endings.ts';
import type { JournalRecord } from './journalBytes.ts';

/** What is known of a group at this moment, for samples and for the end of the run. */
export interface GroupNow {
  /** The member that leads in the highest term, if it still does. */
  leader: number | undefined;
  term: number;
  /** Last applied index by member that is open. */
  readonly applied: Map<number, number>;
  /** Term of each member's core when it last gave work. */
  readonly terms: Map<number, number>;
  /** Members that take themselves for the leader: for a moment there may be two. */
  readonly leads: Set<number>;
  /** The newest one: who was away goes through older ones again. */
  configuration: Configuration | undefined;
  configuredAt: number;
  highestApplied: number;
  changes: number;
}

/** Where batches of a partition stand in its group's log: base offset, number of records, index. */
interface BatchPlace {
  readonly base: number;
  readonly records: number;
  readonly index: number;
}

/** All that the stand is told of groups, by every broker, and the checks that watch it. */
export class GroupFeed {
  readonly durability: DurabilityWatch = watchDurability();
  readonly raftPaper = watchRaftPaper();
  readonly configurations = watchConfigurations();
  readonly decisions = watchDecisions();
  readonly raftRules: ReturnType<typeof watchRaftRules>;
  readonly groups = new Map<number, GroupNow>();
  readonly #now: () => number;
  readonly #batches = new Map<number, BatchPlace[]>();

  constructor(now: () => number, pace: RaftPace) {
    this.#now = now;
    this.raftRules = watchRaftRules(pace);
  }

  /** Whether a check that watches the groups has found a violation. */
  get hasFound(): boolean {
    const { durability, raftPaper, raftRules, configurations, decisions } = this;
    const watches = [durability.committed, durability.tail, raftPaper, raftRules, configurations, decisions];
    return watches.some((watch) => watch.result().violations.length > 0);
  }

  tell(event: GroupEvent): void {
    this.raftPaper.take(event);
    this.configurations.take(event);
    this.durability.committed.take(event);
    this.raftRules.take(event);
  }

  groupOf(group: number): GroupNow {
    let known = this.groups.get(group);
    if (known === undefined) {
      known = {
        leader: undefined,
        term: 0,
        applied: new Map(),
        terms: new Map(),
        leads: new Set(),
        configuration: undefined,
        configuredAt: 0,
        highestApplied: 0,
        changes: 0,
      };
      this.groups.set(group, known);
    }
    return known;
  }

  /** Index of the entry that put this offset into its partition's log; undefined: it was never applied by anybody. */
  indexOf(group: number, offset: number): number | undefined {
    const batches = this.#batches.get(group) ?? [];
    let low = 0;
    let high = batches.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const place = batches[middle];
      if (place === undefined) return undefined;
      if (offset < place.base) high = middle - 1;
      else if (offset >= place.base + place.records) low = middle + 1;
      else return place.index;
    }
    return undefined;
  }

  /** The observer of one process. `opened` is told the member that the broker is. */
  observer(opened: (member: number) => void): GroupObserver {
    const feed = this;
    const event = (group: number, member: number) => ({ group, member, atMs: feed.#now() });
    return {
      opened({ group, member, hardState, confState, firstIndex, lastIndex, term }) {
        opened(member);
        const snapshotIndex = firstIndex - 1;
        const terms: number[] = [];
        for (let index = snapshotIndex; index <= lastIndex; index++) terms.push(term(index) ?? 0);
        const configuration = configurationOf(confState);
        const known = feed.groupOf(group);
        known.applied.set(member, snapshotIndex);
        known.terms.set(member, hardState.term);
        known.configuration ??= configuration;
        feed.tell({
          kind: 'opened',
          ...event(group, member),
          term: hardState.term,
          vote: hardState.vote,
          commit: hardState.commit,
          snapshotIndex,
          terms,
          configuration,
        });
      },
      ready: (group, member, ready, state) => feed.#ready(group, member, ready, state),
      sent(group, message) {
        const vote = voteOf(message);
        if (vote !== undefined) feed.tell({ kind: 'voted', ...event(group, vote.member), ...vote });
        const rule = ruledBy(group, message, feed.#now());
        if (rule !== undefined) feed.raftRules.take(rule);
      },
      applied(group, member, entry) {
        const known = feed.groupOf(group);
        known.applied.set(member, entry.index);
        if (entry.index > known.highestApplied) {
          known.highestApplied = entry.index;
          feed.#place(group, entry);
          const decision = group < firstPartitionGroup ? decisionOf(entry.data) : undefined;
          if (decision !== undefined) feed.decisions.decided(decision);
        }
        const seen = { index: entry.index, term: entry.term, digest: crc32c(entry.data), isConfigurationChange: false };
        const term = known.terms.get(member) ?? entry.term;
        feed.tell({ kind: 'applied', ...event(group, member), term, entry: seen });
      },
      configured(group, member, index, confState) {
        const known = feed.groupOf(group);
        const configuration = configurationOf(confState);
        if (index >= known.configuredAt) {
          known.configuration = configuration;
          known.configuredAt = index;
        }
        known.changes++;
        feed.tell({ kind: 'configured', ...event(group, member), index, configuration });
      },
      restored(group, member, { index, term, confState }) {
        feed.groupOf(group).applied.set(member, index);
        const configuration = configurationOf(confState);
        feed.durability.committed.take({ kind: 'restored', ...event(group, member), index, term, configuration });
      },
      probation(group, leader, of) {
        feed.raftRules.take({ kind: 'probation', ...event(group, leader), of });
      },
      closed(group, member) {
        const known = feed.groupOf(group);
        known.applied.delete(member);
        known.leads.delete(member);
        if (known.leader === member) known.leader = undefined;
      },
    };
  }

  /** The process of this member is gone. */
  gone(member: number): void {
    for (const known of this.groups.values()) {
      known.applied.delete(member);
      known.leads.delete(member);
      if (known.leader === member) known.leader = undefined;
    }
  }

  /** What a write to the journal of this member has brought to the medium. */
  stored(member: number, records: readonly JournalRecord[]): void {
    for (const record of records) {
      const at = { kind: 'stored', group: record.group, member, atMs: this.#now() } as const;
      switch (record.kind) {
        case 'entries':
          this.tell({ ...at, entries: record.entries, hardState: undefined, snapshotIndex: undefined });
          break;
        case 'hard-state':
          this.tell({
            ...at,
            entries: [],
            hardState: { term: record.term, vote: record.vote },
            snapshotIndex: undefined,
          });
          break;
        case 'checkpoint':
          this.tell({
            ...at,
            entries: [],
            hardState: undefined,
            snapshotIndex: record.index,
            replacesLog: record.replacesLog,
          });
          break;
        case 'removed':
          this.tell({ ...at, kind: 'forgotten', what: 'all', why: 'the replica was removed' });
          break;
      }
    }
  }

  /** Nothing that this member had stored counts any more. */
  forgotten(member: number, why: string): void {
    for (const group of this.groups.keys()) {
      this.tell({ kind: 'forgotten', group, member, atMs: this.#now(), what: 'all', why });
    }
  }

  /** What this member had of one group's records is gone; its votes are not. */
  logForgotten(member: number, group: number, why: string): void {
    this.tell({ kind: 'forgotten', group, member, atMs: this.#now(), what: 'log', why });
  }

  #led(group: number, member: number, term: number): void {
    const known = this.groupOf(group);
    if (term < known.term || (known.leader === member && known.term === term)) return;
    known.leader = member;
    known.term = term;
    known.changes++;
    this.tell({ kind: 'voted', group, member, atMs: this.#now(), term, candidate: member });
    this.tell({ kind: 'led', group, member, atMs: this.#now(), term });
  }

  #ready(group: number, member: number, ready: Ready, state: CoreState): void {
    const known = this.groupOf(group);
    known.terms.set(member, state.term);
    if (state.leads) known.leads.add(member);
    else known.leads.delete(member);
    if (ready.snapshot !== undefined) {
      const { index, term, confState } = ready.snapshot.metadata;
      const restored = { kind: 'restored', group, member, atMs: this.#now(), index, term } as const;
      // The log begins anew behind it from here on; what is on the medium has not changed yet.
      this.raftPaper.take({ ...restored, configuration: configurationOf(confState) });
      this.configurations.take({ ...restored, configuration: configurationOf(confState) });
      this.raftRules.take({ ...restored, configuration: configurationOf(confState) });
    }
    this.#entries(group, member, ready, state);
    const { term, leads, commit } = state;
    this.raftRules.take({ kind: 'advanced', group, member, atMs: this.#now(), term, leads, commit });
  }

  #entries(group: number, member: number, ready: Ready, state: CoreState): void {
    const known = this.groupOf(group);
    if (!state.leads) {
      if (known.leader === member) known.leader = undefined;
      this.#appended(group, member, ready.entries, state);
      return;
    }
    if (ready.entries.length === 0) {
      this.#led(group, member, state.term);
      return;
    }
    // What it had taken as a follower may come in the same piece of work as its first entry as a leader.
    const older = ready.entries.filter(({ term }) => term < state.term);
    this.#appended(group, member, older, { ...state, leads: false });
    this.#led(group, member, state.term);
    const own = ready.entries.slice(older.length);
    this.#appended(group, member, own, state);
    if (group < firstPartitionGroup) return;
    for (const { data } of own) {
      const marker = markerOf(data);
      if (marker !== undefined) this.decisions.marked({ ...marker, group, member, atMs: this.#now() });
    }
  }

  #appended(group: number, member: number, entries: readonly Entry[], state: CoreState): void {
    if (entries.length === 0) return;
    this.tell({
      kind: 'appended',
      group,
      member,
      atMs: this.#now(),
      ...state,
      previousTerm: undefined,
      entries: entries.map(seenOf),
    });
  }

  /** Remembers where the records of a batch stand. An entry of another kind has none. */
  #place(group: number, { index, data }: { readonly index: number; readonly data: Uint8Array }): void {
    if (group < firstPartitionGroup || data.length < batchHeaderBytes || data[0] !== 0) return;
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const base = view.getUint32(0) * 2 ** 32 + view.getUint32(4);
    const batches = this.#batches.get(group) ?? [];
    batches.push({ base, records: view.getInt32(23) + 1, index });
    this.#batches.set(group, batches);
  }
}

const firstPartitionGroup = 1_024;
const batchHeaderBytes = 61;

function seenOf(entry: Entry): EntrySeen {
  return {
    index: entry.index,
    term: entry.term,
    digest: crc32c(entry.data),
    isConfigurationChange: entry.type !== 'normal',
  };
}

function configurationOf({ voters, votersOutgoing, learners, learnersNext }: ConfState): Configuration {
  return { voters, outgoing: votersOutgoing, learners: [...learners, ...learnersNext] };
}

/** What the rules of a server have to say about a message that it sends; undefined: nothing. */
function ruledBy(group: number, message: Message, atMs: number): GroupEvent | undefined {
  const { type, term, to, from: member, commit, index, reject } = message;
  switch (type) {
    case 'MsgHeartbeat':
      return { kind: 'beat', group, member, atMs, term, to, commit };
    case 'MsgHeartbeatResp':
      return { kind: 'answered', group, member, atMs, term, leader: to, matches: undefined };
    case 'MsgAppResp':
      return { kind: 'answered', group, member, atMs, term, leader: to, matches: reject ? undefined : index };
    case 'MsgVote':
      return { kind: 'stood', group, member, atMs, term, asked: message.context !== undefined };
    case 'MsgPreVoteResp':
      return reject || to === member ? undefined : { kind: 'pre-voted', group, member, atMs, term, candidate: to };
    case 'MsgSnap':
      return { kind: 'snapshot-sent', group, member, atMs, to, index: message.snapshot?.metadata.index ?? 0 };
    default:
      return undefined;
  }
}

/** A vote that a message gives: an answer that does not reject. A candidate's own counts when it leads: until then it may not be durable. */
function voteOf(
  message: Message,
): { readonly member: number; readonly term: number; readonly candidate: number } | undefined {
  if (message.type === 'MsgVoteResp' && !message.reject) {
    return { member: message.from, term: message.term, candidate: message.to };
  }
  return undefined;
}
