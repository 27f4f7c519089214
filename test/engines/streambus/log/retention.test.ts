import { describe, expect, it } from 'vitest';
import { retain, startLogMaintenance } from '../../../../src/engines/streambus/log/maintenance.ts';
import type { Host } from '../../../../src/host/host.ts';
import { journalWorld } from '../../../support/journalWorld.ts';
import { batchOf, directory, fetchAt, type OpenedPartition, openRig, produce } from './rig.ts';

const hour = 3_600_000;

/** Ten segments of one batch each, an hour between their times. */
async function tenSegments(
  host: Host,
  configs = new Map<string, string>(),
  mutantFree = true,
): Promise<OpenedPartition> {
  const opened = await openRig(host, { config: { segmentBytes: 600 }, configs });
  const began = Math.floor(host.clock.wall());
  for (let n = 0; n < 10; n++) {
    await opened.partition.append(produce(batchOf([`${n}`.repeat(500)], { timestamp: began - (9 - n) * hour })));
  }
  if (mutantFree) expect(opened.partition.core.state.segments.all).toHaveLength(10);
  return opened;
}

const segmentFiles = async (host: Host) =>
  (await host.disk.list(directory)).map(({ name }) => name).filter((name) => name.endsWith('.seg'));

describe('retention', () => {
  it('lets go of segments whose records are all older than the topic keeps them', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { partition, group } = await tenSegments(host, new Map([['retention.ms', `${3.5 * hour}`]]));
      expect(retain(partition, host.clock.wall())).toBe(6);
      await host.clock.sleep(1);
      expect(partition.logStartOffset).toBe(6);
      expect(await partition.read(fetchAt(5))).toMatchObject({ errorCode: 1, logStartOffset: 6 });
      expect(await partition.read(fetchAt(6))).toMatchObject({ errorCode: 0 });
      // Another replica that applies the same log forgets the same.
      const other = await openRig(host, { group, directory: '/data/other' });
      expect(other.partition.logStartOffset).toBe(6);
      expect(other.partition.core.state.segments.all).toEqual(partition.core.state.segments.all);
    });
  });

  it('seals the active segment when everything in it is old', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { partition } = await tenSegments(host, new Map([['retention.ms', '1000']]));
      await host.clock.sleep(2_000);
      expect(retain(partition, host.clock.wall())).toBe(10);
      await host.clock.sleep(1);
      expect([partition.logStartOffset, partition.highWatermark, partition.sizeBytes]).toEqual([10, 10, 0]);
      expect(await partition.append(produce(batchOf(['next'])))).toMatchObject({ errorCode: 0, baseOffset: 10 });
      expect(await partition.read(fetchAt(10))).toMatchObject({ errorCode: 0, highWatermark: 11 });
    });
  });

  it('keeps at least the bytes that the topic asks for, and what an open transaction needs', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const configs = new Map([
        ['retention.bytes', '1400'],
        ['retention.ms', '-1'],
      ]);
      const { partition } = await tenSegments(host, configs);
      const one = partition.sizeBytes / 10;
      expect(retain(partition, host.clock.wall())).toBe(10 - Math.ceil(1400 / one));

      const second = await openRig(host, { config: { segmentBytes: 600 }, configs, directory: '/data/second' });
      const options = { producerId: 1, producerEpoch: 0, baseSequence: 0, isTransactional: true };
      await second.partition.append(produce(batchOf(['x'.repeat(500)])));
      await second.partition.append(produce(batchOf(['x'.repeat(500)], options), { transactionalId: 'tx' }));
      for (let n = 0; n < 8; n++) await second.partition.append(produce(batchOf(['x'.repeat(500)])));
      expect(retain(second.partition, host.clock.wall())).toBe(1);
    });
  });

  it('removes files only once a checkpoint without them is durable', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { partition, calls } = await tenSegments(host, new Map([['retention.ms', `${3.5 * hour}`]]));
      await partition.checkpoint();
      const before = await segmentFiles(host);
      retain(partition, host.clock.wall());
      await host.clock.sleep(1);
      expect(calls.wanted).toBeGreaterThan(0);
      const checkpoint = await partition.checkpoint();
      expect(await segmentFiles(host)).toEqual(before);
      partition.checkpointed(checkpoint.index);
      await host.clock.sleep(100);
      expect(await segmentFiles(host)).toEqual(before.slice(6));
    });
  });

  it('is done as often as the configuration says, and not by itself where it is switched off', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { partition } = await tenSegments(host, new Map([['retention.ms', `${3.5 * hour}`]]));
      let each: number | undefined;
      const maintenance = startLogMaintenance(host, {
        partitions: () => [partition],
        intervalMs: 1_000,
        retentionIntervalMs: () => each,
      });
      await host.clock.sleep(60_000);
      expect(partition.logStartOffset).toBe(0);
      each = 10_000;
      await host.clock.sleep(2_000);
      expect(partition.logStartOffset).toBe(6);
      maintenance.stop();
    });
  });

  it('follows a topic whose segments are to be smaller from now on, on every replica alike', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const opened = await openRig(host);
      const maintenance = startLogMaintenance(host, { partitions: () => [opened.partition], intervalMs: 1_000 });
      const write = async () => {
        for (let n = 0; n < 5; n++) await opened.partition.append(produce(batchOf(['x'.repeat(500)])));
      };
      await write();
      expect(opened.partition.core.state.segments.all).toHaveLength(1);
      opened.configs.set('segment.bytes', '1000');
      await host.clock.sleep(1_500);
      await write();
      maintenance.stop();
      expect(opened.partition.core.state.segments.all.map((segment) => segment.base)).toEqual([0, 5, 6, 7, 8, 9]);
      const other = await openRig(host, { follows: true, directory: '/data/other' });
      for (const entry of opened.group.log) other.partition.apply(entry);
      expect(other.partition.core.state.segments.all).toEqual(opened.partition.core.state.segments.all);
    });
  });

  it('has a planted bug that other replicas do not share', async () => {
    const { run } = journalWorld({ seed: 1, mutants: ['trim-local'] });
    await run(async (host) => {
      const { partition, group } = await tenSegments(host, new Map([['retention.ms', `${3.5 * hour}`]]));
      retain(partition, host.clock.wall());
      await host.clock.sleep(1);
      const other = await openRig(host, { group, directory: '/data/other' });
      expect(other.partition.logStartOffset).not.toBe(partition.logStartOffset);
    });
  });
});

describe('expiry of producers', () => {
  it('forgets those that were idle for long, by what the log had then, and keeps open transactions', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const opened = await openRig(host, { config: { producerIdleMs: 3 * hour } });
      const write = (producerId: number, baseSequence: number, isTransactional = false) =>
        opened.partition.append(
          produce(batchOf(['v'], { producerId, producerEpoch: 0, baseSequence, isTransactional, timestamp: 0 }), {
            transactionalId: isTransactional ? 'tx' : undefined,
          }),
        );
      const maintenance = startLogMaintenance(host, {
        partitions: () => [opened.partition],
        intervalMs: 600_000,
      });
      await write(1, 0);
      await write(2, 0);
      await write(3, 0, true);
      const known = () => opened.partition.producers().map((producer) => producer.producerId);
      await host.clock.sleep(2 * hour);
      await write(2, 1);
      expect(known()).toEqual([1, 3, 2]);
      await host.clock.sleep(2 * hour);
      expect(known()).toEqual([3, 2]);
      expect(await write(1, 55)).toMatchObject({ errorCode: 0 });
      expect(await write(2, 3)).toMatchObject({ errorCode: 45 });
      maintenance.stop();
    }, 10 * hour);
  });
});
