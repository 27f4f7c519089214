import { describe, expect, it } from 'vitest';
import { draftMessage } from '../../../../src/consensus/message.ts';
import type { Message } from '../../../../src/consensus/types.ts';
import { writeHeartbeat, writeMessage } from '../../../../src/engines/streambus/broker/messageCodec.ts';
import { RaftFrame } from '../../../../src/engines/streambus/broker/outbox.ts';
import { type BrokerId, raftIdOf } from '../../../../src/engines/streambus/ids.ts';
import { ByteWriter } from '../../../../src/wire/rpc/bytes.ts';
import { Cluster, keepProposing, type TestBroker, textsMachine } from './cluster.ts';

const generation = 1;
const away: BrokerId = 4;
const member = raftIdOf(away, 1);
const others = [1, 2, 3].map((id) => raftIdOf(id, 1));

/** Four members of a group, of which the fourth was let go and has forgotten what it held; what it had promised then is told. */
async function withoutTheFourth(
  seed: number,
): Promise<{ cluster: Cluster; commit: number; term: number; vote: number; broker: TestBroker }> {
  const cluster = new Cluster({ seed, brokers: 4 });
  cluster.start();
  await cluster.until('a leader', () => cluster.leader() !== undefined);
  void cluster.brokers.get(away)?.groups.handOver(5_000);
  await cluster.until('led by another', () => (cluster.leader()?.id ?? away) !== away);
  const load = keepProposing(cluster, 0, 50, 5);
  await cluster.until('the load', () => load.done && load.acked.length > 40);
  desire(cluster, others);
  const broker = cluster.brokers.get(away);
  if (broker === undefined) throw new Error('the fourth broker is up');
  await cluster.until('the fourth let go', () => !broker.groups.isMember(0));
  const held = broker.groups.view(0)?.status.hardState;
  if (held === undefined) throw new Error('the fourth has the group still');
  let isGone = false;
  void broker.groups.remove(0).then(() => {
    isGone = true;
  });
  await cluster.until('the fourth has nothing', () => isGone);
  return { cluster, broker, ...held };
}

function desire(cluster: Cluster, voters: readonly number[]): void {
  for (const { groups } of cluster.live) groups.desired = () => ({ voters, learners: [] });
}

function comeBack({ groups, machines }: TestBroker, group = 0): void {
  void groups.open({
    group,
    kind: 'groups',
    generation,
    founders: [],
    open: textsMachine((texts) => machines.set(group, texts)),
  });
}

/** What was on its way for long: a frame of one broker reaches another. */
function late(from: BrokerId, to: TestBroker | undefined, kind: number, payload: Uint8Array): void {
  to?.groups.frames.onFrame(kind, payload, { cluster: 'c', broker: from, incarnation: 1, startCount: 1 });
}

function message(type: Message['type'], more: Partial<Message>): Message {
  return { ...draftMessage(type, 0, 0, 0), ...more };
}

describe('a member that was removed and comes back under the same raft id', () => {
  it('is not taken for one that has lost its log when it hears of what it held before', async () => {
    const { cluster, broker, commit } = await withoutTheFourth(21);
    const leader = cluster.leader();
    const term = leader?.groups.get(0)?.handle.term ?? 0;
    comeBack(broker);
    await cluster.until('open again', () => broker.groups.get(0) !== undefined);
    const from = leader?.id ?? 1;
    const heartbeat = new ByteWriter(16);
    const word = message('MsgHeartbeat', { from: raftIdOf(from, 1), to: member, term, commit });
    writeHeartbeat(heartbeat, 0, generation, word);
    late(from, broker, RaftFrame.heartbeats, heartbeat.take());
    await cluster.run(500);
    expect(broker.fatal).toBeUndefined();
    desire(cluster, [...others, member]);
    await cluster.until('it votes again', () => broker.groups.view(0)?.confState.voters.includes(member) === true);
    expect(broker.fatal).toBeUndefined();
    expect(broker.groups.view(0)?.mode).toBe('normal');
    expect(broker.machines.get(0)?.texts).toEqual(leader?.machines.get(0)?.texts);
  });

  it('gets what it lacks though an acknowledgement from before reaches the leader after it is back', async () => {
    const { cluster, broker, commit } = await withoutTheFourth(22);
    const leader = cluster.leader();
    const term = leader?.groups.get(0)?.handle.term ?? 0;
    // Nothing of the leader reaches it: neither entries nor where its probation ends.
    const lift = cluster.world.network.addRule({
      matches: (from, to) => from === `broker-${leader?.id}` && to === `broker-${away}`,
      blocked: true,
    });
    comeBack(broker);
    desire(cluster, [...others, member]);
    const isBack = () => leader?.groups.view(0)?.confState.learners.includes(member) === true;
    await cluster.until('it is a member again', isBack);
    const words = new ByteWriter(64);
    words.u32(0);
    words.u32(generation);
    writeMessage(words, message('MsgAppResp', { from: member, to: raftIdOf(leader?.id ?? 1, 1), term, index: commit }));
    late(away, leader, RaftFrame.messages, words.take());
    lift();
    await cluster.until('it votes again', () => broker.groups.view(0)?.confState.voters.includes(member) === true);
    expect(broker.fatal).toBeUndefined();
    expect(broker.machines.get(0)?.texts).toEqual(leader?.machines.get(0)?.texts);
  });

  it('still knows whom it had elected, also after a restart, and has no vote before a leader has confirmed it', async () => {
    const { cluster, broker, term, vote } = await withoutTheFourth(23);
    expect(vote).toBeGreaterThan(0);
    cluster.founders = [];
    for (const id of [1, 2, 3]) cluster.stop(id, 'kill');
    comeBack(broker);
    await cluster.until('open again', () => broker.groups.get(0) !== undefined);
    expect(broker.groups.view(0)?.mode).toBe('probation');
    expect(broker.groups.view(0)?.status.hardState).toMatchObject({ term, vote });
    cluster.stop(away, 'power');
    cluster.start(away);
    await cluster.until('up', () => cluster.brokers.has(away));
    expect(cluster.brokers.get(away)?.groups.view(0)?.mode).toBe('probation');
    expect(cluster.brokers.get(away)?.groups.view(0)?.status.hardState).toMatchObject({ term, vote });
  });

  it.each([
    [true, 'probation'],
    [false, 'normal'],
  ])('is known for one while the group lives (%s), however old the removal is', async (lives, mode) => {
    const cluster = new Cluster({ seed: 24, groups: 2, kind: 'partition', flushIntervalMs: 200 });
    cluster.start();
    await cluster.until('leaders', () => cluster.groupIds.every((group) => cluster.leader(group) !== undefined));
    const voters = cluster.founders;
    for (const { groups } of cluster.live) {
      groups.desired = (group) => (group === 0 || lives ? { voters, learners: [] } : undefined);
    }
    const broker = cluster.brokers.get(3);
    if (broker === undefined) throw new Error('the third broker is up');
    void broker.groups.remove(1);
    // The metadata's group, whose checkpoint says that the removal is known there, goes on.
    const load = keepProposing(cluster, 0, 50, 5);
    await cluster.until('the load', () => load.done);
    await cluster.run(2_000);
    comeBack(broker, 1);
    await cluster.until('open again', () => broker.groups.get(1) !== undefined);
    expect(broker.groups.view(1)?.mode).toBe(mode);
  });
});

it('keeps what the journal has of a group until its removal is durable: a start before that needs its vote', async () => {
  const cluster = new Cluster({ seed: 3, groups: 2, flushIntervalMs: 200 });
  cluster.start();
  await cluster.until('leaders', () => cluster.leader(0) !== undefined && cluster.leader(1) !== undefined);
  await cluster.run(2_000);
  const [broker] = cluster.live;
  if (broker === undefined) throw new Error('expected a broker');
  const { groups, journal } = broker;
  const pins: number[] = [];
  const pin = journal.pin.bind(journal);
  journal.pin = (who, lsn) => {
    pins.push(lsn);
    pin(who, lsn);
  };
  await cluster.until('a round', () => pins.length > 0);
  const before = pins.at(-1) ?? 0;
  const calm = [...cluster.machine(broker.id).devices.devices.values()].map(({ queue }) =>
    queue.disturb({ kind: 'throttle', iops: 1, bytesPerSecond: 2 ** 20 }),
  );
  let isRemoved = false;
  const removal = groups.remove(0).then(() => {
    isRemoved = true;
  });
  pins.length = 0;
  await cluster.until('rounds meanwhile', () => pins.length >= 2);
  expect(isRemoved).toBe(false);
  expect(pins.every((lsn) => lsn <= before)).toBe(true);
  for (const end of calm) end();
  await cluster.until('the removal', () => isRemoved, 60_000);
  await removal;
  pins.length = 0;
  await cluster.until('a round after it', () => pins.some((lsn) => lsn > before), 5_000);
});
