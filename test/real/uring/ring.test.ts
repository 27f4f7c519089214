import { execFileSync } from 'node:child_process';
import fs, { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRealDisk } from '../../../src/real/disk.ts';
import { loadNative, type NativeAddon } from '../../../src/real/native.ts';
import { createUringFileCalls } from '../../../src/real/uring/fileCalls.ts';
import { ringSlots, startRing } from '../../../src/real/uring/ring.ts';
import { uringSupport } from '../../../src/real/uring/support.ts';

const support = uringSupport();
const native = loadNative();
const { errno } = constants;

function addonOf(): NativeAddon {
  if ('reason' in native) throw new Error(native.reason);
  return native.addon;
}

/** Lets the loop look for what has come, several times. */
async function turns(): Promise<void> {
  for (let n = 0; n < 4; n++) await new Promise((resolve) => setImmediate(resolve));
}

describe.runIf(support.ok)('the ring of a thread (io_uring)', () => {
  let directory: string;
  let fd: number;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hotfire-ring-'));
    fd = fs.openSync(join(directory, 'file'), 'w+');
  });
  afterEach(() => {
    fs.closeSync(fd);
    addonOf().uringStop();
    rmSync(directory, { recursive: true });
  });

  /** Starts the ring; operations resolve to their two results, or to nothing when it is full. */
  function start(mode: '' | 'defer' | 'coop' | 'plain' = '') {
    const addon = addonOf();
    const ring = startRing(addon, mode);
    const ended = (slot: number) =>
      new Promise<[number, number] | 'full'>((resolve) => {
        if (!ring.awaits(slot, (result, sync) => resolve([result, sync]))) resolve('full');
      });
    return { addon, ring, ended };
  }

  it('should try again what found it full each time something has ended, in the order of coming, and not in between', async () => {
    const { addon, ring, ended } = start();
    const inFlight = Array.from({ length: ringSlots }, (_, i) =>
      ended(addon.uringWrite(fd, [Uint8Array.of(1)], i, false)),
    );
    const done: number[] = [];
    let attempts = 0;
    const late = Array.from(
      { length: 3 },
      (_, n) =>
        new Promise<void>((resolve) => {
          ring.inTurn(() => {
            attempts += 1;
            const slot = addon.uringWrite(fd, [Uint8Array.of(2)], 100 + n, false);
            return ring.awaits(slot, () => {
              done.push(n);
              resolve();
            });
          });
        }),
    );
    // Only the first one has been tried: the others stand behind it.
    expect(attempts).toBe(1);
    await Promise.all([...inFlight, ...late]);
    expect(done.toSorted()).toEqual([0, 1, 2]);
    expect(attempts).toBeLessThanOrEqual(ringSlots + 4);
    // With nothing in flight it is taken at once, and what is refused all the same is not forgotten.
    let refusals = 3;
    await new Promise<void>((resolve) => {
      ring.inTurn(() => {
        if (refusals-- > 0) return false;
        resolve();
        return true;
      });
    });
  });

  for (const mode of ['defer', 'coop', 'plain'] as const) {
    it(`should end everything that is in flight at once, and refuse what is beyond its slots (${mode})`, async (context) => {
      if (support.ok && support.features.mode !== 'defer') context.skip('this kernel has no deferred task work');
      const { addon, ended } = start(mode);
      const asked = Array.from({ length: ringSlots + 8 }, (_, i) =>
        ended(addon.uringWrite(fd, [Uint8Array.of(i)], i, i % 2 === 0)),
      );
      const results = await Promise.all(asked);
      expect(results.filter((it) => it === 'full')).toHaveLength(8);
      expect(results.slice(0, ringSlots).every((it) => it[0] === 1 && it[1] === 0)).toBe(true);
      expect([...fs.readFileSync(join(directory, 'file'))]).toEqual(Array.from({ length: ringSlots }, (_, i) => i));
      expect(addon.uringStats()).toMatchObject({ inFlight: 0, completed: ringSlots, refused: 8, mode });
    });
  }

  it('should hand over what one turn asks for by one system call', async () => {
    const { addon, ended } = start();
    const before = addon.uringStats()?.enters ?? 0;
    const asked = [0, 1, 2, 3, 4].map((i) => ended(addon.uringWrite(fd, [Uint8Array.of(i)], i, false)));
    expect(addon.uringStats()).toMatchObject({ enters: before, submitted: 0, inFlight: 5 });
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(addon.uringStats()).toMatchObject({ submitted: 5 });
    await Promise.all(asked);
  });

  it('should not be entered again for what was reaped already', async (context) => {
    if (support.ok && support.features.mode !== 'defer') context.skip('this kernel has no deferred task work');
    const { addon, ended } = start('defer');
    const path = join(directory, 'fifo');
    execFileSync('mkfifo', [path]);
    const fifo = fs.openSync(path, 'r+');
    const enters = () => addon.uringStats()?.enters ?? Number.NaN;
    for (let n = 0; n < 20; n++) {
      const before = enters();
      const into = new Uint8Array(1);
      const read = ended(addon.uringRead(fifo, into, 0, 1, 0));
      await turns();
      // Handed over, and nothing has come of it.
      expect(enters()).toBe(before + 1);
      // The kernel has work for the ring when this returns; what it makes of it, it tells of once more.
      fs.writeSync(fifo, Uint8Array.of(n));
      expect(await read).toEqual([1, 0]);
      await turns();
      expect(into[0]).toBe(n);
      expect(enters()).toBe(before + 2);
    }
    fs.closeSync(fifo);
  });

  it('should not sync behind a write that was short, and say so', async () => {
    const { addon, ended } = start();
    const path = join(directory, 'fifo');
    execFileSync('mkfifo', [path]);
    const fifo = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
    const [written, sync] = await ended(addon.uringWrite(fifo, [new Uint8Array(1 << 20)], 0, true));
    expect(written).toBeGreaterThan(0);
    expect(written).toBeLessThan(1 << 20);
    expect(sync).toBe(-errno.ECANCELED);
    fs.closeSync(fifo);
  });

  it('should tell a write that failed, and that its sync was cancelled', async () => {
    const { addon, ended } = start();
    const full = fs.openSync('/dev/full', 'w');
    expect(await ended(addon.uringWrite(full, [new Uint8Array(8)], 0, true))).toEqual([
      -errno.ENOSPC,
      -errno.ECANCELED,
    ]);
    fs.closeSync(full);
    expect(await ended(addon.uringSync(1_000_000))).toEqual([-errno.EBADF, 0]);
  });

  it('should take a part of more than a piece, and leave the sync to the rest', async () => {
    const { addon, ended } = start();
    const results = await ended(addon.uringWrite(fd, [new Uint8Array(700_000), new Uint8Array(700_000)], 0, true));
    expect(results).toEqual([1 << 20, -errno.ECANCELED]);
  });

  it('should read into what is left of a buffer that was taken away meanwhile', async () => {
    fs.writeSync(fd, 'content');
    const { addon, ended } = start();
    const buffer = new ArrayBuffer(7);
    const read = ended(addon.uringRead(fd, new Uint8Array(buffer), 0, 7, 0));
    const moved = buffer.transfer(3);
    expect(await read).toEqual([-errno.EFAULT, 0]);
    expect([...new Uint8Array(moved)]).toEqual([0, 0, 0]);
    const bytes = Uint8Array.from([1, 2, 3]);
    const written = ended(addon.uringWrite(fd, [bytes], 0, false));
    bytes.buffer.transfer(0);
    expect(await written).toEqual([3, 0]);
    expect([...fs.readFileSync(join(directory, 'file')).subarray(0, 3)]).toEqual([1, 2, 3]);
  });

  it('should answer garbage with typed errors', async () => {
    const addon = addonOf();
    const junk: unknown[] = [undefined, null, -1, 1.5, Number.NaN, 2 ** 53, 'x', {}, [], [1], [new Uint8Array(1), 7]];
    junk.push(Symbol('x'), 10n, () => {}, new Float64Array(2), new Uint8Array(0), new Proxy([], {}), true);
    const names = Object.keys(addon).filter((name) => name.startsWith('uring')) as (keyof NativeAddon)[];
    expect(names).toHaveLength(10);
    const codes = new Set<unknown>();
    const call = (name: keyof NativeAddon, words: readonly unknown[]): void => {
      try {
        // Whatever is said about the arguments: these are none of them.
        const exported = Reflect.get(addon, name) as (...given: unknown[]) => unknown;
        exported(...words);
      } catch (error) {
        codes.add(error instanceof Error && 'code' in error ? error.code : error);
      }
    };
    const names2 = names.filter((name) => !['uringStart', 'uringStop'].includes(name));
    for (const name of names) for (const a of junk) call(name, [a, a, a, a, a]);
    expect(addon.uringStats()).toBeUndefined();
    expect(codes).toEqual(new Set(['ERR_INVALID_ARG_TYPE', 'ERR_OUT_OF_RANGE', 'ERR_URING_STOPPED']));
    const { ended } = start();
    for (const name of names2) {
      for (const a of junk) for (const b of junk) call(name, [1_000_000, a, b, b, a]);
    }
    for (const mode of ['worst', 7]) call('uringStart', [1, mode, () => {}]);
    call('uringStart', [1, '', () => {}]);
    codes.delete('ERR_URING_STOPPED');
    expect(codes).toEqual(
      new Set(['ERR_INVALID_ARG_TYPE', 'ERR_OUT_OF_RANGE', 'ERR_INVALID_ARG_VALUE', 'ERR_URING_STARTED']),
    );
    // What was legal of it ends with EBADF; then the ring is as good as new.
    while ((addon.uringStats()?.inFlight ?? 0) > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(await ended(addon.uringWrite(fd, [Uint8Array.of(5)], 0, true))).toEqual([1, 0]);
  });

  it('should outlive an array that ends the ring while it is read', () => {
    const { addon } = start();
    const trap = [new Uint8Array(1)];
    Object.defineProperty(trap, 0, {
      get: () => {
        addon.uringStop();
        return new Uint8Array(1);
      },
    });
    expect(() => addon.uringWrite(fd, trap, 0, false)).toThrow(expect.objectContaining({ code: 'ERR_URING_STOPPED' }));
  });

  it('should not end while somebody is owed an answer', async () => {
    const { addon, ended } = start();
    const write = ended(addon.uringWrite(fd, [new Uint8Array(1)], 0, true));
    expect(() => addon.uringStop()).toThrow(expect.objectContaining({ code: 'ERR_URING_BUSY' }));
    await write;
    addon.uringStop();
    addon.uringStop();
    expect(addon.uringStats()).toBeUndefined();
  });

  it('should go on by node:fs when it is full', async () => {
    const { ring } = start();
    const file = await createRealDisk(createUringFileCalls(ring)).open(join(directory, 'many'), { mode: 'create' });
    const count = ringSlots * 3;
    await Promise.all(
      Array.from({ length: count }, (_, i) => file.write(i * 2, [Uint8Array.of(i & 255, i >> 8)], { durable: true })),
    );
    const into = new Uint8Array(count * 2);
    expect(await file.read(0, into)).toBe(count * 2);
    expect(into.every((byte, at) => byte === (at % 2 === 0 ? (at >> 1) & 255 : at >> 9))).toBe(true);
    await file.close();
    expect(addonOf().uringStats()?.refused).toBeGreaterThan(0);
  });

  it('should keep direct writes direct when it is full', async () => {
    const { ring } = start();
    const file = await createRealDisk(createUringFileCalls(ring)).open(join(directory, 'pages'), { mode: 'create' });
    const count = ringSlots * 2;
    await file.allocate((count + 1) * 4096);
    await file.write(count * 4096, [new Uint8Array(4096)], { durable: true });
    await Promise.all(
      Array.from({ length: count }, (_, i) =>
        file.write(i * 4096, [new Uint8Array(4096).fill(i + 1)], { durable: true }),
      ),
    );
    const into = new Uint8Array(count * 4096);
    expect(await file.read(0, into)).toBe(into.length);
    expect(into.every((byte, at) => byte === (at >> 12) + 1)).toBe(true);
    await file.close();
  });

  it('should write and read many pieces, beyond 4 GiB, past the page cache and through it', async () => {
    const { ring } = start();
    const disk = createRealDisk(createUringFileCalls(ring));
    const path = join(directory, 'large');
    const file = await disk.open(path, { mode: 'create' });
    const at = 2 ** 32 + 4096;
    const bytes = new Uint8Array(3_000_000).map((_, i) => (i * 31 + (i >> 12)) & 255);
    for (const durable of [true, true, false]) {
      await file.write(at, [bytes.subarray(0, 5), bytes.subarray(5)], { durable });
      const into = new Uint8Array(bytes.length);
      expect(await file.read(at, into)).toBe(bytes.length);
      expect(Buffer.compare(into, bytes)).toBe(0);
      into.fill(0);
      const uncached = await disk.open(path, { mode: 'read', uncached: true });
      expect(await uncached.read(at, into)).toBe(bytes.length);
      expect(Buffer.compare(into, bytes)).toBe(0);
      await uncached.close();
    }
    await file.close();
  });

  it('should show cached readers what aligned durable writes have put past the cache', async () => {
    const { ring } = start();
    const file = await createRealDisk(createUringFileCalls(ring)).open(join(directory, 'log'), { mode: 'create' });
    await file.allocate(2_000_001);
    expect(await file.size()).toBe(2_000_001);
    const page = new Uint8Array(4096);
    for (let round = 1; round <= 20; round++) {
      await file.write(8192, [page.fill(round)], { durable: true });
      await file.write(100, [Uint8Array.of(round)], { durable: round % 3 === 0 });
      const into = new Uint8Array(12_289).fill(255);
      expect(await file.read(0, into)).toBe(into.length);
      expect([into[99], into[100], into[101], into[8191], into[8192], into[12_287], into[12_288]]).toEqual([
        ...[0, round, 0, 0, round, round, 0],
      ]);
    }
    const flags = fs
      .readdirSync('/proc/self/fdinfo')
      .map((it) => {
        try {
          return fs.readlinkSync(`/proc/self/fd/${it}`).endsWith('/log')
            ? fs.readFileSync(`/proc/self/fdinfo/${it}`, 'utf8')
            : '';
        } catch {
          return '';
        }
      })
      .map((it) => Number.parseInt(/flags:\s+(\d+)/.exec(it)?.[1] ?? '0', 8));
    const { O_DIRECT, O_DSYNC } = fs.constants;
    // Where the file system takes O_DIRECT (tmpfs of older kernels does not), the pages went so.
    const direct = (O_DIRECT ?? 0) | O_DSYNC;
    expect(flags.some((it) => (it & direct) === direct || (it & O_DSYNC) === O_DSYNC)).toBe(true);
    await file.close();
  });

  it('should let a thread end with operations in flight', async () => {
    const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
    const body = `
      const { parentPort, workerData } = await import('node:worker_threads');
      const fs = await import('node:fs');
      const { loadNative } = await import(${url('../../../src/real/native.ts')});
      const { addon } = loadNative();
      addon.uringStart(64, '', () => {});
      const fd = fs.openSync(workerData, 'w+');
      const bytes = new Uint8Array(500_000).fill(9);
      for (let i = 0; i < 20; i++) addon.uringWrite(fd, [bytes], i * bytes.length, true);
      for (let i = 0; i < 10; i++) addon.uringRead(fd, bytes, 0, bytes.length, 0);
      setImmediate(() => setImmediate(() => { parentPort.postMessage('busy'); if (workerData.endsWith('2')) process.exit(0); }));
      setInterval(() => {}, 1000);
    `;
    for (const end of ['1', '2']) {
      const source = `import(${JSON.stringify(`data:text/javascript,${encodeURIComponent(body)}`)})`;
      const worker = new Worker(source, { eval: true, workerData: join(directory, `worker-${end}`) });
      const exited = new Promise((resolve) => worker.once('exit', resolve));
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      if (end === '1') await worker.terminate();
      await exited;
    }
    const { addon, ended } = start();
    expect(await ended(addon.uringWrite(fd, [Uint8Array.of(1)], 0, true))).toEqual([1, 0]);
  });
});
