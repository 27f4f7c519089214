import { expect, test, vi } from 'vitest';
import { createRouteClient } from '../../../src/engines/streambus/admin/routeClient.ts';
import { MachineClosed } from '../../../src/engines/streambus/broker/group.ts';
import { Groups } from '../../../src/engines/streambus/broker/groups.ts';
import { ReplicaAppends } from '../../../src/engines/streambus/broker/replicaAppends.ts';
import { createClient, type StreamBusClient } from '../../../src/engines/streambus/client/client.ts';
import { startStreamBus } from '../../../src/engines/streambus/engine.ts';
import { lockDataDirectory } from '../../../src/engines/streambus/identity.ts';
import { Brokers } from './broker/brokers.ts';

const bootstrap = [{ host: 'broker-1', port: 9092 }];

/** One broker that serves clients. */
async function served(): Promise<Brokers> {
  const brokers = new Brokers({ seed: 7, brokers: 1 });
  brokers.start();
  await brokers.until('ready', () => brokers.ready.size === 1);
  return brokers;
}

async function produce(client: StreamBusClient): Promise<void> {
  const producer = client.producer();
  for (let at = 0; at < 5; at++) await producer.send({ topic: 't', partition: 0, value: `v${at}` });
}

const rulesOf = (brokers: Brokers) => brokers.machine(1).devices.device('root').rules;

test('a checkpoint that the disk has no room for is answered with 503, and made once there is', async () => {
  const brokers = await served();
  const client = createRouteClient(() => [...brokers.running.values()].map(({ routes }) => routes));
  const snapshot = () =>
    brokers.client(() => client.request('POST', '/admin/raft/snapshot', { body: { group: 'metadata' } }));
  const full = rulesOf(brokers).add({ kind: 'no-space', operation: 'write', path: '/data/raft-state/snapshots' });
  expect(await snapshot()).toMatchObject({
    status: 503,
    body: {
      error: {
        code: 'DISK_ERROR',
        message: expect.stringMatching(
          /^the checkpoint could not be written: write \/data\/raft-state\/snapshots\/.*ENOSPC/,
        ),
        hint: 'look at the disk',
      },
    },
  });
  rulesOf(brokers).remove(full.id);
  expect(await snapshot()).toMatchObject({ status: 200, body: { group: 'metadata' } });
  expect(brokers.failed.size).toBe(0);
});

test('a checkpoint of a replica that is being restored, or not open yet, is answered with 409 NOT_CAUGHT_UP', async () => {
  const brokers = await served();
  const client = createRouteClient(() => [...brokers.running.values()].map(({ routes }) => routes));
  const snapshot = (group: number | string) =>
    brokers.client(() => client.request('POST', '/admin/raft/snapshot', { body: { group } }));
  const restoring = vi.spyOn(ReplicaAppends.prototype, 'isRestoring', 'get').mockReturnValue(true);
  const refused = await snapshot('metadata').finally(() => restoring.mockRestore());
  expect(refused).toMatchObject({
    status: 409,
    body: { error: { code: 'NOT_CAUGHT_UP', message: expect.stringContaining('restored') } },
  });
  // Between the look at its state and the checkpoint a replica may have gone.
  const { checkpoint } = Groups.prototype;
  const gone = vi.spyOn(Groups.prototype, 'checkpoint').mockImplementation(function (this: Groups) {
    return checkpoint.call(this, 99_999);
  });
  const missing = await snapshot('metadata').finally(() => gone.mockRestore());
  expect(missing).toMatchObject({ status: 409, body: { error: { code: 'NOT_CAUGHT_UP' } } });
  const closed = vi
    .spyOn(Groups.prototype, 'checkpoint')
    .mockRejectedValue(new MachineClosed('its state was replaced'));
  const replaced = await snapshot('metadata').finally(() => closed.mockRestore());
  expect(replaced).toMatchObject({ status: 409, body: { error: { code: 'NOT_CAUGHT_UP' } } });
  expect(await snapshot('metadata')).toMatchObject({ status: 200 });
  expect(brokers.failed.size).toBe(0);
});

test('a stop whose last sync the disk refuses says so, and leaves lock and ports to the next start', async () => {
  const brokers = new Brokers({ seed: 7, brokers: 1 });
  const config = brokers.config(1);
  let refused: unknown;
  let isFree = false;
  brokers.machine(1).start('streambus', async (host) => {
    const { bus, close } = await startStreamBus(host, config);
    await bus.ready;
    const client = createClient(host, { bootstrap });
    await client.admin.createTopics([{ name: 't', partitions: 1, replication: 1 }]);
    await produce(client);
    const broken = rulesOf(brokers).add({
      kind: 'sync-error',
      variant: 'keep',
      remaining: 1,
      path: '/data/data/**.seg',
    });
    refused = await close().catch((error: unknown) => error);
    rulesOf(brokers).remove(broken.id);
    // In the same process: nothing but the stop itself has let go of what it had.
    await lockDataDirectory(host, config.storage.data_dir);
    for (const port of [config.server.rpc_port, config.server.port])
      await host.network.listen({ host: config.server.host, port }, () => undefined);
    isFree = true;
  });
  await brokers.until('lock and ports are free', () => isFree);
  expect(refused).toMatchObject({
    name: 'StreamBusError',
    code: 'STORE_FAILED',
    exitCode: 74,
    message: expect.stringMatching(/^storage.data_dir: sync \/data\/data\/.*\.seg: EIO: expected a disk that can be/),
  });
  brokers.stop(1, 'kill');
  brokers.start(1);
  await brokers.until('ready', () => brokers.ready.size === 1);
  await brokers.until('served again', () => brokers.bus(1).services.partition('t', 0)?.highWatermark === 5);
});

test('a first start that finds no room for its journal is refused as the disk it is, and goes on once there is room', async () => {
  const brokers = new Brokers({ seed: 7, brokers: 1 });
  const full = rulesOf(brokers).add({ kind: 'no-space', operation: 'write', path: '/data/raft-state/journal/**' });
  brokers.start(1);
  await brokers.until('refused', () => brokers.failed.size === 1);
  expect(brokers.failed.get(1)).toMatchObject({
    code: 'STORE_FAILED',
    exitCode: 74,
    message: expect.stringMatching(/^storage.data_dir: .*ENOSPC.*: expected room on the disk; free some/),
  });
  rulesOf(brokers).remove(full.id);
  brokers.start(1);
  await brokers.until('ready', () => brokers.ready.size === 1);
});

test('a start that finds no room for who it is names file, error and remedy, and not the journal', async () => {
  const brokers = await served();
  brokers.stop(1, 'kill');
  const full = rulesOf(brokers).add({ kind: 'no-space', operation: 'write', path: '/data/identity.json.tmp' });
  brokers.start(1);
  await brokers.until('refused', () => brokers.failed.size === 1);
  expect(brokers.failed.get(1)).toMatchObject({
    code: 'STORE_FAILED',
    exitCode: 74,
    message: expect.stringMatching(
      /^storage.data_dir: write \/data\/identity.json.tmp: ENOSPC.*: expected room on the disk; free some/,
    ),
  });
  rulesOf(brokers).remove(full.id);
  brokers.start(1);
  await brokers.until('ready', () => brokers.ready.size === 1);
});
