import { Findings } from '../findings.ts';
import type { Watch } from './check.ts';
import type {
  Advanced,
  Answered,
  Appended,
  Beat,
  Configuration,
  GroupEvent,
  Probation,
  SnapshotSent,
  Stood,
} from './groupEvents.ts';
import { ByGroup, ByMember, MemberLog } from './memberLog.ts';
import { isMajority } from './quorums.ts';
import { nameOf } from './raftPaper.ts';

/** The pace of the groups' clocks: what a leader may do without being heard is measured in it. */
export interface RaftPace {
  readonly tickMs: number;
  readonly heartbeatTicks: number;
  readonly electionTicks: number;
}

interface Member {
  readonly log: MemberLog;
  advanced: Advanced | undefined;
  /** By which it counts: another member may have one that is newer, or go through older ones again after a start. */
  configuration: Configuration | undefined;
  /** Indexes of its last two states outside the log. */
  checkpoints: readonly [number, number];
  /** What others have answered it in the term that it leads. */
  lead: Lead | undefined;
  /** How far it has agreed since it was opened, by the terms of its leaders. */
  readonly agreed: Map<number, number>;
}

interface Lead {
  readonly term: number;
  readonly matches: Map<number, number>;
  /** Rounds of heartbeats since a member last answered. */
  readonly unanswered: Map<number, number>;
  beatAtMs: number;
}

interface Group {
  readonly configurations: Configuration[];
  /** Who would vote, by `candidate/term`. */
  readonly preVotes: Map<string, Set<number>>;
}

/**
 * What each server does by itself so that the five properties hold, and so that one who was cut off disturbs nobody: a leader commits by
 * counting replicas only what is of its own term (Raft §5.4.2); a follower drops only what contradicts its leader, and tells it how far
 * they agree (figure 2); nobody is told of a commit beyond what it is known to share, which is nothing once it has said that it lost its log; who stands for election has been promised a majority (thesis §9.6); who has not been
 * heard by a majority for long leads no more (§6.2); a snapshot is the newest one.
 */
export function watchRaftRules({ tickMs, heartbeatTicks, electionTicks }: RaftPace): Watch<GroupEvent> {
  const findings = new Findings('raft-rules');
  /** Two election time-outs until it looks, and one for answers that are under way. */
  const silentRoundsMax = Math.ceil((3 * electionTicks) / heartbeatTicks) + 3;
  /** Reads are confirmed by heartbeats, too: those of one round count once. */
  const roundMs = 0.9 * tickMs * heartbeatTicks;
  const groups = new ByGroup<Group>(() => ({ configurations: [], preVotes: new Map() }));
  const members = new ByMember<Member>(() => ({
    log: new MemberLog(),
    advanced: undefined,
    configuration: undefined,
    checkpoints: [0, 0],
    lead: undefined,
    agreed: new Map(),
  }));
  let looked = 0;

  function advance(event: Advanced): void {
    const { group, member, term, leads, commit, atMs } = event;
    const own = members.of(group, member);
    const before = own.advanced;
    own.advanced = event;
    if (before === undefined || !before.leads || !leads || before.term !== term || commit <= before.commit) return;
    looked++;
    const committed = own.log.termAt(commit);
    // 0 stands for a term that nobody told.
    if (committed === undefined || committed === 0 || committed === term) return;
    findings.add(
      `${nameOf(member)} leads group ${group} in term ${term} and commits up to index ${commit}, an entry of term ${committed}: it may count replicas only of entries of its own term`,
      { atMs },
    );
  }

  function append({ group, member, leads, term, entries, atMs }: Appended): void {
    const { log } = members.of(group, member);
    for (const entry of entries) {
      if (!leads && entry.term > 0 && log.termAt(entry.index) === entry.term && entry.index > log.base) {
        findings.add(
          `${nameOf(member)} writes entry ${entry.index} (term ${entry.term}) of group ${group} in term ${term}, which it has: what stood behind it is thrown away`,
          { atMs },
        );
      }
      log.put(entry.index, entry.term);
    }
  }

  function stand({ group, member, term, asked, atMs }: Stood): void {
    if (asked) return;
    looked++;
    const { configurations, preVotes } = groups.of(group);
    const willing = preVotes.get(`${member}/${term}`) ?? new Set();
    // Its own configuration may be an older one.
    if (configurations.some((one) => isMajority(one, (other) => other === member || willing.has(other)))) return;
    const promised = [...willing].map(nameOf).join(', ');
    findings.add(
      `${nameOf(member)} stands for election in term ${term} of group ${group}, and no majority would vote for it: ${promised === '' ? 'nobody but itself' : promised}`,
      { atMs },
    );
  }

  /** What is known of its lead of this term; undefined: it has led in a later one. */
  function leadOf(group: number, member: number, term: number): Lead | undefined {
    const own = members.of(group, member);
    if (own.lead === undefined || own.lead.term < term) {
      own.lead = { term, matches: new Map(), unanswered: new Map(), beatAtMs: Number.NEGATIVE_INFINITY };
    }
    return own.lead.term === term ? own.lead : undefined;
  }

  function beat({ group, member, term, to, commit, atMs }: Beat): void {
    looked++;
    const lead = leadOf(group, member, term);
    if (lead === undefined) return;
    const matches = lead.matches.get(to) ?? 0;
    if (commit > matches) {
      findings.add(
        `${nameOf(member)} tells ${nameOf(to)} that group ${group} is committed up to ${commit}; it is known to have the same only up to ${matches}`,
        { atMs },
      );
    }
    if (atMs - lead.beatAtMs < roundMs) return;
    lead.beatAtMs = atMs;
    const { configuration } = members.of(group, member);
    if (configuration === undefined || !configuration.voters.includes(member)) return;
    const { voters, outgoing } = configuration;
    for (const voter of outgoing.length === 0 ? voters : new Set([...voters, ...outgoing])) {
      lead.unanswered.set(voter, (lead.unanswered.get(voter) ?? 0) + 1);
    }
    const isHeard = (other: number): boolean =>
      other === member || (lead.unanswered.get(other) ?? 0) <= silentRoundsMax;
    if (isMajority(configuration, isHeard)) return;
    findings.add(
      `${nameOf(member)} leads group ${group} in term ${term}, and for ${silentRoundsMax} rounds of heartbeats no majority has answered it`,
      { atMs },
    );
  }

  function answer({ group, member, term, leader, matches, atMs }: Answered): void {
    const lead = leadOf(group, leader, term);
    if (lead === undefined) return;
    lead.unanswered.set(member, 0);
    if (matches === undefined) return;
    lead.matches.set(member, Math.max(matches, lead.matches.get(member) ?? 0));
    const { agreed } = members.of(group, member);
    agreed.set(term, Math.max(matches, agreed.get(term) ?? 0));
    const led = members.of(group, leader);
    // One that began anew meanwhile may have lost what it had sent: nobody counts that answer any more.
    if (led.advanced?.leads !== true || led.advanced.term !== term) return;
    const own = members.of(group, member).log.termAt(matches);
    const leaders = led.log.termAt(matches);
    // 0 stands for a term that nobody told; what lies below a snapshot is settled.
    if (own === undefined || own === 0 || leaders === own || leaders === 0 || matches <= led.log.base) return;
    findings.add(
      `${nameOf(member)} tells ${nameOf(leader)}, which leads group ${group} in term ${term}, that they agree up to index ${matches}: it has an entry of term ${own} there, its leader ${leaders === undefined ? 'none' : `one of term ${leaders}`}`,
      { atMs },
    );
  }

  /** What the member said before it was opened the last time is void; what it has said since is under way or has come. */
  function confirm({ group, member, of }: Probation): void {
    const { lead } = members.of(group, member);
    lead?.matches.set(of, members.of(group, of).agreed.get(lead.term) ?? 0);
  }

  function send({ group, member, to, index, atMs }: SnapshotSent): void {
    looked++;
    // The newest one may be known to the disk before it is to the leader.
    const [newest] = members.of(group, member).checkpoints;
    if (index >= newest) return;
    findings.add(
      `${nameOf(member)} sends ${nameOf(to)} the state of group ${group} at index ${index}; it has that of ${newest}`,
      { atMs },
    );
  }

  return {
    take(event) {
      const { group, member } = event;
      switch (event.kind) {
        case 'opened': {
          const own = members.of(group, member);
          own.log.reset(event.snapshotIndex, event.terms);
          own.advanced = undefined;
          own.lead = undefined;
          own.agreed.clear();
          own.checkpoints = [event.snapshotIndex, event.snapshotIndex];
          own.configuration = event.configuration;
          const { configurations } = groups.of(group);
          if (configurations.length === 0) configurations.push(event.configuration);
          return;
        }
        case 'configured':
          groups.of(group).configurations.push(event.configuration);
          members.of(group, member).configuration = event.configuration;
          return;
        case 'restored': {
          const own = members.of(group, member);
          own.log.restore(event.index, event.term);
          own.configuration = event.configuration;
          return;
        }
        case 'stored': {
          const own = members.of(group, member);
          if (event.snapshotIndex !== undefined) own.checkpoints = [own.checkpoints[1], event.snapshotIndex];
          return;
        }
        case 'appended':
          return append(event);
        case 'advanced':
          return advance(event);
        case 'pre-voted': {
          const { preVotes } = groups.of(group);
          const key = `${event.candidate}/${event.term}`;
          preVotes.set(key, (preVotes.get(key) ?? new Set()).add(member));
          return;
        }
        case 'stood':
          return stand(event);
        case 'beat':
          return beat(event);
        case 'answered':
          return answer(event);
        case 'snapshot-sent':
          return send(event);
        case 'probation':
          return confirm(event);
      }
    },
    result: () => findings.result(`${looked} commits, heartbeats, elections and snapshots`),
  };
}
