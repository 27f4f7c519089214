import { Findings } from '../findings.ts';
import type { Watch } from './check.ts';
import type { Appended, Configuration, GroupEvent, Opened } from './groupEvents.ts';
import { ByGroup, ByMember, MemberLog } from './memberLog.ts';
import { majoritiesMeet, sameConfiguration } from './quorums.ts';
import { nameOf } from './raftPaper.ts';

interface Group {
  /** By the index of the entry that made it. */
  readonly configurations: Map<number, Configuration>;
}

interface Member {
  readonly log: MemberLog;
  applied: number;
  /** Indexes of changes in its log. */
  changes: number[];
}

/**
 * Configurations follow each other so that any majority of one meets any of the next; every member has the same one at the same index;
 * a leader begins a change when the last one is applied and an entry of its own term is committed (the defect of 2015: D. Ongaro, "bug in
 * single-server membership changes", raft-dev).
 */
export function watchConfigurations(): Watch<GroupEvent> {
  const findings = new Findings('conf-safety');
  const groups = new ByGroup<Group>(() => ({ configurations: new Map() }));
  const members = new ByMember<Member>(() => ({ log: new MemberLog(), applied: 0, changes: [] }));
  let changes = 0;

  function configured(group: number, member: number, index: number, configuration: Configuration, atMs: number): void {
    const { configurations } = groups.of(group);
    const before = configurations.get(index);
    if (before !== undefined) {
      if (!sameConfiguration(before, configuration)) {
        findings.add(
          `group ${group}: ${nameOf(member)} has at index ${index} the voters ${namesOf(configuration)}, others have ${namesOf(before)}`,
          { atMs },
        );
      }
      return;
    }
    changes++;
    configurations.set(index, configuration);
    const indexes = [...configurations.keys()].sort((a, b) => a - b);
    const at = indexes.indexOf(index);
    for (const neighbour of [indexes[at - 1], indexes[at + 1]]) {
      const other = neighbour === undefined ? undefined : configurations.get(neighbour);
      if (other === undefined || majoritiesMeet(other, configuration)) continue;
      findings.add(
        `group ${group}: the voters ${namesOf(configuration)} of index ${index} and ${namesOf(other)} of index ${neighbour} can decide apart from each other`,
        { atMs },
      );
    }
  }

  /** What it begins with is the configuration of its state, or one that came later; an older one was forgotten. */
  function opened(event: Opened): void {
    const { configurations } = groups.of(event.group);
    const indexes = [...configurations.keys()].sort((a, b) => a - b);
    const held = indexes.findLast((index) => index <= event.snapshotIndex);
    if (held === undefined) {
      if (indexes.length === 0) configurations.set(event.snapshotIndex, event.configuration);
      return;
    }
    const possible = indexes.filter((index) => index >= held).map((index) => configurations.get(index));
    if (possible.some((one) => one !== undefined && sameConfiguration(one, event.configuration))) return;
    findings.add(
      `group ${event.group}: ${nameOf(event.member)} opens its state of index ${event.snapshotIndex} with the voters ${namesOf(event.configuration)}, which held neither then nor later`,
      { atMs: event.atMs },
    );
  }

  function append(event: Appended): void {
    const { group, member, atMs } = event;
    const own = members.of(group, member);
    for (const entry of event.entries) {
      own.changes = own.changes.filter((index) => index < entry.index);
      own.log.put(entry.index, entry.term);
      if (!entry.isConfigurationChange) continue;
      if (event.leads && entry.term === event.term) {
        const pending = own.changes.find((index) => index > own.applied);
        if (pending !== undefined) {
          findings.add(
            `group ${group}: ${nameOf(member)} begins a change at index ${entry.index} while that of index ${pending} is not applied (applied: ${own.applied})`,
            { atMs },
          );
        }
        // Entries of the snapshot or below are of an earlier term, or were applied in this one.
        const committedTerm = own.log.termAt(event.commit);
        if (committedTerm !== undefined && committedTerm < event.term) {
          findings.add(
            `group ${group}: ${nameOf(member)} begins a change at index ${entry.index} in term ${event.term}, while nothing of that term is committed`,
            { atMs },
          );
        }
      }
      own.changes.push(entry.index);
    }
  }

  return {
    take(event) {
      const own = members.of(event.group, event.member);
      switch (event.kind) {
        case 'opened':
          own.log.reset(event.snapshotIndex, event.terms);
          own.applied = event.snapshotIndex;
          own.changes = [];
          return opened(event);
        case 'appended':
          return append(event);
        case 'applied':
          own.applied = event.entry.index;
          return;
        case 'restored':
          own.log.restore(event.index, event.term);
          own.applied = event.index;
          return;
        case 'configured':
          return configured(event.group, event.member, event.index, event.configuration, event.atMs);
      }
    },
    result: () => findings.result(`${changes} configurations`),
  };
}

function namesOf({ voters, outgoing }: Configuration): string {
  const list = (members: readonly number[]): string => `(${members.map(nameOf).join(' ')})`;
  return outgoing.length === 0 ? list(voters) : `${list(voters)} and ${list(outgoing)}`;
}
