import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const main = resolve(import.meta.dirname, '../../src/cli/main.ts');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotfire-chaos-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function hotfire(...words: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...words], { cwd: folder, encoding: 'utf8' });
  return { status, stdout, stderr };
}

test('should say in the failure file of a planted bug how to see it again, and replay should', () => {
  const hunt = hotfire('chaos', 'stemedb', '--seed', '1', '--seeds', '6', '--shrink', '0', '--mutant', 'ack-on-write');
  expect(hunt.status, hunt.stdout).toBe(1);
  const [, file = ''] = /file: {4}(\S+)/.exec(hunt.stdout) ?? [];
  const text = readFileSync(join(folder, file), 'utf8');
  const again = `npx hotfire replay ${file} --mutant ack-on-write`;
  expect(text).toContain(`# Seen with the planted bug ack-on-write, not without it. See it again: ${again}\n`);
  expect(hunt.stdout).toContain(`replay:  ${again}\n`);

  const planted = hotfire('replay', file, '--mutant', 'ack-on-write', '--quiet');
  expect(planted.status, planted.stdout).toBe(1);
  expect(planted.stdout).toMatch(/^violated: .*, seed \d+, with the planted bug ack-on-write$/m);
  expect(planted.stdout).toMatch(/again {8}npx hotfire replay .* --mutant ack-on-write$/m);
  const plain = hotfire('replay', file, '--quiet');
  expect(plain.status, plain.stdout).toBe(0);
  expect(plain.stdout).not.toContain('planted');

  const misspelt = hotfire('replay', file, '--mutant', 'ack-on-wriet');
  expect(misspelt).toMatchObject({ status: 64, stderr: 'error: no mutant ack-on-wriet; did you mean ack-on-write?\n' });
});

test.each([
  [['--seed', '2147483648'], 'expected a whole number from 0 to 2147483647, got "2147483648"'],
  [['--json', 'nowhere/found.json'], 'expected --json in a directory that is there, got nowhere/found.json'],
])('should end with 64 for %j and say what was expected', (words, said) => {
  const { status, stderr } = hotfire('chaos', 'stemedb', ...words);
  expect(stderr).toContain(said);
  expect(status).toBe(64);
  expect(existsSync(join(folder, 'nowhere'))).toBe(false);
});

test('should list the planted bugs when a name is like none of them', () => {
  const { status, stderr } = hotfire('mutants', 'stemedb', 'something-else-altogether');
  expect(status).toBe(64);
  expect(stderr).toContain('no mutant something-else-altogether; there are ack-on-write, ack-before-sync');
});
