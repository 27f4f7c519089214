import { expect, it } from 'vitest';
import { createClient } from '../../../../src/engines/streambus/client/client.ts';
import type { Host } from '../../../../src/host/host.ts';
import { parentOf } from '../../../../src/storage/atomicFile.ts';
import { Brokers } from './brokers.ts';

const bootstrap = [1, 2, 3].map((id) => ({ host: `broker-${id}`, port: 9092 }));
const clientOf = (host: Host) => createClient(host, { bootstrap });
const topic = { name: 't', partitions: 4, replication: 3 };

async function fill(host: Host): Promise<void> {
  const producer = clientOf(host).producer();
  await Promise.all(
    [0, 1, 2, 3].map(async (partition) => {
      for (let at = 0; at < 12; at++) await producer.send({ topic: 't', partition, value: 'x'.repeat(400_000) });
    }),
  );
}

// Without waiting for what was under way, all three ended with EBADF under these seeds.
it.each([2, 3])(
  'a topic is deleted while its checkpoints are in slow syncs: nobody ends, and it can be made again (%i)',
  {
    timeout: 120_000,
  },
  async (seed) => {
    const brokers = new Brokers({ seed });
    brokers.start();
    await brokers.until('ready', () => brokers.ready.size === 3);
    await brokers.client((host) => clientOf(host).admin.createTopics([topic]));
    await brokers.run(1_500);
    await brokers.client(fill, 120_000);
    const devices = [1, 2, 3].flatMap((id) => [...brokers.machine(id).devices.devices.values()]);
    const calm = devices.map(({ queue }) => queue.disturb({ kind: 'throttle', iops: 40, bytesPerSecond: 2_500_000 }));
    await brokers.run(300 + (seed % 7) * 200);
    await brokers.client((host) => clientOf(host).admin.deleteTopics(['t']), 60_000);
    await brokers.run(8_000);
    expect([...brokers.failed.values()]).toEqual([]);
    for (const end of calm) end();
    await brokers.client(async (host) => {
      const client = clientOf(host);
      await client.admin.createTopics([topic]);
      const sent = await client.producer().send({ topic: 't', partition: 0, value: 'again' });
      expect(sent).toMatchObject({ offset: 0 });
    });
    expect([...brokers.failed.values()]).toEqual([]);
  },
);

it('what an operator has put beside the files of a partition stays when its topic is deleted, and ends nobody', {
  timeout: 60_000,
}, async () => {
  const brokers = new Brokers({ seed: 1 });
  brokers.start();
  await brokers.until('ready', () => brokers.ready.size === 3);
  await brokers.client((host) => clientOf(host).admin.createTopics([topic]));
  await brokers.run(1_500);
  brokers.stop(1, 'kill');
  const copy = '/data/data/t/partition-0/copy/of.seg';
  let isDone = false;
  brokers.machine(1).start('cp', async ({ disk }) => {
    await disk.makeDirectory(parentOf(copy));
    await (await disk.open(copy, { mode: 'create' })).close();
    isDone = true;
  });
  await brokers.until('cp', () => isDone);
  brokers.machine(1).kill();
  brokers.start(1);
  await brokers.until('ready again', () => brokers.ready.size === 3);
  await brokers.client((host) => clientOf(host).admin.deleteTopics(['t']));
  await brokers.run(5_000);
  expect([...brokers.failed.values()]).toEqual([]);
  brokers.stop(1, 'kill');
  brokers.start(1);
  await brokers.until('ready once more', () => brokers.ready.size === 3);
  await brokers.run(5_000);
  const said = brokers.world.logs.lines.filter(({ message }) => message === 'files of a deleted topic stay');
  expect(said[0]?.fields).toMatchObject({ directory: '/data/data/t/partition-0' });
  // The other partitions' are gone, and a topic of that name has the directory.
  await brokers.client((host) => clientOf(host).admin.createTopics([topic]));
  expect([...brokers.failed.values()]).toEqual([]);
});
