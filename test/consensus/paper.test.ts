/** Each test is a sentence of "In Search of an Understandable Consensus Algorithm" (Ongaro, Ousterhout), by its section. */
import { describe, expect, test } from 'vitest';
import { ProposalDropped } from '../../src/consensus/errors.ts';
import type { Message, MessageType, RaftId } from '../../src/consensus/types.ts';
import { entry, type MemberOptions, message, Network, TestMember } from './support/network.ts';
import { bytes, text } from './support/settings.ts';

const three = [1, 2, 3] as const;

function follower(options: MemberOptions = {}): TestMember {
  return new TestMember(1, three, options);
}

function candidate(options: MemberOptions = {}): TestMember {
  const member = follower(options);
  member.node.campaign();
  member.take();
  return member;
}

function leader(options: MemberOptions = {}, voters: readonly RaftId[] = three): TestMember {
  const member = new TestMember(1, voters, options).lead();
  expect(member.node.state).toBe('leader');
  return member;
}

/** A leader whose first entry, the empty one, is committed. */
function settledLeader(voters: readonly RaftId[] = three): TestMember {
  const member = leader({}, voters);
  acknowledge(member, ...voters.filter((id) => id !== 1));
  member.take();
  return member;
}

function acknowledge(member: TestMember, ...from: RaftId[]): void {
  const index = member.node.lastIndex;
  for (const id of from) member.step(message('MsgAppResp', id, 1, member.node.term, { index }));
}

function ofType(messages: readonly Message[], type: MessageType): Message[] {
  return messages.filter((sent) => sent.type === type).sort((a, b) => a.to - b.to);
}

const roles = [
  ['follower', follower],
  ['candidate', candidate],
  ['leader', leader],
] as const;

describe('§5.1 basics', () => {
  test.each(roles)('a %s that sees a higher term takes it over and becomes follower', (_, start) => {
    const member = start();
    member.step(message('MsgApp', 2, 1, 7));
    expect(member.node.term).toBe(7);
    expect(member.node.state).toBe('follower');
  });

  test.each(roles)('a %s rejects a request with a stale term', (_, start) => {
    const member = start({ hardState: { term: 5, vote: 0, commit: 0 } });
    const { lastIndex } = member.node;
    member.take();
    member.step(message('MsgApp', 2, 1, 3, { entries: [entry(1, 3, 'old')] }));
    expect(member.node.lastIndex).toBe(lastIndex);
    expect(member.node.term).toBeGreaterThanOrEqual(5);
    expect(member.take()).toEqual([]);
  });

  test('members start as followers', () => {
    expect(follower().node.state).toBe('follower');
  });
});

describe('§5.2 leader election', () => {
  test('a leader sends heartbeats to all others each interval', () => {
    const member = leader({ heartbeatTicks: 3 });
    member.take();
    expect(ofType(member.ticks(2).take(), 'MsgHeartbeat')).toEqual([]);
    const beats = ofType(member.ticks(1).take(), 'MsgHeartbeat');
    expect(beats.map(({ from, to, term }) => [from, to, term])).toEqual([
      [1, 2, 1],
      [1, 3, 1],
    ]);
  });

  test.each([
    ['follower', follower, 1],
    ['candidate', candidate, 2],
  ] as const)('a %s that hears of no leader in its time-out stands for election in the next term', (_, start, term) => {
    const member = start();
    const requests = ofType(member.ticks(10).take(), 'MsgVote');
    expect(member.node.term).toBe(term);
    expect(member.node.state).toBe('candidate');
    expect(member.node.core.vote).toBe(1);
    expect(requests.map(({ to }) => to)).toEqual([2, 3]);
    expect(requests.every((request) => request.term === term)).toBe(true);
  });

  test.each([
    [1, {}, 'leader'],
    [3, { 2: true, 3: true }, 'leader'],
    [3, { 2: true }, 'leader'],
    [5, { 2: true, 3: true, 4: true, 5: true }, 'leader'],
    [5, { 2: true, 3: true }, 'leader'],
    [3, { 2: false, 3: false }, 'follower'],
    [5, { 2: false, 3: false, 4: false, 5: false }, 'follower'],
    [5, { 2: true, 3: false, 4: false, 5: false }, 'follower'],
    [3, {}, 'candidate'],
    [5, { 2: true }, 'candidate'],
    [5, { 2: false, 3: false }, 'candidate'],
    [5, {}, 'candidate'],
  ] as const)('of %i voters with the answers %j it becomes %s', (size, votes: Record<number, boolean>, state) => {
    const voters = Array.from({ length: size }, (_, at) => at + 1);
    const member = new TestMember(1, voters);
    member.node.campaign();
    member.work();
    for (const [id, granted] of Object.entries(votes)) {
      member.step(message('MsgVoteResp', Number(id), 1, member.node.term, { reject: !granted }));
    }
    expect(member.node.state).toBe(state);
    expect(member.node.term).toBe(1);
  });

  test.each([
    [0, 2, false],
    [0, 3, false],
    [2, 2, false],
    [3, 3, false],
    [2, 3, true],
    [3, 2, true],
  ])('a voter that has voted for %i and is asked by %i: rejected %s', (vote, from, reject) => {
    const member = follower({ hardState: { term: 1, vote, commit: 0 } });
    const [answer] = member.step(message('MsgVote', from, 1, 1)).take();
    expect(answer).toMatchObject({ type: 'MsgVoteResp', to: from, term: 1, reject });
  });

  test.each([1, 2])('a candidate of term 1 that hears a leader of term %i follows it', (term) => {
    const member = candidate();
    member.step(message('MsgApp', 2, 1, term));
    expect(member.node.state).toBe('follower');
    expect(member.node.term).toBe(term);
    expect(member.node.leader).toBe(2);
  });

  test.each([
    ['follower', follower],
    ['candidate', candidate],
  ] as const)('the time-out of a %s is drawn anew, so split votes are rare', (_, start) => {
    const seen = new Set<number>();
    for (let timeout = 10; timeout < 20; timeout++) {
      const member = start({ randomTimeout: () => timeout });
      const before = member.node.term;
      let ticks = 0;
      while (member.node.term === before) {
        member.ticks(1);
        ticks++;
      }
      seen.add(ticks);
    }
    expect([...seen].sort()).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  });

  test.each(['follower', 'candidate'])('with different time-outs only one %s stands for election', (from) => {
    let drawn = 0;
    const network = Network.of(5, { randomTimeout: () => 10 + (drawn++ % 10) });
    if (from === 'candidate') {
      for (const { node } of network.members.values()) node.campaign();
      for (const member of network.members.values()) member.take();
    }
    const terms = (): number => Math.max(...[...network.members.values()].map(({ node }) => node.term));
    const before = terms();
    while (terms() === before) for (const member of network.members.values()) member.ticks(1);
    const standing = [...network.members.values()].filter(({ node }) => node.term > before);
    expect(standing).toHaveLength(1);
  });
});

describe('§5.3 log replication', () => {
  test('a leader appends a command to its log and sends it to all others in parallel', () => {
    const member = settledLeader();
    member.node.propose(bytes('some data'));
    const sent = ofType(member.take(), 'MsgApp');
    expect(member.node.lastIndex).toBe(2);
    expect(member.node.commit).toBe(1);
    expect(sent.map(({ to, index, logTerm, commit }) => ({ to, index, logTerm, commit }))).toEqual([
      { to: 2, index: 1, logTerm: 1, commit: 1 },
      { to: 3, index: 1, logTerm: 1, commit: 1 },
    ]);
    expect(sent.map(({ entries }) => entries)).toEqual([[entry(2, 1, 'some data')], [entry(2, 1, 'some data')]]);
  });

  test('a leader commits and applies an entry that a majority has, and tells the others', () => {
    const member = settledLeader();
    member.node.propose(bytes('some data'));
    member.take();
    acknowledge(member, 2);
    expect(member.node.commit).toBe(2);
    expect(member.appliedData).toEqual(['some data']);
    expect(ofType(member.take(), 'MsgApp').map(({ to, commit }) => [to, commit])).toContainEqual([2, 2]);
  });

  test.each([
    [1, [], true],
    [3, [], false],
    [3, [2], true],
    [3, [2, 3], true],
    [5, [], false],
    [5, [2], false],
    [5, [2, 3], true],
    [5, [2, 3, 4], true],
    [5, [2, 3, 4, 5], true],
  ])('of %i voters, with acknowledgements of %j: committed %s', (size, others, committed) => {
    const voters = Array.from({ length: size }, (_, at) => at + 1);
    const member = settledLeader(voters);
    member.node.propose(bytes('some data'));
    member.work();
    acknowledge(member, ...others);
    expect(member.node.commit > 1).toBe(committed);
  });

  test.each([[[]], [[2]], [[1, 2]], [[1]]])(
    'a leader that commits an entry commits all before it, with a log of terms %j',
    (terms) => {
      const member = leader({ terms, hardState: { term: 2, vote: 0, commit: 0 } });
      member.node.propose(bytes('some data'));
      member.work();
      acknowledge(member, 2);
      expect(member.applied.map(({ term, index, data }) => [term, index, text(data)])).toEqual([
        ...terms.map((term, at) => [term, at + 1, '']),
        [3, terms.length + 1, ''],
        [3, terms.length + 2, 'some data'],
      ]);
    },
  );

  test.each([
    [[entry(1, 1, 'a')], 1],
    [[entry(1, 1, 'a'), entry(2, 1, 'b')], 2],
    [[entry(1, 1, 'b'), entry(2, 1, 'a')], 2],
    [[entry(1, 1, 'a'), entry(2, 1, 'b')], 1],
  ])('a follower that learns that an entry is committed applies it, in order (%#)', (entries, commit) => {
    const member = follower();
    member.step(message('MsgApp', 2, 1, 1, { entries, commit }));
    expect(member.node.commit).toBe(commit);
    expect(member.applied).toEqual(entries.slice(0, commit));
  });

  test.each([
    [0, 0, 1, false],
    [1, 1, 1, false],
    [2, 2, 2, false],
    [1, 2, 1, true],
    [2, 1, 1, true],
    [3, 3, 2, true],
  ])('a follower looks for the entry before the new ones: %i of term %i', (index, logTerm, at, reject) => {
    const member = follower({ terms: [1, 2], hardState: { term: 2, vote: 0, commit: 1 } });
    const [answer] = member.step(message('MsgApp', 2, 1, 2, { index, logTerm })).take();
    expect(answer?.reject).toBe(reject);
    if (!reject) expect(answer?.index).toBe(Math.max(at, index));
    else
      expect(answer).toMatchObject({
        index,
        rejectHint: Math.min(index, 2) === 2 && logTerm < 2 ? 1 : Math.min(index, 2),
      });
  });

  test.each([
    [2, 2, [entry(3, 3)], [1, 2, 3], [entry(3, 3)]],
    [1, 1, [entry(2, 3), entry(3, 4)], [1, 3, 4], [entry(2, 3), entry(3, 4)]],
    [0, 0, [entry(1, 1)], [1, 2], []],
    [0, 0, [entry(1, 3)], [3], [entry(1, 3)]],
  ])(
    'a follower removes what conflicts, and only that (behind %i of term %i)',
    (index, logTerm, entries, terms, written) => {
      const member = follower({ terms: [1, 2], hardState: { term: 2, vote: 0, commit: 0 } });
      member.node.step(message('MsgApp', 2, 1, 4, { index, logTerm, entries }));
      const ready = member.node.ready();
      expect(ready.entries).toEqual(written);
      member.storage.append(ready.entries);
      expect(member.terms).toEqual(terms);
    },
  );

  // Figure 7.
  const leaderTerms = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
  test.each([
    [[1, 1, 1, 4, 4, 5, 5, 6, 6]],
    [[1, 1, 1, 4]],
    [[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6]],
    [[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]],
    [[1, 1, 1, 4, 4, 4, 4]],
    [[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]],
  ])('a leader brings a follower with the terms %j to the same log', (terms) => {
    const term = 8;
    const network = new Network([
      new TestMember(1, three, { terms: leaderTerms, hardState: { term, vote: 0, commit: 10 } }),
      new TestMember(2, three, { terms, hardState: { term: term - 1, vote: 0, commit: 0 } }),
      new TestMember(3, three, {}),
    ]);
    network.isolate(3);
    network.campaign(1);
    // The third has an empty log and cannot be heard: its vote is given by hand.
    network.send(message('MsgVoteResp', 3, 1, term + 1));
    network.propose(1, 'x');
    expect(network.member(2).terms).toEqual(network.member(1).terms);
    expect(network.node(2).commit).toBe(network.node(1).commit);
  });
});

describe('§5.4 safety', () => {
  test.each([
    [[entry(1, 1)], 2],
    [[entry(1, 1), entry(2, 2)], 3],
  ])('a vote request tells where the log of the candidate ends (%#)', (entries, term) => {
    const member = follower();
    member.step(message('MsgApp', 2, 1, term - 1, { entries }));
    member.take();
    const requests = ofType(member.ticks(10).take(), 'MsgVote');
    const last = entries.at(-1);
    expect(requests.map(({ to, index, logTerm }) => [to, index, logTerm])).toEqual([
      [2, last?.index, last?.term],
      [3, last?.index, last?.term],
    ]);
    expect(requests[0]?.term).toBe(term);
  });

  test.each([
    [[1], 1, 1, false],
    [[1], 1, 2, false],
    [[1, 1], 1, 1, true],
    [[1], 2, 1, false],
    [[1], 2, 2, false],
    [[1, 1], 2, 1, false],
    [[2], 1, 1, true],
    [[2], 1, 2, true],
    [[2, 1], 1, 1, true],
  ])(
    'a voter with the terms %j refuses a candidate whose log ends at term %i, index %i: %s',
    (terms, logTerm, index, reject) => {
      const member = follower({ terms });
      const [answer] = member.step(message('MsgVote', 2, 1, 3, { logTerm, index })).take();
      expect(answer).toMatchObject({ type: 'MsgVoteResp', reject });
    },
  );

  test.each([
    [1, 0],
    [2, 0],
    [3, 3],
  ])('only entries of its own term are committed by counting: entry %i brings commit %i', (index, commit) => {
    const member = leader({ terms: [1, 2], hardState: { term: 2, vote: 0, commit: 0 } });
    expect(member.node.term).toBe(3);
    member.step(message('MsgAppResp', 2, 1, 3, { index }));
    expect(member.node.commit).toBe(commit);
  });

  test('with the bug planted, an entry of an old term is committed by counting', () => {
    const member = leader({
      terms: [1, 2],
      hardState: { term: 2, vote: 0, commit: 0 },
      mutant: (name) => name === 'commit-old-term',
    });
    member.step(message('MsgAppResp', 2, 1, 3, { index: 2 }));
    expect(member.node.commit).toBe(2);
  });

  test('a candidate takes no proposals', () => {
    expect(() => candidate().node.propose(bytes('x'))).toThrow(ProposalDropped);
  });
});
