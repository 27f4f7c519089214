import { expect, it } from 'vitest';
import { createClient } from '../../../../src/engines/streambus/client/client.ts';
import type { Host } from '../../../../src/host/host.ts';
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
