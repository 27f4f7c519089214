import { expect, it } from 'vitest';
import { dumpLines, dumpSegment } from '../../../../src/engines/streambus/log/dump.ts';
import type { Host } from '../../../../src/host/host.ts';
import { journalWorld } from '../../../support/journalWorld.ts';
import { batchOf, directory, openRig, produce, testTime } from './rig.ts';

const path = `${directory}/00000000000000000000.seg`;

async function lines(host: Host, records: boolean): Promise<string[]> {
  const all: string[] = [];
  for await (const item of dumpSegment(host.disk, path, { records })) all.push(...dumpLines(item));
  return all;
}

it('shows batches, markers and records of a segment, what is wrong in it, and where it breaks off', async () => {
  const { run } = journalWorld({ seed: 1 });
  await run(async (host) => {
    const { partition } = await openRig(host);
    await partition.append(produce(batchOf(['one', 'two'])));
    const transactional = { producerId: 7, producerEpoch: 1, baseSequence: 0, isTransactional: true };
    await partition.append(produce(batchOf(['three'], transactional), { transactionalId: 'tx' }));
    await partition.endTransaction({ producerId: 7, producerEpoch: 1, commit: false, coordinatorEpoch: 4 });
    await partition.checkpoint();
    const sound = await lines(host, true);
    expect(sound).toHaveLength(7);
    expect(sound[0]).toMatch(
      /^baseOffset: 0 lastOffset: 1 count: 2 position: 0 size: \d+ leaderEpoch: 2 .* crc: \d+ ok$/,
    );
    expect(sound[1]).toBe(`| offset: 0 timestamp: ${testTime} key: null value: "one"`);
    expect(sound[3]).toContain('producerId: 7 producerEpoch: 1 baseSequence: 0 transactional');
    expect(sound[5]).toContain('marker: abort');

    const file = await host.disk.open(path, { mode: 'write' });
    await file.write(70, [Uint8Array.of(255)], { durable: false });
    await file.truncate((await file.size()) - 3);
    await file.close();
    const spoiled = await lines(host, false);
    expect(spoiled).toHaveLength(3);
    expect(spoiled[0]).toMatch(/crc: \d+ WRONG$/);
    expect(spoiled[2]).toMatch(/^position: \d+ BROKEN, \d+ bytes to the end of the file: a batch of/);
  });
});
