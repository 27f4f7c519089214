import { describe, expect, it } from 'vitest';
import { diskFaults } from '../../src/faults/disk.ts';
import { FaultError, type Heal } from '../../src/faults/fault.ts';
import type { World } from '../../src/sim/world.ts';
import { createRig, type Rig } from '../sim/disk/rig.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const fill = (bytes: number, value: number): Uint8Array => new Uint8Array(bytes).fill(value);
const read = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Applies a fault to the rig's machine, parameters as a scenario has them. */
function apply(rig: Rig, name: string, parameters: Record<string, unknown> = {}): Heal {
  const definition = diskFaults.find((one) => one.name === name);
  if (definition === undefined) throw new Error(`no fault ${name}`);
  const parsed = definition.schema.parse(parameters);
  expect(definition.describe(parsed, ['m'])).toMatch(/ on .*m$/);
  // The faults of disks use nothing of a world but its machines and its scheduler.
  const world = { machines: new Map([['m', { devices: rig.table }]]), scheduler: rig.scheduler } as unknown as World;
  const heal = definition.apply({ world, targets: ['m'] }, parsed);
  if (heal === undefined) throw new Error(`${name} has nothing to heal`);
  return heal;
}

async function fails(rig: Rig, promise: Promise<unknown>, code: string): Promise<void> {
  await expect(rig.settle(promise)).rejects.toMatchObject({ code });
}

/** Virtual milliseconds that it takes. */
async function timed(rig: Rig, promise: Promise<unknown>): Promise<number> {
  const start = rig.scheduler.now;
  await rig.settle(promise);
  return rig.scheduler.now - start;
}

/** What the device would give: the page cache is dropped first. */
async function atRest(rig: Rig, path: string): Promise<string> {
  for (const device of rig.table.devices.values()) device.evict();
  return read(await rig.content(path));
}

describe('disk faults: definitions', () => {
  it('should have one definition for every row of the vocabulary', () => {
    expect(diskFaults.map((one) => one.name).sort()).toEqual(
      [
        'slow-sync slow stall throttle compete sync-error write-error read-error sector-error full read-only gone',
        'short-io bit-rot lost-write misdirected-write misdirected-read lying-sync',
      ]
        .join(' ')
        .split(' ')
        .map((name) => `disk.${name}`)
        .sort(),
    );
  });

  it('should refuse unknown keys, impossible values, and machines or devices that are not there', () => {
    const rig = createRig();
    for (const one of diskFaults)
      expect(one.schema.safeParse({ add: '1ms', share: 1, nonsense: 1 }).success).toBe(false);
    expect(() => apply(rig, 'disk.slow-sync')).toThrow(/p50, p99 or add/);
    expect(() => apply(rig, 'disk.slow-sync', { p50: '20ms', p99: '10ms' })).toThrow(/not below p50/);
    expect(() => apply(rig, 'disk.compete', { share: 100 })).toThrow(/less than 100/);
    expect(() => apply(rig, 'disk.gone', { device: 'sdz' })).toThrow(FaultError);
    expect(() => apply(rig, 'disk.bit-rot', { path: '/none' })).toThrow(/none/);
    expect(() => apply(rig, 'disk.bit-rot', { path: '/none', optional: true })).not.toThrow();
  });
});

describe('disk faults: time', () => {
  it('slow-sync should have the median and the 99th percentile that it was given', async () => {
    const rig = createRig();
    const file = await rig.durable('/f', text('x'));
    const heal = apply(rig, 'disk.slow-sync', { p50: '20ms', p99: '150ms' });
    const times: number[] = [];
    for (let n = 0; n < 4000; n++) times.push(await timed(rig, file.sync()));
    times.sort((a, b) => a - b);
    expect(times[2000]).toBeGreaterThan(18.5);
    expect(times[2000]).toBeLessThan(21.5);
    expect(times[3960]).toBeGreaterThan(120);
    expect(times[3960]).toBeLessThan(185);
    await heal();
    expect(await timed(rig, file.sync())).toBeLessThan(1);
  });

  it('slow-sync should add, and leave plain writes alone', async () => {
    const rig = createRig();
    const file = await rig.durable('/f', text('x'));
    apply(rig, 'disk.slow-sync', { add: 100 });
    expect(await timed(rig, file.write(0, [text('y')], { durable: true }))).toBeGreaterThan(100);
    expect(await timed(rig, file.write(0, [text('y')], { durable: false }))).toBeLessThan(1);
  });

  it('slow should add to everything that needs the device', async () => {
    const rig = createRig();
    const file = await rig.durable('/f', text('x'));
    const heal = apply(rig, 'disk.slow', { add: '40ms' });
    rig.table.device('root').evict();
    expect(await timed(rig, file.read(0, new Uint8Array(1)))).toBeGreaterThan(40);
    expect(await timed(rig, file.sync())).toBeGreaterThan(40);
    await heal();
    expect(await timed(rig, file.sync())).toBeLessThan(2);
  });

  it('stall should hold what is under way and what comes, for its window', async () => {
    const rig = createRig();
    const file = await rig.durable('/f', text('x'));
    const first = file.sync();
    apply(rig, 'disk.stall', { window: '60s' });
    const second = file.write(0, [text('z')], { durable: true });
    expect(await timed(rig, first)).toBeGreaterThanOrEqual(60_000);
    expect(await timed(rig, second)).toBeLessThan(2);
  });

  it('stall should end when it is healed', async () => {
    const rig = createRig();
    const file = await rig.durable('/f', text('x'));
    const heal = apply(rig, 'disk.stall');
    const pending = file.sync();
    await rig.scheduler.run({ toMs: rig.scheduler.now + 5000 });
    await heal();
    expect(await timed(rig, pending)).toBeLessThan(1);
  });

  it('throttle should hold to operations and to bytes per second', async () => {
    const rig = createRig();
    const file = await rig.durable('/f', text('x'));
    const heal = apply(rig, 'disk.throttle', { iops: 100 });
    const many = Promise.all(Array.from({ length: 50 }, () => file.sync()));
    expect(await timed(rig, many)).toBeGreaterThanOrEqual(490);
    await heal();
    apply(rig, 'disk.throttle', { bytesPerSecond: '1MB' });
    expect(await timed(rig, file.write(0, [fill(500_000, 1)], { durable: true }))).toBeGreaterThanOrEqual(500);
  });

  it('compete should slow the device down and show in its counters', async () => {
    const rig = createRig();
    const device = rig.table.device('root');
    const file = await rig.durable('/f', text('x'));
    const quiet = await timed(rig, file.sync());
    const before = device.statistics;
    const start = rig.scheduler.now;
    const heal = apply(rig, 'disk.compete', { share: '80%', queueDepth: 20 });
    expect(await timed(rig, file.sync())).toBeGreaterThan(quiet * 3.5);
    await rig.scheduler.run({ toMs: start + 10_000 });
    const after = device.statistics;
    expect((after.ioTimeMs - before.ioTimeMs) / 10_000).toBeCloseTo(0.8, 2);
    expect((after.weightedIoTimeMs - before.weightedIoTimeMs) / 10_000).toBeCloseTo(20, 1);
    await heal();
    expect(device.statistics.inFlight).toBe(0);
  });

  it('counters should count operations, bytes and time without any fault', async () => {
    const rig = createRig();
    const device = rig.table.device('root');
    const file = await rig.durable('/f', text('x'));
    const before = device.statistics;
    const took = await timed(rig, file.write(0, [fill(4096, 1)], { durable: true }));
    const after = device.statistics;
    expect(after.writes - before.writes).toBe(1);
    expect(after.writtenBytes - before.writtenBytes).toBe(4096);
    expect(after.flushes - before.flushes).toBe(1);
    expect(after.ioTimeMs - before.ioTimeMs).toBeCloseTo(took, 1);
    await rig.settle(file.write(0, [fill(4096, 2)], { durable: false }));
    expect(device.statistics.writes).toBe(after.writes);
    await rig.settle(file.sync());
    expect(device.statistics.writes - after.writes).toBe(1);
    expect(device.statistics.writtenBytes - after.writtenBytes).toBe(4096);
    expect(after.weightedIoTimeMs - before.weightedIoTimeMs).toBeCloseTo(took, 1);
  });
});

describe('disk faults: sync errors', () => {
  async function struck(variant: string) {
    const rig = createRig();
    const file = await rig.durable('/f', text('old'));
    const heal = apply(rig, 'disk.sync-error', { variant, path: '/f' });
    return { rig, file, heal };
  }

  it('keep: EIO once, the cache shows the new bytes, the device never gets them', async () => {
    const { rig, file } = await struck('keep');
    await fails(rig, file.write(0, [text('new')], { durable: true }), 'EIO');
    expect(read(await rig.content('/f'))).toBe('new');
    await rig.settle(file.sync());
    expect(await atRest(rig, '/f')).toBe('old');
  });

  it('revert: EIO once, the cache shows the old bytes at once', async () => {
    const { rig, file } = await struck('revert');
    await fails(rig, file.write(0, [text('new')], { durable: true }), 'EIO');
    expect(read(await rig.content('/f'))).toBe('old');
    await rig.settle(file.sync());
  });

  it('late: the sync says OK, the following one reports it', async () => {
    const { rig, file } = await struck('late');
    await rig.settle(file.write(0, [text('new')], { durable: true }));
    await fails(rig, file.sync(), 'EIO');
    await rig.settle(file.sync());
    expect(await atRest(rig, '/f')).toBe('old');
  });

  it('late: who opens the file later hears of it too', async () => {
    const { rig, file } = await struck('late');
    await rig.settle(file.write(0, [text('new')], { durable: true }));
    await rig.settle(file.close());
    await fails(rig, (await rig.open('/f')).sync(), 'EIO');
  });

  it('lost: a handle that was open hears of it, a later one never', async () => {
    const { rig, file } = await struck('lost');
    await rig.settle(file.write(0, [text('new')], { durable: true }));
    await rig.settle((await rig.open('/f')).sync());
    await fails(rig, file.sync(), 'EIO');
    expect(await atRest(rig, '/f')).toBe('old');
  });

  it('false: reported although durable', async () => {
    const { rig, file } = await struck('false');
    await fails(rig, file.write(0, [text('new')], { durable: true }), 'EIO');
    rig.table.powerLoss('drop');
    expect(read(await rig.content('/f'))).toBe('new');
  });

  it('should strike only the files and bytes that it names, as often as it says, and not once healed', async () => {
    const rig = createRig();
    await rig.settle(rig.disk.makeDirectory('/wal'));
    const a = await rig.durable('/wal/a', text('x'));
    const b = await rig.durable('/b', text('x'));
    const heal = apply(rig, 'disk.sync-error', { path: '/wal/*', times: 2, range: { from: '4KiB', to: '8KiB' } });
    await rig.settle(b.write(5000, [text('y')], { durable: true }));
    await rig.settle(a.write(0, [text('y')], { durable: true }));
    await fails(rig, a.write(5000, [text('y')], { durable: true }), 'EIO');
    await heal();
    await rig.settle(a.write(5000, [text('y')], { durable: true }));
  });

  it('should fail the sync of a directory, whose names are as durable as the variant says; late and lost pass it by', async () => {
    for (const [variant, fate] of [
      ['keep', 'gone'],
      ['revert', 'gone'],
      ['false', 'there'],
      ['late', 'never failed'],
      ['lost', 'never failed'],
    ] as const) {
      const rig = createRig();
      await rig.settle(rig.disk.makeDirectory('/wal'));
      await rig.settle(rig.disk.syncDirectory('/'));
      const file = await rig.open('/wal/a', { mode: 'create' });
      await rig.settle(file.write(0, [text('x')], { durable: true }));
      const heal = apply(rig, 'disk.sync-error', { variant });
      if (fate === 'never failed') {
        await rig.settle(rig.disk.syncDirectory('/wal'));
        continue;
      }
      await fails(rig, rig.disk.syncDirectory('/wal'), 'EIO');
      // It struck once; a file system that goes on makes the name durable with the next one.
      await heal();
      rig.table.powerLoss('drop');
      const names = await rig.settle(rig.start().disk.list('/wal'));
      expect(
        names.map(({ name }) => name),
        variant,
      ).toEqual(fate === 'there' ? ['a'] : []);
    }
  });
});

describe('disk faults: errors of operations', () => {
  it('write-error should fail writes, with a part written, and stop when healed', async () => {
    const parts = new Set<number>();
    for (let seed = 0; seed < 20; seed++) {
      const rig = createRig(seed);
      const file = await rig.durable('/f', fill(2000, 1));
      const heal = apply(rig, 'disk.write-error', { percent: 100 });
      await fails(rig, file.write(0, [fill(2000, 2)], { durable: true }), 'EIO');
      const after = await rig.content('/f');
      const part = after.indexOf(1);
      expect(after.subarray(part).every((byte) => byte === 1)).toBe(true);
      parts.add(part);
      await heal();
      await rig.settle(file.write(0, [fill(2000, 2)], { durable: true }));
    }
    expect(parts.size).toBeGreaterThan(5);
  });

  it('read-error should hit the device, not the page cache; not transient: the same place again', async () => {
    const rig = createRig();
    const file = await rig.durable('/f', fill(20_000, 1));
    const heal = apply(rig, 'disk.read-error', { percent: 50, transient: false });
    await rig.settle(file.read(0, new Uint8Array(100)));
    rig.table.device('root').evict();
    const outcome = async (at: number): Promise<boolean> => {
      rig.table.device('root').evict();
      return rig.settle(file.read(at, new Uint8Array(1))).then(
        () => true,
        () => false,
      );
    };
    const places = Array.from({ length: 39 }, (_, n) => n * 512);
    const first: boolean[] = [];
    for (const at of places) first.push(await outcome(at));
    expect(new Set(first).size).toBe(2);
    for (const [n, at] of places.entries()) if (first[n] === false) expect(await outcome(at)).toBe(false);
    await heal();
    for (const at of places) expect(await outcome(at)).toBe(true);
  });

  it('sector-error should last until the sector is written again', async () => {
    const rig = createRig();
    const file = await rig.durable('/f', fill(2048, 1));
    apply(rig, 'disk.sector-error', { path: '/f', range: { from: 512, to: 1024 } });
    await rig.settle(file.read(0, new Uint8Array(512)));
    await fails(rig, file.read(0, new Uint8Array(2048)), 'EIO');
    await rig.settle(file.write(512, [fill(512, 2)], { durable: true }));
    rig.table.device('root').evict();
    await rig.settle(file.read(0, new Uint8Array(2048)));
  });

  it('full should refuse what needs space, until somebody frees some', async () => {
    const rig = createRig();
    await rig.durable('/old', fill(100_000, 1));
    const file = await rig.open('/f');
    await rig.settle(file.allocate(8192));
    apply(rig, 'disk.full', { freeBytes: '4KiB' });
    expect((await rig.settle(rig.disk.usage('/'))).freeBytes).toBe(4096);
    await rig.settle(file.write(0, [fill(8192, 1)], { durable: true }));
    await fails(rig, file.allocate(16_384), 'ENOSPC');
    await fails(rig, file.write(8192, [fill(8192, 1)], { durable: false }), 'ENOSPC');
    await rig.settle(rig.disk.remove('/old'));
    await rig.settle(file.allocate(16_384));
  });

  it('full should last until its own end, whichever of two that overlap ends first', async () => {
    const rig = createRig();
    const free = async () => (await rig.settle(rig.disk.usage('/'))).freeBytes;
    const before = await free();
    const healFirst = apply(rig, 'disk.full', { freeBytes: '64KiB' });
    const healSecond = apply(rig, 'disk.full', { freeBytes: '4KiB' });
    expect(await free()).toBe(4096);
    await healFirst();
    expect(await free()).toBe(4096);
    const healThird = apply(rig, 'disk.full', { freeBytes: '64KiB' });
    expect(await free()).toBe(4096);
    await healSecond();
    expect(await free()).toBe(65_536);
    await healThird();
    expect(await free()).toBe(before);
  });

  it('full at write or at sync should fail these, in space that was set aside too', async () => {
    for (const at of ['write', 'sync']) {
      const rig = createRig();
      const file = await rig.durable('/f', fill(8192, 1));
      const heal = apply(rig, 'disk.full', { at });
      if (at === 'sync') await rig.settle(file.write(0, [fill(10, 2)], { durable: false }));
      await fails(rig, file.write(0, [fill(10, 2)], { durable: true }), 'ENOSPC');
      await heal();
      await rig.settle(file.write(0, [fill(10, 2)], { durable: true }));
    }
  });

  it('full of inodes should refuse new names alone', async () => {
    const rig = createRig();
    const file = await rig.durable('/f', text('x'));
    const heal = apply(rig, 'disk.full', { freeInodes: 0 });
    await fails(rig, rig.disk.open('/g', { mode: 'create' }), 'ENOSPC');
    await rig.settle(file.write(0, [fill(10_000, 2)], { durable: true }));
    await heal();
    await rig.open('/g');
  });

  it('read-only should refuse every change, and reads go on', async () => {
    const rig = createRig();
    const file = await rig.durable('/f', text('x'));
    const heal = apply(rig, 'disk.read-only');
    await fails(rig, file.write(0, [text('y')], { durable: true }), 'EROFS');
    await fails(rig, rig.disk.remove('/f'), 'EROFS');
    await fails(rig, rig.disk.open('/g', { mode: 'create' }), 'EROFS');
    await fails(rig, rig.disk.makeDirectory('/d'), 'EROFS');
    expect(read(await rig.content('/f'))).toBe('x');
    await heal();
    await rig.settle(file.write(0, [text('y')], { durable: true }));
  });

  it('gone should fail everything', async () => {
    const rig = createRig();
    const file = await rig.durable('/f', text('x'));
    const pending = file.write(0, [text('y')], { durable: true });
    apply(rig, 'disk.gone');
    await fails(rig, pending, 'ENODEV');
    await fails(rig, file.read(0, new Uint8Array(1)), 'ENODEV');
    await fails(rig, file.sync(), 'ENODEV');
    await fails(rig, rig.disk.stat('/f'), 'ENODEV');
    await fails(rig, rig.disk.syncDirectory('/'), 'ENODEV');
  });

  it('short-io should happen, and never be seen', async () => {
    const rig = createRig();
    const content = Uint8Array.from({ length: 5000 }, (_, n) => n % 251);
    apply(rig, 'disk.short-io', { percent: 90 });
    const file = await rig.durable('/f', content);
    rig.table.device('root').evict();
    const into = new Uint8Array(6000);
    expect(await rig.settle(file.read(0, into))).toBe(5000);
    expect(into.subarray(0, 5000)).toEqual(content);
    expect(rig.table.device('root').shortTransfers).toBeGreaterThan(2);
  });
});

describe('disk faults: media', () => {
  it('bit-rot should flip exactly so many bits at rest, the same at every read, and heal', async () => {
    const rig = createRig();
    await rig.durable('/f', fill(4096, 0));
    await rig.durable('/g', fill(4096, 0));
    const heal = apply(rig, 'disk.bit-rot', { path: '/f', range: { from: 1000, to: 1100 }, bits: 5 });
    const first = await rig.content('/f');
    let bits = 0;
    first.forEach((byte, at) => {
      if (byte !== 0) expect(at >= 1000 && at < 1100).toBe(true);
      for (let rest = byte; rest !== 0; rest &= rest - 1) bits += 1;
    });
    expect(bits).toBe(5);
    rig.table.powerLoss('drop');
    expect(await rig.content('/f')).toEqual(first);
    expect(await rig.content('/g')).toEqual(fill(4096, 0));
    await heal();
    expect(await rig.content('/f')).toEqual(fill(4096, 0));
  });

  it('lost-write should say OK and keep the old bytes, until healed', async () => {
    const rig = createRig();
    const file = await rig.durable('/f', text('old'));
    const heal = apply(rig, 'disk.lost-write');
    await rig.settle(file.write(0, [text('new')], { durable: true }));
    expect(read(await rig.content('/f'))).toBe('new');
    expect(await atRest(rig, '/f')).toBe('old');
    await heal();
    expect(read(await rig.content('/f'))).toBe('new');
  });

  it('misdirected-write should put the bytes elsewhere in the file, until healed', async () => {
    const rig = createRig();
    const file = await rig.durable('/f', fill(5120, 1));
    const heal = apply(rig, 'disk.misdirected-write');
    await rig.settle(file.write(512, [fill(512, 2)], { durable: true }));
    rig.table.device('root').evict();
    const wrong = await rig.content('/f');
    expect(wrong[512]).toBe(1);
    expect(wrong.filter((byte) => byte === 2).byteLength).toBe(512);
    await heal();
    const right = fill(5120, 1);
    right.fill(2, 512, 1024);
    expect(await rig.content('/f')).toEqual(right);
  });

  it('misdirected-read should give other bytes of the file, until healed', async () => {
    const rig = createRig();
    const content = Uint8Array.from({ length: 5120 }, (_, n) => Math.floor(n / 512));
    const file = await rig.durable('/f', content);
    rig.table.device('root').evict();
    const heal = apply(rig, 'disk.misdirected-read');
    const into = new Uint8Array(512);
    await rig.settle(file.read(512, into));
    expect(new Set(into).size).toBe(1);
    expect(into[0]).not.toBe(1);
    await heal();
    expect(await rig.content('/f')).toEqual(content);
  });

  it('lying-sync should lose what it promised when the power goes within the delay, and not after it', async () => {
    for (const late of [false, true]) {
      const rig = createRig();
      const file = await rig.durable('/f', text('old'));
      apply(rig, 'disk.lying-sync', { delay: '5s' });
      await rig.settle(file.write(0, [text('newer')], { durable: true }));
      rig.table.device('root').evict();
      expect(read(await rig.content('/f'))).toBe('newer');
      await rig.scheduler.run({ toMs: rig.scheduler.now + (late ? 5001 : 4000) });
      rig.table.powerLoss('drop');
      expect(read(await rig.content('/f'))).toBe(late ? 'newer' : 'old');
    }
  });

  it('lying-sync should lose names too', async () => {
    const rig = createRig();
    apply(rig, 'disk.lying-sync', { delay: '5s' });
    await rig.durable('/f', text('x'));
    rig.table.powerLoss('drop');
    await expect(rig.content('/f')).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('a healed fault should leave no trace: the same draws, the same times as without it', async () => {
    const fingerprints = new Set<string>();
    for (const on of [false, true]) {
      const rig = createRig(7);
      const file = await rig.durable('/f', text('x'));
      if (on) await apply(rig, 'disk.lost-write', { percent: 100 })();
      for (let n = 0; n < 10; n++) await rig.settle(file.write(n, [text('y')], { durable: true }));
      fingerprints.add(rig.trace.fingerprint);
    }
    expect(fingerprints.size).toBe(1);
  });
});
