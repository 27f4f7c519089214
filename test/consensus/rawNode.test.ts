import { describe, expect, test } from 'vitest';
import type { RaftConfig } from '../../src/consensus/config.ts';
import {
  ConfChangeInvalid,
  LocalMessage,
  LogLost,
  PeerNotFound,
  ProposalDropped,
  RaftConfigInvalid,
  RaftPanic,
} from '../../src/consensus/errors.ts';
import type { RaftEvent } from '../../src/consensus/events.ts';
import { MemoryStorage } from '../../src/consensus/memoryStorage.ts';
import { RawNode } from '../../src/consensus/rawNode.ts';
import type { ConfChangeV2, Message } from '../../src/consensus/types.ts';
import { appendThread, applyThread } from '../../src/consensus/types.ts';
import { confStateOf, entry, message, Network, TestMember } from './support/network.ts';
import { bytes, entryBytes, plainSettings } from './support/settings.ts';

function change(...changes: ConfChangeV2['changes']): ConfChangeV2 {
  return { version: 2, transition: 'auto', changes, context: bytes('') };
}

describe('its settings', () => {
  const storage = new MemoryStorage(entryBytes);
  const wrong: [string, Partial<RaftConfig>][] = [
    ['id', { id: 0 }],
    ['id', { id: -1 }],
    ['id', { id: 1.5 }],
    ['heartbeatTicks', { heartbeatTicks: 0 }],
    ['electionTicks', { electionTicks: 1 }],
    ['maxInflightMessages', { maxInflightMessages: 0 }],
    ['maxInflightBytes', { maxInflightBytes: 10, maxBytesPerMessage: 11 }],
    ['checkQuorum', { readOnly: 'lease' }],
  ];
  test.each(wrong)('should be refused by name: %s %j', (name, settings) => {
    const work = (): RawNode => new RawNode({ ...plainSettings, id: 1, storage, ...settings });
    expect(work).toThrow(RaftConfigInvalid);
    expect(work).toThrow(name);
  });
});

describe('messages from outside', () => {
  test('should be refused when only the member itself may send them', () => {
    const { node } = new TestMember(1, [1, 2, 3]);
    for (const type of ['MsgHup', 'MsgBeat', 'MsgCheckQuorum', 'MsgStorageAppendResp', 'MsgUnreachable'] as const) {
      expect(() => node.step(message(type, 2, 1, 1))).toThrow(LocalMessage);
    }
  });

  test('should be refused when they answer what a stranger was not asked', () => {
    const { node } = new TestMember(1, [1, 2, 3]);
    for (const type of ['MsgAppResp', 'MsgVoteResp', 'MsgHeartbeatResp'] as const) {
      expect(() => node.step(message(type, 9, 1, 1))).toThrow(PeerNotFound);
    }
    expect(node.term).toBe(0);
  });

  test('should not be believed when a proposal carries a damaged change', () => {
    const network = Network.of(3).campaign(1);
    const damaged = { ...entry(0, 0), type: 'conf-change' as const, data: Uint8Array.of(24) };
    expect(() => network.node(1).step(message('MsgProp', 2, 1, 0, { entries: [damaged] }))).toThrow(ProposalDropped);
    expect(network.node(1).lastIndex).toBe(1);
  });

  test('should show that the log was lost when a leader counts on entries beyond its end', () => {
    const { node } = new TestMember(1, [1, 2, 3], { terms: [1, 1] });
    node.step(message('MsgHeartbeat', 2, 1, 1, { commit: 2 }));
    expect(node.commit).toBe(2);
    const beyond = (): void => node.step(message('MsgHeartbeat', 2, 1, 1, { commit: 5 }));
    expect(beyond).toThrow(LogLost);
    expect(beyond).toThrow(RaftPanic);
    expect(beyond).toThrow(expect.objectContaining({ name: 'LogLost', commit: 5, lastIndex: 2 }));
    expect(node.commit).toBe(2);
  });
});

describe('proposals', () => {
  test('should be passed to the leader, or dropped where that is asked for', () => {
    const network = Network.of(3).campaign(1).propose(2, 'from a follower');
    expect(network.member(3).appliedData).toEqual(['from a follower']);
    const strict = Network.of(3, { disableProposalForwarding: true }).campaign(1);
    expect(() => strict.node(2).propose(bytes('x'))).toThrow(ProposalDropped);
  });

  test('should be dropped without a leader, and by one that was removed', () => {
    const network = Network.of(3);
    expect(() => network.node(1).propose(bytes('x'))).toThrow(ProposalDropped);
    network
      .campaign(1)
      .node(1)
      .proposeConfChange(change({ type: 'remove-node', node: 1 }));
    network.settle();
    expect(network.node(1).state).toBe('leader');
    expect(() => network.node(1).propose(bytes('x'))).toThrow(ProposalDropped);
  });
});

describe('configuration changes', () => {
  test('should be refused while one is not applied, and by a new leader until its tail is', () => {
    const network = Network.of(3).campaign(1).isolate(1);
    network.node(1).proposeConfChange(change({ type: 'add-learner', node: 4 }));
    const events: RaftEvent[] = [];
    const sink = { event: (event: RaftEvent): number => events.push(event) };
    Object.defineProperty(network.node(1).core, 'sink', { value: sink });
    expect(network.node(1).mayChangeConfiguration).toBe(false);
    network.node(1).proposeConfChange(change({ type: 'add-learner', node: 5 }));
    expect(events.filter(({ kind }) => kind === 'change-ignored')).toHaveLength(1);
    expect(network.node(1).lastIndex).toBe(3);
    network.recover().settle().tick(1);
    expect(network.node(3).confState().learners).toEqual([4]);
    expect(network.node(1).mayChangeConfiguration).toBe(true);
  });

  test.each(['two-pending', 'conf-before-own-term'] as const)(
    'with the bug %s planted, two are in a log at once',
    (bug) => {
      const terms = [1, 1];
      const options = { terms, hardState: { term: 1, vote: 0, commit: 1 }, mutant: (name: string) => name === bug };
      for (const planted of [true, false]) {
        const member = new TestMember(1, [1, 2, 3], planted ? options : { ...options, mutant: () => false }).lead();
        member.node.proposeConfChange(change({ type: 'add-learner', node: 4 }));
        if (bug === 'two-pending') member.node.proposeConfChange(change({ type: 'add-learner', node: 5 }));
        const { log } = member.node.core;
        const changes = log.entriesFrom(1, Number.POSITIVE_INFINITY)?.filter(({ type }) => type !== 'normal');
        // Without the bug the leader's tail is not applied, so none at all is let in.
        expect(changes).toHaveLength(planted ? (bug === 'two-pending' ? 2 : 1) : 0);
      }
    },
  );

  test('should go through a joint configuration and leave it, also over a change of leaders', () => {
    const network = new Network([1, 2, 3, 4, 5].map((id) => new TestMember(id, [1, 2, 3]))).campaign(1);
    network
      .node(1)
      .proposeConfChange(
        change({ type: 'add-node', node: 4 }, { type: 'add-node', node: 5 }, { type: 'remove-node', node: 1 }),
      );
    network.settle();
    const { voters, votersOutgoing } = network.node(2).confState();
    expect([voters, votersOutgoing]).toEqual([[2, 3, 4, 5], []]);
    network.campaign(4);
    expect(network.node(4).state).toBe('leader');
  });

  test('should make a leader that is removed step down where that is asked for', () => {
    const network = Network.of(3, { stepDownOnRemoval: true }).campaign(1);
    network.node(1).proposeConfChange(change({ type: 'remove-node', node: 1 }));
    network.settle();
    expect(network.node(1).state).toBe('follower');
    network.tick(1, 30);
    expect(network.node(1).state).toBe('follower');
    network.campaign(2).propose(2, 'goes on');
    expect(network.member(3).appliedData).toEqual(['goes on']);
  });

  test('should change nothing when they are impossible', () => {
    const { node } = new TestMember(1, [1]);
    expect(() => node.applyConfChange(change({ type: 'remove-node', node: 1 }), 1)).toThrow(ConfChangeInvalid);
    expect(node.confState().voters).toEqual([1]);
  });

  test('should keep a candidate waiting that has not applied those that are committed', () => {
    const member = new TestMember(1, [1, 2, 3]);
    const { data, type } = { data: Uint8Array.of(8, 0, 16, 0, 24, 4), type: 'conf-change' as const };
    member.node.step(message('MsgApp', 2, 1, 1, { entries: [{ index: 1, term: 1, data, type }], commit: 1 }));
    member.node.campaign();
    expect(member.node.state).toBe('follower');
    member.work().node.campaign();
    expect(member.node.state).toBe('candidate');
  });
});

test.each([
  [0, 3],
  [1, 2],
  [2, 1],
])(
  'the first heartbeat of a lead that begins %i ticks after those of other groups comes with their next ones, after %i',
  (phase, ticks) => {
    const storage = new MemoryStorage(entryBytes);
    storage.applySnapshot({ metadata: { confState: confStateOf([1, 2]), index: 2, term: 1 }, data: bytes('') });
    const settings = { ...plainSettings, heartbeatTicks: 3, heartbeatPhase: () => phase };
    const node = new RawNode({ ...settings, id: 1, storage, applied: 2 });
    const sent = (): readonly Message[] => {
      const ready = node.ready();
      node.advance(ready);
      return ready.messages;
    };
    node.campaign();
    sent();
    node.step(message('MsgVoteResp', 2, 1, node.term));
    expect(node.state).toBe('leader');
    sent();
    const beats = Array.from({ length: 9 }, (_, at) => {
      node.tick();
      return sent().some(({ type }) => type === 'MsgHeartbeat') ? [at + 1] : [];
    });
    expect(beats.flat()).toEqual([ticks, ticks + 3, ticks + 6]);
  },
);

describe('a restart', () => {
  function restarted(applied: number, commit: number): RawNode {
    const storage = new MemoryStorage(entryBytes);
    storage.applySnapshot({ metadata: { confState: confStateOf([1, 2]), index: 2, term: 1 }, data: bytes('') });
    storage.append([entry(3, 1), entry(4, 1), entry(5, 1)]);
    storage.setHardState({ term: 3, vote: 2, commit });
    return new RawNode({ ...plainSettings, id: 1, storage, applied });
  }

  test('should take term, vote, commit and log from storage, and apply what was not', () => {
    const node = restarted(3, 4);
    expect([node.term, node.core.vote, node.commit, node.applied, node.lastIndex]).toEqual([3, 2, 4, 3, 5]);
    expect(node.hasReady()).toBe(true);
    expect(node.ready().committedEntries.map(({ index }) => index)).toEqual([4]);
  });

  test('should know that what was applied or compacted was committed, whatever the hard state says', () => {
    expect(restarted(4, 1).commit).toBe(4);
    expect(restarted(0, 1).commit).toBe(2);
  });

  test('should not begin with a commit index beyond the log', () => {
    expect(() => restarted(0, 9)).toThrow(RaftPanic);
  });

  test('should have nothing to say', () => {
    expect(restarted(5, 5).hasReady()).toBe(false);
  });
});

describe('asynchronous storage writes', () => {
  /** A voter of two, and what it hands to its threads. */
  function asynchronous(): { node: RawNode; storage: MemoryStorage; take: () => readonly Message[] } {
    const storage = new MemoryStorage(entryBytes);
    storage.applySnapshot({ metadata: { confState: confStateOf([1, 2]), index: 2, term: 1 }, data: bytes('') });
    const node = new RawNode({ ...plainSettings, id: 1, storage, applied: 2, asyncStorageWrites: true });
    return { node, storage, take: () => node.ready().messages };
  }

  function store(storage: MemoryStorage, append: Message | undefined): readonly Message[] {
    storage.append(append?.entries ?? []);
    return append?.responses ?? [];
  }

  test('should bind what promises something to the write that it depends on', () => {
    const { node, take } = asynchronous();
    node.step(message('MsgVote', 2, 1, 5, { index: 2, logTerm: 1 }));
    const messages = take();
    expect(messages.map(({ type, to }) => [type, to])).toEqual([['MsgStorageAppend', appendThread]]);
    expect(messages[0]).toMatchObject({ term: 5, vote: 2, commit: 2 });
    expect(messages[0]?.responses.map(({ type, to }) => [type, to])).toEqual([['MsgVoteResp', 2]]);
  });

  test('should not apply what is committed before it is stored here', () => {
    const { node, storage, take } = asynchronous();
    node.step(message('MsgApp', 2, 1, 1, { index: 2, logTerm: 1, entries: [entry(3, 1, 'x')], commit: 3 }));
    const [append, ...others] = take();
    expect(node.commit).toBe(3);
    expect(others).toEqual([]);
    for (const response of store(storage, append)) if (response.to === 1) node.step(response);
    const [apply] = take();
    expect(apply).toMatchObject({ type: 'MsgStorageApply', to: applyThread });
    expect(apply?.entries).toEqual([entry(3, 1, 'x')]);
    expect(node.applied).toBe(2);
    for (const response of apply?.responses ?? []) node.step(response);
    expect(node.applied).toBe(3);
  });

  test('should hand each entry out once, while earlier writes are under way', () => {
    const { node, take } = asynchronous();
    const app = (index: number): Message =>
      message('MsgApp', 2, 1, 1, { index: index - 1, logTerm: 1, entries: [entry(index, 1)] });
    node.step(app(3));
    const first = take()[0]?.entries;
    node.step(app(4));
    const second = take()[0]?.entries;
    expect([first, second]).toEqual([[entry(3, 1)], [entry(4, 1)]]);
    expect(node.hasReady()).toBe(false);
  });

  test('should believe a report only if no term has passed since: other entries may have taken the place', () => {
    const { node, storage, take } = asynchronous();
    node.step(message('MsgApp', 2, 1, 1, { index: 2, logTerm: 1, entries: [entry(3, 1, 'a')] }));
    const [old] = take();
    // Another leader, then the first one again with the same entry: the write of the entry between is still to come.
    node.step(message('MsgApp', 2, 1, 2, { index: 2, logTerm: 1, entries: [entry(3, 2, 'b')] }));
    const [between] = take();
    node.step(message('MsgApp', 2, 1, 3, { index: 2, logTerm: 1, entries: [entry(3, 1, 'a'), entry(4, 3)] }));
    const [last] = take();
    const report = (append: Message | undefined): void => {
      for (const response of store(storage, append)) if (response.to === 1) node.step(response);
    };
    report(old);
    expect(node.core.log.unstable.offset).toBe(3);
    report(between);
    expect(node.core.log.unstable.offset).toBe(3);
    expect(node.core.log.term(3)).toBe(1);
    report(last);
    expect(node.core.log.unstable.offset).toBe(5);
    expect([3, 4].map((index) => storage.term(index))).toEqual([1, 3]);
  });

  test('should send entries to others while its own write is under way, and count itself only afterwards', () => {
    const { node, storage, take } = asynchronous();
    node.campaign();
    const [vote] = take().filter(({ to }) => to === appendThread);
    for (const response of store(storage, vote)) node.step(response);
    node.step(message('MsgVoteResp', 2, 1, node.term));
    const messages = take();
    expect(messages.map(({ type }) => type)).toEqual(['MsgApp', 'MsgStorageAppend']);
    node.step(message('MsgAppResp', 2, 1, node.term, { index: 3 }));
    expect(node.commit).toBe(2);
    for (const response of store(storage, messages[1])) node.step(response);
    expect(node.commit).toBe(3);
    expect(node.committedInTerm).toBe(true);
  });

  test('should not be advanced', () => {
    const { node } = asynchronous();
    node.campaign();
    const ready = node.ready();
    expect(() => node.advance(ready)).toThrow(RaftPanic);
  });
});

test('should not take a second Ready before the first is advanced', () => {
  const { node } = new TestMember(1, [1]);
  node.campaign();
  node.ready();
  node.tick();
  expect(() => node.ready()).toThrow(RaftPanic);
});
