import { describe, expect, test } from 'vitest';
import { watchConfigurations } from '../../../src/checkers/streambus/confSafety.ts';
import { watchDurability } from '../../../src/checkers/streambus/durability.ts';
import type { Configuration, GroupEvent } from '../../../src/checkers/streambus/groupEvents.ts';
import { majoritiesMeet } from '../../../src/checkers/streambus/quorums.ts';
import { watchRaftPaper } from '../../../src/checkers/streambus/raftPaper.ts';
import { watchRaftRules } from '../../../src/checkers/streambus/raftRules.ts';
import { a, appended, applied, b, c, entry, events, group, opened, stored, type Told, three } from './story.ts';

function messages(
  watch: { take(event: GroupEvent): void; result(): { violations: readonly { message: string }[] } },
  told: readonly GroupEvent[],
): string[] {
  for (const event of told) watch.take(event);
  return watch.result().violations.map(({ message }) => message);
}

describe('raft-paper', () => {
  const election = [
    opened(a),
    opened(b),
    opened(c),
    { kind: 'voted', member: a, term: 2, candidate: a },
    { kind: 'voted', member: b, term: 2, candidate: a },
    { kind: 'led', member: a, term: 2 },
    appended(a, 2, [entry(2, 2)], { leads: true }),
    appended(b, 2, [entry(2, 2)]),
    applied(a, 2, entry(2, 2)),
    applied(b, 2, entry(2, 2)),
  ] as const;

  test('should find nothing in an election, an entry and a second election', () => {
    const story = events(
      ...election,
      { kind: 'voted', member: b, term: 3, candidate: b },
      { kind: 'voted', member: c, term: 3, candidate: b },
      { kind: 'led', member: b, term: 3 },
      appended(b, 3, [entry(3, 3)], { leads: true, previousTerm: 2 }),
      appended(c, 3, [entry(2, 2), entry(3, 3)]),
    );
    expect(messages(watchRaftPaper(), story)).toEqual([]);
  });
  test('should see a vote given twice in a term, also over a restart', () => {
    const story = events(...election, opened(b), { kind: 'voted', member: b, term: 2, candidate: c });
    expect(messages(watchRaftPaper(), story)).toEqual([
      'group 1024: broker-2/1 gave its vote of term 2 to broker-1/1 and to broker-3/1',
    ]);
  });
  test('should let another incarnation of a broker vote in the same term', () => {
    const story = events(...election, { kind: 'voted', member: b + 1, term: 2, candidate: c });
    expect(messages(watchRaftPaper(), story)).toEqual([]);
  });
  test('should see two leaders of a term', () => {
    expect(messages(watchRaftPaper(), events(...election, { kind: 'led', member: b, term: 2 }))).toEqual([
      'election safety: group 1024 has two leaders of term 2: broker-1/1, broker-2/1',
    ]);
  });
  test('should see a leader that lacks what was committed', () => {
    expect(messages(watchRaftPaper(), events(...election, { kind: 'led', member: c, term: 3 }))).toEqual([
      expect.stringMatching(/^leader completeness: broker-3\/1 leads group 1024 in term 3 with a log that ends at 1/),
    ]);
  });
  test('should ask a leader of an old term only for what was committed before it', () => {
    const story = events(opened(a), opened(b), appended(a, 5, [entry(2, 5)]), applied(a, 5, entry(2, 5)), {
      kind: 'led',
      member: b,
      term: 4,
    });
    expect(messages(watchRaftPaper(), story)).toEqual([]);
  });
  test('should see a leader that writes over its own entries', () => {
    const story = events(...election.slice(0, 7), appended(a, 2, [entry(2, 1)], { leads: true }));
    expect(messages(watchRaftPaper(), story)).toEqual([expect.stringMatching(/^leader append-only: broker-1\/1/)]);
  });
  test('should see an entry of the same term and index with other bytes, or after another one', () => {
    expect(messages(watchRaftPaper(), events(...election, appended(c, 2, [entry(2, 2, 999)])))).toEqual([
      expect.stringMatching(/^log matching: the entry of term 2 at index 2/),
    ]);
    expect(messages(watchRaftPaper(), events(...election, appended(c, 2, [entry(2, 2)], { previousTerm: 0 })))).toEqual(
      [expect.stringMatching(/^log matching/)],
    );
  });
  test('should see two members apply different entries, one skip an index, and one drop what it has applied', () => {
    expect(messages(watchRaftPaper(), events(...election, applied(c, 3, entry(2, 3))))).toEqual([
      expect.stringMatching(/^state machine safety: broker-3\/1 applies an entry of term 3 at index 2/),
    ]);
    expect(messages(watchRaftPaper(), events(...election, applied(a, 2, entry(4, 2))))).toEqual([
      expect.stringMatching(/applies entry 4 of group 1024 after 2/),
    ]);
    expect(messages(watchRaftPaper(), events(...election, appended(b, 3, [entry(2, 3)])))).toEqual([
      expect.stringMatching(/broker-2\/1 replaces entry 2 of group 1024, which it has applied up to 2/),
    ]);
  });
  test('should see a state that is restored under another term than that of its entry', () => {
    const restored = (term: number) => ({ kind: 'restored', member: c, index: 2, term, configuration: three }) as const;
    const committed = election;
    expect(messages(watchRaftPaper(), events(...committed, restored(2)))).toEqual([]);
    expect(messages(watchRaftPaper(), events(...committed, restored(0)))).toEqual([
      expect.stringMatching(
        /restores the state of group 1024 at index 2 as one of term 0; the entry there is of term 2/,
      ),
    ]);
  });
  test('should take a snapshot for everything below it', () => {
    const story = events(
      ...election,
      { kind: 'restored', member: c, index: 2, term: 2, configuration: three },
      { kind: 'led', member: c, term: 3 },
      applied(c, 3, entry(3, 3)),
    );
    expect(messages(watchRaftPaper(), story)).toEqual([]);
  });
});

describe('committed-is-durable, tail-rule', () => {
  const beginning = [opened(a), opened(b), opened(c), stored(a, [entry(2, 2)], { term: 2, vote: a })] as const;

  test('should find nothing when a majority has the entry on its media', () => {
    const watch = watchDurability();
    expect(
      messages(watch.committed, events(...beginning, stored(c, [entry(2, 2)]), applied(a, 2, entry(2, 2)))),
    ).toEqual([]);
    expect(watch.durableAt(group, 2)).toBe(5);
    expect(watch.durableAt(group, 3)).toBeUndefined();
  });
  test('should find a majority that a change of the configuration makes of those who have the entry already', () => {
    const watch = watchDurability();
    const joint = { voters: [a, b], outgoing: [a, c], learners: [] };
    const story = events(
      ...[opened(a), opened(b), opened(c)].map((event) => ({ ...event, configuration: joint })),
      stored(a, [entry(2, 2)]),
      stored(b, [entry(2, 2)]),
      { kind: 'configured', member: a, index: 3, configuration: { voters: [a, b], outgoing: [], learners: [] } },
      applied(a, 2, entry(2, 2)),
    );
    expect(messages(watch.committed, story)).toEqual([]);
    expect(watch.durableAt(group, 2)).toBe(6);
  });
  test('should not take a state for an entry of another term that somebody still has at its end', () => {
    const watch = watchDurability();
    const story = events(
      ...beginning,
      stored(b, [entry(2, 2)]),
      applied(a, 2, entry(2, 2)),
      { kind: 'stored', member: b, entries: [], hardState: undefined, snapshotIndex: 2 },
      opened(c, { terms: [1, 1] }),
    );
    expect(messages(watch.committed, story)).toEqual([]);
    expect(watch.durableAt(group, 2)).toBe(5);
  });
  test('should see an entry applied that only one has', () => {
    expect(messages(watchDurability().committed, events(...beginning, applied(a, 2, entry(2, 2))))).toEqual([
      'broker-1/1 applies entry 2 (term 2) of group 1024, which is on the media of 1 of 3 voters: broker-1/1',
    ]);
  });
  test('should not count an entry of another term, or a learner, but one that was damaged later', () => {
    const other = events(...beginning, stored(b, [entry(2, 1)]), applied(a, 2, entry(2, 2)));
    expect(messages(watchDurability().committed, other)).toHaveLength(1);
    const learner = { voters: [a, b], outgoing: [], learners: [c] };
    const learned = events(
      ...beginning.slice(0, 3).map((event) => ({ ...event, configuration: learner })),
      stored(a, [entry(2, 2)]),
      stored(c, [entry(2, 2)]),
      applied(a, 2, entry(2, 2)),
    );
    expect(messages(watchDurability().committed, learned)).toHaveLength(1);
    const wiped = events(
      ...beginning,
      stored(b, [entry(2, 2)]),
      { kind: 'forgotten', member: b, what: 'all', why: 'wiped' },
      applied(a, 2, entry(2, 2)),
    );
    expect(messages(watchDurability().committed, wiped)).toEqual([]);
  });
  test('should see a vote of a member that has lost its log and not got it back', () => {
    const openedWith = (...again: readonly Told[]): string[] => {
      const watch = watchDurability();
      const lost = { kind: 'forgotten', member: b, what: 'log', why: 'rm' } as const;
      messages(
        watch.committed,
        events(...beginning, stored(b, [entry(2, 2)]), applied(a, 2, entry(2, 2)), lost, ...again),
      );
      return watch.tail.result().violations.map(({ message }) => message);
    };
    const tailOf = (...more: readonly Told[]): string[] => openedWith(opened(b), ...more);
    const vote = { kind: 'voted', member: b, term: 3, candidate: c } as const;
    expect(tailOf(vote)).toEqual([expect.stringMatching(/^broker-2\/1 gave its vote of term 3/)]);
    expect(tailOf(appended(b, 2, [entry(2, 2)]), applied(b, 2, entry(2, 2)), vote)).toEqual([]);
    expect(tailOf({ kind: 'restored', member: b, index: 2, term: 2, configuration: three }, vote)).toEqual([]);
    // The process from under which it was taken has all in memory, and what it says is true.
    expect(openedWith(vote)).toEqual([]);
    // What others have beyond it, it never had.
    expect(tailOf(applied(a, 3, entry(3, 2)), applied(b, 2, entry(2, 2)), vote)).toEqual([]);
    const whole = opened(b, { terms: [1, 2] });
    expect(openedWith(whole, vote)).toEqual([]);
    const behindState = opened(b, { snapshotIndex: 2, terms: [2] });
    expect(openedWith(behindState, vote)).toHaveLength(1);
  });
  test('should let go of what contradicts a state that came from another, and of nothing by an own checkpoint', () => {
    const tailOf = (replacesLog: boolean): number => {
      const watch = watchDurability();
      const state = { kind: 'stored', member: a, entries: [], hardState: undefined, snapshotIndex: 2 } as const;
      const story = events(
        ...beginning,
        stored(a, [entry(3, 2)]),
        { ...state, replacesLog },
        opened(a, { term: 2, vote: a, snapshotIndex: 2, terms: [3] }),
      );
      messages(watch.committed, story);
      return watch.tail.result().violations.length;
    };
    expect([tailOf(true), tailOf(false)]).toEqual([0, 1]);
  });
  test('should see a member that opens without what was on its medium', () => {
    const tailOf = (last: ReturnType<typeof opened>): string[] => {
      const watch = watchDurability();
      messages(watch.committed, events(...beginning, last));
      return watch.tail.result().violations.map(({ message }) => message);
    };
    expect(tailOf(opened(a, { term: 2, vote: a, terms: [1, 2] }))).toEqual([]);
    expect(tailOf(opened(a, { term: 3, vote: 0, terms: [1, 2] }))).toEqual([]);
    expect(tailOf(opened(a, { term: 2, vote: a }))).toEqual([
      'broker-1/1 opens group 1024 with a log that ends at 1: the entry of term 2 at index 2 was on its medium',
    ]);
    expect(tailOf(opened(a, { terms: [1, 2] }))).toEqual([
      expect.stringMatching(/in term 1 with its vote for 0: term 2/),
    ]);
    expect(tailOf(opened(a, { term: 2, vote: b, terms: [1, 2] }))).toEqual([
      expect.stringMatching(/with its vote for/),
    ]);
  });
});

describe('raft-rules', () => {
  const watch = () => watchRaftRules({ tickMs: 1, heartbeatTicks: 1, electionTicks: 3 });
  const leads = (term: number, commit: number) => ({ kind: 'advanced', member: a, term, leads: true, commit }) as const;
  const beat = (commit: number) => ({ kind: 'beat', member: a, term: 2, to: b, commit }) as const;
  const answer = (matches?: number) => ({ kind: 'answered', member: b, term: 2, leader: a, matches }) as const;

  test('should let a leader commit by its own term what older ones have left', () => {
    const story = events(
      opened(a),
      appended(a, 2, [entry(2, 2)]),
      leads(3, 1),
      appended(a, 3, [entry(3, 3)], { leads: true }),
      leads(3, 3),
    );
    expect(messages(watch(), story)).toEqual([]);
    expect(messages(watch(), [...story.slice(0, 4), ...events(leads(3, 2))])).toEqual([
      expect.stringMatching(/commits up to index 2, an entry of term 2/),
    ]);
  });
  test('should see a follower that writes anew what it has', () => {
    const story = events(opened(b), appended(b, 2, [entry(2, 2), entry(3, 2)]), appended(b, 2, [entry(2, 2)]));
    expect(messages(watch(), story)).toEqual([expect.stringMatching(/writes entry 2 \(term 2\)/)]);
    const other = events(opened(b), appended(b, 2, [entry(2, 2), entry(3, 2)]), appended(b, 3, [entry(3, 3)]));
    expect(messages(watch(), other)).toEqual([]);
  });
  test('should see a commit that is told beyond what is shared', () => {
    expect(messages(watch(), events(opened(a), answer(2), beat(2)))).toEqual([]);
    expect(messages(watch(), events(opened(a), answer(2), beat(3)))).toEqual([
      expect.stringMatching(/committed up to 3; it is known to have the same only up to 2/),
    ]);
  });
  test('should see a leader that counts what a member on probation had acknowledged', () => {
    const probation = { kind: 'probation', member: a, of: b } as const;
    const before = [opened(a), opened(b), answer(2), beat(2)];
    const bare = opened(b, { snapshotIndex: 0, terms: [0] });
    expect(messages(watch(), events(...before, bare, beat(2), probation, beat(0), answer(1), beat(1)))).toEqual([]);
    expect(messages(watch(), events(...before, bare, answer(1), probation, beat(1)))).toEqual([]);
    expect(messages(watch(), events(...before, bare, answer(1), probation, beat(2)))).toEqual([
      expect.stringMatching(/committed up to 2; it is known to have the same only up to 1/),
    ]);
  });
  test('should see an election that nobody was ready for', () => {
    const stood = { kind: 'stood', member: a, term: 2, asked: false } as const;
    const ready = { kind: 'pre-voted', member: b, term: 2, candidate: a } as const;
    expect(messages(watch(), events(opened(a), ready, stood, { ...stood, term: 3, asked: true }))).toEqual([]);
    expect(messages(watch(), events(opened(a), ready, { ...stood, term: 3 }))).toEqual([
      expect.stringMatching(/no majority would vote for it/),
    ]);
  });
  test('should see a leader that nobody answers for long', () => {
    const rounds = Array.from({ length: 14 }, () => beat(0));
    expect(messages(watch(), events(opened(a), ...rounds.slice(0, 7), answer(), ...rounds.slice(0, 7)))).toEqual([]);
    expect(messages(watch(), events(opened(a), ...rounds))[0]).toMatch(/for 12 rounds of heartbeats no majority/);
  });
  test('should count answers by the leader’s own configuration, not by an older one that another goes through again', () => {
    const old = { voters: [a, b, c], outgoing: [a, c, c + 65_536], learners: [] };
    const configured = (member: number, configuration: Configuration) =>
      ({ kind: 'configured', member, index: 2, configuration }) as const;
    const rounds = Array.from({ length: 14 }, () => [beat(0), answer()]).flat();
    const led = [opened(a), configured(a, { ...old, outgoing: [] }), opened(c)];
    expect(messages(watch(), events(...led, ...rounds, configured(c, old), ...rounds))).toEqual([]);
    expect(messages(watch(), events(...led, configured(a, old), ...rounds))[0]).toMatch(/no majority/);
  });
  test('should see an answer that tells of more than is shared', () => {
    const story = (own: number) =>
      events(
        opened(a),
        appended(a, 2, [entry(2, 2)], { leads: true }),
        leads(2, 1),
        opened(b),
        appended(b, 2, [entry(2, own), entry(3, own)]),
      );
    const told = (index: number) => ({ ...answer(index), group, atMs: 9 });
    expect(messages(watch(), [...story(2), told(2)])).toEqual([]);
    expect(messages(watch(), [...story(1), told(2)])).toEqual([
      expect.stringMatching(/agree up to index 2: it has an entry of term 1 there, its leader one of term 2/),
    ]);
    expect(messages(watch(), [...story(2), told(3)])).toEqual([expect.stringMatching(/its leader none/)]);
    // It began anew, and has lost what was answered.
    expect(messages(watch(), [...story(1), ...events(opened(a)), told(2)])).toEqual([]);
  });
  test('should see a state that is not the newest', () => {
    const sent = (index: number) => ({ kind: 'snapshot-sent', member: a, to: b, index }) as const;
    const checkpoint = (snapshotIndex: number) =>
      ({ kind: 'stored', member: a, entries: [], hardState: undefined, snapshotIndex }) as const;
    expect(messages(watch(), events(opened(a), checkpoint(5), checkpoint(9), sent(5)))).toEqual([]);
    expect(messages(watch(), events(opened(a), checkpoint(5), checkpoint(9), checkpoint(12), sent(5)))).toEqual([
      expect.stringMatching(/at index 5; it has that of 9/),
    ]);
  });
});

describe('conf-safety', () => {
  const configured = (
    member: number,
    index: number,
    voters: number[],
    outgoing: number[] = [],
    learners: number[] = [],
  ) => ({ kind: 'configured', member, index, configuration: { voters, outgoing, learners } }) as const;
  const change = (index: number, term: number) => ({ ...entry(index, term), isConfigurationChange: true });

  test('should find nothing in a joint change', () => {
    const story = events(
      opened(a),
      appended(a, 2, [entry(2, 2)], { leads: true }),
      applied(a, 2, entry(2, 2)),
      appended(a, 2, [change(3, 2)], { leads: true, commit: 2, previousTerm: 2 }),
      applied(a, 2, change(3, 2)),
      configured(a, 3, [a, b, c + 1], [a, b, c]),
      appended(a, 2, [change(4, 2)], { leads: true, commit: 3, previousTerm: 2 }),
      configured(a, 4, [a, b, c + 1]),
      configured(b, 3, [a, b, c + 1], [a, b, c]),
    );
    expect(messages(watchConfigurations(), story)).toEqual([]);
  });
  test('should see configurations that can decide apart, and members that disagree', () => {
    expect(messages(watchConfigurations(), events(opened(a), configured(a, 3, [a, b + 1, c + 1])))).toEqual([
      expect.stringMatching(/can decide apart from each other/),
    ]);
    expect(
      messages(watchConfigurations(), events(opened(a), configured(a, 3, [a, b]), configured(b, 3, [b, c]))),
    ).toEqual([expect.stringMatching(/broker-2\/1 has at index 3 the voters/)]);
  });
  test('should see a change before an entry of the own term, and one beside another', () => {
    const early = events(
      opened(a),
      appended(a, 2, [entry(2, 2)], { leads: true }),
      appended(a, 2, [change(3, 2)], { leads: true, commit: 1 }),
    );
    expect(messages(watchConfigurations(), early)).toEqual([
      expect.stringMatching(/nothing of that term is committed/),
    ]);
    const two = events(
      opened(a),
      appended(a, 2, [entry(2, 2)], { leads: true }),
      applied(a, 2, entry(2, 2)),
      appended(a, 2, [change(3, 2), change(4, 2)], { leads: true, commit: 2 }),
    );
    expect(messages(watchConfigurations(), two)).toEqual([
      expect.stringMatching(/change at index 4 while that of index 3/),
    ]);
  });
  test('should see a state opened with a configuration that was replaced before it', () => {
    const story = (voters: number[]) =>
      events(
        opened(a),
        configured(a, 3, [a, b]),
        opened(a, { snapshotIndex: 5, configuration: { voters, outgoing: [], learners: [] } }),
      );
    expect(messages(watchConfigurations(), story([a, b]))).toEqual([]);
    expect(messages(watchConfigurations(), story([a, b, c]))).toEqual([
      expect.stringMatching(/held neither then nor later/),
    ]);
  });
  test('should know by all majorities whether two configurations meet', () => {
    const of = (voters: number[], outgoing: number[] = []) => ({ voters, outgoing, learners: [] });
    expect(majoritiesMeet(of([1, 2, 3]), of([1, 2, 3, 4]))).toBe(true);
    expect(majoritiesMeet(of([1, 2, 3]), of([1, 2, 3, 4, 5]))).toBe(false);
    expect(majoritiesMeet(of([1, 2, 3]), of([3, 4, 5], [1, 2, 3]))).toBe(true);
    expect(majoritiesMeet(of([1]), of([2]))).toBe(false);
  });
});
