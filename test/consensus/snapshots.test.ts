import { describe, expect, test } from 'vitest';
import { SnapshotNotReady } from '../../src/consensus/errors.ts';
import type { RaftEvent } from '../../src/consensus/events.ts';
import type { Snapshot } from '../../src/consensus/types.ts';
import { confStateOf, entry, message, Network, TestMember } from './support/network.ts';
import { bytes, text } from './support/settings.ts';

/** A leader whose log begins at 11, and a follower that it knows to be alive. */
function leaderWithSnapshot(options = {}): TestMember {
  const terms = new Array<number>(11).fill(1);
  const member = new TestMember(1, [1, 2], {
    terms,
    hardState: { term: 1, vote: 0, commit: 11 },
    applied: 11,
    ...options,
  });
  member.storage.createSnapshot(11, confStateOf([1, 2]), bytes('state'));
  member.storage.compact(10);
  member.lead();
  member.take();
  return member;
}

function snapshotAt(index: number, term: number, voters: readonly number[] = [1, 2, 3]): Snapshot {
  return { metadata: { confState: confStateOf(voters), index, term }, data: bytes('state') };
}

/** The follower's log ends at 3, far behind. */
function refuse(member: TestMember): void {
  member.step(message('MsgAppResp', 2, 1, 2, { index: 11, reject: true, rejectHint: 3, logTerm: 1 }));
}

describe('what a snapshot shows to be committed', () => {
  test('should be known to who has it in its log, and to nobody else; a leader goes by what it counts', () => {
    const options = { terms: [1, 1, 2, 2], hardState: { term: 2, vote: 0, commit: 1 } };
    const { node } = new TestMember(1, [1, 2, 3], options);
    expect(node.learnCommitted({ index: 4, term: 1 })).toBe(false);
    expect(node.learnCommitted({ index: 5, term: 2 })).toBe(false);
    expect(node.commit).toBe(1);
    expect(node.learnCommitted({ index: 3, term: 2 })).toBe(true);
    expect(node.learnCommitted({ index: 2, term: 1 })).toBe(false);
    expect(node.commit).toBe(3);
    const leader = new TestMember(1, [1, 2, 3], options);
    leader.lead();
    expect(leader.node.learnCommitted({ index: 3, term: 2 })).toBe(false);
    expect(leader.node.commit).toBe(1);
  });
});

describe('a leader', () => {
  test('should send a snapshot where the log is compacted, and nothing more until it arrives', () => {
    const member = leaderWithSnapshot();
    refuse(member);
    const [sent] = member.take();
    expect(sent?.type).toBe('MsgSnap');
    expect(text(sent?.snapshot?.data ?? bytes(''))).toBe('state');
    expect(member.node.status().progress[1]).toMatchObject({ state: 'snapshot', pendingSnapshot: 11, paused: true });
    member.node.propose(bytes('x'));
    expect(member.take()).toEqual([]);
  });

  test('should go on behind the snapshot when it arrived, and probe again when it did not', () => {
    for (const [arrived, next] of [
      [true, 12],
      [false, 1],
    ] as const) {
      const member = leaderWithSnapshot();
      refuse(member);
      member.node.reportSnapshot(2, arrived);
      expect(member.node.status().progress[1]).toMatchObject({
        state: 'probe',
        pendingSnapshot: 0,
        next,
        paused: true,
      });
    }
  });

  test('should stream again when the follower acknowledges, whatever snapshot it restored', () => {
    const member = leaderWithSnapshot();
    refuse(member);
    member.step(message('MsgAppResp', 2, 1, 2, { index: 10 }));
    expect(member.node.status().progress[1]).toMatchObject({ state: 'replicate', match: 10 });
  });

  test('should go on when the follower tells again what it has, after its answer was lost', () => {
    const leader = leaderWithSnapshot();
    refuse(leader);
    const [sent] = leader.take();
    if (sent?.type !== 'MsgSnap') throw new Error('expected a snapshot');
    const follower = new TestMember(2, [1, 2], {});
    follower.step(sent);
    expect(follower.take()).toMatchObject([{ type: 'MsgAppResp', index: 11 }]);
    leader.node.propose(bytes('x'));
    expect(leader.take()).toEqual([]);
    follower.node.acknowledge();
    const [again] = follower.take();
    expect(again).toMatchObject({ type: 'MsgAppResp', to: 1, term: 2, index: 11, reject: false });
    if (again !== undefined) leader.step(again);
    expect(leader.node.status().progress[1]).toMatchObject({ state: 'replicate', match: 11 });
    expect(leader.take()).toMatchObject([{ type: 'MsgApp', to: 2, index: 11 }]);
  });

  test('should have nobody to acknowledge to, nor has who knows none', () => {
    const leader = leaderWithSnapshot();
    leader.node.acknowledge();
    expect(leader.take()).toEqual([]);
    const alone = new TestMember(2, [1, 2], {});
    alone.node.acknowledge();
    expect(alone.take()).toEqual([]);
  });

  test('should send the next snapshot when the log was compacted beyond the one that was restored', () => {
    const member = leaderWithSnapshot();
    refuse(member);
    member.take();
    const { storage, node } = member;
    for (let time = 0; time < 3; time++) node.propose(bytes('x'));
    member.work();
    storage.createSnapshot(14, undefined, bytes('newer'));
    storage.compact(14);
    member.step(message('MsgAppResp', 2, 1, 2, { index: 11 }));
    expect(member.take().find(({ type }) => type === 'MsgSnap')?.snapshot?.metadata.index).toBe(14);
  });

  test('should send none to a member that it does not hear', () => {
    const events: RaftEvent[] = [];
    const member = leaderWithSnapshot({ log: { event: (event: RaftEvent) => events.push(event) }, checkQuorum: false });
    const progress = member.node.core.tracker.get(2);
    if (progress === undefined) throw new Error('2 is a member');
    progress.next = 1;
    progress.flowPaused = false;
    progress.recentActive = false;
    member.node.propose(bytes('x'));
    expect(member.take()).toEqual([]);
    expect(events.some(({ kind }) => kind === 'snapshot-to-inactive')).toBe(true);
  });

  test('should send none that does not know its receiver: it would be ignored', () => {
    const member = leaderWithSnapshot();
    member.storage.createSnapshot(12, confStateOf([1]), bytes(''));
    refuse(member);
    expect(member.take().filter(({ type }) => type === 'MsgSnap')).toEqual([]);
  });

  test('should ask again when storage has none yet', () => {
    const member = leaderWithSnapshot();
    const { storage } = member;
    const ready = storage.snapshot.bind(storage);
    storage.snapshot = () => {
      throw new SnapshotNotReady();
    };
    refuse(member);
    expect(member.take()).toEqual([]);
    storage.snapshot = ready;
    member.step(message('MsgHeartbeatResp', 2, 1, 2));
    expect(member.take()[0]?.type).toBe('MsgSnap');
  });

  test('should send another when nothing was heard of the first for as long as it is patient', () => {
    const member = leaderWithSnapshot({ snapshotPatience: 2 });
    refuse(member);
    member.take();
    const answer = (): boolean => {
      member.step(message('MsgHeartbeatResp', 2, 1, 2));
      return member.take().some(({ type }) => type === 'MsgSnap');
    };
    member.ticks(19);
    expect(answer()).toBe(false);
    member.ticks(1);
    expect(answer()).toBe(true);
    const patient = leaderWithSnapshot();
    refuse(patient);
    patient.take();
    patient.ticks(1_000);
    patient.step(message('MsgHeartbeatResp', 2, 1, 2));
    expect(patient.take().some(({ type }) => type === 'MsgSnap')).toBe(false);
  });

  test('with the bug planted, an old snapshot is sent again', () => {
    const member = leaderWithSnapshot({ mutant: (name: string) => name === 'snapshot-older' });
    refuse(member);
    member.storage.createSnapshot(12, undefined, bytes('newer'));
    member.node.reportSnapshot(2, false);
    member.step(message('MsgHeartbeatResp', 2, 1, 2));
    expect(member.take().at(-1)?.snapshot?.metadata.index).toBe(11);
  });
});

describe('a follower', () => {
  test('should restore state, configuration and log from a snapshot', () => {
    const member = new TestMember(1, [1, 2]);
    const [answer] = member.step(message('MsgSnap', 2, 1, 2, { snapshot: snapshotAt(11, 2) })).take();
    expect(answer).toMatchObject({ type: 'MsgAppResp', index: 11 });
    expect(member.node.confState().voters).toEqual([1, 2, 3]);
    expect([member.node.commit, member.node.lastIndex, member.node.applied]).toEqual([11, 11, 11]);
    expect(member.node.core.log.term(11)).toBe(2);
    expect(member.storage.firstIndex()).toBe(12);
  });

  test('should ignore an old one, and say how far it is', () => {
    const terms = [1, 1, 1];
    const member = new TestMember(1, [1, 2, 3], { terms, hardState: { term: 1, vote: 0, commit: 3 } });
    const [answer] = member.step(message('MsgSnap', 2, 1, 1, { snapshot: snapshotAt(2, 1) })).take();
    expect(answer).toMatchObject({ type: 'MsgAppResp', index: 3 });
    expect(member.terms).toEqual(terms);
  });

  test('should only commit when it holds all that the snapshot holds', () => {
    const member = new TestMember(1, [1, 2, 3], { terms: [1, 1, 1], hardState: { term: 1, vote: 0, commit: 1 } });
    const [answer] = member.step(message('MsgSnap', 2, 1, 1, { snapshot: snapshotAt(2, 1) })).take();
    expect(answer).toMatchObject({ type: 'MsgAppResp', index: 2 });
    expect(member.node.lastIndex).toBe(3);
    expect(member.node.commit).toBe(2);
  });

  test('should drop entries that the snapshot contradicts', () => {
    const member = new TestMember(1, [1, 2, 3], { terms: [1, 1, 1, 1, 1], hardState: { term: 1, vote: 0, commit: 1 } });
    member.step(message('MsgSnap', 2, 1, 3, { snapshot: snapshotAt(3, 3) }));
    expect(member.node.lastIndex).toBe(3);
    expect(member.terms).toEqual([]);
  });

  test('with the bug planted, they stay behind it', () => {
    const member = new TestMember(1, [1, 2, 3], {
      terms: [1, 1, 1, 1, 1],
      hardState: { term: 1, vote: 0, commit: 1 },
      mutant: (name) => name === 'snapshot-keeps-suffix',
    });
    member.node.step(message('MsgSnap', 2, 1, 3, { snapshot: snapshotAt(3, 3) }));
    expect(member.node.lastIndex).toBe(5);
  });

  test('with the bug planted, the term is forgotten', () => {
    const member = new TestMember(1, [1, 2], { mutant: (name) => name === 'snapshot-term-zero' });
    member.node.step(message('MsgSnap', 2, 1, 3, { snapshot: snapshotAt(3, 3) }));
    expect(member.node.core.log.term(3)).toBe(0);
  });

  test('should ignore one that does not know it', () => {
    const member = new TestMember(1, [1, 2]);
    member.step(message('MsgSnap', 2, 1, 2, { snapshot: snapshotAt(11, 2, [2, 3]) }));
    expect(member.node.lastIndex).toBe(0);
  });

  test('should not stand for election while a snapshot is being restored', () => {
    const member = new TestMember(1, [1, 2]);
    member.node.step(message('MsgSnap', 2, 1, 2, { snapshot: snapshotAt(11, 2) }));
    member.node.campaign();
    expect(member.node.state).toBe('follower');
    member.work();
    member.node.campaign();
    expect(member.node.state).toBe('candidate');
  });

  test('should not apply a change that the snapshot has overtaken', () => {
    const member = new TestMember(1, [1, 2]);
    member.node.step(message('MsgSnap', 2, 1, 2, { snapshot: snapshotAt(11, 2) }));
    const change = { version: 1, type: 'remove-node', node: 3, context: bytes('') } as const;
    expect(member.node.applyConfChange(change, 11).voters).toEqual([1, 2, 3]);
    expect(member.node.applyConfChange(change, 12).voters).toEqual([1, 2]);
  });
});

describe('late and malformed MsgApp', () => {
  const options = { terms: [1, 1, 1, 1], hardState: { term: 1, vote: 0, commit: 1 } };
  const late = message('MsgApp', 2, 1, 1, { index: 1, logTerm: 1, entries: [entry(2, 1)], commit: 1 });

  test('should not cut the log: what follows the entries may be acknowledged', () => {
    expect(new TestMember(1, [1, 2, 3], options).step(late).terms).toEqual([1, 1, 1, 1]);
  });

  test('with the bug planted, it does', () => {
    const member = new TestMember(1, [1, 2, 3], { ...options, mutant: (name) => name === 'truncate-always' });
    expect(member.step(late).terms).toEqual([1, 1]);
  });

  test('should not commit beyond its own entries', () => {
    const incoming = { ...late, commit: 4 };
    expect(new TestMember(1, [1, 2, 3], options).step(incoming).node.commit).toBe(2);
    const planted = new TestMember(1, [1, 2, 3], { ...options, mutant: (name) => name === 'commit-unclamped' });
    expect(planted.step(incoming).node.commit).toBe(4);
  });

  test('should be ignored when its entries are not consecutive', () => {
    const member = new TestMember(1, [1, 2, 3], options);
    member.step({ ...late, entries: [entry(2, 1), entry(4, 1)] });
    expect(member.take()).toEqual([]);
    expect(member.terms).toEqual([1, 1, 1, 1]);
  });
});

test('should bring a member back that was away while the log was compacted', () => {
  const network = Network.of(3).campaign(1).isolate(3);
  for (let time = 0; time < 20; time++) network.propose(1, `${time}`);
  const { node, storage } = network.member(1);
  storage.createSnapshot(node.applied, node.confState(), bytes('all of it'));
  storage.compact(node.applied);
  network.recover().tick(1);
  network.propose(1, 'after');
  expect(network.commits()).toEqual([22, 22, 22]);
  expect(network.member(3).appliedData).toEqual(['after']);
});

test('should count nothing that a member acknowledged before it lost it, and bring it back', () => {
  const network = Network.of(3).campaign(1).propose(1, 'x').isolate(2).isolate(3);
  const lost = new TestMember(2, [1, 2, 3], { hardState: { term: 1, vote: 1, commit: 0 } });
  const healed = new Network([network.member(1), lost, network.member(3)]);
  const { node } = healed.member(1);
  node.resetProgress(2);
  node.resetProgress(1);
  expect(node.status().progress.map(({ id, match }) => [id, match])).toEqual([
    [1, 2],
    [2, 0],
    [3, 2],
  ]);
  healed.isolate(3);
  node.propose(bytes('y'));
  node.step(message('MsgAppResp', 2, 1, 1, { index: 0 }));
  expect(node.commit).toBe(2);
  healed.tick(1).tick(1);
  expect(lost.appliedData).toEqual(['x', 'y']);
  expect(node.commit).toBe(3);
});
