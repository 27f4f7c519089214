import { expect, test } from 'vitest';
import { shapeCuts } from '../../src/faults/networkPartition.ts';
import type { Host } from '../../src/host/host.ts';
import type { World } from '../../src/sim/world.ts';
import { applyFault, connected, machines, watch } from './stand.ts';

/** The latency without faults: 0.2 to 0.25 ms. */
const BASE_MOST_MS = 0.26;

const byte = new Uint8Array([1]);

function host(hosts: Record<string, Host>, name: string): Host {
  const found = hosts[name];
  if (found === undefined) throw new Error(`no host ${name}`);
  return found;
}

test('a partition stalls an open connection, and healed, the bytes come by retransmission', async () => {
  const { world, hosts } = await machines(['a', 'b']);
  const { near, far } = await connected(world, host(hosts, 'a'), host(hosts, 'b'));
  const heal = applyFault(world, 'network.partition', {}, ['b']);
  const startMs = world.now;
  const read = watch(world, far.read());
  await near.write(byte);
  await world.run({ toMs: startMs + 1000 });
  expect(read).toEqual({});
  await heal?.();
  await world.run({ toMs: startMs + 10_000 });
  // Tries at about 0.2, 0.6 and 1.4 s: the third is the first after the healing.
  expect(read.value).toEqual(byte);
  expect((read.atMs ?? 0) - startMs).toBeGreaterThan(1400);
  expect((read.atMs ?? 0) - startMs).toBeLessThan(1401);
});

test('a partition that outlives the retransmission limit ends the connection of the sender with ETIMEDOUT', async () => {
  const { world, hosts } = await machines(['a', 'b']);
  const { near, far } = await connected(world, host(hosts, 'a'), host(hosts, 'b'));
  const heal = applyFault(world, 'network.partition', {}, ['b']);
  await near.write(byte);
  const read = watch(world, near.read());
  const startMs = world.now;
  await world.run({ toMs: startMs + 2_000_000 });
  expect(read.code).toBe('ETIMEDOUT');
  // The sum of 200 ms, doubling, up to 120 s, 15 times: Linux's 924.6 s.
  expect((read.atMs ?? 0) - startMs).toBeGreaterThan(924_599);
  expect((read.atMs ?? 0) - startMs).toBeLessThan(924_602);
  await heal?.();
  const other = watch(world, far.read());
  await far.write(byte);
  await world.run({ toMs: world.now + 1000 });
  expect(other.code).toBe('ECONNRESET');
});

test('during a partition connecting times out, and one that is under way when it heals succeeds at the next SYN', async () => {
  const { world, hosts } = await machines(['a', 'b']);
  await connected(world, host(hosts, 'a'), host(hosts, 'b'));
  const heal = applyFault(world, 'network.partition', { groups: [['a'], ['b']] }, []);
  const startMs = world.now;
  const short = watch(world, host(hosts, 'a').network.connect({ host: 'b', port: 80 }, { timeoutMs: 500 }));
  const long = watch(world, host(hosts, 'a').network.connect({ host: 'b', port: 80 }, { timeoutMs: 10_000 }));
  await world.run({ toMs: startMs + 1500 });
  expect(short).toEqual({ code: 'ETIMEDOUT', atMs: startMs + 500 });
  await heal?.();
  await world.run({ toMs: startMs + 10_000 });
  expect(long.value).toBeDefined();
  expect((long.atMs ?? 0) - startMs).toBeGreaterThan(3000);
  expect((long.atMs ?? 0) - startMs).toBeLessThan(3001);
});

test('a partition in one direction cuts that direction alone: the bytes come, the sender is not told', async () => {
  const { world, hosts } = await machines(['a', 'b']);
  const { near, far } = await connected(world, host(hosts, 'a'), host(hosts, 'b'));
  applyFault(world, 'network.partition', { groups: [['a'], ['b']], direction: 'from' }, []);
  const there = watch(world, far.read());
  const back = watch(world, near.read());
  await near.write(byte);
  await far.write(byte);
  await world.run({ toMs: world.now + 1000 });
  expect(there.value).toEqual(byte);
  expect(back).toEqual({});
  // Acknowledgements are lost too: a writer gets no more than its buffer away.
  const more = watch(world, near.write(new Uint8Array(100_000)));
  await world.run({ toMs: world.now + 10_000 });
  expect(more).toEqual({});
});

test('groups keep talking inside, and machines of no group with everybody', async () => {
  const { world } = await machines(['a', 'b', 'c', 'client']);
  applyFault(world, 'network.partition', { groups: [['a', 'b'], ['c']] }, []);
  const blocked = (from: string, to: string): boolean => world.network.links.link(from, to).blocked;
  expect([blocked('a', 'b'), blocked('a', 'c'), blocked('c', 'b')]).toEqual([false, true, true]);
  expect([blocked('client', 'c'), blocked('c', 'client')]).toEqual([false, false]);
});

test('the shapes of partitions are what Jepsen means by them', async () => {
  const { world } = await machines(['a']);
  const nodes = ['a', 'b', 'c', 'd', 'e'];
  const random = world.random.stream('test');
  const heard = (shape: Parameters<typeof shapeCuts>[0]): string[][] => {
    const cuts = shapeCuts(shape, nodes, 'both', random);
    return nodes.map((to) => nodes.filter((from) => from === to || cuts.get(from)?.has(to) !== true));
  };
  for (let round = 0; round < 20; round++) {
    expect(
      heard('halves')
        .map((set) => set.length)
        .sort(),
    ).toEqual([2, 2, 3, 3, 3]);
    expect(
      heard('isolate-one')
        .map((set) => set.length)
        .sort(),
    ).toEqual([1, 4, 4, 4, 4]);
    expect(
      heard('bridge')
        .map((set) => set.length)
        .sort(),
    ).toEqual([3, 3, 3, 3, 5]);
    const ring = heard('majorities-ring');
    expect(ring.map((set) => set.length)).toEqual([3, 3, 3, 3, 3]);
    expect(new Set(ring.map((set) => set.join(''))).size).toBe(5);
  }
  expect(() => shapeCuts('bridge', ['a', 'b'], 'both', random)).toThrow('at least 3 nodes');
});

/** How long one byte takes, for each of so many bytes sent one after the other. */
async function transits(world: World, hosts: Record<string, Host>, count: number): Promise<number[]> {
  const { near, far } = await connected(world, host(hosts, 'a'), host(hosts, 'b'));
  const out: number[] = [];
  for (let index = 0; index < count; index++) {
    const startMs = world.now;
    const read = watch(world, far.read());
    await near.write(byte);
    await world.run({ until: () => read.atMs !== undefined, toMs: startMs + 60_000 });
    out.push((read.atMs ?? Number.NaN) - startMs);
  }
  return out;
}

test('a constant latency is added to each packet, and gone when healed', async () => {
  const { world, hosts } = await machines(['a', 'b']);
  const heal = applyFault(world, 'network.latency', { mean: '100ms', distribution: 'constant' }, ['b']);
  for (const ms of await transits(world, hosts, 20)) {
    expect(ms).toBeGreaterThan(100.19);
    expect(ms).toBeLessThan(100 + BASE_MOST_MS);
  }
  await heal?.();
  world.machines.get('b')?.kill();
  const draws = world.network.links.link('a', 'b').latencyMs();
  expect(draws).toBeLessThan(BASE_MOST_MS);
});

test.each([
  ['uniform', 80, 120, 0.58, 0.9],
  ['exponential', 80, 300, 0.3, 0.7],
  ['heavy-tail', 90, 100_000, 0.1, 0.5],
] as const)(
  'the latency distribution %s has the mean and the spread that it should',
  async (distribution, least, most, from, to) => {
    const { world } = await machines(['a', 'b']);
    applyFault(world, 'network.latency', { mean: 100, jitter: 20, distribution }, ['b']);
    const link = world.network.links.link('a', 'b');
    const draws = Array.from({ length: 20_000 }, () => link.latencyMs() - 0.225);
    const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length;
    expect(mean).toBeGreaterThan(98.5);
    expect(mean).toBeLessThan(102);
    expect(Math.min(...draws)).toBeGreaterThan(least - 0.1);
    expect(Math.max(...draws)).toBeLessThan(most + 0.1);
    const above = draws.filter((draw) => draw > 95).length / draws.length;
    expect(above).toBeGreaterThan(from);
    expect(above).toBeLessThan(to);
  },
);

test('lost packets are seen as retransmission delay, about as often as asked, and nothing is missing', async () => {
  const { world, hosts } = await machines(['a', 'b']);
  applyFault(world, 'network.loss', { percent: 20 }, ['b']);
  const times = await transits(world, hosts, 500);
  const late = times.filter((ms) => ms > 199).length;
  expect(late).toBeGreaterThan(70);
  expect(late).toBeLessThan(130);
  expect(times.filter((ms) => ms > BASE_MOST_MS && ms < 199)).toEqual([]);
});

test('when every packet is lost the connection resets past the limit', async () => {
  const { world, hosts } = await machines(['a', 'b']);
  const { near } = await connected(world, host(hosts, 'a'), host(hosts, 'b'));
  applyFault(world, 'network.loss', { percent: 100 }, ['b']);
  await near.write(byte);
  const read = watch(world, near.read());
  await world.run({ toMs: world.now + 1_000_000 });
  expect(read.code).toBe('ETIMEDOUT');
});

test('a bandwidth limit queues bytes, and the writer waits', async () => {
  const { world, hosts } = await machines(['a', 'b']);
  const { near, far } = await connected(world, host(hosts, 'a'), host(hosts, 'b'));
  applyFault(world, 'network.bandwidth', { bytesPerSecond: '100KB' }, ['b']);
  const startMs = world.now;
  let received = 0;
  void (async () => {
    while (received < 200_000) received += (await far.read())?.length ?? 0;
  })();
  const written = watch(world, near.write(new Uint8Array(200_000)));
  await world.run({ until: () => received >= 200_000, toMs: startMs + 60_000 });
  expect(world.now - startMs).toBeGreaterThan(1999);
  expect(world.now - startMs).toBeLessThan(2001);
  // The writer had room again when fewer than 64 KiB were left to send.
  expect((written.atMs ?? 0) - startMs).toBeGreaterThan(1340);
  expect((written.atMs ?? 0) - startMs).toBeLessThan(1700);
});

test('a reset without percentage strikes every open connection of the node once, at both ends', async () => {
  const { world, hosts } = await machines(['a', 'b', 'c']);
  const struck = await connected(world, host(hosts, 'a'), host(hosts, 'b'));
  const spared = await connected(world, host(hosts, 'a'), host(hosts, 'c'));
  const reads = [struck.near, struck.far, spared.far].map((end) => watch(world, end.read()));
  expect(applyFault(world, 'network.reset', {}, ['b'])).toBeUndefined();
  await spared.near.write(byte);
  await world.run({ toMs: world.now + 10 });
  expect(reads.map((read) => read.code)).toEqual(['ECONNRESET', 'ECONNRESET', undefined]);
  expect(reads[2]?.value).toEqual(byte);
  const again = watch(world, host(hosts, 'a').network.connect({ host: 'b', port: 80 }));
  await world.run({ toMs: world.now + 10 });
  expect(again.value).toBeDefined();
});

test('a reset with a percentage strikes that part of the packets', async () => {
  const { world, hosts } = await machines(['a', 'b']);
  applyFault(world, 'network.reset', { percent: 25 }, ['b']);
  let resets = 0;
  for (let index = 0; index < 200; index++) {
    const { near, far } = await connected(world, host(hosts, 'a'), host(hosts, 'b'), 1000 + index);
    const read = watch(world, far.read());
    await near.write(byte);
    await world.run({ until: () => read.atMs !== undefined, toMs: world.now + 1000 });
    if (read.code === 'ECONNRESET') resets++;
  }
  expect(resets).toBeGreaterThan(30);
  expect(resets).toBeLessThan(75);
});

test('a half-open connection is silent for ever, new ones work, and healed, the next packet meets a reset', async () => {
  const { world, hosts } = await machines(['a', 'b']);
  const { near, far } = await connected(world, host(hosts, 'a'), host(hosts, 'b'));
  const heal = applyFault(world, 'network.half-open', {}, ['b']);
  const reads = [watch(world, near.read()), watch(world, far.read())];
  far.destroy();
  await near.write(byte);
  await world.run({ toMs: world.now + 60_000 });
  expect(reads[0]).toEqual({});
  const fresh = watch(world, host(hosts, 'a').network.connect({ host: 'b', port: 80 }));
  await world.run({ toMs: world.now + 10 });
  expect(fresh.value).toBeDefined();
  await heal?.();
  await world.run({ toMs: world.now + 120_000 });
  expect(reads[0]?.code).toBe('ECONNRESET');
});

test('refuse turns connections away at once, hang never answers; open connections go on', async () => {
  const { world, hosts } = await machines(['a', 'b']);
  const { near, far } = await connected(world, host(hosts, 'a'), host(hosts, 'b'));
  const healRefuse = applyFault(world, 'network.refuse', {}, ['b']);
  const startMs = world.now;
  const connect = (timeoutMs = 5000) =>
    watch(world, host(hosts, 'a').network.connect({ host: 'b', port: 80 }, { timeoutMs }));
  const refused = connect();
  await world.run({ toMs: startMs + 10 });
  expect(refused.code).toBe('ECONNREFUSED');
  expect((refused.atMs ?? 0) - startMs).toBeLessThan(2 * BASE_MOST_MS);
  await healRefuse?.();
  const healHang = applyFault(world, 'network.hang', {}, ['b']);
  const hung = connect();
  const read = watch(world, far.read());
  await near.write(byte);
  await world.run({ toMs: startMs + 6000 });
  expect(hung).toEqual({ code: 'ETIMEDOUT', atMs: startMs + 10 + 5000 });
  expect(read.value).toEqual(byte);
  await healHang?.();
  const accepted = connect();
  await world.run({ toMs: world.now + 10 });
  expect(accepted.value).toBeDefined();
});

test('a slice makes one write arrive in many reads of at most so many bytes', async () => {
  const { world, hosts } = await machines(['a', 'b']);
  const { near, far } = await connected(world, host(hosts, 'a'), host(hosts, 'b'));
  const heal = applyFault(world, 'network.slice', { bytes: 3 }, ['b']);
  const sizes: number[] = [];
  const reading = async (): Promise<void> => {
    for (let bytes = await far.read(); bytes !== undefined; bytes = await far.read()) sizes.push(bytes.length);
  };
  void reading();
  await near.write(new Uint8Array(10));
  await world.run({ toMs: world.now + 10 });
  expect(sizes).toEqual([3, 3, 3, 1]);
  await heal?.();
  await near.write(new Uint8Array(10));
  await world.run({ toMs: world.now + 10 });
  expect(sizes).toEqual([3, 3, 3, 1, 10]);
});

test('a swizzle cuts nodes off one by one and reconnects them in an order of its own', async () => {
  const orders = new Set<string>();
  for (let seed = 0; seed < 30; seed++) {
    const { world } = await machines(['a', 'b', 'c'], seed);
    const startMs = world.now;
    const heal = applyFault(world, 'network.swizzle', { interval: 100 }, ['a', 'b', 'c']);
    const states: string[] = [];
    for (let step = 0; step < 7; step++) {
      await world.run({ toMs: startMs + step * 100 + 50 });
      const open = (name: string): boolean => !world.network.links.link(name, 'outside').blocked;
      states.push(['a', 'b', 'c'].map((name) => (open(name) ? '-' : name)).join(''));
    }
    const counts = states.map((state) => state.replaceAll('-', '').length);
    const most = Math.max(...counts);
    expect(counts.slice(0, 2 * most)).toEqual([
      ...Array.from({ length: most }, (_, index) => index + 1),
      ...Array.from({ length: most }, (_, index) => most - 1 - index),
    ]);
    orders.add(states.join(' '));
    await heal?.();
  }
  expect(orders.size).toBeGreaterThan(10);
});

test('a swizzle that is healed half-way leaves nothing cut', async () => {
  const { world } = await machines(['a', 'b', 'c'], 2);
  const heal = applyFault(world, 'network.swizzle', { interval: 100 }, ['a', 'b', 'c']);
  await world.run({ toMs: world.now + 50 });
  await heal?.();
  await world.run({ toMs: world.now + 5000 });
  for (const name of ['a', 'b', 'c']) expect(world.network.links.link(name, 'outside').blocked).toBe(false);
});

test('a fault that is off draws nothing: applying and healing leaves the fingerprint of the links alone', async () => {
  const draws = async (disturb: boolean): Promise<number> => {
    const { world } = await machines(['a', 'b']);
    if (disturb) await applyFault(world, 'network.loss', { percent: 50 }, ['b'])?.();
    return world.network.links.link('a', 'b').random.uint32();
  };
  expect(await draws(true)).toBe(await draws(false));
});
