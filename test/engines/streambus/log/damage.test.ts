import { describe, expect, it } from 'vitest';
import type { CatchUpPeers } from '../../../../src/engines/streambus/broker/group.ts';
import { digestPartition, rebuildIndexes, scrubPartition } from '../../../../src/engines/streambus/log/jobs.ts';
import { startLogMaintenance } from '../../../../src/engines/streambus/log/maintenance.ts';
import { repairPartition } from '../../../../src/engines/streambus/log/repair.ts';
import type { Host } from '../../../../src/host/host.ts';
import { journalWorld } from '../../../support/journalWorld.ts';
import { batchesIn, batchOf, directory, fetchAt, info, type OpenedPartition, openRig, produce } from './rig.ts';

const never = new AbortController().signal;
const config = { segmentBytes: 6_000 };
const firstSegment = `${directory}/00000000000000000000.seg`;

const valuesOf = (n: number) => [`value ${n}`, 'x'.repeat(300)];
/** Of each of the first ten batches. */
const batchBytes = batchOf(valuesOf(0)).length;

async function flipByte(host: Host, path: string, at: number) {
  const file = await host.disk.open(path, { mode: 'write' });
  const byte = new Uint8Array(1);
  await file.read(at, byte);
  await file.write(at, [Uint8Array.of((byte[0] ?? 0) ^ 4)], { durable: true });
  await file.close();
}

/** Two replicas of the same log: the first leads, the second has applied as much. Nothing is read from memory. */
async function twoReplicas(host: Host) {
  const uncached = { cacheBytes: 0 };
  const one = await openRig(host, {
    config,
    shared: uncached,
    peers: { brokers: () => [2], ask: (_, request) => two.partition.answerPeer(request, 1), signal: never },
  });
  for (let n = 0; n < 40; n++) await one.partition.append(produce(batchOf(valuesOf(n))));
  const checkpoint = await one.partition.checkpoint();
  const two: OpenedPartition = await openRig(host, {
    config,
    shared: uncached,
    directory: '/data/two',
    follows: true,
  });
  for (const entry of one.group.log) two.partition.apply(entry);
  await two.partition.checkpoint();
  return { one, two, checkpoint };
}

async function outcomes(opened: OpenedPartition): Promise<number[]> {
  const codes: number[] = [];
  for (let at = 0; at < opened.partition.highWatermark; at += 2)
    codes.push((await opened.partition.read(fetchAt(at, { maxBytes: 1 }))).errorCode);
  return codes;
}

describe('a log that rots', () => {
  it.each([
    ['a record', 700],
    ['a length', batchBytes + 10],
    ['an offset', batchBytes + 7],
    ['a last offset, which then lies above what may be read', batchBytes + 23],
    ['a leader epoch, which no CRC covers', batchBytes + 15],
  ])('answers 56 where %s is broken, never skips, tells its broker, and serves the rest', async (_, at) => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { one } = await twoReplicas(host);
      one.group.bounce();
      await flipByte(host, firstSegment, at);
      const codes = await outcomes(one);
      const bad = codes.flatMap((code, n) => (code === 0 ? [] : [n]));
      expect(new Set(codes)).toEqual(new Set([0, 56]));
      expect(bad[0]).toBe(1);
      // Shut off up to the index's next entry at most.
      expect(bad.length).toBeLessThan(15);
      expect(one.partition.damage).toMatchObject([{ firstOffset: 2 }]);
      expect(one.calls.damaged).toHaveLength(1);
      expect(one.calls.handOver).toHaveLength(1);
    });
  });

  it('is repaired in place from another replica, and answers as before', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { one, two } = await twoReplicas(host);
      const before = await digestPartition(two.partition, never);
      await flipByte(host, firstSegment, 700);
      const second = one.partition.core.state.segments.all[1]?.base ?? 0;
      await host.disk.remove(`${directory}/${String(second).padStart(20, '0')}.seg`);
      const { damaged } = await scrubPartition(one.partition, never);
      // The batch, and the segment in as many stretches as its index tells apart.
      expect(damaged).toBe(3);
      expect(one.partition.damage).toEqual([]);
      expect(one.calls.repaired).toBe(damaged);
      expect(new Set(await outcomes(one))).toEqual(new Set([0]));
      expect(await digestPartition(one.partition, never)).toEqual(before);
    });
  });

  it('is found by a scrub in a leader epoch, too, which no CRC covers', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { one, two } = await twoReplicas(host);
      await flipByte(host, firstSegment, batchBytes + 15);
      expect(await scrubPartition(one.partition, never)).toMatchObject({ damaged: 1 });
      expect(one.partition.damage).toEqual([]);
      expect(await digestPartition(one.partition, never)).toEqual(await digestPartition(two.partition, never));
    });
  });

  it('has the rest of its segment searched before it is repaired: nobody may read there for long', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { one, two } = await twoReplicas(host);
      const before = await digestPartition(two.partition, never);
      await flipByte(host, firstSegment, 700);
      await flipByte(host, firstSegment, (one.partition.core.state.segments.all[0]?.bytes ?? 0) - 5);
      expect(await one.partition.read(fetchAt(2))).toMatchObject({ errorCode: 56 });
      expect(one.partition.damage).toHaveLength(1);
      const maintenance = startLogMaintenance(host, { partitions: () => [one.partition], intervalMs: 1_000 });
      await host.clock.sleep(5_000);
      maintenance.stop();
      expect(one.partition.damage).toEqual([]);
      expect(one.calls.repaired).toBe(2);
      expect(await digestPartition(one.partition, never)).toEqual(before);
    });
  });

  it('is repaired while the disk has no room for what is new', async () => {
    const { run, machine } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { one } = await twoReplicas(host);
      await flipByte(host, firstSegment, 700);
      expect(await one.partition.read(fetchAt(2))).toMatchObject({ errorCode: 56 });
      const last = one.partition.core.state.segments.active.base;
      const { rules } = machine.devices.device('root');
      rules.add({ kind: 'no-space', operation: 'write', path: `${directory}/${String(last).padStart(20, '0')}.seg` });
      await one.partition.append(produce(batchOf(valuesOf(100))));
      one.partition.core.writer.drain();
      await host.clock.sleep(100);
      expect(one.partition.core.writer.stalled).toContain('ENOSPC');
      const maintenance = startLogMaintenance(host, {
        partitions: () => [one.partition],
        intervalMs: 1_000,
        scrubIntervalMs: () => 2_000,
        onScrubbed: () => {
          scrubbed += 1;
        },
      });
      let scrubbed = 0;
      await host.clock.sleep(10_000);
      maintenance.stop();
      expect(one.partition.damage).toEqual([]);
      expect(scrubbed).toBeGreaterThan(1);
    });
  });

  it('is repaired and scrubbed although another partition cannot be, which is named', async () => {
    const { run, world } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { one } = await twoReplicas(host);
      const bad = await openRig(host, {
        config,
        directory: '/data/bad',
        info: { ...info, topic: 'bad', group: 1_025 },
        shared: { cacheBytes: 0 },
      });
      for (let n = 0; n < 40; n++) await bad.partition.append(produce(batchOf(valuesOf(n))));
      await bad.partition.checkpoint();
      // A stretch that ends where it begins: no scan gets behind it.
      bad.partition.core.damage.add({ reason: 'odd', base: 0, from: 0, to: 0, firstOffset: 0, lastOffset: 1 });
      await flipByte(host, firstSegment, 700);
      expect(await one.partition.read(fetchAt(2))).toMatchObject({ errorCode: 56 });
      let scrubbed = 0;
      const maintenance = startLogMaintenance(host, {
        partitions: () => [bad.partition, one.partition],
        intervalMs: 1_000,
        scrubIntervalMs: () => 2_000,
        onScrubbed: () => {
          scrubbed += 1;
        },
      });
      await host.clock.sleep(4_000);
      expect(one.partition.damage).toEqual([]);
      // Found by a scrub, too.
      await flipByte(host, firstSegment, 700);
      await host.clock.sleep(6_000);
      maintenance.stop();
      expect(one.calls.repaired).toBe(2);
      expect(scrubbed).toBe(0);
      const warned = world.logs.lines.filter(({ message }) => message.startsWith('a partition could not be'));
      expect(new Set(warned.map(({ fields }) => `${fields.topic}/${fields.partition}`))).toEqual(new Set(['bad/0']));
    });
  });

  it('is searched before it is repaired, also where nothing was wrong when the rest was searched', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { one, two } = await twoReplicas(host);
      const before = await digestPartition(two.partition, never);
      const [, second] = one.partition.core.state.segments.all;
      if (second === undefined) throw new Error('expected a second segment');
      const secondSegment = `${directory}/${String(second.base).padStart(20, '0')}.seg`;
      // Nobody else has the first one whole: it stays shut off.
      for (const path of [firstSegment, '/data/two/00000000000000000000.seg']) await flipByte(host, path, 700);
      expect(await one.partition.read(fetchAt(2))).toMatchObject({ errorCode: 56 });
      const maintenance = startLogMaintenance(host, { partitions: () => [one.partition], intervalMs: 1_000 });
      await host.clock.sleep(20_000);
      expect(one.partition.damage).toHaveLength(1);
      await flipByte(host, secondSegment, 700);
      await flipByte(host, secondSegment, second.bytes - 5);
      expect(await one.partition.read(fetchAt(second.base + 2))).toMatchObject({ errorCode: 56 });
      await host.clock.sleep(20_000);
      maintenance.stop();
      expect(one.calls.repaired).toBe(2);
      expect(one.partition.damage.map(({ firstOffset }) => firstOffset)).toEqual([2]);
      const { sha256 } = await digestPartition(one.partition, never, second.base);
      expect(before.endOffset).toBe(one.partition.core.state.next);
      expect(sha256).toBe((await digestPartition(two.partition, never, second.base)).sha256);
    });
  });

  it('stays shut off while nobody can help, and is repaired by the next round when somebody can', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { one, two } = await twoReplicas(host);
      await flipByte(host, firstSegment, 700);
      await flipByte(host, '/data/two/00000000000000000000.seg', 700);
      await scrubPartition(one.partition, never);
      expect(one.partition.damage).toHaveLength(1);
      const sound = await openRig(host, { config, directory: '/data/three', follows: true });
      for (const entry of one.group.log) sound.partition.apply(entry);
      const maintenance = startLogMaintenance(host, { partitions: () => [two.partition], intervalMs: 1_000 });
      const peers: CatchUpPeers = {
        brokers: () => [3],
        ask: (_, request) => sound.partition.answerPeer(request, 1),
        signal: never,
      };
      expect(await repairPartition(one.partition.core, peers)).toBe(0);
      expect((await outcomes(one)).every((code) => code === 0)).toBe(true);
      maintenance.stop();
    });
  });

  it('shuts off what has rotted below the checkpoint when it is opened, and cuts nothing', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { one, checkpoint } = await twoReplicas(host);
      const active = one.partition.core.state.segments.active;
      await one.partition.close();
      await flipByte(host, `${directory}/${String(active.base).padStart(20, '0')}.seg`, active.bytes - 5);
      const again = await openRig(host, { config, shared: { cacheBytes: 0 }, checkpoint, group: one.group });
      expect(again.partition.damage).toHaveLength(1);
      expect(again.partition.highWatermark).toBe(80);
      expect(await again.partition.append(produce(batchOf(['next'])))).toMatchObject({ errorCode: 0, baseOffset: 80 });
      await again.partition.checkpoint();
      expect(await again.partition.read(fetchAt(79))).toMatchObject({ errorCode: 56 });
      expect(await again.partition.read(fetchAt(80))).toMatchObject({ errorCode: 0 });
    });
  });

  it.each([
    ['fetch-skips-missing', (codes: readonly number[]) => codes.every((code) => code === 0)],
    ['fetch-error-empty', (codes: readonly number[]) => codes.every((code) => code === 0)],
    ['truncate-at-bad-crc', (codes: readonly number[]) => codes.every((code) => code === 0)],
  ])('hides it with %s planted', async (mutant, hides) => {
    const { run } = journalWorld({ seed: 1, mutants: [mutant] });
    await run(async (host) => {
      const { one } = await twoReplicas(host);
      await flipByte(host, firstSegment, 700);
      expect(hides(await outcomes(one))).toBe(true);
    });
  });
});

describe('an index', () => {
  it('may be missing, foreign or broken: answers stay right, and it can be made anew', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const spoilers: ((path: string) => Promise<void>)[] = [
        (path) => host.disk.remove(path),
        (path) => flipByte(host, path, 5),
        async (path) => {
          const file = await host.disk.open(path, { mode: 'write' });
          await file.truncate(30);
          await file.close();
        },
      ];
      for (const [n, spoil] of spoilers.entries()) {
        const at = `/data/index-${n}`;
        const opened = await openRig(host, { shared: { cacheBytes: 0 }, directory: at });
        for (let i = 0; i < 60; i++) await opened.partition.append(produce(batchOf([`${i}`, 'y'.repeat(900)])));
        const checkpoint = await opened.partition.checkpoint();
        await opened.partition.close();
        await spoil(`${at}/00000000000000000000.idx`);
        const again = await openRig(host, {
          shared: { cacheBytes: 0 },
          directory: at,
          checkpoint,
          group: opened.group,
        });
        expect(new Set(await outcomes(again))).toEqual(new Set([0]));
        expect(batchesIn((await again.partition.read(fetchAt(117))).records)[0]?.base).toBe(116);
        expect(await rebuildIndexes(again.partition, never)).toBeGreaterThan(8);
        expect((await again.partition.core.writer.index(0).floorOffset(110)).offset).toBeGreaterThan(100);
        expect(new Set(await outcomes(again))).toEqual(new Set([0]));
        expect(again.partition.damage).toEqual([]);
      }
    });
  });
});
