import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const main = resolve(import.meta.dirname, '../../src/cli/main.ts');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotfire-replay-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function scenario(name: string, more: string): string {
  const path = join(folder, `${name}.yaml`);
  writeFileSync(
    path,
    `
title: A short run
engine: stemedb
seed: 11
duration: 2s
cluster:
  config: { drain: { lame_duck_ms: 50 } }
  devices: { wal: { bytes: 1GiB }, store: { bytes: 64MiB } }
load: { writers: 2, think: 50ms }
${more}`,
  );
  return path;
}

/** Runs `hotfire replay` in the scratch folder. */
function replay(...words: string[]) {
  return hotfire('replay', ...words);
}

function hotfire(...words: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...words], {
    cwd: folder,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

test('should end with 0, leave a report where it says, and print how to play it again', () => {
  const { status, stdout } = replay(scenario('calm', 'timeline: []'), '--seed', '12', '--set', 'load.writers=3');
  expect(status, stdout).toBe(0);
  expect(stdout).toContain('held: A short run, seed 12');
  expect(stdout).toContain('report       reports/calm-12-set-c341b293/index.html');
  expect(stdout).toContain('trace        reports/calm-12-set-c341b293/trace.perfetto.json');
  expect(stdout).toContain('history      reports/calm-12-set-c341b293/history.ndjson.gz');
  expect(stdout).toMatch(/again {8}npx hotfire replay \S+calm\.yaml --seed 12 --set load\.writers=3\n/);
  expect(existsSync(join(folder, 'reports/calm-12-set-c341b293/index.html'))).toBe(true);
  const report = JSON.parse(readFileSync(join(folder, 'reports/calm-12-set-c341b293/report.json'), 'utf8'));
  expect(report).toMatchObject({ verdict: 'held', seed: 12 });
});

test('should keep the words of a terminal out of a pipe: no colour, no progress bar', () => {
  const { stdout, stderr } = replay(scenario('plain', 'timeline: [{ at: 1s, fault: process.kill, restart: 1s }]'));
  expect(stdout).toContain('0:01.000  FAULT     SIGKILL to stemedb-1');
  for (const control of ['\r', '\u001b']) expect(stdout + stderr).not.toContain(control);
});

test('should end with 1 when an expectation does not hold, and name it', () => {
  const { status, stdout } = replay(scenario('wrong', "expect: { metrics: ['vector(1) > 2 at end'] }"), '--quiet');
  expect(status).toBe(1);
  expect(stdout).toContain('violated: A short run');
  expect(stdout).toContain('vector(1) > 2 at end');
  expect(stdout).toMatch(/\n {2}\d+ of \d+ expectations held, 1 violated; no check found a violation\n/);
});

test('should say twice the same, with the verdict of the run, under --check-determinism', () => {
  const file = scenario('twice', "expect: { metrics: ['vector(1) > 2 at end'] }");
  const { status, stdout, stderr } = replay(file, '--json', '--check-determinism');
  const outcome = JSON.parse(stdout);
  expect(stderr).toBe(`deterministic: two runs, fingerprint ${outcome.fingerprint}\n`);
  expect(outcome.verdict).toBe('violated');
  expect(status).toBe(1);
});

test.each([
  ['an unknown fault', 'timeline: [{ at: 1s, fault: disk.slw }]', 'disk.slow'],
  ['an unknown key', 'tmieline: []', 'timeline'],
  ['a setting that the engine does not know', 'timeline: [{ at: 1s, fault: disk.slow, with: { p98: 3ms } }]', 'p98'],
  [
    'a device that is not there',
    'timeline: [{ at: 1s, fault: disk.slow-sync, device: sdz, add: 3ms }]',
    'a-device-that-is-not-there.yaml:10:12: timeline.0: ',
  ],
])('should end with 78 for %s, and say what was meant', (name, more, hint) => {
  const { status, stderr } = replay(scenario(name.replaceAll(' ', '-'), more));
  expect(status).toBe(78);
  expect(stderr).toContain(hint);
});

test('should find a scenario of the package by its path in it, and name the nearest for one that is not there', () => {
  const { status, stderr } = replay('scenarios/stemedb/slow-fsync.yaml', '--set', 'duration=never');
  expect(status).toBe(78);
  expect(stderr).toContain('duration');
  expect(replay('slow-fsink')).toMatchObject({
    status: 64,
    stderr: expect.stringContaining('did you mean slow-fsync?'),
  });
});

test('should end with 64 for a file that is not there, and for a seed that is none', () => {
  expect(replay('nowhere.yaml')).toMatchObject({ status: 64, stderr: expect.stringContaining('nowhere.yaml') });
  expect(replay('nowhere.yaml', '--seed', 'x')).toMatchObject({ status: 64, stderr: expect.stringContaining('"x"') });
});

test('should keep traces that hotfire diff can compare: the same run, and where another seed goes its own way', () => {
  const file = scenario('traced', 'timeline: [{ at: 1s, fault: process.kill, restart: 500ms }]');
  for (const [name, seed] of Object.entries({ a: '11', b: '11', c: '12' })) {
    expect(replay(file, '--quiet', '--trace', '--report', name, '--seed', seed).status).toBe(0);
  }
  expect(hotfire('diff', 'a', 'b')).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/^the same: \d{3,} events\n$/),
  });
  const { status, stdout } = hotfire('diff', 'a', 'c', '--before', '2', '--after', '1');
  expect(status).toBe(1);
  expect(stdout).toMatch(/^seed: 11 in a, 12 in b\nthe runs part at event \d+ of \d+ and \d+\n/);
  expect(stdout.match(/^ {2}[ab] at [\d.]+ ms \w+ "/gm)).toHaveLength(2);
  expect(hotfire('diff', 'a', 'nowhere')).toMatchObject({ status: 64, stderr: expect.stringContaining('--trace') });
});

test('should keep verdict, exit code and report when the reader of its output goes early', () => {
  const file = scenario(
    'unread',
    "timeline: [{ at: 1s, fault: process.kill, restart: 500ms }]\nexpect: { metrics: ['vector(1) > 2 at end'] }",
  );
  const line = `"${process.execPath}" "${main}" replay "${file}" --report unread-report | head -1; echo "\${PIPESTATUS[0]}"`;
  const { stdout } = spawnSync('bash', ['-c', line], { cwd: folder, encoding: 'utf8' });
  expect(stdout.trim().split('\n').at(-1)).toBe('1');
  expect(stdout).not.toContain('violated: A short run');
  const report = JSON.parse(readFileSync(join(folder, 'unread-report/report.json'), 'utf8'));
  expect(report.verdict).toBe('violated');
});

test('should refuse a report directory that is a file before anything is played', () => {
  const file = scenario('no-report', 'timeline: []');
  writeFileSync(join(folder, 'a-file'), '');
  const { status, stdout, stderr } = replay(file, '--report', 'a-file');
  expect(status).toBe(64);
  expect(stdout).toBe('');
  expect(stderr).toMatch(
    /^error: expected a directory that can be made and written, got a-file \(.*\); give another with --report\n$/,
  );
});

test('should say of a directory in place of a scenario that it is one', () => {
  expect(replay('.')).toMatchObject({
    status: 64,
    stderr: 'error: expected a scenario file, got the directory .; name a file in it\n',
  });
});

test('should refuse a report directory in /proc, where nothing can be made, and not look for a place for ever', () => {
  const { status, stderr } = replay(scenario('in-proc', 'timeline: []'), '--report', '/proc/x/y');
  expect(stderr).toMatch(/^error: expected a directory that can be made and written, got \/proc\/x\/y \(/);
  expect(status).toBe(64);
});

test('should give the verdict and its code also when the report cannot be written in the end', () => {
  mkdirSync(join(folder, 'taken/report.json'), { recursive: true });
  const violated = replay(
    scenario('lost', "expect: { metrics: ['vector(1) > 2 at end'] }"),
    '--report',
    'taken',
    '--quiet',
  );
  expect(violated.status).toBe(1);
  expect(violated.stdout).toContain('violated: A short run');
  expect(violated.stderr).toContain('error: the report could not be written: EISDIR');
  expect(replay(scenario('kept', 'timeline: []'), '--report', 'taken', '--quiet').status).toBe(74);
});

test('should play several files, each with a report of its own, and end with the worst of them', () => {
  const calm = scenario('one', 'timeline: []');
  const wrong = scenario('two', "expect: { metrics: ['vector(1) > 2 at end'] }");
  const unusable = scenario('three', 'timelime: []');
  const { status, stdout, stderr } = replay(calm, unusable, wrong, calm, '--quiet', '--report', 'several');
  expect(status).toBe(1);
  expect(stderr).toContain('timelime');
  for (const folder of ['one-11', 'two-11', 'one-11-2']) expect(stdout).toContain(`several/${folder}/index.html`);
  expect(stdout.trim().split('\n').at(-1)).toBe(
    `4 scenarios: 2 held, 1 violated (${wrong}), 1 could not be used (${unusable})`,
  );
});

test('should end with 78 when a file cannot be used and none is violated, and print a line of JSON for each that was played', () => {
  const { status, stdout } = replay(scenario('four', 'timelime: []'), scenario('five', 'timeline: []'), '--json');
  expect(status).toBe(78);
  const lines = stdout.trim().split('\n');
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ verdict: 'held', command: expect.stringContaining('five.yaml') });
});

test('should play none of several when one is not there', () => {
  const { status, stdout, stderr } = replay(scenario('six', 'timeline: []'), 'nowhere.yaml');
  expect(status).toBe(64);
  expect(stdout).toBe('');
  expect(stderr).toContain('there is no file nowhere.yaml');
});
