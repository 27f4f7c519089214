import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRealDisk } from '../../src/real/disk.ts';
import { diskError } from '../../src/real/diskErrors.ts';
import { describeDiskConformance } from '../host/disk.conformance.ts';

describeDiskConformance('node:fs', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'hotfire-disk-'));
  return {
    disk: createRealDisk(),
    directory,
    settle: (promise) => promise,
    cleanUp: () => rm(directory, { recursive: true }),
  };
});

const holder = `
  const { createRealDisk } = await import(process.argv[1]);
  const file = await createRealDisk().open(process.argv[2], { mode: 'create' });
  await file.lock().then(() => console.log('held'), (error) => console.log(error.code, error.holderPid));
  setInterval(() => {}, 1000);
`;

describe('lock between processes', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'hotfire-lock-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  function startHolder(path: string) {
    const module = new URL('../../src/real/disk.ts', import.meta.url).href;
    return spawn(process.execPath, ['--input-type=module', '-e', holder, module, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }

  it('should name the holder, and be free once that is killed', async () => {
    const path = join(directory, 'LOCK');
    const child = startHolder(path);
    try {
      const [line] = await once(child.stdout, 'data');
      expect(String(line)).toBe('held\n');
      const file = await createRealDisk().open(path, { mode: 'create' });
      await expect(file.lock()).rejects.toMatchObject({ code: 'ELOCKED', holderPid: child.pid });
      child.kill('SIGKILL');
      await once(child, 'exit');
      await file.lock();
      await file.close();
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('should keep another process out, and tell it who holds it', async () => {
    const path = join(directory, 'LOCK');
    const file = await createRealDisk().open(path, { mode: 'create' });
    await file.lock();
    const child = startHolder(path);
    try {
      const [line] = await once(child.stdout, 'data');
      expect(String(line)).toBe(`ELOCKED ${process.pid}\n`);
    } finally {
      child.kill('SIGKILL');
      await file.close();
    }
  });
});

/** Flags of this process's descriptors of a file, as the kernel tells them. */
function flagsOf(path: string): number[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`) !== path) return [];
      const [, flags = '0'] = /flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')) ?? [];
      return [Number.parseInt(flags, 8)];
    } catch {
      return [];
    }
  });
}

describe.runIf(process.platform === 'linux')('durable writes (Linux)', () => {
  const dsync = 0o10000;
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'hotfire-durable-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('should go through one more descriptor, which syncs by itself and closes with the file', async () => {
    const path = join(directory, 'log');
    const file = await createRealDisk().open(path, { mode: 'create' });
    await file.write(0, [new Uint8Array(8)], { durable: false });
    expect(flagsOf(path).filter((flags) => (flags & dsync) !== 0)).toEqual([]);
    await Promise.all([0, 8, 16].map((at) => file.write(at, [new Uint8Array(8)], { durable: true })));
    await file.write(24, [new Uint8Array(8)], { durable: true });
    expect(flagsOf(path).filter((flags) => (flags & dsync) !== 0)).toHaveLength(1);
    await file.close();
    expect(flagsOf(path)).toEqual([]);
  });

  it('should leave what plain and durable writes in turn have written', async () => {
    const file = await createRealDisk().open(join(directory, 'log'), { mode: 'create' });
    for (let at = 0; at < 12; at++) {
      const bytes = Uint8Array.of(at, at + 1, at + 2, at + 3);
      await file.write(at * 4, [bytes.subarray(0, 1), bytes.subarray(1)], { durable: at % 4 !== 0 });
    }
    const read = new Uint8Array(48);
    expect(await file.read(0, read)).toBe(48);
    expect([...read]).toEqual(Array.from({ length: 48 }, (_, index) => (index >> 2) + (index & 3)));
    await file.close();
  });
});

describe('errors of the kernel', () => {
  it('should keep the names that callers know and translate the others', () => {
    const kernel = (code: string) => diskError(Object.assign(new Error('x'), { code }), 'write', '/a').code;
    expect(['ENOSPC', 'EPERM', 'ENFILE', 'ENXIO', 'EUCLEAN'].map(kernel)).toEqual([
      'ENOSPC',
      'EACCES',
      'EMFILE',
      'ENODEV',
      'EIO',
    ]);
  });

  it('should report a full device', async () => {
    const full = await createRealDisk().open('/dev/full', { mode: 'write' });
    await expect(full.write(0, [new Uint8Array(10)], { durable: false })).rejects.toMatchObject({ code: 'ENOSPC' });
    await full.close();
  });
});

describe('a directory that cannot be made', () => {
  it.each([
    ['/proc/nope/x/y', 'ENOENT'],
    ['/dev/null/x', 'ENOTDIR'],
    ['/dev/null', 'EEXIST'],
  ])('should be refused at once: %s', async (path, code) => {
    await expect(createRealDisk().makeDirectory(path)).rejects.toMatchObject({ code, operation: 'makeDirectory' });
  });
});
