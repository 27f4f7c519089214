/** Pre-vote, check-quorum, leases of votes, forgotten leaders, learners. */
import { describe, expect, test } from 'vitest';
import { message, Network, TestMember } from './support/network.ts';
import { bytes } from './support/settings.ts';

describe('pre-vote', () => {
  const options = { preVote: true };

  test('should elect a leader in two rounds', () => {
    const network = Network.of(3, options).campaign(1);
    expect(network.states()).toEqual(['leader', 'follower', 'follower']);
    expect(network.delivered.map(({ type }) => type).slice(0, 4)).toEqual([
      'MsgPreVote',
      'MsgPreVote',
      'MsgPreVoteResp',
      'MsgPreVoteResp',
    ]);
  });

  test('should leave no trace of a candidate that cannot win', () => {
    const network = Network.of(3, options).campaign(1).isolate(3);
    network.propose(1, 'x');
    for (let tries = 0; tries < 5; tries++) network.tick(3, 10);
    expect(network.node(3).term).toBe(1);
    network.recover().tick(3, 10).tick(1);
    expect(network.states()).toEqual(['leader', 'follower', 'follower']);
    expect(network.node(1).term).toBe(1);
    expect(network.node(3).commit).toBe(network.node(1).commit);
  });

  test('without it, such a candidate deposes the leader', () => {
    const network = Network.of(3, { ...options, mutant: (name) => name === 'no-prevote' })
      .campaign(1)
      .isolate(3);
    for (let tries = 0; tries < 5; tries++) network.tick(3, 10);
    network.recover().tick(3, 10);
    expect(network.node(1).term).toBeGreaterThan(1);
  });

  test('should vote only once although a pre-vote was granted to two', () => {
    const member = new TestMember(1, [1, 2, 3], options);
    for (const from of [2, 3]) {
      const [answer] = member.step(message('MsgPreVote', from, 1, 1)).take();
      expect(answer).toMatchObject({ type: 'MsgPreVoteResp', reject: false, term: 1 });
    }
    expect(member.node.term).toBe(0);
    const answers = [2, 3].map((from) => member.step(message('MsgVote', from, 1, 1)).take()[0]?.reject);
    expect(answers).toEqual([false, true]);
  });

  test('should tell a pre-candidate of an older term what term it is', () => {
    const member = new TestMember(1, [1, 2, 3], { ...options, hardState: { term: 4, vote: 0, commit: 0 } });
    const [answer] = member.step(message('MsgPreVote', 2, 1, 2)).take();
    expect(answer).toMatchObject({ type: 'MsgPreVoteResp', reject: true, term: 4 });
  });

  test('should not count a promise for a term that it has given up since', () => {
    const member = new TestMember(1, [1, 2, 3], options);
    member.node.campaign();
    member.take();
    member.step(message('MsgHeartbeat', 2, 1, 1)).take();
    member.node.campaign();
    member.take();
    expect(member.node.term).toBe(1);
    expect(member.step({ ...message('MsgPreVoteResp', 3, 1, 1), reject: false }).take()).toEqual([]);
    const [asked] = member.step({ ...message('MsgPreVoteResp', 3, 1, 2), reject: false }).take();
    expect(asked).toMatchObject({ type: 'MsgVote', term: 2 });
  });

  test('should come together again when members with and without it share a group', () => {
    const voters = [1, 2, 3];
    const network = new Network(
      voters.map((id) => new TestMember(id, voters, { preVote: id !== 3, checkQuorum: true })),
    );
    network.campaign(1).isolate(3);
    for (let tries = 0; tries < 3; tries++) network.tick(3, 10);
    expect(network.node(3).term).toBeGreaterThan(1);
    network.recover().tick(1).tick(1);
    // The leader hears of the higher term from the answer to its heartbeat, and the group elects anew.
    for (let tries = 0; tries < 4 && !network.states().includes('leader'); tries++) network.tick(1, 10).tick(2, 10);
    expect(network.states().filter((state) => state === 'leader')).toHaveLength(1);
    expect(network.node(3).term).toBe(network.node(1).term);
  });
});

describe('check-quorum', () => {
  const options = { checkQuorum: true };

  test('should end the lead of one whom no majority hears, within two time-outs', () => {
    const network = Network.of(3, options).campaign(1).isolate(1);
    network.tick(1, 20);
    expect(network.node(1).state).toBe('follower');
    expect(network.node(1).leader).toBe(0);
  });

  test('without it, such a leader goes on', () => {
    const network = Network.of(3, { ...options, mutant: (name) => name === 'no-check-quorum' })
      .campaign(1)
      .isolate(1);
    network.tick(1, 40);
    expect(network.node(1).state).toBe('leader');
  });

  test('should keep the lead of one whom a majority hears', () => {
    const network = Network.of(3, options).campaign(1).isolate(3);
    network.tick(1, 50);
    expect(network.node(1).state).toBe('leader');
  });

  test('should not answer candidates while a leader is heard, and answer them after a time-out without', () => {
    const network = Network.of(3, options).campaign(1);
    const { node } = network.member(2);
    network.send(message('MsgVote', 3, 2, 2, { index: 1, logTerm: 1 }));
    expect(node.term).toBe(1);
    // Its own time-out is longer than the shortest, so it does not campaign itself.
    node.core.randomizedElectionTimeout = 20;
    network.cut(1, 2).tick(2, 10);
    network.send(message('MsgVote', 3, 2, 2, { index: 1, logTerm: 1 }));
    expect(node.term).toBe(2);
  });

  test('should free a member that is stuck in a later term', () => {
    const network = Network.of(3, options).campaign(1).isolate(3);
    network.tick(3, 10).tick(3, 10);
    expect(network.node(3).term).toBeGreaterThan(1);
    network.recover().tick(1);
    expect(network.node(1).state).toBe('follower');
    expect(network.node(1).term).toBe(network.node(3).term);
  });

  test('should not be upset by a member that was just added', () => {
    const network = Network.of(1, options).campaign(1);
    const context = bytes('');
    network.node(1).proposeConfChange({ version: 1, type: 'add-node', node: 2, context });
    network.settle();
    network.tick(1, 9);
    expect(network.node(1).state).toBe('leader');
  });
});

describe('forgetting a leader', () => {
  test('should let a follower vote for another within the lease', () => {
    const network = Network.of(3, { checkQuorum: true, preVote: true }).campaign(1);
    network.node(2).forgetLeader();
    expect(network.node(2).leader).toBe(0);
    network.node(3).forgetLeader();
    network.campaign(3);
    expect(network.node(3).state).toBe('leader');
  });

  test('should be refused where reads trust leases, and mean nothing to a leader', () => {
    const network = Network.of(3, { checkQuorum: true, readOnly: 'lease' }).campaign(1);
    for (const id of [1, 2]) network.node(id).forgetLeader();
    expect(network.node(1).leader).toBe(1);
    expect(network.node(2).leader).toBe(1);
  });

  test('should be undone by the next heartbeat', () => {
    const network = Network.of(3).campaign(1);
    network.node(2).forgetLeader();
    network.tick(1);
    expect(network.node(2).leader).toBe(1);
  });
});

describe('learners', () => {
  function group(options = {}): Network {
    return new Network([1, 2, 3].map((id) => new TestMember(id, [1, 2], { learners: [3], ...options })));
  }

  test('should never stand for election', () => {
    const network = group();
    network.tick(3, 30);
    network.campaign(3);
    expect(network.node(3).state).toBe('follower');
  });

  test('should get all entries and count for none', () => {
    const network = group().campaign(1).isolate(2);
    network.node(1).propose(bytes('x'));
    network.settle();
    expect(network.node(3).lastIndex).toBe(2);
    expect(network.node(1).commit).toBe(1);
    network.recover().tick(1);
    expect(network.member(3).appliedData).toEqual(['x']);
  });

  test('with the bug planted, they count', () => {
    const network = group({ mutant: (name: string) => name === 'learner-counts' })
      .campaign(1)
      .isolate(2);
    network.propose(1, 'x');
    expect(network.node(1).commit).toBe(2);
  });

  test('should vote when asked: they may have been promoted without knowing', () => {
    const [answer] = group()
      .member(3)
      .step(message('MsgVote', 2, 3, 2, { index: 9, logTerm: 1 }))
      .take();
    expect(answer).toMatchObject({ type: 'MsgVoteResp', reject: false });
  });

  test('should stand for election once promoted', () => {
    const network = group().campaign(1);
    network.node(1).proposeConfChange({ version: 1, type: 'add-node', node: 3, context: bytes('') });
    network.settle().campaign(3);
    expect(network.node(3).state).toBe('leader');
  });
});

test('should leave an election that a change took it out of', () => {
  const member = new TestMember(1, [1, 2, 3]);
  member.node.campaign();
  member.take();
  member.node.applyConfChange({ version: 1, type: 'remove-node', node: 1, context: bytes('') }, 1);
  for (const from of [2, 3]) member.step(message('MsgVoteResp', from, 1, 1));
  expect(member.node.state).toBe('follower');
});
