import { describe, expect, it } from 'vitest';
import type { MachineCheckpoint } from '../../../../src/engines/streambus/broker/group.ts';
import { retain } from '../../../../src/engines/streambus/log/maintenance.ts';
import { readBatchHeader } from '../../../../src/wire/kafka/recordBatch.ts';
import { journalWorld } from '../../../support/journalWorld.ts';
import { batchesIn, batchOf, directory, fetchAt, openRig, produce } from './rig.ts';

describe('a slow, full or failing disk', () => {
  it('refuses appends with 19 at the bound of unwritten bytes, asks for a pause, and goes on when they are written', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { partition, shared } = await openRig(host, { shared: { unwrittenBytes: 20_000 } });
      const batch = () => produce(batchOf(['x'.repeat(6_000)]));
      // Room on the disk is spoken for from the moment that a batch is taken.
      const first = partition.append(batch());
      expect(shared.claims.givenBytes).toBeGreaterThan(6_000);
      expect(shared.claims.unwrittenBytes).toBe(shared.claims.givenBytes);
      const answers = [];
      answers.push(await first);
      for (let n = 0; n < 3; n++) answers.push(await partition.append(batch()));
      // Four were taken while no write had ended; the fifth finds the bound passed.
      expect(answers.map((answer) => answer.errorCode)).toEqual([0, 0, 0, 0]);
      expect(await partition.append(batch())).toMatchObject({ errorCode: 19 });
      const room = partition.hold();
      expect(room).toBeInstanceOf(Promise);
      expect(await partition.read(fetchAt(3))).toMatchObject({ errorCode: 0 });
      await room;
      expect(shared.unwrittenBytes).toBeLessThan(20_000);
      expect(shared.claims.unwrittenBytes).toBe(shared.unwrittenBytes);
      expect(shared.claims.givenBytes).toBeLessThan(4 * 6_200);
      expect(await partition.append(batch())).toMatchObject({ errorCode: 0 });
      expect(partition.hold()).toBeUndefined();
    });
  });

  it('refuses appends while the disk is full, serves meanwhile, and writes everything once there is room', async () => {
    const { run, machine } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { partition, calls } = await openRig(host);
      const { rules } = machine.devices.device('root');
      const rule = rules.add({ kind: 'no-space', operation: 'write', path: `${directory}/*.seg` });
      await partition.append(produce(batchOf(['kept'])));
      const checkpoint = partition.checkpoint();
      await host.clock.sleep(100);
      expect(await partition.append(produce(batchOf(['refused'])))).toMatchObject({ errorCode: 19 });
      expect(await partition.read(fetchAt(0))).toMatchObject({ errorCode: 0, highWatermark: 1 });
      rules.remove(rule.id);
      await checkpoint;
      expect(await partition.append(produce(batchOf(['taken'])))).toMatchObject({ errorCode: 0, baseOffset: 1 });
      expect(calls.fatal).toEqual([]);
    });
  });

  it('trims on a disk without any room: what goes is not written first, and no checkpoint names it', async () => {
    const { run, machine } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const configs = new Map([['retention.ms', '1000']]);
      const { partition, group, calls } = await openRig(host, { config: { segmentBytes: 600 }, configs });
      for (let n = 0; n < 4; n++) await partition.append(produce(batchOf([`${n}`.repeat(500)])));
      const before = await partition.checkpoint();
      const { rules } = machine.devices.device('root');
      const rule = rules.add({ kind: 'no-space', operation: 'write', path: `${directory}/*.seg` });
      for (let n = 4; n < 8; n++) await partition.append(produce(batchOf([`${n}`.repeat(500)])));
      let made: MachineCheckpoint | undefined;
      const begun = partition.checkpoint().then((checkpoint) => {
        made = checkpoint;
      });
      await host.clock.sleep(3_000);
      expect(made).toBeUndefined();
      expect(retain(partition, host.clock.wall())).toBe(8);
      await host.clock.sleep(3_000);
      await begun;
      expect(made?.index).toBeGreaterThan(before.index);
      partition.checkpointed(made?.index ?? 0);
      await host.clock.sleep(1_000);
      const files = (await host.disk.list(directory)).filter(({ name }) => name.endsWith('.seg'));
      expect(files).toEqual([]);
      expect(calls.fatal).toEqual([]);
      await partition.close();
      rules.remove(rule.id);
      const again = await openRig(host, { group, checkpoint: made, configs, config: { segmentBytes: 600 } });
      expect([again.partition.logStartOffset, again.partition.highWatermark]).toEqual([8, 8]);
      expect(await again.partition.append(produce(batchOf(['next'])))).toMatchObject({ errorCode: 0, baseOffset: 8 });
    });
  });

  it.each(['keep', 'revert'] as const)(
    'ends the process at a sync that fails (%s), and names no checkpoint',
    async (variant) => {
      const { run, machine } = journalWorld({ seed: 1 });
      await run(async (host) => {
        const { partition, calls } = await openRig(host);
        await partition.append(produce(batchOf(['a'])));
        machine.devices
          .device('root')
          .rules.add({ kind: 'sync-error', variant, remaining: 1, path: `${directory}/*.seg` });
        await expect(partition.checkpoint()).rejects.toMatchObject({
          name: 'DiskError',
          operation: 'sync',
          code: 'EIO',
        });
        expect(calls.fatal.map(({ cause }) => cause)).toEqual([
          expect.objectContaining({ operation: 'sync', code: 'EIO' }),
        ]);
      });
    },
  );
});

describe('limits', () => {
  it('keeps 100,000 producers: one more lets the oldest idle ones expire, and open transactions stay', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { partition, group } = await openRig(host, { shared: { cacheBytes: 0 } });
      const { producers } = partition.core.state;
      const state = {
        epoch: 0,
        coordinatorEpoch: -1,
        recent: [0, 0, 0],
        lastTimestamp: 0,
        lastOffset: 0,
        transactionStart: -1,
      };
      const open = { producerId: 1, producerEpoch: 0, baseSequence: 0, isTransactional: true };
      await partition.append(produce(batchOf(['a'], open), { transactionalId: 'tx' }));
      for (let id = 2; id <= 100_000; id++) producers.set(id, { producerId: id, ...state });
      const next = { producerId: 200_000, producerEpoch: 0, baseSequence: 7 };
      expect(await partition.append(produce(batchOf(['b'], next)))).toMatchObject({ errorCode: 0 });
      expect(producers.size).toBe(100_000 - 1_000 + 1);
      expect([producers.has(1), producers.has(2), producers.has(1_001), producers.has(1_002)]).toEqual([
        true,
        false,
        false,
        true,
      ]);
      // By an entry: whoever applies the log forgets the same.
      expect(group.log.some((entry) => entry.data[0] === 2)).toBe(true);
    });
  });

  it('shares one memory among partitions: the oldest batches of all go first, what is not written stays', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { partition, shared } = await openRig(host, { shared: { cacheBytes: 10_000 } });
      for (let n = 0; n < 10; n++) await partition.append(produce(batchOf(['x'.repeat(2_000)])));
      expect(shared.cachedBytes).toBeGreaterThan(20_000);
      expect(partition.core.cache.first).toBe(0);
      await partition.checkpoint();
      expect(shared.cachedBytes).toBeLessThanOrEqual(10_000);
      expect(partition.core.cache.first).toBe(6);
      const read = await partition.read(fetchAt(0));
      expect(batchesIn(read.records)).toHaveLength(10);
      await partition.close();
      expect([shared.cachedBytes, shared.unwrittenBytes]).toEqual([0, 0]);
    });
  });
});

describe('times', () => {
  it('are the leader’s where the topic says so, and the batch is signed anew', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { partition } = await openRig(host, { configs: new Map([['message.timestamp.type', 'LogAppendTime']]) });
      const answer = await partition.append(produce(batchOf(['a'])));
      expect(answer.logAppendTimeMs).toBeGreaterThan(host.clock.wall() - 1_000);
      await partition.checkpoint();
      const [batch] = batchesIn((await partition.read(fetchAt(0))).records);
      const header = readBatchHeader(batch?.bytes ?? new Uint8Array());
      expect([header.maxTimestamp, header.attributes & 8]).toEqual([answer.logAppendTimeMs, 8]);
      expect(await partition.offsetFor(answer.logAppendTimeMs, 'read-uncommitted')).toMatchObject({ offset: 0 });
    });
  });
});
