import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { campaignBuild, changesSince } from '../../src/cli/campaignBuild.ts';
import { packageCommit } from '../../src/daemon/version.ts';

let folder: string;
const git = (...words: string[]) =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', ...words], { cwd: folder });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotfire-build-'));
  mkdirSync(join(folder, 'src'));
  mkdirSync(join(folder, 'alerts'));
  writeFileSync(join(folder, 'alerts/a.yaml'), '');
  writeFileSync(join(folder, 'package-lock.json'), '{}');
  writeFileSync(join(folder, 'src/known.ts'), '1');
  git('init', '-q');
  git('add', '.');
  git('commit', '-q', '-m', 'all');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('should tell apart what is not committed by its contents, also in files that git does not know', () => {
  const changes = () => changesSince(pathToFileURL(`${folder}/`));
  const seen = [changes()];
  expect(seen).toEqual(['']);
  writeFileSync(join(folder, 'notes.txt'), 'not what runs depend on');
  expect(changes()).toBe('');
  writeFileSync(join(folder, 'src/known.ts'), '2');
  seen.push(changes());
  writeFileSync(join(folder, 'src/new #1?.ts'), 'a');
  seen.push(changes());
  writeFileSync(join(folder, 'src/new #1?.ts'), 'b');
  seen.push(changes());
  expect(seen.slice(1)).toEqual(Array.from({ length: 3 }, () => expect.stringMatching(/^\+[0-9a-f]{8}$/)));
  expect(new Set(seen).size).toBe(4);
  expect(changes()).toBe(seen.at(-1));
});

test('should take what the environment says for the commit, in reports as in campaigns', () => {
  const environment = { HOTFIRE_COMMIT: 'of-the-image' };
  expect(packageCommit(environment)).toBe('of-the-image');
  expect(campaignBuild(environment).commit).toBe('of-the-image');
  expect(packageCommit({ HOTFIRE_COMMIT: '' })).not.toBe('');
  expect(campaignBuild({}).commit).toMatch(/^([0-9a-f]{40}(\+[0-9a-f]{8})?|v\d.*)$/);
});
