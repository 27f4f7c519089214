import { describe, expect, test } from 'vitest';
import { EngineError } from '../../../src/engines/engine.ts';
import { type StreamBusConfig, streamBusConfigSchema } from '../../../src/engines/streambus/config.ts';
import { startStreamBus, streambus } from '../../../src/engines/streambus/engine.ts';
import { streamBusPoints } from '../../../src/engines/streambus/points.ts';
import { DiskError } from '../../../src/host/disk.ts';
import type { Host } from '../../../src/host/host.ts';
import { World } from '../../../src/sim/world.ts';

const directory = '/var/lib/streambus';

function configOf(over: Record<string, unknown> = {}): StreamBusConfig {
  return streamBusConfigSchema.parse({ server: { host: 'b1' }, ...over });
}

/** A machine on which brokers are started one after the other. */
function makeBench() {
  const world = new World({ seed: 1, points: streamBusPoints });
  const machine = world.addMachine('b1');
  async function run<T>(work: (host: Host) => Promise<T>): Promise<T> {
    let outcome: { readonly value: T } | { readonly error: unknown } | undefined;
    if (machine.process !== undefined) machine.kill();
    machine.start('test', async (host) => {
      try {
        outcome = { value: await work(host) };
      } catch (error) {
        outcome = { error };
      }
    });
    await world.run({ toMs: world.now + 60_000, until: () => outcome !== undefined });
    if (outcome === undefined) throw new Error('not settled');
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }
  return { run };
}

/** What a start, or what it began, ends with. */
async function refusal(host: Host, config = configOf()): Promise<EngineError> {
  try {
    const { bus } = await startStreamBus(host, config);
    await bus.ready;
  } catch (error) {
    if (error instanceof EngineError) return error;
    throw error;
  }
  throw new Error('expected the start to be refused');
}

async function put(host: Host, path: string, text: string): Promise<void> {
  const file = await host.disk.open(path, { mode: 'create' });
  const bytes = new TextEncoder().encode(text);
  await file.truncate(0);
  await file.write(0, [bytes], { durable: true });
  await file.close();
}

async function began(host: Host, config = configOf()): Promise<void> {
  const { bus } = await startStreamBus(host, config);
  await bus.ready;
  await bus.stop();
}

describe('a start is refused', () => {
  test('with 71 and the address when something listens there', async () => {
    const bench = makeBench();
    for (const [key, port] of [
      ['server.rpc_port', 9093],
      ['server.port', 9092],
    ] as const) {
      const error = await bench.run(async (host) => {
        await host.network.listen({ host: 'b1', port }, () => undefined);
        return refusal(host);
      });
      expect(error).toMatchObject({
        code: 'PORT_IN_USE',
        exitCode: 71,
        message: expect.stringContaining(`${key}: b1:${port}`),
      });
    }
  });

  test('with 73 and the process that has the directory', async () => {
    const bench = makeBench();
    const error = await bench.run(async (host) => {
      await host.disk.makeDirectory(directory);
      const lock = await host.disk.open(`${directory}/.lock`, { mode: 'create' });
      await lock.lock();
      return refusal(host);
    });
    expect(error).toMatchObject({ code: 'DATA_DIR_LOCKED', exitCode: 73, message: expect.stringContaining(directory) });
  });

  test('with 77 and the path when the directory may not be written', async () => {
    const bench = makeBench();
    const error = await bench.run((host) => {
      const open: Host['disk']['open'] = (path, options) =>
        path.endsWith('/.lock') ? Promise.reject(new DiskError('EACCES', 'open', path)) : host.disk.open(path, options);
      return refusal({ ...host, disk: Object.assign(Object.create(host.disk), { open }) });
    });
    expect(error).toMatchObject({
      code: 'DATA_DIR_NOT_WRITABLE',
      exitCode: 77,
      message: expect.stringContaining(`${directory}/.lock`),
    });
  });

  test('with 65 when the directory is of a newer version, another broker or another cluster', async () => {
    const bench = makeBench();
    await bench.run((host) => began(host));
    expect(await bench.run((host) => refusal(host, configOf({ server: { host: 'b1', broker_id: 2 } })))).toMatchObject({
      code: 'WRONG_CLUSTER',
      exitCode: 65,
    });
    expect(await bench.run((host) => refusal(host, configOf({ cluster: { id: 'other' } })))).toMatchObject({
      code: 'WRONG_CLUSTER',
      exitCode: 65,
    });
    await bench.run((host) => put(host, `${directory}/identity.json`, '{"format": 3}'));
    expect(await bench.run((host) => refusal(host))).toMatchObject({
      code: 'FORMAT_NEWER',
      exitCode: 65,
      message: expect.stringContaining('is of format 3, this version reads up to 2'),
    });
  });

  test('with 65 when a broker without peers has lost what it promised: nobody can make it good', async () => {
    const bench = makeBench();
    await bench.run((host) => began(host));
    await bench.run(async ({ disk }) => {
      await disk.remove(`${directory}/raft-state/identity.json`);
      await disk.syncDirectory(`${directory}/raft-state`);
    });
    expect(await bench.run((host) => refusal(host))).toMatchObject({ code: 'NEEDS_INCARNATION', exitCode: 65 });
  });

  test('with 65 when the journal was taken away with everything about it', async () => {
    const bench = makeBench();
    await bench.run((host) => began(host));
    await bench.run(async ({ disk }) => {
      const empty = async (path: string): Promise<void> => {
        for (const { name, kind } of await disk.list(path)) {
          if (kind === 'directory') await empty(`${path}/${name}`);
          await disk.remove(`${path}/${name}`);
        }
      };
      const state = `${directory}/raft-state`;
      await empty(`${state}/journal`);
      for (const { name } of await disk.list(state))
        if (name.startsWith('journal')) await disk.remove(`${state}/${name}`);
      await disk.syncDirectory(state);
    });
    expect(await bench.run((host) => refusal(host))).toMatchObject({ code: 'NEEDS_INCARNATION', exitCode: 65 });
  });

  test('with 78 when anybody could speak as a broker from elsewhere', async () => {
    const bench = makeBench();
    const start = (config: StreamBusConfig) => bench.run(async (host) => (await streambus.start(host, config)).close());
    await expect(start(configOf())).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      exitCode: 78,
      message: expect.stringContaining('security.inter_broker.secret_file'),
    });
    await start(configOf({ security: { admin: { allow_anonymous: true } } }));
  });

  test('with 78 when the secret of the brokers is missing', async () => {
    const bench = makeBench();
    const config = configOf({ security: { inter_broker: { secret_file: '/etc/streambus/secret' } } });
    expect(await bench.run((host) => refusal(host, config))).toMatchObject({
      code: 'CONFIG_INVALID',
      exitCode: 78,
      message: expect.stringContaining('/etc/streambus/secret'),
    });
  });
});

test('a broker that was stopped starts again as the one that it was', async () => {
  const bench = makeBench();
  await bench.run((host) => began(host));
  await bench.run((host) => began(host));
  const identity = await bench.run(async ({ disk }) => {
    const file = await disk.open(`${directory}/identity.json`, { mode: 'read' });
    const bytes = new Uint8Array(await file.size());
    await file.read(0, bytes);
    return JSON.parse(new TextDecoder().decode(bytes)) as unknown;
  });
  expect(identity).toMatchObject({ format: 2, broker_id: 1, incarnation: 1, start_count: 2 });
});
