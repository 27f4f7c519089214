import { expect, it } from 'vitest';
import { RaftFrame } from '../../../../src/engines/streambus/broker/outbox.ts';
import { Cluster, encode, type TestBroker } from './cluster.ts';

/** Two of three brokers with a leader among them: every commit needs both. */
async function pair(): Promise<{ cluster: Cluster; leader: TestBroker; follower: TestBroker }> {
  const cluster = new Cluster({ seed: 11 });
  cluster.start();
  await cluster.until('a leader', () => cluster.leader() !== undefined);
  await cluster.run(2_000);
  const leader = cluster.leader();
  const [follower, third] = cluster.live.filter((broker) => broker !== leader);
  if (leader === undefined || follower === undefined || third === undefined) throw new Error('expected three brokers');
  cluster.stop(third.id, 'kill');
  await cluster.run(1_000);
  return { cluster, leader, follower };
}

function lastIndex(broker: TestBroker): number {
  return broker.groups.view(0)?.status.lastIndex ?? 0;
}

/** From now on the broker hears heartbeats and gossip, and nothing else. Returns how to end it. */
function deafen({ groups: { frames }, transport }: TestBroker): () => void {
  transport.attach({
    onFrame: (kind, payload, from) => {
      if (kind !== RaftFrame.messages) frames.onFrame(kind, payload, from);
    },
    onRead: () => frames.onRead(),
    onUp: (broker) => frames.onUp(broker),
    onDown: (broker) => frames.onDown(broker),
    onNewProcess: (broker) => frames.onNewProcess(broker),
    onFenced: (reason) => frames.onFenced(reason),
  });
  return () => transport.attach(frames);
}

it('commits what a follower has whose acknowledgement was lost with the connection on which it went', async () => {
  const { cluster, leader, follower } = await pair();
  const handle = leader.groups.get(0)?.handle;
  // Answers go on the follower's own connection: without it they are lost, while the leader's messages still come.
  follower.transport.peer(leader.id)?.reconnect('a test');
  let isCommitted = false;
  handle?.propose(encode('once')).then(
    () => {
      isCommitted = true;
    },
    () => undefined,
  );
  await cluster.until('the follower has it', () => lastIndex(follower) === lastIndex(leader));
  await cluster.until('the commit', () => isCommitted, 5_000);
  expect(cluster.leader()).toBe(leader);
});

it('sends a full window again that was lost on a connection that lives', async () => {
  const { cluster, leader, follower } = await pair();
  const handle = leader.groups.get(0)?.handle;
  const hear = deafen(follower);
  let committed = 0;
  for (let at = 0; at < 100; at++) {
    handle?.propose(encode(`${at}`)).then(
      () => {
        committed++;
      },
      () => undefined,
    );
    await cluster.run(5);
  }
  hear();
  await cluster.until('the commits', () => committed === 100, 5_000);
  expect(cluster.leader()).toBe(leader);
});

it('sends a snapshot again that was lost without anybody knowing', async () => {
  const cluster = new Cluster({ seed: 5 });
  cluster.start();
  await cluster.until('a leader', () => cluster.leader() !== undefined);
  await cluster.run(2_000);
  const leader = cluster.leader();
  const follower = cluster.live.find((broker) => broker !== leader);
  if (leader === undefined || follower === undefined) throw new Error('expected a leader and a follower');
  const progress = () => leader.groups.view(0)?.status.progress.find(({ id }) => id === follower.groups.member);
  const hear = deafen(follower);
  // Beyond what the leader keeps in memory for followers.
  const big = 'x'.repeat(100_000);
  for (let at = 0; at < 120; at++) void leader.groups.get(0)?.handle.propose(encode(`${at}${big}`));
  // It is probed from where it was, and that has gone.
  await cluster.run(1_000);
  leader.transport.peer(follower.id)?.reconnect('a test');
  await cluster.until('the snapshot is sent', () => progress()?.state === 'snapshot', 10_000);
  await cluster.run(1_000);
  hear();
  await cluster.until('all of it', () => cluster.texts().get(follower.id)?.length === 120, 60_000);
  expect(cluster.leader()).toBe(leader);
});

it('gives a machine that is held what came before a snapshot, then the snapshot', async () => {
  const held = Promise.withResolvers<void>();
  let holding: number | undefined;
  const cluster = new Cluster({ seed: 5, hold: (id) => (id === holding ? held.promise : undefined) });
  cluster.start();
  await cluster.until('a leader', () => cluster.leader() !== undefined);
  await cluster.run(2_000);
  const leader = cluster.leader();
  const follower = cluster.live.find((broker) => broker !== leader);
  if (leader === undefined || follower === undefined) throw new Error('expected a leader and a follower');
  const handle = leader.groups.get(0)?.handle;
  holding = follower.id;
  for (let at = 0; at < 10; at++) void handle?.propose(encode(`${at}`));
  await cluster.run(1_000);
  const hear = deafen(follower);
  const big = 'x'.repeat(100_000);
  for (let at = 0; at < 120; at++) void handle?.propose(encode(`${at}${big}`));
  await cluster.run(1_000);
  leader.transport.peer(follower.id)?.reconnect('a test');
  hear();
  await cluster.until('a snapshot', () => follower.groups.view(0)?.mode === 'restoring', 60_000);
  // There is no state of it to keep now, and none at all of a group that it has no replica of: told, not thrown.
  await expect(follower.groups.checkpoint(0)).rejects.toMatchObject({ name: 'NotProposed', reason: 'busy' });
  await expect(follower.groups.checkpoint(99)).rejects.toMatchObject({ name: 'NotProposed', reason: 'not-leader' });
  await cluster.run(1_000);
  holding = undefined;
  held.resolve();
  await cluster.until('all of it', () => cluster.texts().get(follower.id)?.length === 130, 60_000);
  expect(follower.fatal).toBeUndefined();
});
