import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** Where the modules are that a program of `asNobody` imports. */
export const source = join(import.meta.dirname, '../../../src');

/** Runs a module as a user without rights who may lock 64 KiB; undefined where this user cannot become that one. */
export function asNobody(program: string): SpawnSyncReturns<string> | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const words = ['--memlock=65536', process.execPath, '--input-type=module', '-e', program];
  const ran = spawnSync('prlimit', words, {
    encoding: 'utf8',
    uid: 65_534,
    gid: 65_534,
    cwd: '/',
    env: { PATH: process.env.PATH },
  });
  // A checkout that this user may not read says nothing about its rights elsewhere.
  return ran.error !== undefined || /EACCES|Permission denied/.test(ran.stderr) ? undefined : ran;
}
