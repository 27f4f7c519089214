import { describe, expect, it } from 'vitest';
import type { DiskEvent } from '../../../src/sim/disk/events.ts';
import { createRig } from './rig.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe('device table', () => {
  it('should show the bare directory below when a mount is forgotten', async () => {
    const rig = createRig();
    const wal = rig.table.addDevice('sdb');
    rig.table.mount('/data/wal', wal);
    await rig.durable('/data/wal/f', text('x'));
    expect((await rig.settle(rig.disk.stat('/data/wal'))).device).toBe(wal.number);
    rig.table.unmount('/data/wal');
    expect(await rig.settle(rig.disk.list('/data/wal'))).toEqual([]);
    expect((await rig.settle(rig.disk.stat('/data/wal'))).device).not.toBe(wal.number);
    rig.table.mount('/data/wal', wal);
    expect(await rig.content('/data/wal/f')).toEqual(text('x'));
  });

  it('should refuse to rename from one device to another', async () => {
    const rig = createRig();
    rig.table.mount('/wal', rig.table.addDevice('sdb'));
    await rig.open('/f');
    await expect(rig.settle(rig.disk.rename('/f', '/wal/f'))).rejects.toMatchObject({ code: 'EINVAL' });
  });

  it('should put a first device on / in the place of the built-in one', () => {
    const { table } = createRig();
    table.mount('/wal', table.addDevice('sdb'));
    table.mount('/', table.addDevice('sda'));
    expect([...table.devices.keys()]).toEqual(['sdb', 'sda']);
    expect(table.deviceAt('/wal/x').name).toBe('sdb');
    expect(table.deviceAt('/x').name).toBe('sda');
  });

  it('should hold no more clean bytes in the page cache than it has memory, and all without a bound', async () => {
    const readsOf = async (cacheBytes?: number): Promise<number> => {
      const rig = createRig();
      const device = rig.table.addDevice('sdb', cacheBytes === undefined ? {} : { cacheBytes });
      rig.table.mount('/wal', device);
      const file = await rig.durable('/wal/f', new Uint8Array(65_536).fill(7));
      const page = new Uint8Array(4096);
      for (let round = 0; round < 3; round++) {
        for (let at = 0; at < 65_536; at += 4096) {
          expect(await rig.settle(file.read(at, page))).toBe(4096);
          expect(page.every((byte) => byte === 7)).toBe(true);
        }
      }
      // What is not yet on the device is never dropped.
      await rig.settle(file.write(0, [new Uint8Array(65_536).fill(8)], { durable: false }));
      await rig.settle(file.read(0, page));
      expect(page[0]).toBe(8);
      return device.statistics.reads;
    };
    expect(await readsOf()).toBe(0);
    expect(await readsOf(16_384)).toBe(48);
    expect(await readsOf(131_072)).toBeLessThanOrEqual(16);
  });

  it('should be empty after a wipe, with its mounts', async () => {
    const rig = createRig();
    rig.table.mount('/wal', rig.table.addDevice('sdb'));
    await rig.durable('/wal/f', text('x'));
    rig.process.kill();
    rig.table.wipe();
    expect(await rig.settle(rig.start().disk.list('/wal'))).toEqual([]);
    expect((await rig.settle(rig.start().disk.list('/'))).map((entry) => entry.name)).toEqual(['wal']);
  });

  it('should free a lock when its process is killed', async () => {
    const rig = createRig();
    const file = await rig.open('/LOCK');
    await rig.settle(file.lock());
    const other = rig.start();
    const again = await rig.settle(other.disk.open('/LOCK', { mode: 'create' }));
    await expect(rig.settle(again.lock())).rejects.toMatchObject({ code: 'ELOCKED', holderPid: 101 });
    rig.process.kill();
    await rig.settle(again.lock());
  });

  it('should never tell a dead process anything', async () => {
    const rig = createRig();
    const file = await rig.open('/f');
    let told = 0;
    const tell = () => {
      told += 1;
    };
    void file.write(0, [text('x')], { durable: true }).then(tell, tell);
    rig.process.kill();
    void file.read(0, new Uint8Array(1)).then(tell, tell);
    await rig.scheduler.run({});
    expect(told).toBe(0);
    expect(await rig.content('/f')).toEqual(text('x'));
  });

  it('should tell observers of every durable write, in order, under the present name', async () => {
    const rig = createRig();
    const events: DiskEvent[] = [];
    rig.table.observe((event) => events.push(event));
    const file = await rig.open('/spare');
    await rig.settle(rig.disk.rename('/spare', '/segment'));
    await rig.settle(file.write(5, [text('ab'), text('c')], { durable: true }));
    await rig.settle(rig.disk.syncDirectory('/'));
    expect(events.map((event) => event.kind)).toEqual([
      'open',
      'rename',
      'durable-write-begin',
      'write',
      'durable-write-complete',
      'sync-directory-begin',
      'sync-directory-complete',
    ]);
    const [, , begin, , complete] = events;
    expect(begin).toMatchObject({
      path: '/segment',
      offset: 5,
      bytes: 3,
      incarnation: 1,
      machine: 'm',
      device: 'root',
    });
    expect(complete?.operation).toBe(begin?.operation);
    expect(complete?.atMs).toBeGreaterThan(begin?.atMs ?? Number.POSITIVE_INFINITY);
    expect(events.map((event) => event.order)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it('should run the same twice from one seed, and otherwise from another', async () => {
    const fingerprint = async (seed: number): Promise<string> => {
      const rig = createRig(seed);
      const file = await rig.open('/f');
      for (let n = 0; n < 20; n++) await rig.settle(file.write(n * 100, [text('x')], { durable: n % 2 === 0 }));
      rig.table.powerLoss('corrupt');
      return rig.trace.fingerprint;
    };
    expect(await fingerprint(1)).toBe(await fingerprint(1));
    expect(await fingerprint(1)).not.toBe(await fingerprint(2));
  });

  it('should not cost the memory of space that is only set aside', async () => {
    const rig = createRig();
    const file = await rig.open('/f');
    const before = process.memoryUsage().arrayBuffers;
    await rig.settle(file.allocate(256 * 2 ** 20));
    await rig.settle(file.sync());
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
    expect(await rig.settle(file.size())).toBe(256 * 2 ** 20);
  });

  it('should count space and inodes, and give them back', async () => {
    const rig = createRig();
    const device = rig.table.addDevice('small', { bytes: 40_960, inodes: 3 });
    rig.table.mount('/small', device);
    const file = await rig.open('/small/a');
    await rig.settle(file.write(0, [new Uint8Array(4097)], { durable: false }));
    expect(await rig.settle(rig.disk.usage('/small'))).toEqual({
      totalBytes: 40_960,
      freeBytes: 32_768,
      freeInodes: 1,
    });
    await expect(rig.settle(file.allocate(45_000))).rejects.toMatchObject({ code: 'ENOSPC', operation: 'allocate' });
    await expect(rig.settle(file.write(8192, [new Uint8Array(40_000)], { durable: true }))).rejects.toMatchObject({
      code: 'ENOSPC',
    });
    await rig.open('/small/b');
    await expect(rig.open('/small/c')).rejects.toMatchObject({ code: 'ENOSPC' });
    await rig.settle(rig.disk.remove('/small/a'));
    expect(await rig.settle(rig.disk.usage('/small'))).toMatchObject({ freeBytes: 40_960, freeInodes: 1 });
  });
});
