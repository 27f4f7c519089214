/** How much a leader sends before it hears back. */
import { describe, expect, test } from 'vitest';
import { ProposalDropped } from '../../src/consensus/errors.ts';
import type { Message } from '../../src/consensus/types.ts';
import { message, Network, TestMember } from './support/network.ts';
import { bytes } from './support/settings.ts';

const two = [1, 2] as const;

function replicating(options = {}): TestMember {
  const member = new TestMember(1, two, options).lead();
  member.step(message('MsgAppResp', 2, 1, 1, { index: 1 }));
  member.take();
  return member;
}

function appends(messages: readonly Message[]): Message[] {
  return messages.filter(({ type }) => type === 'MsgApp');
}

function propose(member: TestMember, count: number, size = 1): Message[] {
  for (let time = 0; time < count; time++) member.node.propose(new Uint8Array(size));
  return appends(member.take());
}

describe('the window of messages', () => {
  test('should be filled without waiting, and then no further', () => {
    const member = replicating({ maxInflightMessages: 4 });
    expect(propose(member, 10)).toHaveLength(4);
    expect(propose(member, 1)).toEqual([]);
  });

  test('should open by as much as is acknowledged, also for all before it', () => {
    const member = replicating({ maxInflightMessages: 4 });
    propose(member, 4);
    member.step(message('MsgAppResp', 2, 1, 1, { index: 3 }));
    member.take();
    // Two of four are still under way.
    expect(propose(member, 4).filter(({ entries }) => entries.length > 0)).toHaveLength(2);
  });

  test('should send an empty message on a heartbeat’s answer when all that filled it may be lost', () => {
    const member = replicating({ maxInflightMessages: 2 });
    propose(member, 3);
    for (let time = 0; time < 3; time++) {
      member.step(message('MsgHeartbeatResp', 2, 1, 1));
      const sent = appends(member.take());
      expect(sent).toHaveLength(1);
      expect(sent[0]?.entries).toEqual([]);
    }
  });

  test('should be bounded by bytes, too: a message may go beyond, the next waits', () => {
    const member = replicating({ maxInflightBytes: 100, maxBytesPerMessage: 100 });
    expect(propose(member, 10, 40)).toHaveLength(3);
  });
});

describe('messages', () => {
  test('should hold as many entries as fit, one at least', () => {
    // 16 bytes of header and 84 of data an entry.
    const member = replicating({ maxBytesPerMessage: 250 });
    member.node.reportUnreachable(2);
    propose(member, 5, 84);
    member.step(message('MsgAppResp', 2, 1, 1, { index: 1 }));
    const sizes = appends(member.take()).map(({ entries }) => entries.length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeGreaterThanOrEqual(3);
    expect(Math.max(...sizes)).toBe(2);
  });

  test('should hold one entry each when the limit is 0', () => {
    const network = Network.of(2, { maxBytesPerMessage: 0 }).campaign(1);
    network.isolate(2);
    for (let time = 0; time < 4; time++) network.propose(1, `${time}`);
    network.recover().tick(1);
    const sizes = appends(network.delivered).map(({ entries }) => entries.length);
    expect(Math.max(...sizes)).toBe(1);
    expect(network.member(2).node.lastIndex).toBe(5);
  });
});

describe('a follower that is probed', () => {
  test('should get one message, and the next when it answers', () => {
    const member = replicating();
    member.node.reportUnreachable(2);
    expect(propose(member, 1)).toHaveLength(1);
    expect(propose(member, 5)).toEqual([]);
    member.step(message('MsgHeartbeatResp', 2, 1, 1));
    expect(appends(member.take())).toHaveLength(1);
  });

  test('should be streamed to again when it acknowledges what it had', () => {
    const member = replicating();
    member.node.reportUnreachable(2);
    expect(member.node.status().progress[1]?.state).toBe('probe');
    member.step(message('MsgAppResp', 2, 1, 1, { index: 1 }));
    expect(member.node.status().progress[1]?.state).toBe('replicate');
  });
});

describe('the uncommitted tail', () => {
  test('should take no more than its bytes, and again when it is committed', () => {
    const member = replicating({ maxUncommittedBytes: 100 });
    propose(member, 10, 10);
    expect(() => member.node.propose(new Uint8Array(1))).toThrow(ProposalDropped);
    const { lastIndex } = member.node;
    member.step(message('MsgAppResp', 2, 1, 1, { index: lastIndex }));
    member.node.propose(new Uint8Array(1));
    expect(member.node.lastIndex).toBe(lastIndex + 1);
  });

  test('should take one of any size when it is empty, and empty ones always', () => {
    const member = replicating({ maxUncommittedBytes: 100 });
    member.node.propose(new Uint8Array(1_000));
    member.node.propose(new Uint8Array(0));
    expect(() => member.node.propose(new Uint8Array(1))).toThrow(ProposalDropped);
    expect(member.node.lastIndex).toBe(3);
  });

  test('should take a batch whole or not at all', () => {
    const member = replicating({ maxUncommittedBytes: 100 });
    member.node.proposeAll([bytes('a'), bytes('b')]);
    expect(member.node.lastIndex).toBe(3);
    expect(() => member.node.proposeAll([new Uint8Array(60), new Uint8Array(60)])).toThrow(ProposalDropped);
    expect(member.node.lastIndex).toBe(3);
    const sent = appends(member.take()).filter(({ entries }) => entries.length > 0);
    expect(sent.map(({ entries }) => entries.length)).toEqual([2]);
  });
});

test('should not hand out more committed entries than may be applied at a time', () => {
  const member = new TestMember(1, [1], { maxCommittedBytesPerReady: 60, maxBytesPerMessage: 1_000 }).lead();
  member.node.propose(new Uint8Array(20));
  for (let time = 0; time < 5; time++) member.node.propose(new Uint8Array(20));
  const sizes: number[] = [];
  while (member.node.hasReady()) {
    const ready = member.node.ready();
    member.storage.append(ready.entries);
    sizes.push(ready.committedEntries.length);
    member.node.advance(ready);
  }
  expect(Math.max(...sizes)).toBeLessThanOrEqual(2);
  expect(member.node.applied).toBe(member.node.lastIndex);
});
