import { Findings } from '../findings.ts';
import type { Watch } from './check.ts';
import type { Applied, Configuration, GroupEvent, Opened, Stored, Voted } from './groupEvents.ts';
import { ByGroup, ByMember } from './memberLog.ts';
import { isMajority } from './quorums.ts';
import { nameOf } from './raftPaper.ts';

/** What is on the medium of one member's disk. */
interface Medium {
  /** Terms of the entries by index. */
  readonly terms: Map<number, number>;
  last: number;
  /** A state up to here is there, or in what was there when the member was opened. */
  snapshotIndex: number;
  hardState: { readonly term: number; readonly vote: number } | undefined;
  /** Somebody has damaged it since: what it opens with is not held against that. */
  excused: boolean;
  /** Its log was taken away. A process that runs still has it, and all that it says is true; the next one has not. */
  isLogGone: boolean;
  /** It began anew without its log, which had ended here: until it has that again it gives no vote. */
  lacksBelow: number | undefined;
}

interface Group {
  /** The newest one, and the one before it: who applies first may be one change behind the one who decided. */
  configuration: Configuration | undefined;
  configuredAt: number;
  previous: Configuration | undefined;
  /** When an entry was first on the media of a majority, by index: term and time. */
  readonly majorityAt: Map<number, { readonly term: number; readonly atMs: number }>;
  highestApplied: number;
  /** Terms of what was applied, by index: what a state holds. */
  readonly applied: Map<number, number>;
}

/** Founders begin with a state of this index, in which there is nothing yet. */
const foundingIndex = 1;

/** The member has every entry again that was on its medium. */
function holdsAll({ snapshotIndex, terms }: Opened, medium: Medium): boolean {
  if (medium.snapshotIndex > snapshotIndex) return false;
  return [...medium.terms].every(([index, term]) => terms[index - snapshotIndex] === term);
}

/** When entries were durable on a majority: what acknowledgements are held against. */
export interface DurabilityWatch {
  /** `committed-is-durable` */
  readonly committed: Watch<GroupEvent>;
  /** `tail-rule`: what was on a medium is there when the member is opened again. Fed by `committed.take`. */
  readonly tail: Pick<Watch<GroupEvent>, 'result'>;
  /** Virtual time at which a majority of the configuration had the entry on its media; undefined: it never did. */
  durableAt(group: number, index: number): number | undefined;
}

/**
 * Whoever applies an entry first, at that moment a majority of the configuration has it on the media of its disks: not in a page cache, not
 * under way. And what a member has on its medium it still has when it begins anew: entries, term and vote.
 */
export function watchDurability(): DurabilityWatch {
  const committed = new Findings('committed-is-durable');
  const tail = new Findings('tail-rule');
  const groups = new ByGroup<Group>(() => ({
    configuration: undefined,
    configuredAt: -1,
    previous: undefined,
    majorityAt: new Map(),
    highestApplied: 0,
    applied: new Map(),
  }));
  const media = new ByMember<Medium>(() => ({
    terms: new Map(),
    last: 0,
    snapshotIndex: 0,
    hardState: undefined,
    isLogGone: false,
    lacksBelow: undefined,
    excused: false,
  }));
  let applied = 0;
  let opened = 0;

  function configure(group: number, index: number, configuration: Configuration, atMs: number): void {
    const known = groups.of(group);
    if (index <= known.configuredAt) return;
    known.configuredAt = index;
    known.previous = known.configuration;
    known.configuration = configuration;
    // What waited for a voter of the configuration that goes may be on a majority of the one that comes.
    for (const voter of configuration.voters) {
      for (const [entry, term] of media.find(group, voter)?.terms ?? []) note(group, entry, term, atMs);
    }
  }

  function has(group: number, member: number, index: number, term: number): boolean {
    const medium = media.find(group, member);
    if (medium === undefined) return false;
    if (index <= medium.snapshotIndex) return (groups.of(group).applied.get(index) ?? term) === term;
    return medium.terms.get(index) === term;
  }

  function isOnMajority(group: number, index: number, term: number): boolean {
    const { configuration, previous } = groups.of(group);
    const there = (member: number): boolean => has(group, member, index, term);
    return [configuration, previous].some((one) => one !== undefined && isMajority(one, there));
  }

  function store({ group, member, entries, hardState, snapshotIndex, replacesLog, atMs }: Stored): void {
    const medium = media.of(group, member);
    if (hardState !== undefined) medium.hardState = hardState;
    if (snapshotIndex !== undefined && snapshotIndex > medium.snapshotIndex) {
      for (let index = medium.snapshotIndex + 1; index <= snapshotIndex; index++) medium.terms.delete(index);
      if (replacesLog === true) medium.terms.clear();
      medium.snapshotIndex = snapshotIndex;
    }
    for (const { index, term } of entries) {
      for (let behind = index + 1; behind <= medium.last; behind++) medium.terms.delete(behind);
      medium.terms.set(index, term);
      medium.last = index;
    }
    for (const { index, term } of entries) note(group, index, term, atMs);
  }

  /** Notes when a majority has an entry for the first time. */
  function note(group: number, index: number, term: number, atMs: number): void {
    const { majorityAt } = groups.of(group);
    if (majorityAt.get(index)?.term === term) return;
    if (isOnMajority(group, index, term)) majorityAt.set(index, { term, atMs });
  }

  /** The member has a state of this index (again). */
  function reached(group: number, member: number, index: number): void {
    const medium = media.of(group, member);
    if (medium.lacksBelow !== undefined && index >= medium.lacksBelow) medium.lacksBelow = undefined;
  }

  function vote({ group, member, term, candidate, atMs }: Voted): void {
    const lacks = media.find(group, member)?.lacksBelow;
    if (lacks === undefined) return;
    tail.add(
      `${nameOf(member)} gave its vote of term ${term} in group ${group} to ${nameOf(candidate)}: it has lost its log, and has not got back what it had up to ${lacks}`,
      { atMs },
    );
  }

  function apply({ group, member, entry, atMs }: Applied): void {
    reached(group, member, entry.index);
    const known = groups.of(group);
    if (entry.index <= known.highestApplied) return;
    known.highestApplied = entry.index;
    known.applied.set(entry.index, entry.term);
    applied++;
    if (known.configuration === undefined || isOnMajority(group, entry.index, entry.term)) return;
    const having = known.configuration.voters.filter((voter) => has(group, voter, entry.index, entry.term));
    committed.add(
      `${nameOf(member)} applies entry ${entry.index} (term ${entry.term}) of group ${group}, which is on the media of ${having.length} of ${known.configuration.voters.length} voters: ${having.map(nameOf).join(', ') || 'none'}`,
      { atMs },
    );
  }

  function open(event: Opened): void {
    const { group, member, atMs } = event;
    opened++;
    const medium = media.of(group, member);
    const lastOpened = event.snapshotIndex + event.terms.length - 1;
    const who = `${nameOf(member)} opens group ${group}`;
    const { excused } = medium;
    medium.excused = false;
    if (!excused && medium.snapshotIndex > lastOpened) {
      tail.add(`${who} with a log that ends at ${lastOpened}: it had a state of index ${medium.snapshotIndex}`, {
        atMs,
      });
    }
    for (const [index, term] of excused ? [] : medium.terms) {
      if (index <= event.snapshotIndex) continue;
      const found = event.terms[index - event.snapshotIndex];
      if (found === term) continue;
      tail.add(
        `${who} ${found === undefined ? `with a log that ends at ${lastOpened}` : `with an entry of term ${found} at index ${index}`}: the entry of term ${term} at index ${index} was on its medium`,
        { atMs },
      );
      break;
    }
    if (medium.isLogGone) medium.lacksBelow = Math.max(medium.lacksBelow ?? 0, medium.last, medium.snapshotIndex);
    medium.isLogGone = false;
    // A log that is whole from its founding on brings back all that the lost files had held.
    if (event.snapshotIndex <= foundingIndex && holdsAll(event, medium)) medium.lacksBelow = undefined;
    const { hardState } = medium;
    const forgotVote = hardState?.term === event.term && hardState.vote !== 0 && hardState.vote !== event.vote;
    if (hardState !== undefined && (event.term < hardState.term || forgotVote)) {
      tail.add(
        `${who} in term ${event.term} with its vote for ${event.vote}: term ${hardState.term} with a vote for ${hardState.vote} was on its medium`,
        { atMs },
      );
    }
    medium.terms.clear();
    medium.snapshotIndex = event.snapshotIndex;
    event.terms.forEach((term, offset) => {
      if (offset > 0) medium.terms.set(event.snapshotIndex + offset, term);
    });
    medium.last = lastOpened;
    // What was on its way when the power went may have arrived all the same.
    for (const [index, term] of medium.terms) note(group, index, term, atMs);
    medium.hardState = { term: event.term, vote: event.vote };
  }

  return {
    committed: {
      take(event) {
        const { group, member } = event;
        switch (event.kind) {
          case 'opened':
            open(event);
            return configure(group, event.snapshotIndex, event.configuration, event.atMs);
          case 'stored':
            return store(event);
          case 'applied':
            return apply(event);
          case 'configured':
            return configure(group, event.index, event.configuration, event.atMs);
          case 'voted':
            vote(event);
            return;
          case 'restored':
            reached(group, member, event.index);
            store({ ...event, kind: 'stored', entries: [], hardState: undefined, snapshotIndex: event.index });
            return configure(group, event.index, event.configuration, event.atMs);
          case 'forgotten': {
            // What it had when it acknowledged it had: damage that comes later is not the engine's. But it may open without it.
            const medium = media.of(group, member);
            medium.excused = true;
            if (event.what === 'all') medium.hardState = undefined;
            else medium.isLogGone = true;
            return;
          }
        }
      },
      result: () => committed.result(`${applied} entries when they were first applied`),
    },
    tail: { result: () => tail.result(`${opened} replicas opened`) },
    durableAt: (group, index) => groups.of(group).majorityAt.get(index)?.atMs,
  };
}
