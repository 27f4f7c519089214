import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { createTaskPlayer } from '../../src/chaos/playTask.ts';
import { parseCommandLine } from '../support/commandLine.ts';

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

const planted = ['--mutant', 'ack-on-write'];

describe('a failure', () => {
  const folderOf = 'reports/chaos/stemedb-13-ack-on-write';
  let hunt: ReturnType<typeof hotfire>;
  beforeAll(() => {
    hunt = hotfire('chaos', 'stemedb', '--seed', '13', '--seeds', '1', '--shrink', '3', ...planted);
  }, 240_000);

  test('should be printed with what to paste to see it again', () => {
    expect(hunt.status, hunt.stdout).toBe(1);
    expect(hunt.stdout).toMatch(/^run 13: C6 ack-after-sync/m);
    expect(hunt.stdout).toContain(`file:    ${folderOf}/scenario.yaml (after `);
    expect(hunt.stdout).toContain(`report:  ${folderOf}/index.html\n`);
    expect(hunt.stdout).toContain(`replay:  npx hotfire replay ${folderOf}/scenario.yaml --mutant ack-on-write\n`);
    expect(hunt.stdout).toContain('again:   npx hotfire chaos stemedb --run 13 --mutant ack-on-write\n');
    expect(hunt.stdout).toMatch(/^run 13: making it smaller \([^)]+\), \d of at most 3 runs/m);
  });

  test('should leave a folder with the scenario, the scenario before, and the report of a run that was watched', () => {
    const path = join(folder, folderOf);
    expect(readdirSync(path)).toEqual(
      expect.arrayContaining(['history.ndjson.gz', 'index.html', 'original.yaml', 'report.json', 'scenario.yaml']),
    );
    expect(readFileSync(join(import.meta.dirname, '../../docs/chaos.md'), 'utf8')).toContain(
      `-ack-on-write\n${readdirSync(path).sort().join('\n')}\n`,
    );
    const report = JSON.parse(readFileSync(join(path, 'report.json'), 'utf8'));
    expect(report).toMatchObject({ verdict: 'violated', mutants: ['ack-on-write'] });
    expect(report.observations.states.length).toBeGreaterThan(0);
    const again = `npx hotfire replay ${folderOf}/scenario.yaml --mutant ack-on-write`;
    const [shrunk, original] = ['scenario.yaml', 'original.yaml'].map((name) => readFileSync(join(path, name), 'utf8'));
    expect(shrunk).toContain(`# Seen with the planted bug ack-on-write, not without it. See it again: ${again}\n`);
    expect(original).toMatch(/^# Chaos, run 13, as it was drawn\n/);
    expect(parse(original ?? '').timeline.length).toBeGreaterThanOrEqual(parse(shrunk ?? '').timeline.length);
  });

  test('should be seen by a replay with the bug, and not without it', () => {
    const file = `${folderOf}/scenario.yaml`;
    const withBug = hotfire('replay', file, ...planted, '--quiet');
    expect(withBug.status, withBug.stdout).toBe(1);
    expect(withBug.stdout).toMatch(/^violated: .*, seed \d+, with the planted bug ack-on-write$/m);
    expect(withBug.stdout).toMatch(/again {8}npx hotfire replay .* --mutant ack-on-write$/m);
    const plain = hotfire('replay', file, '--quiet');
    expect(plain.status, plain.stdout).toBe(0);
    expect(plain.stdout).not.toContain('planted');
    const misspelt = hotfire('replay', file, '--mutant', 'ack-on-wriet');
    expect(misspelt).toMatchObject({
      status: 64,
      stderr: 'error: no mutant ack-on-wriet; did you mean ack-on-write?\n',
    });
  });
});

test('should play one run by its name, also one near others, as whoever plays it', async () => {
  const { status, stdout } = hotfire('chaos', 'stemedb', '--run', '8.12.9', '--shrink', '0', '--json', 'one.json');
  const play = createTaskPlayer(new URL('../../', import.meta.url).href);
  const { verdict, fingerprint } = await play({ engine: 'stemedb', run: '8.12.9', mutants: [], shrinkRunsMax: 0 });
  expect(status, stdout).toBe(verdict === 'held' ? 0 : 1);
  expect(JSON.parse(readFileSync(join(folder, 'one.json'), 'utf8'))).toMatchObject({
    run: '8.12.9',
    seeds: 1,
    near: 1,
    [verdict]: 1,
    fingerprints: { '8.12.9': fingerprint },
  });
  expect(fingerprint).toMatch(/^[0-9a-f]{16}$/);
});

test('should end when every probe has fired, or say with 2 which never did', () => {
  const { status, stdout } = hotfire(
    ...['chaos', 'stemedb', '--seed', '8', '--seeds', '4', '--until-probes', '--blind', '--json', 'probes.json'],
  );
  expect(status, stdout).toBe(2);
  const summary = JSON.parse(readFileSync(join(folder, 'probes.json'), 'utf8'));
  expect(summary).toMatchObject({ seeds: 4, guided: false, probesReached: false });
  expect(Object.keys(summary.fingerprints)).toEqual(['8', '9', '10', '11']);
  expect(summary.neverReached.length).toBeGreaterThan(0);
  expect(stdout).toContain(`probes never reached: ${summary.neverReached.join('; ')}\n`);
  expect(stdout).toContain('not every probe has fired within 4 seeds\n');
  expect(summary.probes.some(({ first }: { first?: unknown }) => first !== undefined)).toBe(true);
  expect(summary.coverage.rarest).toHaveLength(10);
  expect(stdout).toContain(`rarest of the ${summary.coverage.items} coverage items that were reached:\n  runs  item`);
});

test('should tell a new finding from one that is ongoing though no run showed it again', () => {
  const hunt = (...words: string[]) =>
    hotfire('chaos', 'stemedb', '--shrink', '0', '--findings', 'findings.json', ...planted, ...words);
  const first = hunt('--run', '13');
  expect(first.status, first.stderr).toBe(1);
  expect(first.stdout).toMatch(
    /^ {2}new: 1\n {4}[0-9a-f]{8} {2}.*C6 ack-after-sync, with .*: run 13; first on \w+ in run 13$/m,
  );
  const other = hunt('--run', '14');
  const findings = JSON.parse(readFileSync(join(folder, 'findings.json'), 'utf8')).findings;
  expect(other.stdout).toContain('its scenario still fails');
  expect(findings).toMatchObject([
    { state: 'new', runs: ['14'] },
    { state: 'ongoing', runs: [], replayed: 'violated', firstSeen: { run: '13' } },
  ]);
  const foreign = hotfire('chaos', 'stemedb', '--run', '8', '--findings', 'findings.json');
  expect(foreign.status).toBe(64);
  expect(foreign.stderr).toContain('got those of stemedb with the planted bug ack-on-write');
}, 240_000);

test.each([
  [['--run', '17.'], 'expected a run as a failure names it, such as 17 or 17.60, got "17."'],
  [['--run', '17', '--seeds', '3'], "option '--run <id>' cannot be used with option '--seeds <n>'"],
  [['--keep', '--mutant', 'ack-on-write'], "option '--keep' cannot be used with option '--mutant <name>'"],
  [['--seed', '2147483648'], 'expected a whole number from 0 to 2147483647, got "2147483648"'],
])('should refuse %j and say what was expected', async (words, said) => {
  await expect(parseCommandLine(['chaos', 'stemedb', ...words])).rejects.toThrow(said);
});

test('should end with 74 when every run held and the disk is full', () => {
  const { status, stdout, stderr } = hotfire('chaos', 'stemedb', '--run', '8', '--shrink', '0', '--json', '/dev/full');
  expect(status).toBe(74);
  expect(stderr).toContain('error: the summary could not be written: ENOSPC');
  expect(stderr).not.toContain('    at ');
  expect(stdout).toMatch(/^1 seeds?: 1 held/m);
}, 60_000);

test.each(['--json', '--findings'])('should end with 64 when %s cannot be written where it should', (option) => {
  const { status, stderr } = hotfire('chaos', 'stemedb', option, 'nowhere/found.json');
  expect(stderr).toContain(`expected ${option} in a directory that is there, got nowhere/found.json`);
  expect(status).toBe(64);
  expect(existsSync(join(folder, 'nowhere'))).toBe(false);
});

test.each([
  [['--seed', '2147483647', '--seeds', '2'], 'expected run numbers up to 2147483647, got 2147483647 to 2147483648'],
  [['--seeds', '5000000000'], 'expected run numbers up to 2147483647, got 1 to 5000000000'],
  [['--json', '.'], 'expected a file for --json, got the directory .'],
])('should end with 64 before it plays anything when it is given %j', (words, said) => {
  const { status, stderr } = hotfire('chaos', 'stemedb', ...words);
  expect(stderr).toContain(said);
  expect(status).toBe(64);
});

test('should not be green when no run was judged', () => {
  const { status, stdout } = hotfire('chaos', 'stemedb', '--seeds', '2', '--shard', '3/4');
  expect(stdout).toContain('this campaign shows nothing: no run was judged');
  expect(status).toBe(2);
});

test('should list the planted bugs when a name is like none of them', () => {
  const { status, stderr } = hotfire('mutants', 'stemedb', 'something-else-altogether');
  expect(status).toBe(64);
  expect(stderr).toContain('no mutant something-else-altogether; there are ack-on-write, ack-before-sync');
  const begun = hotfire('chaos', 'stemedb', '--mutant', 'ack');
  expect(begun.stderr).toBe('error: no mutant ack; did you mean ack-on-write or ack-before-sync or ack-before-fold?\n');
});
