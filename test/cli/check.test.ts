import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { createHistory, historyToNdjson } from '../../src/checkers/recorder.ts';
import { exitOf } from '../../src/cli/exit.ts';
import { createProgram } from '../../src/cli/program.ts';

let folder: string;
let printed = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotfire-check-'));
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  printed = '';
  process.exitCode = undefined;
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += text;
    return true;
  });
  return () => {
    process.exitCode = undefined;
    vi.restoreAllMocks();
  };
});

/** Runs `hotfire check` over a history; resolves to the exit code. */
async function check(text: string, ...words: string[]): Promise<{ code: unknown; complaint: string | undefined }> {
  const file = join(folder, 'history.ndjson');
  writeFileSync(file, text);
  try {
    const program = await createProgram('check');
    await program.parseAsync(['check', file, ...words], { from: 'user' });
    return { code: process.exitCode, complaint: undefined };
  } catch (error) {
    const { code, text: complaint } = exitOf(error);
    return { code, complaint };
  }
}

/** A register that was written 1, then 2, and then read as this. */
function register(read: number): string {
  const history = createHistory(() => 0);
  history.invoke({ process: 0, f: 'write', input: 1 }).ok(null);
  history.invoke({ process: 0, f: 'write', input: 2 }).ok(null);
  history.invoke({ process: 1, f: 'read', input: undefined }).ok(read);
  return historyToNdjson(history.operations);
}

test('should end with 0 for a history that is linearizable', async () => {
  expect(await check(register(2), '--model', 'register')).toEqual({ code: 0, complaint: undefined });
  expect(printed).toMatch(/^held: \S+history\.ndjson as register\n$/);
});

test('should end with 2 for a history without operations: nothing was checked', async () => {
  expect((await check('', '--model', 'register')).code).toBe(2);
  expect((await check('\n', '--model', 'log')).code).toBe(2);
  expect(printed).toMatch(/^the history has no operations: there is nothing to check\nundecided: /);
});

test('should end with 1, and draw where it stopped, for one that is not', async () => {
  expect((await check(register(1), '--model', 'register')).code).toBe(1);
  expect(printed.split('\n')).toEqual([
    'partition 0: 2 operations in order, then none of 1 can follow in 2',
    '1. p0 write 1 → null ├───────────┤',
    '2. p0 write 2 → null                         ├──────────┤',
    ` ✗ ${'p1 read → 1'.padEnd(17)} ${' '.repeat(47)}├───────────┤`,
    expect.stringMatching(/^violated: /),
    '',
  ]);
});

test('should print the violations as JSON, with the operations that show them', async () => {
  expect((await check(register(1), '--model', 'register', '--json')).code).toBe(1);
  expect(JSON.parse(printed)).toMatchObject({
    verdict: 'violated',
    violations: [{ check: 'linearizable', operations: [2], evidence: { longestPrefix: [0, 1] } }],
  });
});

test('should find the anomalies of a log, and allow what a rebalance does under subscribe', async () => {
  const history = createHistory(() => 0);
  const records = [0, 1, 2].map((offset) => ({ offset, value: 10 + offset }));
  const txn = (process: number, steps: unknown) => history.invoke({ process, f: 'txn', input: [] }).ok(steps);
  txn(
    0,
    records.map((record) => ({ kind: 'send', key: 'x', ...record })),
  );
  txn(1, [{ kind: 'poll', records: { x: records } }]);
  txn(1, [{ kind: 'poll', records: { x: records.slice(0, 1) } }]);
  const text = historyToNdjson(history.operations);
  expect((await check(text, '--model', 'log')).code).toBe(1);
  expect(printed).toContain('nonmonotonic-poll: process 1 polled offset 2 of x, then 0\n');
  expect((await check(text, '--model', 'log', '--consumers', 'subscribe')).code).toBe(0);
});

test('should end with 64 and say what was expected of a line, or of an operation', async () => {
  const broken = await check('{"id":0}\n', '--model', 'register');
  expect(broken).toMatchObject({
    code: 64,
    complaint: expect.stringContaining('line 1: expected an operation with id'),
  });
  const foreign = await check(register(1), '--model', 'queue');
  expect(foreign).toMatchObject({
    code: 64,
    complaint: expect.stringContaining('a queue knows enqueue and dequeue, not write'),
  });
  expect((await check(register(1), '--model', 'regster')).code).toBe(64);
});
