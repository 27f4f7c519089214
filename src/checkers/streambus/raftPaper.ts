import { Findings } from '../findings.ts';
import type { Watch } from './check.ts';
import type { Appended, Applied, EntrySeen, GroupEvent, Restored } from './groupEvents.ts';
import { ByGroup, ByMember, MemberLog } from './memberLog.ts';

interface Member {
  readonly log: MemberLog;
  applied: number;
  /** The term that it leads, if it does. */
  leads: number | undefined;
}

/** An entry as the first one to say so had it. */
interface Known {
  readonly term: number;
  readonly digest: number;
  /** Term of the entry before it; undefined if nobody told. */
  readonly previousTerm: number | undefined;
}

interface Committed {
  readonly term: number;
  readonly digest: number;
  /** Lowest term of a member that has applied it: later leaders have it. */
  readonly atTerm: number;
}

interface Group {
  /** Leaders by term. */
  readonly leaders: Map<number, number>;
  /** Candidates by `member/term`. */
  readonly votes: Map<string, number>;
  /** Entries by index, those of different terms side by side. */
  readonly entries: Map<number, Known[]>;
  readonly committed: Map<number, Committed>;
  highest: number;
}

/**
 * The five properties of Raft (D. Ongaro, J. Ousterhout, "In Search of an Understandable Consensus Algorithm", 2014, figure 3) at every
 * event, and what they rest on: a member gives its vote to one candidate a term, whatever it went through meanwhile.
 */
export function watchRaftPaper(): Watch<GroupEvent> {
  const findings = new Findings('raft-paper');
  const groups = new ByGroup<Group>(() => ({
    leaders: new Map(),
    votes: new Map(),
    entries: new Map(),
    committed: new Map(),
    highest: 0,
  }));
  const members = new ByMember<Member>(() => ({ log: new MemberLog(), applied: 0, leads: undefined }));
  let elections = 0;
  let appended = 0;
  let applied = 0;

  function vote(group: number, member: number, term: number, candidate: number, atMs: number): void {
    const { votes } = groups.of(group);
    const key = `${member}/${term}`;
    const before = votes.get(key);
    votes.set(key, before ?? candidate);
    if (before === undefined || before === candidate) return;
    findings.add(
      `group ${group}: ${nameOf(member)} gave its vote of term ${term} to ${nameOf(before)} and to ${nameOf(candidate)}`,
      { atMs },
    );
  }

  function lead(group: number, member: number, term: number, atMs: number): void {
    const known = groups.of(group);
    const own = members.of(group, member);
    if (own.leads === term) return;
    own.leads = term;
    elections++;
    const before = known.leaders.get(term);
    known.leaders.set(term, before ?? member);
    if (before !== undefined && before !== member) {
      findings.add(
        `election safety: group ${group} has two leaders of term ${term}: ${nameOf(before)}, ${nameOf(member)}`,
        {
          atMs,
        },
      );
    }
    checkCompleteness(group, member, term, atMs);
  }

  /** By log matching the highest entry that was committed before this term stands for all of them. */
  function checkCompleteness(group: number, member: number, term: number, atMs: number): void {
    const known = groups.of(group);
    const { log } = members.of(group, member);
    for (let index = known.highest; index > log.base; index--) {
      const committed = known.committed.get(index);
      if (committed === undefined || committed.atTerm >= term) continue;
      const has = log.termAt(index);
      if (has === committed.term) return;
      findings.add(
        `leader completeness: ${nameOf(member)} leads group ${group} in term ${term} ${
          has === undefined ? `with a log that ends at ${log.last}` : `with an entry of term ${has} at index ${index}`
        }, but the entry of term ${committed.term} at index ${index} was committed in term ${committed.atTerm}`,
        { atMs },
      );
      return;
    }
  }

  function append(event: Appended): void {
    const { group, member, atMs } = event;
    const own = members.of(group, member);
    const known = groups.of(group);
    if (event.leads) lead(group, member, event.term, atMs);
    const first = event.entries[0]?.index ?? 0;
    // 0 stands for a term that nobody told.
    let previousTerm = event.previousTerm ?? (own.log.termAt(first - 1) || undefined);
    for (const entry of event.entries) {
      appended++;
      const there = own.log.termAt(entry.index);
      if (there !== undefined && there !== entry.term) {
        if (event.leads && own.leads === event.term) {
          findings.add(
            `leader append-only: ${nameOf(member)} leads group ${group} in term ${event.term} and writes over its own entry ${entry.index}`,
            { atMs },
          );
        }
        if (entry.index <= own.applied) {
          findings.add(
            `state machine safety: ${nameOf(member)} replaces entry ${entry.index} of group ${group}, which it has applied up to ${own.applied}`,
            { atMs },
          );
        }
      }
      match(known, group, member, entry, previousTerm, atMs);
      own.log.put(entry.index, entry.term);
      previousTerm = entry.term;
    }
  }

  function match(
    known: Group,
    group: number,
    member: number,
    entry: EntrySeen,
    previousTerm: number | undefined,
    atMs: number,
  ): void {
    let there = known.entries.get(entry.index);
    if (there === undefined) {
      there = [];
      known.entries.set(entry.index, there);
    }
    const same = there.find(({ term }) => term === entry.term);
    if (same === undefined) {
      there.push({ term: entry.term, digest: entry.digest, previousTerm });
    } else if (
      same.digest !== entry.digest ||
      (previousTerm !== undefined && same.previousTerm !== undefined && same.previousTerm !== previousTerm)
    ) {
      findings.add(
        `log matching: the entry of term ${entry.term} at index ${entry.index} of group ${group} is another one with ${nameOf(member)}`,
        { atMs, evidence: { expected: same, got: { ...entry, previousTerm } } },
      );
    }
  }

  function apply({ group, member, term, entry, atMs }: Applied): void {
    applied++;
    const own = members.of(group, member);
    const known = groups.of(group);
    if (entry.index !== own.applied + 1 && own.applied !== 0) {
      findings.add(
        `state machine safety: ${nameOf(member)} applies entry ${entry.index} of group ${group} after ${own.applied}`,
        { atMs },
      );
    }
    own.applied = entry.index;
    const before = known.committed.get(entry.index);
    if (before !== undefined && (before.term !== entry.term || before.digest !== entry.digest)) {
      findings.add(
        `state machine safety: ${nameOf(member)} applies an entry of term ${entry.term} at index ${entry.index} of group ${group}, where one of term ${before.term} was applied`,
        { atMs },
      );
      return;
    }
    if (before === undefined || before.atTerm > term) {
      known.committed.set(entry.index, { term: entry.term, digest: entry.digest, atTerm: term });
      known.highest = Math.max(known.highest, entry.index);
    }
  }

  /** The state of another member stands for a committed entry: what follows is held against the term of that one. */
  function restore({ group, member, index, term, atMs }: Restored): void {
    const own = members.of(group, member);
    own.log.restore(index, term);
    own.applied = index;
    const committed = groups.of(group).committed.get(index);
    if (committed === undefined || committed.term === term) return;
    findings.add(
      `log matching: ${nameOf(member)} restores the state of group ${group} at index ${index} as one of term ${term}; the entry there is of term ${committed.term}`,
      { atMs },
    );
  }

  return {
    take(event) {
      switch (event.kind) {
        case 'opened': {
          const own = members.of(event.group, event.member);
          own.log.reset(event.snapshotIndex, event.terms);
          own.applied = event.snapshotIndex;
          own.leads = undefined;
          if (event.vote !== 0) vote(event.group, event.member, event.term, event.vote, event.atMs);
          return;
        }
        case 'voted':
          return vote(event.group, event.member, event.term, event.candidate, event.atMs);
        case 'led':
          return lead(event.group, event.member, event.term, event.atMs);
        case 'appended':
          return append(event);
        case 'applied':
          return apply(event);
        case 'restored':
          return restore(event);
      }
    },
    result: () => findings.result(`${elections} elections, ${appended} entries appended, ${applied} applied`),
  };
}

/** Members are numbers of broker and incarnation. */
export function nameOf(member: number): string {
  return `broker-${Math.floor(member / 65_536)}/${member % 65_536}`;
}
