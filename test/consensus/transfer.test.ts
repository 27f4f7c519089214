import { expect, test } from 'vitest';
import { ProposalDropped } from '../../src/consensus/errors.ts';
import { message, Network, TestMember } from './support/network.ts';
import { bytes } from './support/settings.ts';

function led(options = {}): Network {
  return Network.of(3, options).campaign(1);
}

test('should hand the lead to a member whose log is up to date', () => {
  const network = led();
  network.node(1).transferLeader(2);
  network.settle();
  expect(network.states()).toEqual(['follower', 'leader', 'follower']);
  expect(network.node(1).leader).toBe(2);
});

test('should hand over although voters keep a live leader by check-quorum', () => {
  const network = led({ checkQuorum: true });
  network.tick(1, 3);
  network.node(1).transferLeader(3);
  network.settle();
  expect(network.states()).toEqual(['follower', 'follower', 'leader']);
});

test('should bring a slow member up to date first', () => {
  const network = led();
  network.isolate(3).propose(1, 'while away').recover();
  network.node(1).transferLeader(3);
  network.settle();
  expect(network.node(3).state).toBe('leader');
  expect(network.member(3).appliedData).toEqual(['while away']);
});

test('should hand over to a member that needs a snapshot first', () => {
  const network = led();
  network.isolate(3).propose(1, 'while away');
  const first = network.member(1);
  first.storage.createSnapshot(first.node.applied, first.node.confState(), bytes(''));
  first.storage.compact(first.node.applied);
  network.recover();
  network.node(1).transferLeader(3);
  network.settle();
  network.tick(1);
  expect(network.states()).toEqual(['follower', 'follower', 'leader']);
});

test('should pass a follower’s wish on to the leader', () => {
  const network = led();
  network.node(2).transferLeader(2);
  network.settle();
  expect(network.node(2).state).toBe('leader');
});

test('should ignore a transfer to itself, to a stranger, to a learner', () => {
  const voters = [1, 2];
  const network = new Network([1, 2, 3].map((id) => new TestMember(id, voters, { learners: [3] }))).campaign(1);
  for (const to of [1, 9, 3]) {
    network.node(1).transferLeader(to);
    network.settle();
    expect(network.node(1).state).toBe('leader');
    expect(network.node(1).leadTransferee).toBe(0);
  }
});

test('should take no proposals meanwhile, and again after an election time-out', () => {
  const network = led().isolate(3);
  network.node(1).transferLeader(3);
  network.settle();
  expect(network.node(1).leadTransferee).toBe(3);
  expect(() => network.node(1).propose(bytes('x'))).toThrow(ProposalDropped);
  network.tick(1, 10);
  expect(network.node(1).leadTransferee).toBe(0);
  network.propose(1, 'y');
  expect(network.node(1).commit).toBe(network.node(1).lastIndex);
});

test('should count the time-out from the start of the transfer', () => {
  const network = led().isolate(3);
  network.tick(1, 9);
  network.node(1).transferLeader(3);
  network.tick(1, 9);
  expect(network.node(1).leadTransferee).toBe(3);
  network.tick(1, 1);
  expect(network.node(1).leadTransferee).toBe(0);
});

test('should not start again for a second wish to the same member', () => {
  const network = led().isolate(3);
  network.node(1).transferLeader(3);
  network.tick(1, 5);
  network.node(1).transferLeader(3);
  network.tick(1, 5);
  expect(network.node(1).leadTransferee).toBe(0);
});

test('should give one target up for another', () => {
  const network = led().isolate(3);
  network.node(1).transferLeader(3);
  network.settle();
  network.node(1).transferLeader(2);
  network.settle();
  expect(network.node(2).state).toBe('leader');
});

test('should give up when the target is removed', () => {
  const network = led().isolate(3);
  network.node(1).transferLeader(3);
  const context = bytes('');
  network.node(1).applyConfChange({ version: 1, type: 'remove-node', node: 3, context }, network.node(1).lastIndex + 1);
  expect(network.node(1).leadTransferee).toBe(0);
});

test('should give up when a higher term is seen', () => {
  const network = led().isolate(3);
  network.node(1).transferLeader(3);
  network.send(message('MsgVote', 2, 1, 2, { index: 1, logTerm: 1 }));
  expect(network.node(1).leadTransferee).toBe(0);
  expect(network.node(1).state).toBe('follower');
});

test('should not stand for election as a learner when told to', () => {
  const network = new Network([1, 2, 3].map((id) => new TestMember(id, [1, 2], { learners: [3] }))).campaign(1);
  network.send(message('MsgTimeoutNow', 1, 3, 1));
  expect(network.node(3).state).toBe('follower');
  expect(network.node(3).term).toBe(1);
});
