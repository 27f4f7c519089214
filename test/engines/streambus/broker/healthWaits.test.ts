import { expect, test } from 'vitest';
import type { AdminAnswer } from '../../../../src/engines/streambus/admin/commands/command.ts';
import { createRouteClient } from '../../../../src/engines/streambus/admin/routeClient.ts';
import { createClient } from '../../../../src/engines/streambus/client/client.ts';
import { Brokers } from './brokers.ts';

const bootstrap = [{ host: 'broker-1', port: 9092 }];

/** What a broker says of itself at /health and /health/ready. */
async function health(brokers: Brokers, id: number): Promise<{ health: AdminAnswer; ready: AdminAnswer }> {
  const running = brokers.running.get(id);
  if (running === undefined) throw new Error(`broker ${id} does not run`);
  const client = createRouteClient(() => [running.routes]);
  return { health: await client.request('GET', '/health'), ready: await client.request('GET', '/health/ready') };
}

/** The answers of a broker that waits, with its reason. */
function waiting(message: unknown) {
  return {
    health: {
      status: 503,
      body: {
        status: 'unhealthy',
        checks: { raft: { status: 'unhealthy', message }, listener: { status: 'unhealthy' } },
      },
    },
    ready: { status: 503, body: { status: 'not_ready', reasons: ['the Kafka listener is not open', message] } },
  };
}

/** Those of one that leads, or knows who does. */
const serving = {
  health: { body: { checks: { raft: { status: 'healthy', message: expect.stringContaining('leads the metadata') } } } },
  ready: { status: 200, body: { status: 'ready' } },
};

test('a broker that nobody grants an incarnation says why it waits', async () => {
  const brokers = new Brokers({ seed: 5 });
  brokers.start();
  await brokers.until('ready', () => brokers.ready.size === 3);
  for (const id of [1, 2, 3]) brokers.stop(id, 'kill');
  await brokers.remove(2, '/data/raft-state/journal');
  brokers.start(2);
  await brokers.run(5_000);
  expect(await health(brokers, 2)).toMatchObject(waiting('the metadata is not open yet'));
  await brokers.run(25_000);
  expect(await health(brokers, 2)).toMatchObject(
    waiting(expect.stringMatching(/^this broker has lost what it had promised and has no vote until .*majority/)),
  );
  brokers.start(1, 3);
  await brokers.until('ready', () => brokers.ready.size === 3);
  expect(await health(brokers, 2)).toMatchObject(serving);
});

/** The file that the journal keeps in reserve: with it there is room for the tail. */
async function removeSpare(brokers: Brokers): Promise<void> {
  let removed = 0;
  brokers.machine(1).start('rm', async ({ disk }) => {
    for (const { name } of await disk.list('/data/raft-state/journal')) {
      if (!name.includes('spare')) continue;
      await disk.remove(`/data/raft-state/journal/${name}`);
      removed++;
    }
  });
  await brokers.until('no spare', () => removed > 0);
  brokers.machine(1).kill();
}

test('a broker whose disk has no room for the tail of its journal says that it waits for it', async () => {
  const brokers = new Brokers({ seed: 6, brokers: 1 });
  brokers.start();
  await brokers.until('ready', () => brokers.ready.size === 1);
  await brokers.client(async (host) => {
    const client = createClient(host, { bootstrap });
    await client.admin.createTopics([{ name: 't', partitions: 1, replication: 1 }]);
    const producer = client.producer();
    for (let at = 0; at < 20; at++) await producer.send({ topic: 't', partition: 0, value: `v${at}` });
  });
  brokers.stop(1, 'kill');
  await removeSpare(brokers);
  // Room for what tells who it is, and for no tail.
  const devices = [...brokers.machine(1).devices.devices.values()];
  const release = devices.map((device) => device.fill({ freeBytes: 32 * 1024 }));
  brokers.start(1);
  await brokers.run(15_000);
  expect(await health(brokers, 1)).toMatchObject(
    waiting(expect.stringMatching(/^the disk has no room for the tail of the journal: .*ENOSPC/)),
  );
  for (const end of release) end();
  await brokers.until('ready', () => brokers.ready.size === 1);
  expect(await health(brokers, 1)).toMatchObject(serving);
});
