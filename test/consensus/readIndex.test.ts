import { describe, expect, test } from 'vitest';
import { maxPendingReads } from '../../src/consensus/core.ts';
import { message, Network, TestMember } from './support/network.ts';
import { bytes, text } from './support/settings.ts';

function reads(network: Network, id: number): [string, number][] {
  return network.member(id).readStates.map(({ context, index }) => [text(context), index]);
}

describe.each(['safe', 'lease'] as const)('read index, %s', (readOnly) => {
  const options = { readOnly, checkQuorum: true };

  test('should answer the leader and followers with the commit index', () => {
    const network = Network.of(3, options).campaign(1).propose(1, 'x');
    for (const id of [1, 2, 3]) network.node(id).readIndex(bytes(`r${id}`));
    network.settle();
    for (const id of [1, 2, 3]) expect(reads(network, id)).toEqual([[`r${id}`, 2]]);
  });

  test('should wait until the leader has committed an entry of its term', () => {
    const network = Network.of(3, options).campaign(1).propose(1, 'x');
    network.ignore('MsgAppResp').node(1).transferLeader(2);
    network.settle();
    expect(network.node(2).state).toBe('leader');
    expect(network.node(2).committedInTerm).toBe(false);
    network.node(2).readIndex(bytes('early'));
    network.settle();
    expect(reads(network, 2)).toEqual([]);
    network.recover().tick(2);
    expect(network.node(2).committedInTerm).toBe(true);
    expect(reads(network, 2)).toEqual([['early', 3]]);
  });

  test('should be dropped without a leader', () => {
    const network = Network.of(3, options);
    network.node(1).readIndex(bytes('r'));
    network.settle();
    expect(reads(network, 1)).toEqual([]);
  });
});

test('should not answer from a leader that was deposed without knowing it', () => {
  const network = Network.of(5).campaign(1);
  for (const id of [1, 2]) for (const other of [3, 4, 5]) network.cut(id, other).cut(other, id);
  network.campaign(3).propose(3, 'newer');
  network.node(1).readIndex(bytes('stale'));
  network.settle();
  expect(network.node(1).state).toBe('leader');
  expect(reads(network, 1)).toEqual([]);
});

test('should answer from a lease without asking anybody', () => {
  const network = Network.of(3, { readOnly: 'lease', checkQuorum: true }).campaign(1).isolate(1);
  network.node(1).readIndex(bytes('r'));
  network.settle();
  expect(reads(network, 1)).toEqual([['r', 1]]);
});

test('should confirm all reads before it by one round of heartbeats, in order', () => {
  const network = Network.of(3).campaign(1).isolate(1);
  for (const name of ['a', 'b', 'c']) network.node(1).readIndex(bytes(name));
  network.settle();
  expect(reads(network, 1)).toEqual([]);
  network.recover().tick(1);
  expect(reads(network, 1).map(([name]) => name)).toEqual(['a', 'b', 'c']);
});

test('should tell two reads of one context apart', () => {
  const network = Network.of(3).campaign(1);
  for (let time = 0; time < 2; time++) network.node(1).readIndex(bytes('same'));
  network.settle();
  expect(reads(network, 1)).toHaveLength(2);
});

test('should answer a single voter only after its own first entry: its commit index may be old', () => {
  const member = new TestMember(1, [1], { terms: [1, 1, 1], hardState: { term: 1, vote: 1, commit: 1 } });
  member.node.campaign();
  const ready = member.node.ready();
  if (ready.hardState !== undefined) member.storage.setHardState(ready.hardState);
  member.node.advance(ready);
  expect(member.node.state).toBe('leader');
  member.node.readIndex(bytes('r'));
  member.work();
  expect(member.readStates.map(({ index }) => index)).toEqual([4]);
});

test('should forget reads with the lead', () => {
  const network = Network.of(3).campaign(1).isolate(1);
  network.node(1).readIndex(bytes('lost'));
  network.settle();
  network.recover().campaign(2).campaign(1).tick(1);
  expect(reads(network, 1)).toEqual([]);
});

test('should not count answers that it did not ask for', () => {
  const network = Network.of(3).campaign(1).isolate(1);
  network.node(1).readIndex(bytes('r'));
  network.settle();
  for (const context of [bytes('r'), new Uint8Array(8).fill(255), new Uint8Array(0), new Uint8Array(8)]) {
    network.send(message('MsgHeartbeatResp', 2, 1, 1, { context }));
  }
  expect(reads(network, 1)).toEqual([]);
});

test('should let no more reads wait than its bound', () => {
  const network = Network.of(3).campaign(1).isolate(1);
  for (let asked = 0; asked < maxPendingReads + 10; asked++) network.node(1).readIndex(bytes(`${asked}`));
  network.settle();
  network.recover().tick(1);
  expect(reads(network, 1)).toHaveLength(maxPendingReads);
});

test('should drop malformed questions and answers', () => {
  const network = Network.of(3).campaign(1);
  network.send(message('MsgReadIndex', 2, 1, 0), message('MsgReadIndexResp', 1, 2, 1));
  expect(reads(network, 2)).toEqual([]);
});
