import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';

const main = resolve(import.meta.dirname, '../../src/cli/main.ts');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotfire-shrink-'));
  writeFileSync(join(folder, 'incident.yaml'), stringify(incident));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function hotfire(...words: string[]) {
  return spawnSync(process.execPath, [main, ...words], { cwd: folder, encoding: 'utf8' });
}

/** Violated with ack-on-write, faults or none. */
const incident = {
  title: 'An incident',
  description: 'What people saw.',
  engine: 'stemedb',
  seed: 3,
  duration: '3s',
  cluster: {
    nodes: 2,
    config: { wal: { segment_bytes: 262_144, max_record_bytes: 65_536, max_pending_bytes: 1_048_576 } },
    devices: { wal: { bytes: 134_217_728 }, store: { bytes: 67_108_864 } },
  },
  load: { writers: 2, think: '100ms', readers: 1 },
  timeline: [
    {
      id: 'slow',
      at: '300ms',
      fault: 'disk.slow-sync',
      nodes: 'stemedb-2',
      device: 'sdb',
      p99: '30ms',
      duration: '1s',
    },
    { after: 'end of slow', operator: 'GET stemedb-2 /health' },
    { at: '1s', fault: 'process.kill', nodes: 'all', restart: '100ms' },
  ],
  expect: { operations: { 'ok at least': 1 } },
};
const planted = ['--mutant', 'ack-on-write'];

describe('a scenario that is violated', () => {
  test('should be written smaller, with before and after, and fail alike when it is replayed', () => {
    const { status, stdout, stderr } = hotfire(
      'shrink',
      'incident.yaml',
      '--runs',
      '16',
      '--out',
      'small.yaml',
      ...planted,
    );
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/^before: {2}2 faults, 2 nodes, \d+ operations, /m);
    expect(stdout).toMatch(/^after: {3}0 faults, 1 node, \d+ operations?, /m);
    expect(stdout).toMatch(/^runs: {4}\d+ in /m);
    expect(stdout).toContain('checks:  C6 ack-after-sync');
    expect(stdout).toContain('replay:  npx hotfire replay small.yaml --mutant ack-on-write\n');
    expect(stderr).toMatch(/^\w+: \d+\/16 runs, \d+ faults, /m);
    const text = readFileSync(join(folder, 'small.yaml'), 'utf8');
    expect(text).toMatch(/^# Made smaller from incident.yaml: C6 ack-after-sync/);
    const small = parse(text);
    expect(small.description).toMatch(/^What people saw\. Shrunk from 2 faults, 2 nodes, /);
    expect(small.timeline).toEqual([]);
    expect(small.seed).toBe(3);
    expect(hotfire('replay', 'small.yaml', '--quiet', '--report', 'a', ...planted).status).toBe(1);
  }, 120_000);

  test('should be refused before the first run where its smallest cannot be written', () => {
    for (const out of ['/proc/small.yaml', '.']) {
      const { status, stdout, stderr } = hotfire('shrink', 'incident.yaml', '--out', out, ...planted);
      expect(stderr).toMatch(
        /^error: expected a file (that can be written, got \/proc\/small.yaml|for --out, got the directory \.)/,
      );
      expect({ status, stdout }).toEqual({ status: 64, stdout: '' });
    }
  });

  test('should be printed when the disk turns out to be full', () => {
    const { status, stdout, stderr } = hotfire(
      'shrink',
      'incident.yaml',
      '--runs',
      '3',
      '--out',
      '/dev/full',
      ...planted,
    );
    expect(status).toBe(74);
    expect(stdout).toMatch(/^# Made smaller from incident.yaml: C6 ack-after-sync/);
    expect(stderr).toContain('error: the smallest could not be written, it is on standard output: ENOSPC');
  }, 60_000);

  test('should come out as JSON, and stay within its budget', () => {
    const { status, stdout } = hotfire('shrink', 'incident.yaml', '--runs', '3', '--json', ...planted);
    expect(status).toBe(0);
    const { explanation, file } = JSON.parse(stdout);
    expect(file).toBe('incident.shrunk.yaml');
    expect(explanation).toMatchObject({ endedBy: 'runs', before: { faults: 2, nodes: 2 } });
    expect(explanation.runs).toBeLessThanOrEqual(3);
  }, 60_000);

  test('should leave the smallest so far when it is interrupted', async () => {
    const words = [main, 'shrink', 'incident.yaml', '--runs', '5000', '--out', 'cut.yaml', ...planted];
    const child = spawn(process.execPath, words, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr.once('data', () => child.kill('SIGINT'));
    const status = await new Promise((done) => child.once('exit', done));
    expect(status).toBe(130);
    expect(parse(readFileSync(join(folder, 'cut.yaml'), 'utf8')).description).toContain('The search was ended early.');
  }, 120_000);
});

test('should say so and end with 2 when the scenario holds', () => {
  const { status, stderr } = hotfire('shrink', 'incident.yaml');
  expect(stderr).toBe('nothing to shrink in incident.yaml: it holds\n');
  expect(status).toBe(2);
}, 60_000);

test.each([
  [['nowhere.yaml'], 64, /there is no file nowhere.yaml/],
  [['incident.yaml', '--mutant', 'ack-on-wrote'], 64, /did you mean ack-on-write/],
  [['incident.yaml', '--runs', '0'], 64, /expected a whole number from 1/],
  [['incident.yaml', '--time-budget', 'soon'], 64, /expected a duration such as/],
  [['incident.yaml', '--out', 'no/where/x.yaml'], 64, /make no\/where first/],
])('should refuse %j', (words, code, text) => {
  const { status, stderr } = hotfire('shrink', ...words);
  expect(stderr).toMatch(text);
  expect(status).toBe(code);
});

test('should name the mistakes of a scenario that cannot be used', () => {
  writeFileSync(join(folder, 'wrong.yaml'), stringify({ ...incident, timeline: [{ at: '1s', fault: 'disk.stal' }] }));
  const { status, stderr } = hotfire('shrink', 'wrong.yaml');
  expect(stderr).toMatch(/wrong\.yaml:\d+:\d+: .*disk\.stall/);
  expect(status).toBe(78);
});
