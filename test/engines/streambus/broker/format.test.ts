import { expect, test } from 'vitest';
import { formatDirectory } from '../../../../src/engines/streambus/broker/format.ts';
import {
  beginIdentity,
  type Established,
  establish,
  type JournalFound,
  serveRegistrations,
} from '../../../../src/engines/streambus/broker/register.ts';
import type { Rpc } from '../../../../src/engines/streambus/broker/rpc.ts';
import { Transport } from '../../../../src/engines/streambus/broker/transport.ts';
import { peersOf, type StreamBusConfig, streamBusConfigSchema } from '../../../../src/engines/streambus/config.ts';
import type { BrokerId } from '../../../../src/engines/streambus/ids.ts';
import { MetaMachine } from '../../../../src/engines/streambus/meta/state.ts';
import { decodeState } from '../../../../src/engines/streambus/meta/stateFile.ts';
import { createMetaCommands, serveCommands } from '../../../../src/engines/streambus/meta/submit.ts';
import type { Host } from '../../../../src/host/host.ts';
import { World } from '../../../../src/sim/world.ts';
import { SoloGroup } from '../support/soloGroup.ts';

const patienceMs = 120_000;

function configOf(broker: BrokerId, brokers: number, extra: Record<string, unknown> = {}): StreamBusConfig {
  const peers = Array.from({ length: brokers }, (_, at) => `${at + 1}:b${at + 1}:9093`);
  return streamBusConfigSchema.parse({
    server: { broker_id: broker, host: `b${broker}` },
    storage: { data_dir: '/data' },
    cluster: { peers, ...extra },
  });
}

/** Brokers that find out who they are and do nothing else. Broker `leads` answers for the metadata, on a group of its own. */
function makeBrokers(count: number, options: { readonly seed?: number; readonly mutants?: readonly string[] } = {}) {
  const world = new World({ seed: options.seed ?? 1, ...(options.mutants ? { mutants: options.mutants } : {}) });
  const established = new Map<BrokerId, Established>();
  for (let broker = 1; broker <= count; broker++) world.addMachine(`b${broker}`);
  const solo = new SoloGroup({ group: 0, broker: 1 });
  /** What the journals of the brokers will be found to hold. */
  const journals = new Map<BrokerId, JournalFound>();
  /** Whether who leads the metadata can commit. */
  const meta = { grants: true };
  /** What a request for an incarnation waits for before it is read, as on a way that was cut for a while. */
  const way: { late: (() => Promise<void>) | undefined } = { late: undefined };
  /** The metadata of who leads them. */
  const metadata: { by: MetaMachine | undefined } = { by: undefined };
  const late = (rpc: Rpc): Rpc => ({
    call: (...call) => rpc.call(...call),
    callLeader: (...call) => rpc.callLeader(...call),
    serve: (name, handler, more) =>
      rpc.serve(
        name,
        async (body, from, signal) => {
          const arrival = name === 'broker.register' ? way.late : undefined;
          if (arrival === undefined) return handler(body, from, signal);
          await arrival();
          // That the connection has ended is heard after what came on it.
          return handler(body, from, new AbortController().signal);
        },
        more,
      ),
  });

  function start(broker: BrokerId, config = configOf(broker, count), leads = false): void {
    const machine = world.machines.get(`b${broker}`);
    if (machine === undefined) throw new Error(`no machine b${broker}`);
    established.delete(broker);
    machine.start('broker', async (host) => {
      const peers = peersOf(config);
      const transport = new Transport({
        host,
        broker,
        secret: () => undefined,
        addressOf: (other) => peers.find((peer) => peer.broker === other),
        incarnationOf: () => undefined,
      });
      transport.leaderOf = () => 1;
      await transport.listen({ host: `b${broker}`, port: 9093 });
      const tick = () => {
        transport.tick();
        host.clock.timer(100, tick);
      };
      tick();
      const copy = new MetaMachine(host.telemetry);
      if (leads) metadata.by = copy;
      const commands = createMetaCommands(host, transport, copy);
      const { journalEnds, knownStarts: starts } = transport;
      const giving = () => (leads && meta.grants ? commands : undefined);
      serveRegistrations({ config, rpc: late(transport), machine: copy, commands: giving, journalEnds, starts });
      const { verdict, formatService } = await beginIdentity(host, config, transport);
      await starts.read(host, '/data');
      const journal = {
        open: async () => journals.get(broker) ?? { end: 0, durableEnd: 0 },
        close: async () => undefined,
      };
      const { signal } = new AbortController();
      const who = await establish(host, config, transport, verdict, formatService, journal, signal);
      if (leads) {
        copy.open(undefined, who.founding?.meta);
        if (!solo.serving) solo.attach(copy);
        serveCommands(transport, () => solo);
      }
      transport.identify({ cluster: who.identity.clusterId, ...who.identity });
      established.set(broker, who);
    });
  }

  async function until(done: () => boolean, limitMs = patienceMs): Promise<boolean> {
    await world.run({ toMs: world.now + limitMs, until: done });
    return done();
  }

  return { world, established, start, until, solo, journals, meta, way, metadata };
}

test('three brokers without an identity begin one cluster', async () => {
  const brokers = makeBrokers(3);
  for (const broker of [1, 2, 3]) brokers.start(broker);
  expect(await brokers.until(() => brokers.established.size === 3)).toBe(true);
  const all = [...brokers.established.values()];
  expect(new Set(all.map(({ identity }) => identity.clusterId)).size).toBe(1);
  expect(new Set(all.map(({ identity }) => identity.storage)).size).toBe(3);
  expect(all.map(({ identity }) => identity.incarnation)).toEqual([1, 1, 1]);
  const [meta, ...others] = all.map(({ founding }) => Buffer.from(founding?.meta ?? []).toString());
  expect(meta).not.toBe('');
  expect(others).toEqual([meta, meta]);
  const state = decodeState(all[0]?.founding?.meta ?? new Uint8Array());
  expect(state.shards).toHaveLength(17);
  expect(state.shards[0]).toMatchObject({ group: 0, kind: 'meta', founders: [65_537, 131_073, 196_609] });
  expect([...state.brokers.keys()]).toEqual([1, 2, 3]);
});

test('a silent broker is waited for', async () => {
  const brokers = makeBrokers(3);
  brokers.start(1);
  brokers.start(2);
  expect(await brokers.until(() => brokers.established.size > 0, 30_000)).toBe(false);
  brokers.start(3);
  expect(await brokers.until(() => brokers.established.size === 3)).toBe(true);
});

test.each(Array.from({ length: 40 }, (_, at) => at + 1))(
  'kills at any moment of the beginning leave one cluster (seed %i)',
  async (seed) => {
    const brokers = makeBrokers(3, { seed });
    const random = brokers.world.random.stream('test');
    for (const broker of [1, 2, 3]) brokers.start(broker);
    for (let kill = 0; kill < 6; kill++) {
      await brokers.world.run({ toMs: brokers.world.now + random.integer(1, 40) });
      const broker = random.integer(1, 3);
      brokers.world.machines.get(`b${broker}`)?.powerLoss('drop');
      brokers.start(broker);
    }
    expect(await brokers.until(() => brokers.established.size === 3)).toBe(true);
    const all = [...brokers.established.values()];
    expect(new Set(all.map(({ identity }) => identity.clusterId)).size).toBe(1);
    expect(all.every(({ founding }) => founding !== undefined)).toBe(true);
  },
);

test('a restart counts and goes on; a wiped raft-state gets the next incarnation from the cluster', async () => {
  const brokers = makeBrokers(3);
  for (const broker of [1, 2, 3]) brokers.start(broker, undefined, broker === 1);
  await brokers.until(() => brokers.established.size === 3);
  const before = brokers.established.get(2)?.identity;
  brokers.world.machines.get('b2')?.kill();
  brokers.start(2);
  expect(await brokers.until(() => brokers.established.has(2))).toBe(true);
  expect(brokers.established.get(2)?.identity).toEqual({ ...before, startCount: 2, servedStart: 2 });

  brokers.world.machines.get('b2')?.kill();
  let removed = false;
  brokers.world.machines.get('b2')?.start('operator', async (host) => {
    for (const name of ['identity.json', 'founding.json']) await host.disk.remove(`/data/raft-state/${name}`);
    await host.disk.syncDirectory('/data/raft-state');
    removed = true;
  });
  await brokers.until(() => removed);
  brokers.world.machines.get('b2')?.kill();
  brokers.start(2);
  expect(await brokers.until(() => brokers.established.has(2))).toBe(true);
  const after = brokers.established.get(2);
  expect(after?.identity).toMatchObject({ clusterId: before?.clusterId, incarnation: 2, startCount: 1 });
  expect(after?.identity.storage).not.toBe(before?.storage);
  expect(after?.founding).toBeUndefined();
});

test('a request for an incarnation that is read when a later start has one already replaces nobody', async () => {
  const brokers = makeBrokers(3);
  for (const broker of [1, 2, 3]) brokers.start(broker, undefined, broker === 1);
  await brokers.until(() => brokers.established.size === 3);
  const machine = brokers.world.machines.get('b3');
  machine?.wipe();
  let arrive = (): void => undefined;
  let isUnderWay = false;
  const arrival = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  brokers.way.late = () => {
    isUnderWay = true;
    return arrival;
  };
  brokers.start(3);
  expect(await brokers.until(() => isUnderWay)).toBe(true);
  machine?.kill();
  brokers.way.late = undefined;
  brokers.start(3);
  expect(await brokers.until(() => brokers.established.has(3))).toBe(true);
  expect(brokers.established.get(3)?.identity).toMatchObject({ incarnation: 2 });
  arrive();
  await brokers.until(() => false, 2_000);
  expect(brokers.metadata.by?.brokers.get(3)).toMatchObject({
    incarnation: 2,
    storage: brokers.established.get(3)?.identity.storage,
  });
});

/** Three brokers, the disk of the third set back from its third start to its first. */
async function setBack(mutants: readonly string[]) {
  const brokers = makeBrokers(3, { mutants });
  for (const broker of [1, 2, 3]) brokers.start(broker, undefined, broker === 1);
  await brokers.until(() => brokers.established.size === 3);
  const machine = brokers.world.machines.get('b3');
  const files = ['/data/identity.json', '/data/raft-state/identity.json'];
  const copies = new Map<string, Uint8Array>();
  const operate = async (work: (host: Host) => Promise<void>) => {
    let done = false;
    machine?.kill();
    machine?.start('operator', async (host) => {
      await work(host);
      done = true;
    });
    await brokers.until(() => done);
    machine?.kill();
  };
  const restart = async () => {
    brokers.start(3);
    expect(await brokers.until(() => brokers.established.has(3))).toBe(true);
  };
  await operate(async ({ disk }) => {
    for (const path of files) {
      const file = await disk.open(path, { mode: 'read' });
      const bytes = new Uint8Array(await file.size());
      await file.read(0, bytes);
      await file.close();
      copies.set(path, bytes);
    }
  });
  await restart();
  machine?.kill();
  await restart();
  expect(brokers.established.get(3)?.identity).toMatchObject({ incarnation: 1, startCount: 3 });
  await operate(async ({ disk }) => {
    for (const [path, bytes] of copies) {
      const file = await disk.open(path, { mode: 'write' });
      await file.write(0, [bytes], { durable: true });
      await file.truncate(bytes.length);
      await file.close();
    }
  });
  return { brokers, restart };
}

test.each<[readonly string[], object]>([
  [[], { incarnation: 2, startCount: 1 }],
  // What the checks of the stand have to see.
  [['rollback-accepted'], { incarnation: 1, startCount: 2 }],
])('a disk that was rolled back gets the next incarnation (planted: %j)', async (mutants, expected) => {
  const { brokers, restart } = await setBack(mutants);
  await restart();
  expect(brokers.established.get(3)?.identity).toMatchObject(expected);
});

test('it is known also when the power went for all, and however often it was started with nobody to ask', async () => {
  const { brokers } = await setBack([]);
  for (const name of ['b1', 'b2']) brokers.world.machines.get(name)?.powerLoss('drop');
  for (let alone = 0; alone < 5; alone++) {
    brokers.start(3);
    expect(await brokers.until(() => brokers.established.has(3), 3_000)).toBe(false);
    brokers.world.machines.get('b3')?.kill();
  }
  const said = () => brokers.world.logs.lines.filter(({ message }) => message === 'ROLLED_BACK_DISK');
  expect(said()).toEqual([]);
  for (const broker of [1, 2, 3]) brokers.start(broker, undefined, broker === 1);
  expect(await brokers.until(() => said().length > 0, 10_000)).toBe(true);
  // More starts than its peers have seen: it counts as the seventh what they know as the third.
  expect(said()[0]?.fields).toMatchObject({ incarnation: 1, starts: 7 });
  expect(brokers.established.has(3)).toBe(false);
});

test('records that were in the page cache alone may be lost with the power; those that were durable are missed', async () => {
  const brokers = makeBrokers(3);
  for (const broker of [1, 2, 3]) brokers.start(broker, undefined, broker === 1);
  await brokers.until(() => brokers.established.size === 3);
  const restart = async (end: number, durableEnd: number) => {
    brokers.world.machines.get('b2')?.kill();
    brokers.journals.set(2, { end, durableEnd });
    brokers.start(2);
    expect(await brokers.until(() => brokers.established.has(2))).toBe(true);
    return brokers.established.get(2)?.identity;
  };
  expect(await restart(100, 60)).toMatchObject({ incarnation: 1 });
  expect(await restart(60, 60)).toMatchObject({ incarnation: 1 });
  expect(await restart(59, 59)).toMatchObject({ incarnation: 2 });
});

test('brokers that lost promises wait with all they hold, have no vote and say so, until there is a majority', async () => {
  const brokers = makeBrokers(3);
  for (const broker of [1, 2, 3]) brokers.start(broker, undefined, broker === 1);
  await brokers.until(() => brokers.established.size === 3);
  const restart = (broker: BrokerId, end: number) => {
    brokers.world.machines.get(`b${broker}`)?.kill();
    brokers.journals.set(broker, { end, durableEnd: end });
    brokers.start(broker);
  };
  const said = (message: string) => brokers.world.logs.lines.filter((line) => line.message === message).length;
  for (const broker of [2, 3]) restart(broker, 100);
  expect(await brokers.until(() => brokers.established.size === 3)).toBe(true);
  brokers.meta.grants = false;
  for (const broker of [2, 3]) restart(broker, 40);
  expect(await brokers.until(() => brokers.established.size === 3, 35_000)).toBe(false);
  expect(said('ROLLED_BACK_DISK')).toBe(2);
  // Each 10 s of each broker, but for the first.
  expect(said('NO_QUORUM')).toBe(6);
  // Another start does not forget it, and finds what the first one found: nothing was removed.
  const kept: string[] = [];
  for (const broker of [2, 3]) {
    const machine = brokers.world.machines.get(`b${broker}`);
    machine?.kill();
    machine?.start('operator', async (host) => {
      for (const path of ['raft-state/identity.json', 'suspect.json']) {
        const file = await host.disk.open(`/data/${path}`, { mode: 'read' });
        await file.close();
        kept.push(path);
      }
    });
  }
  await brokers.until(() => kept.length === 4, 5_000);
  expect(kept).toHaveLength(4);
  for (const broker of [2, 3]) restart(broker, 100);
  expect(await brokers.until(() => brokers.established.size === 3, 5_000)).toBe(false);
  expect(said('NEEDS_INCARNATION')).toBe(2);
  brokers.meta.grants = true;
  expect(await brokers.until(() => brokers.established.size === 3)).toBe(true);
  for (const broker of [2, 3]) {
    expect(brokers.established.get(broker)?.identity).toMatchObject({ incarnation: 2, startCount: 1 });
    restart(broker, 0);
    expect(await brokers.until(() => brokers.established.has(broker))).toBe(true);
    expect(brokers.established.get(broker)?.identity).toMatchObject({ incarnation: 2, startCount: 2 });
  }
});

test('a broker that is new to a cluster joins it', async () => {
  const brokers = makeBrokers(4);
  for (const broker of [1, 2, 3]) brokers.start(broker, configOf(broker, 3), broker === 1);
  await brokers.until(() => brokers.established.size === 3);
  brokers.start(4, configOf(4, 4));
  expect(await brokers.until(() => brokers.established.has(4))).toBe(true);
  expect(brokers.established.get(4)?.identity).toMatchObject({
    clusterId: brokers.established.get(1)?.identity.clusterId,
    incarnation: 1,
  });
  expect(brokers.established.get(4)?.founding).toBeUndefined();
});

test('formatted by hand, all brokers begin alike', async () => {
  const brokers = makeBrokers(3);
  const extra = { id: 'orders', auto_format: false };
  for (const broker of [1, 2, 3]) {
    let done = false;
    const machine = brokers.world.machines.get(`b${broker}`);
    machine?.start('format', async (host) => {
      await formatDirectory(host, configOf(broker, 3, extra));
      await expect(formatDirectory(host, configOf(broker, 3, extra))).rejects.toThrow(
        /belongs to cluster orders already/,
      );
      done = true;
    });
    expect(await brokers.until(() => done)).toBe(true);
    machine?.kill();
  }
  for (const broker of [1, 2, 3]) brokers.start(broker, configOf(broker, 3, extra));
  expect(await brokers.until(() => brokers.established.size === 3)).toBe(true);
  const [first, ...rest] = [...brokers.established.values()].map(({ founding }) =>
    Buffer.from(founding?.meta ?? []).toString(),
  );
  expect(first).toContain('orders');
  expect(rest).toEqual([first, first]);
});
