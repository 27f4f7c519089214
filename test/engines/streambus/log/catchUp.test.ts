import { describe, expect, it } from 'vitest';
import type { CatchUpPeers, MachineSnapshot } from '../../../../src/engines/streambus/broker/group.ts';
import type { Partition } from '../../../../src/engines/streambus/log/partition.ts';
import { decodeSegmentRequest } from '../../../../src/engines/streambus/log/peerMessages.ts';
import { CatchUpFailed } from '../../../../src/engines/streambus/log/pull.ts';
import type { Host } from '../../../../src/host/host.ts';
import { readBatchHeader } from '../../../../src/wire/kafka/recordBatch.ts';
import { journalWorld } from '../../../support/journalWorld.ts';
import { SoloGroup } from '../support/soloGroup.ts';
import { batchesIn, batchOf, fetchAt, info, openRig, produce } from './rig.ts';

const leaderDirectory = '/data/leader';
const config = { segmentBytes: 3_000 };

async function write(partition: Partition, from: number, to: number) {
  for (let n = from; n < to; n++) {
    const options = {
      producerId: n % 3,
      producerEpoch: 0,
      baseSequence: Math.floor(n / 3),
      isTransactional: n % 3 === 2,
    };
    const answer = await partition.append(
      produce(batchOf([`value ${n} ${'x'.repeat((n * 31) % 500)}`], options), { transactionalId: 'tx' }),
    );
    expect(answer.errorCode).toBe(0);
    if (n % 9 === 8) {
      const marker = { producerId: 2, producerEpoch: 0, commit: n % 2 === 0, coordinatorEpoch: 3 };
      expect(await partition.endTransaction(marker)).toEqual({ errorCode: 0 });
    }
  }
}

/** Asks partitions of the same host, by broker id; notes what was asked. */
function peersOf(partitions: readonly Partition[], signal = new AbortController().signal) {
  const asked: { base: number; position: number }[] = [];
  const peers: CatchUpPeers = {
    brokers: () => partitions.map((_, n) => n + 1),
    ask: async (broker, request) => {
      asked.push(decodeSegmentRequest(request));
      const partition = partitions[broker - 1];
      if (partition === undefined) throw new Error('nobody');
      return partition.answerPeer(request, 9);
    },
    signal,
  };
  return { peers, asked };
}

function snapshotOf(partition: Partition): MachineSnapshot {
  return { index: partition.core.index, term: partition.core.term, data: partition.snapshot() };
}

async function segmentsIn(host: Host, directory: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const { name } of await host.disk.list(directory)) {
    if (!name.endsWith('.seg')) continue;
    const file = await host.disk.open(`${directory}/${name}`, { mode: 'read' });
    const bytes = new Uint8Array(await file.size());
    await file.read(0, bytes);
    await file.close();
    found.set(name, Buffer.from(bytes).toString('base64'));
  }
  return found;
}

async function batchesOf(host: Host, path: string): Promise<{ position: number; epoch: number }[]> {
  const file = await host.disk.open(path, { mode: 'read' });
  const bytes = new Uint8Array(await file.size());
  await file.read(0, bytes);
  await file.close();
  let position = 0;
  return batchesIn([bytes]).map((batch) => {
    const at = position;
    position += batch.bytes.length;
    return { position: at, epoch: readBatchHeader(batch.bytes, 0).partitionLeaderEpoch };
  });
}

async function flipBits(host: Host, path: string, at: number, bits: number): Promise<void> {
  const file = await host.disk.open(path, { mode: 'write' });
  const byte = new Uint8Array(1);
  await file.read(at, byte);
  await file.write(at, [Uint8Array.of((byte[0] ?? 0) ^ bits)], { durable: true });
  await file.close();
}

async function everything(partition: Partition): Promise<number[]> {
  const bases: number[] = [];
  for (let at = partition.logStartOffset; at < partition.highWatermark; ) {
    const read = await partition.read(fetchAt(at));
    expect(read.errorCode).toBe(0);
    for (const batch of batchesIn(read.records)) {
      bases.push(batch.base);
      at = batch.last + 1;
    }
  }
  return bases;
}

describe('catching up', () => {
  it('keeps the prefix that is there, pulls the rest, and comes to the same bytes and the same state', async () => {
    for (const buggify of [false, true]) {
      const { run } = journalWorld({ seed: 5, buggify });
      await run(async (host) => {
        const leader = await openRig(host, { config, directory: leaderDirectory });
        await write(leader.partition, 0, 40);
        const follower = await openRig(host, { config });
        for (const entry of leader.group.log.slice(1)) {
          if (entry.index > follower.partition.core.index) follower.partition.apply(entry);
        }
        await follower.partition.checkpoint();
        await write(leader.partition, 40, 120);
        const { peers, asked } = peersOf([leader.partition]);
        const snapshot = snapshotOf(leader.partition);
        await write(leader.partition, 120, 130);
        await follower.partition.restore(snapshot, peers);
        expect(asked.some(({ base }) => base === 0)).toBe(false);
        expect(Buffer.from(follower.partition.snapshot()).equals(Buffer.from(snapshot.data))).toBe(true);
        for (const entry of leader.group.log) {
          if (entry.index > follower.partition.core.index) follower.partition.apply(entry);
        }
        await follower.partition.checkpoint();
        await leader.partition.checkpoint();
        expect(await segmentsIn(host, follower.partition.directory)).toEqual(await segmentsIn(host, leaderDirectory));
        expect(await everything(follower.partition)).toEqual(await everything(leader.partition));
        expect(follower.calls.fatal).toEqual([]);
      });
    }
  });

  it('goes on after a restart where it was, and after the restore nothing is fetched again', async () => {
    const { run, machine } = journalWorld({ seed: 6 });
    const group = new SoloGroup({ group: info.group });
    let pulledFirst = 0;
    await run(async (host) => {
      const leader = await openRig(host, { config, directory: leaderDirectory });
      await write(leader.partition, 0, 100);
      const follower = await openRig(host, { config, group });
      const { peers, asked } = peersOf([leader.partition]);
      const half: CatchUpPeers = {
        ...peers,
        ask: (broker, request) => {
          if (asked.length >= 6) return new Promise(() => undefined);
          return peers.ask(broker, request);
        },
      };
      const checkpoint = await leader.partition.checkpoint();
      void follower.partition.restore(snapshotOf(leader.partition), half);
      while (asked.length < 6) await host.clock.sleep(10);
      await host.clock.sleep(100);
      pulledFirst = asked.length;
      expect(follower.partition.syncProgress).toBeGreaterThan(0);
      expect(follower.partition.syncProgress).toBeLessThan(1);
      kept = { checkpoint, group: leader.group };
    });
    machine.powerLoss('drop');
    await run(async (host) => {
      const leader = await openRig(host, { config, directory: leaderDirectory, ...kept });
      const follower = await openRig(host, { config, salvage: true });
      const { peers, asked } = peersOf([leader.partition]);
      await follower.partition.restore(snapshotOf(leader.partition), peers);
      expect(asked.length).toBeGreaterThan(0);
      expect(asked.some(({ base }) => base === 0)).toBe(false);
      expect(pulledFirst).toBe(6);
      expect(await everything(follower.partition)).toEqual(await everything(leader.partition));
      expect(follower.partition.syncProgress).toBe(1);
      // The restored state is durable once its checkpoint is.
      const checkpoint = await follower.partition.checkpoint();
      follower.partition.checkpointed(checkpoint.index);
      kept = { checkpoint, group: leader.group };
    });
    machine.powerLoss('drop');
    await run(async (host) => {
      const { partition } = await openRig(host, { config, ...kept });
      expect((await everything(partition)).length).toBeGreaterThan(99);
    });
  });

  it.each([
    ['a record', 'third', 90],
    ['the leader epoch of a batch', 'third', 15],
    ['the leader epoch of the first batch of a term, which names the term before now', 'first of a term', 15],
  ])('keeps what precedes the rot in %s, and pulls the rest', async (_, which, at) => {
    const { run } = journalWorld({ seed: 7 });
    await run(async (host) => {
      const leader = await openRig(host, { config, directory: leaderDirectory });
      await write(leader.partition, 0, 3);
      leader.group.bounce();
      await write(leader.partition, 3, 40);
      const follower = await openRig(host, { config, follows: true });
      for (const entry of leader.group.log) follower.partition.apply(entry);
      await follower.partition.checkpoint();
      const own = follower.partition.directory;
      await follower.partition.close();
      const path = `${own}/00000000000000000000.seg`;
      const batches = await batchesOf(host, path);
      const termBefore = batches[0]?.epoch ?? 0;
      const bad = which === 'third' ? batches[2] : batches.find(({ epoch }) => epoch !== termBefore);
      if (bad === undefined) throw new Error('the first segment has too few batches');
      await flipBits(host, path, bad.position + at, which === 'third' ? 4 : bad.epoch ^ termBefore);

      const again = await openRig(host, { config, salvage: true, follows: true });
      const { peers, asked } = peersOf([leader.partition]);
      await again.partition.restore(snapshotOf(leader.partition), peers);
      expect(new Set(asked.map(({ base }) => base))).toEqual(new Set([0]));
      if (which === 'third') expect(Math.min(...asked.map(({ position }) => position))).toBe(bad.position);
      await leader.partition.checkpoint();
      expect(await segmentsIn(host, own)).toEqual(await segmentsIn(host, leaderDirectory));
    });
  });

  it('is not held up by a directory that somebody has removed under it', async () => {
    const { run } = journalWorld({ seed: 6 });
    await run(async (host) => {
      const leader = await openRig(host, { config, directory: leaderDirectory });
      await write(leader.partition, 0, 30);
      const follower = await openRig(host, { config });
      const { directory } = follower.partition;
      for (const { name } of await host.disk.list(directory)) await host.disk.remove(`${directory}/${name}`);
      await host.disk.remove(directory);
      await follower.partition.restore(snapshotOf(leader.partition), peersOf([leader.partition]).peers);
      expect(await everything(follower.partition)).toEqual(await everything(leader.partition));
    });
  });

  it('asks the next replica when one lies, is behind or gone, and gives up when none has it', async () => {
    const { run } = journalWorld({ seed: 6 });
    await run(async (host) => {
      const leader = await openRig(host, { config, directory: leaderDirectory });
      await write(leader.partition, 0, 30);
      const behind = await openRig(host, { config, directory: '/data/behind' });
      const follower = await openRig(host, { config });
      const { peers } = peersOf([behind.partition, leader.partition]);
      await follower.partition.restore(snapshotOf(leader.partition), peers);
      expect(await everything(follower.partition)).toEqual(await everything(leader.partition));

      const lost = await openRig(host, { config, directory: '/data/lost' });
      const nobody = peersOf([behind.partition]).peers;
      await expect(lost.partition.restore(snapshotOf(leader.partition), nobody)).rejects.toThrow(CatchUpFailed);
      expect(lost.partition.highWatermark).toBe(0);
      expect(await lost.partition.append(produce(batchOf(['still there'])))).toMatchObject({
        errorCode: 0,
        baseOffset: 0,
      });
    });
  });

  it('does without segments that were trimmed meanwhile, and comes to the same once it has applied the trim', async () => {
    const { run } = journalWorld({ seed: 6 });
    await run(async (host) => {
      const leader = await openRig(host, { config, directory: leaderDirectory });
      await write(leader.partition, 0, 60);
      const snapshot = snapshotOf(leader.partition);
      const third = leader.partition.core.state.segments.all[3]?.base ?? 0;
      await leader.partition.deleteBefore(third);
      const follower = await openRig(host, { config, follows: true });
      await follower.partition.restore(snapshot, peersOf([leader.partition]).peers);
      expect(follower.partition.damage).toHaveLength(3);
      // Its process may be killed before the trim is applied: a start must not take them for lost.
      const checkpoint = await follower.partition.checkpoint();
      await follower.partition.close();
      const { partition, calls } = await openRig(host, { config, checkpoint, follows: true });
      for (const entry of leader.group.log) {
        if (entry.index > partition.core.index) partition.apply(entry);
      }
      expect(partition.damage).toEqual([]);
      expect(partition.logStartOffset).toBe(third);
      expect(partition.highWatermark).toBe(leader.partition.highWatermark);
      expect(calls.damaged).toEqual([]);
    });
  });

  it('does not write what a peer sends wrong', async () => {
    const { run } = journalWorld({ seed: 6 });
    await run(async (host) => {
      const leader = await openRig(host, { config, directory: leaderDirectory });
      await write(leader.partition, 0, 30);
      const follower = await openRig(host, { config });
      const { peers } = peersOf([leader.partition]);
      const lying: CatchUpPeers = {
        ...peers,
        brokers: () => [7, 1],
        ask: async (broker, request) => {
          const answer = await peers.ask(1, request);
          if (broker === 7) answer[200] = (answer[200] ?? 0) ^ 1;
          return answer;
        },
      };
      await follower.partition.restore(snapshotOf(leader.partition), lying);
      expect(await everything(follower.partition)).toEqual(await everything(leader.partition));
    });
  });
});

let kept: { readonly checkpoint: Awaited<ReturnType<Partition['checkpoint']>>; readonly group: SoloGroup } | undefined;
