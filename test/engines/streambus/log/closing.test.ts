import { describe, expect, it } from 'vitest';
import { type CatchUpPeers, MachineClosed } from '../../../../src/engines/streambus/broker/group.ts';
import { scrubPartition } from '../../../../src/engines/streambus/log/jobs.ts';
import { repairPartition } from '../../../../src/engines/streambus/log/repair.ts';
import type { Host } from '../../../../src/host/host.ts';
import { journalWorld } from '../../../support/journalWorld.ts';
import { batchOf, directory, fetchAt, openRig, produce } from './rig.ts';

const config = { segmentBytes: 40_000 };
const textBytes = 6_000;

async function fill(opened: Awaited<ReturnType<typeof openRig>>): Promise<void> {
  for (let n = 0; n < 20; n++) await opened.partition.append(produce(batchOf(['x'.repeat(textBytes)])));
}

/** What a broker does with the files of a partition that it has closed. */
async function removeAll({ disk }: Host): Promise<void> {
  for (const { name } of await disk.list(directory)) await disk.remove(`${directory}/${name}`);
  await disk.remove(directory);
}

const outcomeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'done',
    (error: unknown) => error,
  );

describe('a partition that is closed', () => {
  it.each([0, 5, 40, 100, 200])('gives up a checkpoint %i ms old, and leaves its files alone', async (ms) => {
    const { run, machine } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const opened = await openRig(host, { config });
      await fill(opened);
      machine.devices.device('root').queue.disturb({ kind: 'throttle', iops: 100, bytesPerSecond: 500_000 });
      const checkpoint = outcomeOf(opened.partition.checkpoint());
      await host.clock.sleep(ms);
      await opened.partition.close();
      await removeAll(host);
      await host.clock.sleep(5_000);
      expect(await checkpoint).toBeInstanceOf(MachineClosed);
      expect(opened.calls.fatal).toEqual([]);
      await expect(host.disk.list(directory)).rejects.toMatchObject({ code: 'ENOENT' });
      expect(opened.shared.unwrittenBytes).toBe(0);
    });
  });

  it('ends the process all the same when the sync under way fails', async () => {
    const { run, machine } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { partition, calls } = await openRig(host);
      await partition.append(produce(batchOf(['a'])));
      await partition.core.writer.flush();
      const { queue, rules } = machine.devices.device('root');
      queue.disturb({ kind: 'throttle', iops: 20, bytesPerSecond: 500_000 });
      rules.add({ kind: 'sync-error', variant: 'keep', remaining: 1, path: `${directory}/*.seg` });
      const checkpoint = outcomeOf(partition.checkpoint());
      await host.clock.sleep(5);
      await partition.close();
      expect(await checkpoint).toMatchObject({ name: 'DiskError', operation: 'sync' });
      expect(calls.fatal.map(({ cause }) => cause)).toEqual([expect.objectContaining({ operation: 'sync' })]);
    });
  });

  it('does not wait for room on a full disk', async () => {
    const { run, machine } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { partition, calls } = await openRig(host);
      machine.devices.device('root').rules.add({ kind: 'no-space', operation: 'write', path: `${directory}/*.seg` });
      await partition.append(produce(batchOf(['a'])));
      const checkpoint = outcomeOf(partition.checkpoint());
      await host.clock.sleep(3_000);
      await partition.close();
      expect(await checkpoint).toBeInstanceOf(MachineClosed);
      expect(calls.fatal).toEqual([]);
    });
  });

  it('lets no repair make its files again, and calls what is gone no damage', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const ending = new AbortController();
      const peers: CatchUpPeers = {
        brokers: () => [2],
        ask: async () => {
          await host.clock.sleep(1_000);
          throw new Error('nobody is there');
        },
        signal: ending.signal,
      };
      const opened = await openRig(host, { config, shared: { cacheBytes: 0 }, peers });
      await fill(opened);
      await opened.partition.checkpoint();
      await host.disk.remove(`${directory}/00000000000000000000.seg`);
      opened.shared.files.dropBelow(directory);
      expect(await opened.partition.read(fetchAt(0))).toMatchObject({ errorCode: 56 });
      const repair = outcomeOf(repairPartition(opened.partition.core, peers));
      const scrub = outcomeOf(scrubPartition(opened.partition, new AbortController().signal));
      await host.clock.sleep(100);
      const told = opened.calls.damaged.length;
      expect(told).toBeGreaterThan(0);
      // As a replica does it: whoever is asked by then is not waited for.
      ending.abort();
      await opened.partition.close();
      await removeAll(host);
      await host.clock.sleep(5_000);
      expect([await repair, await scrub]).not.toContain('done');
      expect(opened.calls.damaged).toHaveLength(told);
      await expect(host.disk.list(directory)).rejects.toMatchObject({ code: 'ENOENT' });
      expect(await outcomeOf(repairPartition(opened.partition.core, peers))).toBeInstanceOf(MachineClosed);
    });
  });
});
