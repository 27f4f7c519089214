import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { supportOf, uringSupport } from '../../../src/real/uring/support.ts';

const canFilter = spawnSync('python3', ['--version']).status === 0 && process.platform === 'linux';
const support = uringSupport();

/** Says what is in force, and writes a file through the host's own disk. */
const program = `
  const { uringSupport } = await import(process.argv[1] + '/src/real/uring/support.ts');
  const { createBestDisk, diskAdapter } = await import(process.argv[1] + '/src/real/uring/disk.ts');
  const file = await createBestDisk().open(process.argv[2], { mode: 'create' });
  await file.write(0, [new TextEncoder().encode('written')], { durable: true });
  await file.close();
  console.log(JSON.stringify({ support: uringSupport(), adapter: diskAdapter() }));
`;
const root = join(import.meta.dirname, '../../..');

function refused(number: number, path: string) {
  const words = [join(import.meta.dirname, 'refused.py'), 'io_uring_setup', String(number), process.execPath];
  const node = ['--input-type=module', '-e', program, root, path];
  const child = spawnSync('python3', [...words, ...node], { encoding: 'utf8' });
  expect(child.stderr).toBe('');
  return JSON.parse(child.stdout);
}

describe.runIf(canFilter && support.ok)('a seccomp filter that refuses io_uring (needs python3)', () => {
  for (const [name, says] of [
    ['EPERM', 'seccomp'],
    ['ENOSYS', 'older than Linux 5.1'],
  ] as const) {
    it(`should be told by ${name} in words, and leave a disk on node:fs that works`, async () => {
      const directory = await mkdtemp(join(tmpdir(), 'hotfire-refused-'));
      const path = join(directory, 'file');
      const seen = refused(constants.errno[name], path);
      expect(seen.support).toMatchObject({ ok: false, reason: expect.stringContaining(says) });
      expect(seen.adapter).toEqual({ name: 'node:fs', reason: seen.support.reason });
      expect(await readFile(path, 'utf8')).toBe('written');
      await rm(directory, { recursive: true });
    });
  }
});

describe('what an operator is told', () => {
  it('should be that the environment keeps it out', () => {
    vi.stubEnv('HOTFIRE_URING', 'off');
    expect(uringSupport()).toEqual({ ok: false, reason: 'HOTFIRE_URING=off' });
    vi.unstubAllEnvs();
  });

  const trial = (code: string) => ({ uringSupport: () => ({ ok: false as const, call: 'io_uring_setup', code }) });

  it('should name the switch of the kernel where that is the cause', () => {
    expect(supportOf(trial('EPERM'), '2')).toMatchObject({ reason: expect.stringContaining('io_uring_disabled=2') });
    expect(supportOf(trial('EPERM'), '1')).toMatchObject({ reason: expect.stringContaining('io_uring_group') });
    expect(supportOf(trial('EPERM'), '0')).toMatchObject({ reason: expect.stringContaining('seccomp') });
    expect(supportOf(trial('ENOMEM'), undefined)).toMatchObject({ reason: expect.stringContaining('ulimit -l') });
    expect(supportOf(trial('EXDEV'), undefined)).toEqual({ ok: false, reason: 'io_uring_setup answers EXDEV' });
  });

  it('should hold what the kernel offers where it works', () => {
    const operations = ['read', 'write', 'fsync', 'cancel', 'fallocate'];
    const good = { uringSupport: () => ({ ok: true as const, mode: 'defer' as const, operations }) };
    expect(supportOf(good)).toEqual({ ok: true, features: { mode: 'defer', operations } });
  });
});
