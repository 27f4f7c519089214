import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
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
  return checkFile(file, ...words);
}

async function checkFile(file: string, ...words: string[]): Promise<{ code: unknown; complaint: string | undefined }> {
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

test('should read a history that is compressed, and complain of one that only says so', async () => {
  const file = join(folder, 'history.ndjson.gz');
  writeFileSync(file, gzipSync(register(1)));
  expect((await checkFile(file, '--model', 'register')).code).toBe(1);
  writeFileSync(file, register(2));
  expect(await checkFile(file, '--model', 'register')).toEqual({ code: 64, complaint: expect.stringContaining(file) });
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

test('should not judge a history that cannot have been recorded', async () => {
  const one = { id: 0, process: 0, f: 'write', input: 1, outcome: 'ok', output: null };
  const line = (fields: object) =>
    JSON.stringify({ ...one, invokedAt: 0, completedAt: 1, invokedOrder: 0, completedOrder: 1, ...fields });
  const complaintOf = async (...lines: object[]) => {
    const { code, complaint } = await check(lines.map(line).join('\n'), '--model', 'register');
    expect(code).toBe(64);
    return complaint;
  };
  const second = { id: 1, process: 1, invokedOrder: 2, completedOrder: 3 };
  expect((await check([line({}), line(second)].join('\n'), '--model', 'register')).code).toBe(0);
  expect(await complaintOf({}, { ...second, id: 0 })).toContain('operation 0 is there twice');
  expect(await complaintOf({}, { ...second, invokedOrder: 1 })).toContain('operations 0 and 1 share the order 1');
  expect(await complaintOf({ completedOrder: '1' })).toContain('line 1: expected an operation');
  expect(await complaintOf({ completedOrder: null })).toContain('operation 0 is ok, but has no completedOrder');
  expect(await complaintOf({ completedOrder: -1 })).toContain('has its answer (order -1) before its call (order 0)');
  expect(await complaintOf({ completedOrder: 9 }, { ...second, process: 0 })).toContain(
    'process 0 called operation 1 while its operation 0 was under way',
  );
  const open = { outcome: 'info', completedAt: null, completedOrder: null };
  expect(await complaintOf(open, { ...second, process: 0 })).toContain('a new process after an operation without');
});

test('should judge nothing that the model does not understand', async () => {
  const complaintOf = async (model: string, ...lines: readonly Told[]) => {
    const { code, complaint } = await check(told(...lines), '--model', model);
    expect(code, `${model} ${JSON.stringify(lines)}`).toBe(64);
    return complaint;
  };
  expect(await complaintOf('register', ['write', [1, 2]])).toContain('operation 0: the input of write is [1,2]');
  expect(await complaintOf('register', ['read', null, { a: 1 }])).toContain(
    'operation 0: the output of read is {"a":1}',
  );
  expect(await complaintOf('cas-register', ['cas', { expected: 1, value: 2 }])).toContain('output of cas is null');
  expect(await complaintOf('key-value', ['put', { key: 'x', value: 1 }])).toContain('operation 0: the input of put');
  expect(await complaintOf('lock', ['release', null])).toContain('operation 0: the input of release is null');
  expect(await complaintOf('lease', ['use', { token: 1 }, 'yes'])).toContain('operation 0: the output of use is "yes"');
  expect(await complaintOf('log', ['wombat', []])).toContain('a log knows txn, send, poll, assign and subscribe, not');
  expect(await complaintOf('sums', ['open', { a: 0.5 }])).toContain('whole numbers');
});

test('should take null and nothing for a register that is empty, as JSON has no undefined', async () => {
  const empty = told(['read', null, null], ['write', 1], ['read', null, 1]);
  expect((await check(empty, '--model', 'register')).code).toBe(0);
  expect((await check(told(['write', 1], ['read', null, null]), '--model', 'register')).code).toBe(1);
  const set = told(['cas', { expected: null, value: 3 }, true], ['read', null, 3]);
  expect((await check(set, '--model', 'cas-register')).code).toBe(0);
});

test('should read sends and polls as Jepsen writes them', async () => {
  const sent = ['send', [['send', 1, 'a']], [['send', 1, [0, 'a']]], 0] as const;
  const polled = (value: string) => ['poll', [['poll']], [['poll', { 1: [[0, value]] }]], 1] as const;
  expect((await check(told(sent, polled('a')), '--model', 'log')).code).toBe(0);
  expect((await check(told(sent, polled('b')), '--model', 'log')).code).toBe(1);
  expect(printed).toContain('inconsistent-offsets: ');
});

test('should not decide on messages that did not come out while nobody says what is still held', async () => {
  const sent = told(['send', 'm']);
  expect((await check(sent, '--model', 'messages')).code).toBe(2);
  expect(printed).toContain('expected --final with those that are still held');
  expect((await check(sent, '--model', 'messages', '--delivery', 'at-most-once')).code).toBe(0);
  expect((await check(sent, '--model', 'messages', ...final({ held: [] }))).code).toBe(1);
});

test('should read a history that is longer than a text can be', async () => {
  // Blanks inside a line, packed once: gzip's members follow each other.
  const blanks = gzipSync(Buffer.alloc(16 << 20, ' '), { level: 1 });
  const order = (id: number) => ({ invokedAt: id, completedAt: id, invokedOrder: 2 * id, completedOrder: 2 * id + 1 });
  const lines = Array.from({ length: 34 }, (_, id) => {
    const rest = JSON.stringify({ process: 0, f: 'write', input: id, outcome: 'ok', ...order(id) }).slice(1);
    return [gzipSync(`{"id":${id},`), blanks, gzipSync(`${rest}\n`)];
  });
  const file = join(folder, 'long.ndjson.gz');
  writeFileSync(file, Buffer.concat(lines.flat()));
  expect(await checkFile(file, '--model', 'register')).toEqual({ code: 0, complaint: undefined });
}, 30_000);

type Told = readonly [f: string, input: unknown, output?: unknown, process?: number];

/** Operations one after the other, each answered as it says. */
function told(...lines: readonly Told[]): string {
  let now = 0;
  const history = createHistory(() => now++);
  for (const [f, input, output = null, client = 0] of lines) history.invoke({ process: client, f, input }).ok(output);
  return historyToNdjson(history.operations);
}

function final(state: unknown): readonly string[] {
  const file = join(folder, 'final.json');
  writeFileSync(file, JSON.stringify(state));
  return ['--final', file];
}

test('should check a set by its reads, and by the state at the end', async () => {
  const history = told(['add', 'a'], ['add', 'b'], ['read', null, ['a']]);
  expect((await check(history, '--model', 'set')).code).toBe(1);
  expect(printed).toContain(
    'durable: b was acknowledged and nobody removed it, but it is not in read 2\n  operations 1, 2\n',
  );
  expect(printed).toContain('read-your-writes: ');
  expect((await check(history, '--model', 'set', '--stale-reads', '--only', 'durable,no-phantom')).code).toBe(0);
  const ended = final({ elements: ['a', 'c'] });
  printed = '';
  expect((await check(told(['add', 'a'], ['add', 'b']), '--model', 'set', ...ended)).code).toBe(1);
  expect(printed).toMatch(
    /^durable: b .*\n {2}operations 1\nno-phantom: c is in the final state, but nobody had added it\nviolated/,
  );
});

test('should end with 2 when nobody looked at a set', async () => {
  expect((await check(told(['add', 'a']), '--model', 'set')).code).toBe(2);
  expect(printed).toMatch(/^nobody looked at the set: expected an answered read, or --final\nundecided/);
});

test('should check a list for its prefix', async () => {
  const history = told(['append', 'a'], ['append', 'b'], ['append', 'c']);
  const lost = await check(history, '--model', 'list', ...final({ elements: ['a'] }), '--only', 'prefix,no-phantom');
  expect(lost.code).toBe(0);
  const torn = await check(
    history,
    '--model',
    'list',
    ...final({ elements: ['a', 'c'] }),
    '--only',
    'prefix,no-phantom',
  );
  expect(torn.code).toBe(1);
  expect(printed).toContain('prefix: b is missing in the final state, but c, which comes after it, is there\n');
});

test('should check versions, messages, sums and leases', async () => {
  const versions = told(['write', { key: 'x' }, { version: 2 }], ['read', { key: 'x' }, { version: 1 }]);
  expect((await check(versions, '--model', 'versions')).code).toBe(1);
  expect(printed).toContain(
    'read-your-writes: session 0 was told version 2 of x by a write, then version 1 by a read\n',
  );
  const messages = told(['send', 'm'], ['receive', null, 'm'], ['receive', null, 'm']);
  expect((await check(messages, '--model', 'messages')).code).toBe(1);
  expect((await check(messages, '--model', 'messages', '--delivery', 'at-least-once')).code).toBe(0);
  expect((await check(told(['send', 'm']), '--model', 'messages', ...final({ held: ['m'] }))).code).toBe(0);
  const sums = told(
    ['open', { a: 5, b: 5 }],
    ['transfer', { from: 'a', to: 'b', amount: 2 }],
    ['read', null, { a: 3, b: 7 }],
  );
  expect((await check(sums, '--model', 'sums', ...final({ balances: { a: 3, b: 7 } }))).code).toBe(0);
  expect((await check(sums, '--model', 'sums', ...final({ balances: { a: 5, b: 5 } }))).code).toBe(1);
  // The clock of this history ticks once an event: granted at 1 until 9, and again at 3.
  const lease = told(['acquire', null, { token: 1, untilMs: 9 }, 1], ['acquire', null, { token: 2, untilMs: 12 }, 2]);
  expect((await check(lease, '--model', 'lease')).code).toBe(1);
  expect((await check(lease, '--model', 'lease', '--clock-error', '6ms')).code).toBe(0);
});

test('should compare replicas, without a history too', async () => {
  const replicas = final({ replicas: { n1: { x: 1 }, n2: { x: 2 } } });
  expect((await check('', '--model', 'replicas', ...replicas)).code).toBe(1);
  expect(printed).toMatch(/^converged: replicas differ at x: 1 on n1; 2 on n2\nviolated/);
  printed = '';
  expect((await check(told(['write', { key: 'x', value: 2 }]), '--model', 'replicas', ...replicas)).code).toBe(1);
  expect(printed).toContain('\n  operations 0\n');
});

test('should end with 64 for a state at the end that is missing, foreign or not wanted, and for checks that are not there', async () => {
  const history = told(['add', 'a']);
  expect((await check(history, '--model', 'replicas')).complaint).toContain('--model replicas expects --final');
  expect((await check(history, '--model', 'lease', ...final({}))).complaint).toContain(
    '--model lease takes no --final',
  );
  expect((await check(history, '--model', 'set', ...final({ elements: [{}] }))).complaint).toContain(
    'is no final state of set',
  );
  expect((await check(history, '--model', 'set', '--final', join(folder, 'none.json'))).complaint).toContain(
    'none.json',
  );
  expect((await check(history, '--model', 'set', '--only', 'prefix')).complaint).toContain('set has no check "prefix"');
  expect((await check(history, '--model', 'sums')).complaint).toContain('operation 0');
});

test('should end with 2 and say so when the search reaches its bound, and decide beyond it', async () => {
  const history = createHistory(() => 0);
  const writes = Array.from({ length: 8 }, (_, client) =>
    history.invoke({ process: client, f: 'write', input: client }),
  );
  for (const write of writes) write.ok(null);
  history.invoke({ process: 9, f: 'read', input: undefined }).ok(-1);
  const text = historyToNdjson(history.operations);
  expect((await check(text, '--model', 'register', '--max-configurations', '100')).code).toBe(2);
  expect(printed).toMatch(/^partition 0: the search reached its bound \(101 configurations, 1 MiB\); raise --max-conf/);
  expect((await check(text, '--model', 'register', '--max-memory', '1K')).code).toBe(2);
  printed = '';
  expect((await check(text, '--model', 'register', '--max-memory', '1K', '--json')).code).toBe(2);
  expect(JSON.parse(printed)).toMatchObject({ verdict: 'undecided', violations: [], reasons: [expect.any(String)] });
  expect((await check(text, '--model', 'register')).code).toBe(1);
});
