import { describe, expect, it } from 'vitest';
import { PartitionRegressed } from '../../../../src/engines/streambus/log/partition.ts';
import { DirectoryOfLater } from '../../../../src/engines/streambus/log/regressed.ts';
import { readRecords } from '../../../../src/wire/kafka/records.ts';
import { journalWorld } from '../../../support/journalWorld.ts';
import { batchesIn, batchOf, directory, fetchAt, info, openRig, produce, testTime } from './rig.ts';

const text = (bytes: Uint8Array | null) => new TextDecoder().decode(bytes ?? new Uint8Array());

describe('a partition', () => {
  it('gives back what was produced, with the offsets and the epoch that it stamped', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { partition, group } = await openRig(host);
      const first = await partition.append(produce(batchOf(['a', 'b'])));
      const second = await partition.append(produce(batchOf(['c'])));
      expect([first.errorCode, first.baseOffset, second.baseOffset]).toEqual([0, 0, 2]);
      const read = await partition.read(fetchAt(0));
      expect(read).toMatchObject({ errorCode: 0, highWatermark: 3, lastStableOffset: 3, logStartOffset: 0 });
      const records = batchesIn(read.records).flatMap((batch) => readRecords(batch.bytes));
      expect(records.map((record) => [record.offset, text(record.value)])).toEqual([
        [0, 'a'],
        [1, 'b'],
        [2, 'c'],
      ]);
      expect(partition.endOfEpoch(group.term)).toEqual({ epoch: group.term, endOffset: 3 });
    });
  });

  it('serves a batch that begins before the offset asked for, and nothing past the end', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { partition } = await openRig(host);
      await partition.append(produce(batchOf(['a', 'b', 'c'])));
      await partition.append(produce(batchOf(['d'])));
      expect(batchesIn((await partition.read(fetchAt(2))).records).map((batch) => batch.base)).toEqual([0, 3]);
      expect(await partition.read(fetchAt(4))).toMatchObject({ errorCode: 0, bytes: 0 });
      expect(await partition.read(fetchAt(5))).toMatchObject({ errorCode: 1 });
    });
  });

  it('serves the same from its segments as from memory', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { partition } = await openRig(host, { shared: { cacheBytes: 0 }, config: { segmentBytes: 4_000 } });
      for (let n = 0; n < 60; n++) await partition.append(produce(batchOf([`value ${n}`, 'x'.repeat(n * 7)])));
      await partition.checkpoint();
      const seen: number[] = [];
      for (let at = 0; at < partition.highWatermark; ) {
        const read = await partition.read(fetchAt(at, { maxBytes: 900 }));
        expect(read.errorCode).toBe(0);
        const batches = batchesIn(read.records);
        expect(batches.length).toBeGreaterThan(0);
        for (const batch of batches) seen.push(batch.base);
        at = (batches.at(-1)?.last ?? at) + 1;
      }
      expect(seen).toEqual(Array.from({ length: 60 }, (_, n) => n * 2));
      expect(partition.core.state.segments.all.length).toBeGreaterThan(3);
    });
  });

  it('gives one batch at least when asked to, and none that is too large otherwise', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      for (const cacheBytes of [0, 1_000_000]) {
        const { partition } = await openRig(host, { shared: { cacheBytes } });
        await partition.append(produce(batchOf(['x'.repeat(5_000)])));
        await partition.checkpoint();
        expect((await partition.read(fetchAt(0, { maxBytes: 10 }))).records).toHaveLength(1);
        expect(await partition.read(fetchAt(0, { maxBytes: 10, minOneBatch: false }))).toMatchObject({
          errorCode: 0,
          bytes: 0,
        });
      }
    });
  });

  it('has after a power loss everything that its log had, from checkpoint and journal', async () => {
    for (const mode of ['drop', 'tear', 'reorder', 'corrupt'] as const) {
      const { run, machine } = journalWorld({ seed: 3 });
      const first = await run(async (host) => {
        const opened = await openRig(host, { config: { segmentBytes: 2_000 } });
        for (let n = 0; n < 20; n++) await opened.partition.append(produce(batchOf([`value ${n}`, 'x'.repeat(100)])));
        const checkpoint = await opened.partition.checkpoint();
        for (let n = 20; n < 40; n++) await opened.partition.append(produce(batchOf([`value ${n}`, 'x'.repeat(100)])));
        opened.partition.core.writer.drain();
        await host.clock.sleep(1);
        return { checkpoint, group: opened.group };
      });
      machine.powerLoss(mode);
      await run(async (host) => {
        const { partition } = await openRig(host, {
          checkpoint: first.checkpoint,
          group: first.group,
          shared: { cacheBytes: 0 },
        });
        expect(partition.highWatermark).toBe(80);
        await partition.checkpoint();
        let at = 0;
        while (at < 80) {
          const read = await partition.read(fetchAt(at));
          expect(read.errorCode).toBe(0);
          at = (batchesIn(read.records).at(-1)?.last ?? at) + 1;
        }
        expect(await partition.append(produce(batchOf(['more'])))).toMatchObject({ errorCode: 0, baseOffset: 80 });
      });
    }
  });

  it('refuses to open when less is there than the checkpoint says', async () => {
    const { run } = journalWorld({ seed: 3 });
    const checkpoint = await run(async (host) => {
      const { partition } = await openRig(host);
      await partition.append(produce(batchOf(['a'])));
      return partition.checkpoint();
    });
    const reasonOf = (error: unknown) => (error instanceof PartitionRegressed ? error.reason : error);
    await run(async (host) => {
      const path = `${directory}/00000000000000000000.seg`;
      const file = await host.disk.open(path, { mode: 'write' });
      await file.truncate(10);
      await file.close();
      expect(await openRig(host, { checkpoint }).catch(reasonOf)).toBe('short');
      await host.disk.remove(path);
      expect(await openRig(host, { checkpoint }).catch(reasonOf)).toBe('short');
      await host.disk.remove(`${directory}/partition.json`);
      expect(await openRig(host, { checkpoint }).catch(reasonOf)).toBe('missing');
    });
  });

  it('is not opened for an earlier topic of its name, which metadata that are behind still name, and loses nothing', async () => {
    const { run } = journalWorld({ seed: 3 });
    await run(async (host) => {
      const earlier = { ...info, group: info.group - 2 };
      const old = await openRig(host, { info: earlier });
      await old.partition.append(produce(batchOf(['old'])));
      const before = await old.partition.checkpoint();
      await old.partition.close();
      // The topic was made anew: what the directory had goes.
      const { partition, group } = await openRig(host);
      await partition.append(produce(batchOf(['a'])));
      const checkpoint = await partition.checkpoint();
      await partition.close();
      for (const at of [{}, { salvage: true }, { checkpoint: before }]) {
        await expect(openRig(host, { ...at, info: earlier })).rejects.toThrow(DirectoryOfLater);
      }
      const again = await openRig(host, { checkpoint, group });
      expect(again.partition.highWatermark).toBe(1);
      // Of the same group, it is the later generation.
      await again.partition.close();
      await openRig(host, { info: { ...info, generation: 2 } }).then((later) => later.partition.close());
      await expect(openRig(host, { checkpoint })).rejects.toThrow(DirectoryOfLater);
    });
  });

  it('finds offsets by time, and the ends', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      for (const cacheBytes of [0, 1_000_000]) {
        const { partition } = await openRig(host, { shared: { cacheBytes }, config: { segmentBytes: 2_000 } });
        for (let n = 0; n < 30; n++) {
          await partition.append(produce(batchOf(['a', 'x'.repeat(300)], { timestamp: testTime + n * 1000 })));
        }
        await partition.checkpoint();
        expect(await partition.offsetFor(-1, 'read-uncommitted')).toMatchObject({ offset: 60, timestampMs: -1 });
        expect(await partition.offsetFor(-2, 'read-uncommitted')).toMatchObject({ offset: 0, timestampMs: -1 });
        expect(await partition.offsetFor(-3, 'read-uncommitted')).toMatchObject({
          offset: 58,
          timestampMs: testTime + 29_000,
        });
        expect(await partition.offsetFor(testTime + 12_500, 'read-uncommitted')).toMatchObject({ offset: 26 });
        expect(await partition.offsetFor(testTime + 12_000, 'read-uncommitted')).toMatchObject({ offset: 24 });
        expect(await partition.offsetFor(testTime + 99_000, 'read-uncommitted')).toMatchObject({
          offset: -1,
          errorCode: 0,
        });
      }
    });
  });

  it('answers an append that was lost with 20, one that takes too long with 7, one elsewhere with 6', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { partition, group } = await openRig(host);
      group.hold();
      const lost = partition.append(produce(batchOf(['a'])));
      const late = partition.append(produce(batchOf(['b']), { timeoutMs: 50 }));
      expect(await late).toMatchObject({ errorCode: 7, baseOffset: -1 });
      group.lose();
      expect(await lost).toMatchObject({ errorCode: 20 });
      expect(await partition.append(produce(batchOf(['c'])))).toMatchObject({ errorCode: 6 });
      group.release();
      group.lead();
      group.refusal = 'busy';
      expect(await partition.append(produce(batchOf(['d'])))).toMatchObject({ errorCode: 19 });
      group.refusal = undefined;
      expect(await partition.append(produce(batchOf(['e'])))).toMatchObject({ errorCode: 0, baseOffset: 0 });
    });
  });

  it('wakes a long poll when something is committed, when the lead is lost, and when it is given up', async () => {
    const { run } = journalWorld({ seed: 1 });
    await run(async (host) => {
      const { partition, group } = await openRig(host);
      const never = new AbortController();
      const woken: string[] = [];
      const poll = (name: string, signal: AbortSignal = never.signal) =>
        partition.readable(partition.highWatermark, 'read-uncommitted', signal).then(() => woken.push(name));
      void poll('written');
      await partition.append(produce(batchOf(['a'])));
      await host.clock.sleep(1);
      expect(woken).toEqual(['written']);
      const given = new AbortController();
      void poll('given up', given.signal);
      void poll('lead lost');
      given.abort();
      await host.clock.sleep(1);
      expect(woken).toEqual(['written', 'given up']);
      group.lose();
      await host.clock.sleep(1);
      expect(woken).toEqual(['written', 'given up', 'lead lost']);
      expect(partition.core.waiters.size).toBe(0);
    });
  });

  it('knows its aborted transactions from their files, and from the log when those are lost', async () => {
    const { run } = journalWorld({ seed: 2 });
    await run(async (host) => {
      const opened = await openRig(host, { config: { segmentBytes: 700 } });
      const transactional = (baseSequence: number) =>
        produce(batchOf(['x'.repeat(200)], { producerId: 4, producerEpoch: 0, baseSequence, isTransactional: true }), {
          transactionalId: 'tx',
        });
      for (let n = 0; n < 6; n++) {
        await opened.partition.append(transactional(n));
        const marker = { producerId: 4, producerEpoch: 0, commit: n % 2 === 0, coordinatorEpoch: 1 };
        await opened.partition.endTransaction(marker);
      }
      const checkpoint = await opened.partition.checkpoint();
      const expected = [2, 6, 10].map((firstOffset) => ({ producerId: 4, firstOffset }));
      const aborted = async (partition: typeof opened.partition) => {
        const told = [];
        for (let at = 0; at < partition.highWatermark; ) {
          const read = await partition.read(fetchAt(at, { isolation: 'read-committed' }));
          told.push(...read.aborted);
          at = (batchesIn(read.records).at(-1)?.last ?? at) + 1;
        }
        return told;
      };
      expect(await aborted(opened.partition)).toEqual(expected);
      await opened.partition.close();
      const files = (await host.disk.list(directory)).map(({ name }) => name).filter((name) => name.endsWith('.txn'));
      expect(files.length).toBeGreaterThan(1);
      const again = await openRig(host, { checkpoint, group: opened.group });
      expect(await aborted(again.partition)).toEqual(expected);
      await again.partition.close();
      await host.disk.remove(`${directory}/${files[0]}`);
      const third = await openRig(host, { checkpoint, group: opened.group });
      expect(await aborted(third.partition)).toEqual(expected);
      const later = await third.partition.checkpoint();
      await third.partition.close();
      const fourth = await openRig(host, { checkpoint: later, group: opened.group });
      expect(await aborted(fourth.partition)).toEqual(expected);
    });
  });
});
