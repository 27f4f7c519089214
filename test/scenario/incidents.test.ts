import { spawn } from 'node:child_process';
import { globSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const files = globSync('scenarios/*/*.yaml', { cwd: root }).sort();
/** Scenarios that are also played twice, event by event: one without a crash, one with, one with chaos behind it. */
const playedTwice = new Set(['fsync-degrading.yaml', 'disk-full.yaml', 'last-ack-lost.yaml']);

const reportFiles = [
  'history.ndjson.gz',
  'index.html',
  'junit.xml',
  'postmortem.md',
  'report.json',
  'timeline.md',
  'trace.perfetto.json',
];

/** Every incident as a user plays it: the command, its exit code, its last words. Two at a time. */
describe.concurrent('incidents', { timeout: 600_000 }, () => {
  let reports: string;
  beforeAll(() => {
    reports = mkdtempSync(join(tmpdir(), 'hotfire-incidents-'));
  });
  afterAll(() => rmSync(reports, { recursive: true, force: true }));

  it('are there', () => {
    expect(files.length).toBeGreaterThan(20);
  });

  for (const file of files) {
    const twice = playedTwice.has(basename(file));
    it(`${file} holds${twice ? ', twice in the same way' : ''}`, async () => {
      const report = join(reports, file.replaceAll('/', '-'));
      const argumentList = ['replay', file, '--quiet', '--report', report, ...(twice ? ['--check-determinism'] : [])];
      const { code, output } = await hotfire(argumentList);
      expect(code, output).toBe(0);
      expect(readdirSync(report).sort()).toEqual(reportFiles);
      // Their histories together would fill a small disk.
      rmSync(report, { recursive: true });
    });
  }
});

function hotfire(argumentList: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolved, rejected) => {
    const child = spawn(process.execPath, ['src/cli/main.ts', ...argumentList], { cwd: root });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    child.on('error', rejected);
    child.on('close', (code) => resolved({ code, output }));
  });
}
