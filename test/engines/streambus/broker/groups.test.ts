import { describe, expect, it } from 'vitest';
import { Cluster, encode, keepProposing } from './cluster.ts';

describe('the groups of three brokers', () => {
  it('elect a leader and apply what it is given everywhere', async () => {
    const cluster = new Cluster();
    cluster.start();
    await cluster.until('a leader', () => cluster.leader() !== undefined);
    const load = keepProposing(cluster, 0, 100, 5);
    await cluster.until('the load', () => load.done);
    await cluster.run(1_000);
    expect(load.acked).toHaveLength(100);
    for (const texts of cluster.texts().values()) expect(texts).toEqual(load.acked);
  });

  it.each(['kill', 'power'] as const)(
    'lose nothing acknowledged when one is stopped after the other (%s)',
    async (how) => {
      const cluster = new Cluster({ seed: 7, flushIntervalMs: 500 });
      cluster.start();
      await cluster.until('a leader', () => cluster.leader() !== undefined);
      const load = keepProposing(cluster, 0, 3_000, 5);
      for (let round = 0; round < 6; round++) {
        const victim = round % 2 === 0 ? (cluster.leader()?.id ?? 1) : 1 + (round % 3);
        cluster.stop(victim, how);
        await cluster.run(1_500);
        cluster.start(victim);
        await cluster.until('a leader', () => cluster.leader() !== undefined);
        await cluster.until('everybody back', () => cluster.live.length === 3);
        await cluster.run(1_000);
      }
      await cluster.until('the load', () => load.done, 60_000);
      await cluster.run(5_000);
      expect(load.acked.length).toBeGreaterThan(1_000);
      const [first, ...others] = [...cluster.texts().values()];
      for (const texts of others) expect(texts).toEqual(first);
      const held = new Set(first);
      expect(load.acked.filter((text) => !held.has(text))).toEqual([]);
    },
  );

  it('stand up again after the power of all of them went', async () => {
    const cluster = new Cluster({ seed: 3, groups: 4 });
    cluster.start();
    await cluster.until('a leader', () => cluster.leader() !== undefined);
    const load = keepProposing(cluster, 0, 200, 3);
    await cluster.until('the load', () => load.done);
    for (const id of [1, 2, 3]) cluster.stop(id, 'power');
    cluster.start();
    await cluster.until('a leader', () => cluster.leader() !== undefined);
    await cluster.run(2_000);
    const held = new Set(cluster.texts().get(1));
    expect(load.acked.filter((text) => !held.has(text))).toEqual([]);
    expect(load.acked.length).toBeGreaterThan(150);
  });

  it('bring a follower back by a snapshot when the log has gone', async () => {
    const cluster = new Cluster({ seed: 5, flushIntervalMs: 200 });
    cluster.start();
    await cluster.until('a leader', () => cluster.leader() !== undefined);
    const follower = [1, 2, 3].find((id) => id !== cluster.leader()?.id) ?? 1;
    cluster.stop(follower, 'kill');
    await cluster.run(2_000);
    const handle = cluster.leader()?.groups.get(0)?.handle;
    const big = 'x'.repeat(100_000);
    for (let at = 0; at < 120; at++) void handle?.propose(encode(`${at}${big}`));
    await cluster.run(5_000);
    cluster.start(follower);
    await cluster.until('all of it', () => cluster.texts().get(follower)?.length === 120);
    expect(cluster.leader()?.groups.view(0)?.firstIndex).toBeGreaterThan(2);
    // It also survives a restart right after.
    cluster.stop(follower, 'power');
    cluster.start(follower);
    await cluster.until('all of it', () => cluster.texts().get(follower)?.length === 120);
  });

  it('tell who finds the log full, or the lead on its way to another, when to ask again', async () => {
    const cluster = new Cluster();
    cluster.start();
    await cluster.until('a leader', () => cluster.leader() !== undefined);
    const leader = cluster.leader();
    const handle = leader?.groups.get(0)?.handle;
    if (leader === undefined || handle === undefined) throw new Error('the group has a leader');
    const entry = encode('x'.repeat(1_000_000));
    expect(handle.room?.(entry.length)).toBeUndefined();
    let taken = 0;
    while (handle.room?.(entry.length) === undefined && taken < 1_000) {
      void handle.propose(entry);
      taken++;
    }
    expect(taken).toBeLessThan(1_000);
    expect(() => handle.propose(entry)).toThrow(expect.objectContaining({ reason: 'busy' }));
    let hasRoom = false;
    void handle.room?.(entry.length)?.then(() => {
      hasRoom = true;
    });
    await cluster.until('room', () => hasRoom);
    void handle.propose(entry);
    await cluster.until('all of it', () => [...cluster.texts().values()].every(({ length }) => length === taken + 1));

    const other = leader.id === 1 ? 2 : 1;
    let isOver = false;
    cluster.stop(other, 'kill');
    let refusal = '';
    leader.groups.transfer(0, other).catch((error: unknown) => {
      refusal = String(error);
    });
    expect(() => handle.propose(entry)).toThrow(expect.objectContaining({ reason: 'transferring' }));
    void handle.room?.(entry.length)?.then(() => {
      isOver = true;
    });
    expect(isOver).toBe(false);
    // The election time-out ends a transfer to somebody who does not come.
    await cluster.until('the end of the transfer', () => isOver);
    expect(handle.serving).toBe(true);
    await cluster.until('the refusal', () => refusal !== '');
    expect(refusal).toContain('did not take the lead');
    void handle.propose(encode('after'));
    await cluster.until('one more', () => cluster.texts().get(leader.id)?.at(-1) === 'after');
  });

  it('answer reads only once the lead is confirmed', async () => {
    const cluster = new Cluster();
    cluster.start();
    await cluster.until('a leader', () => cluster.leader() !== undefined);
    const leader = cluster.leader();
    let read = false;
    void leader?.groups
      .get(0)
      ?.handle.readBarrier()
      .then(() => {
        read = true;
      });
    await cluster.until('the read', () => read, 1_000);
    const lift = cluster.world.network.addRule({
      matches: (from, to) => from === `broker-${leader?.id}` || to === `broker-${leader?.id}`,
      blocked: true,
    });
    let refused = false;
    let served = false;
    leader?.groups
      .get(0)
      ?.handle.readBarrier()
      .then(
        () => {
          served = true;
        },
        () => {
          refused = true;
        },
      );
    await cluster.until('another leader', () => cluster.leader() !== undefined && cluster.leader() !== leader, 10_000);
    await cluster.until('the refusal', () => refused, 5_000);
    expect(served).toBe(false);
    lift();
  });

  it('hand their leads over', async () => {
    const cluster = new Cluster({ groups: 5 });
    cluster.start();
    await cluster.until('leaders', () => cluster.groupIds.every((group) => cluster.leader(group) !== undefined));
    const victim = cluster.leader(0);
    let left: readonly number[] | undefined;
    void victim?.groups.handOver(5_000).then((groups) => {
      left = groups;
    });
    await cluster.until('handed over', () => left !== undefined, 10_000);
    expect(left).toEqual([]);
    await cluster.until('leaders', () => cluster.groupIds.every((group) => cluster.leader(group) !== undefined), 5_000);
    for (const group of cluster.groupIds) expect(cluster.leader(group)?.id).not.toBe(victim?.id);
  });

  it('let the old files of the journal go, and keep what idle groups have voted', async () => {
    const cluster = new Cluster({ seed: 6, groups: 3, flushIntervalMs: 200, segmentBytes: 2 ** 20 });
    cluster.start();
    await cluster.until('leaders', () => cluster.groupIds.every((group) => cluster.leader(group) !== undefined));
    const before = cluster.groupIds.map((group) => cluster.leader(group)?.groups.get(group)?.handle.term);
    const text = 'x'.repeat(20_000);
    for (let at = 0; at < 220; at++) {
      const handle = cluster.leader(0)?.groups.get(0)?.handle;
      void handle?.propose(encode(`${at}${text}`)).catch(() => undefined);
      await cluster.run(25);
    }
    await cluster.run(2_000);
    for (const { journal } of cluster.live) {
      expect(journal.segments().length).toBeLessThanOrEqual(4);
      expect(journal.firstLsn).toBeGreaterThan(100);
    }
    const kept = [...(cluster.texts(0).get(1) ?? [])];
    for (const id of [1, 2, 3]) cluster.stop(id, 'power');
    cluster.start();
    await cluster.until('leaders', () => cluster.groupIds.every((group) => cluster.leader(group) !== undefined));
    for (const [at, group] of cluster.groupIds.entries()) {
      // Whoever leads now was elected in a later term than any that was ever voted in.
      expect(cluster.leader(group)?.groups.get(group)?.handle.term).toBeGreaterThan(before[at] ?? 0);
    }
    await cluster.run(1_000);
    for (const texts of cluster.texts(0).values()) expect(texts).toEqual(kept);
  });

  it('give the lead to the replica that should have it, unless it wants none', async () => {
    const cluster = new Cluster({ seed: 8, groups: 4 });
    cluster.start();
    await cluster.until('leaders', () => cluster.groupIds.every((group) => cluster.leader(group) !== undefined));
    for (const { groups } of cluster.live) groups.desired = () => ({ voters: cluster.founders, learners: [] });
    const isLedBy = (id: number) => cluster.groupIds.every((group) => cluster.leader(group)?.id === id);
    await cluster.until('led by the first', () => isLedBy(1), 60_000);
    void cluster.brokers.get(1)?.groups.handOver(5_000);
    await cluster.until('given away', () => cluster.groupIds.every((group) => (cluster.leader(group)?.id ?? 1) !== 1));
    await cluster.run(60_000);
    expect(cluster.groupIds.filter((group) => cluster.leader(group)?.id === 1)).toEqual([]);
    cluster.brokers.get(1)?.groups.resume();
    await cluster.until('led by the first again', () => isLedBy(1), 60_000);
  });

  it('leave the lead where an operator has sent it, until the leader changes again', async () => {
    const cluster = new Cluster({ seed: 9, groups: 2 });
    cluster.start();
    const prefer = () => {
      for (const { groups } of cluster.live) groups.desired = () => ({ voters: cluster.founders, learners: [] });
    };
    const isLedBy = (...ids: readonly number[]) => ids.every((id, group) => cluster.leader(group)?.id === id);
    const send = (group: number, to: number) => {
      let isDone = false;
      void cluster
        .leader(group)
        ?.groups.transfer(group, to)
        .then(() => {
          isDone = true;
        });
      return cluster.until(`group ${group} sent to ${to}`, () => isDone && cluster.leader(group)?.id === to);
    };
    await cluster.until('leaders', () => cluster.groupIds.every((group) => cluster.leader(group) !== undefined));
    prefer();
    await cluster.until('led by the first', () => isLedBy(1, 1), 60_000);
    await send(0, 2);
    await cluster.run(120_000);
    expect(isLedBy(2, 1)).toBe(true);
    // To whom it was sent it may be sent on, and back to the preferred one.
    await send(0, 3);
    await cluster.run(60_000);
    expect(isLedBy(3, 1)).toBe(true);
    await send(0, 1);
    await send(0, 2);
    await cluster.run(60_000);
    expect(isLedBy(2, 1)).toBe(true);
    cluster.stop(2, 'kill');
    await cluster.run(5_000);
    cluster.start(2);
    await cluster.until('back', () => cluster.live.length === 3);
    prefer();
    await cluster.until('led by the first again', () => isLedBy(1, 1), 60_000);
    await cluster.run(60_000);
    expect(isLedBy(1, 1)).toBe(true);
  });

  it('leave the lead with whom an operator wants it who has it already', async () => {
    const cluster = new Cluster({ seed: 10 });
    cluster.start();
    await cluster.until('a leader', () => cluster.leader() !== undefined);
    const leader = cluster.leader();
    const others = cluster.founders.filter((id) => id !== leader?.groups.member);
    for (const { groups } of cluster.live) {
      groups.desired = () => ({ voters: [...others, leader?.groups.member ?? 0], learners: [] });
    }
    void leader?.groups.transfer(0, leader.id);
    await cluster.run(60_000);
    expect(cluster.leader()?.id).toBe(leader?.id);
  });
});
