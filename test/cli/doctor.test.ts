import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { loadFfi } from '../../src/real/shm/ffi/load.ts';

const root = resolve(import.meta.dirname, '../..');

function doctor(words: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  return spawnSync(process.execPath, [join(root, 'src/cli/main.ts'), 'doctor', ...words], {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
}

test('without the addon it says why and what would give it; strict then ends with 1', () => {
  const { status, stdout } = doctor([], { HOTFIRE_NATIVE: 'off' });
  expect(status).toBe(0);
  expect(stdout).toMatch(/^addon +yes +no +differs$/m);
  expect(stdout).toContain('addon: HOTFIRE_NATIVE=off\n  unset HOTFIRE_NATIVE\n');
  expect(doctor(['--strict'], { HOTFIRE_NATIVE: 'off' }).status).toBe(1);
});

test('rows are printed as JSON, each with what was asked, what is there, why not, and what would give it', () => {
  const { status, stdout } = doctor(['--json'], { HOTFIRE_NATIVE: 'off' });
  expect(status).toBe(0);
  const { rows } = JSON.parse(stdout);
  expect(rows[0]).toEqual({
    name: 'addon',
    requested: 'yes',
    applied: 'no',
    reason: 'HOTFIRE_NATIVE=off',
    advice: 'unset HOTFIRE_NATIVE',
  });
  const names = rows.map((row: { name: string }) => row.name);
  for (const name of ['directory', 'memlock', 'isolation', 'timer_slack', 'io_uring']) expect(names).toContain(name);
});

test('without the addon it says whether FFI stands in for it, and what follows for the memory', (context) => {
  const rowsOf = (environment: NodeJS.ProcessEnv): Record<string, { applied: string; advice: string }> => {
    const { rows } = JSON.parse(doctor(['--json'], { HOTFIRE_NATIVE: 'off', ...environment }).stdout);
    return Object.fromEntries(rows.map((row: { name: string }) => [row.name, row]));
  };
  const without = rowsOf({ HOTFIRE_FFI: 'off' });
  expect(without.ffi).toMatchObject({ applied: 'none: HOTFIRE_FFI=off', advice: 'unset HOTFIRE_FFI' });
  expect([without.backing?.applied, without.byte_locks?.applied]).toEqual(['sab', 'none: one process']);
  const ffi = loadFfi();
  if ('reason' in ffi) return context.skip(`no FFI: ${ffi.reason}`);
  const rows = rowsOf({ HOTFIRE_FFI: '' });
  expect([rows.ffi?.applied, rows.byte_locks?.applied]).toEqual(['koffi', 'yes']);
  expect(rows.backing?.applied).not.toBe('sab');
  expect(rows.shared_buffer?.applied).toBe('ArrayBuffer: each worker maps for itself');
});

test('an engine without a configuration, or one that is not there, is wrong usage', () => {
  expect(doctor(['stemedb'])).toMatchObject({ status: 64, stderr: expect.stringContaining('--config FILE') });
  expect(doctor(['stemdb', '--config', 'x.yaml'])).toMatchObject({
    status: 64,
    stderr: expect.stringContaining('did you mean stemedb'),
  });
});
