import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const main = resolve(import.meta.dirname, '../../src/cli/main.ts');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotfire-interrupt-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs hotfire and sends SIGINT once, as soon as what it printed matches. */
function interrupted(when: RegExp, ...words: string[]) {
  return signalled((child) => child.kill('SIGINT'), when, ...words);
}

/** Runs hotfire and tells it something once, as soon as what it printed matches. */
function signalled(tell: (child: ChildProcess) => void, when: RegExp, ...words: string[]) {
  return new Promise<{ code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }>((done) => {
    const child = spawn(process.execPath, [main, ...words], { cwd: folder });
    let [stdout, stderr, sent] = ['', '', false];
    child.stdout.on('data', (data) => {
      stdout += data;
      if (sent || !when.test(stdout)) return;
      sent = true;
      tell(child);
    });
    child.stderr.on('data', (data) => {
      stderr += data;
    });
    child.on('close', (code, signal) => done({ code, signal, stdout, stderr }));
  });
}

test('should say of an interrupted replay at which virtual time it was', async () => {
  const { code, stdout, stderr } = await interrupted(/load begins/, 'replay', 'slow-fsync');
  expect(code).toBe(130);
  expect(stderr).toMatch(/^interrupted at \d+:\d\d\.\d{3} of virtual time: no verdict, no report; seed \d+\n$/);
  expect(stdout).not.toMatch(/^(held|violated|undecided):/m);
});

test('should keep what an interrupted campaign has found, on the terminal and as JSON', async () => {
  const words = ['chaos', 'stemedb', '--seeds', '500', '--jobs', '1', '--shrink', '0', '--mutant', 'ack-on-write'];
  const { code, stdout } = await interrupted(/^run \d+:/m, ...words, '--keep-going', '--json', 'found.json');
  expect(code).toBe(130);
  const summary = JSON.parse(readFileSync(join(folder, 'found.json'), 'utf8'));
  expect(summary).toMatchObject({ interrupted: true });
  expect(summary.seeds).toBeGreaterThan(0);
  expect(summary.seeds + summary.notBegun).toBe(500);
  expect(stdout).toContain(`${summary.seeds} seeds: ${summary.held} held, ${summary.violated} violated`);
});

const longCampaign = ['chaos', 'stemedb', '--seeds', '500', '--jobs', '1', '--shrink', '0', '--mutant', 'ack-on-write'];

test('should take two signals within a second for one: a process and its group are told one after the other', async () => {
  const twice = (child: ChildProcess) => {
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGTERM'), 2);
  };
  const { code, stdout } = await signalled(
    twice,
    /^run \d+:/m,
    ...longCampaign,
    '--keep-going',
    '--json',
    'twice.json',
  );
  expect(code).toBe(143);
  expect(stdout).toMatch(/^\d+ seeds?: /m);
  expect(JSON.parse(readFileSync(join(folder, 'twice.json'), 'utf8'))).toMatchObject({ interrupted: true });
});

test('should end at once at a signal that comes later, also where the work does not end', async () => {
  const file = join(import.meta.dirname, '../../src/cli/interrupt.ts');
  const busy = `import { onInterrupt } from ${JSON.stringify(file)};
    onInterrupt(() => console.log('told'));
    setInterval(() => {}, 1000);
    console.log('ready');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', busy]);
  let said = '';
  child.stdout.on('data', (data) => {
    said += data;
    if (`${data}`.includes('ready')) child.kill('SIGTERM');
    if (`${data}`.includes('told')) setTimeout(() => child.kill('SIGTERM'), 1300);
  });
  const signal = await new Promise((done) => child.on('close', (_code, by) => done(by)));
  expect(signal).toBe('SIGTERM');
  expect(said).toBe('ready\ntold\n');
});
