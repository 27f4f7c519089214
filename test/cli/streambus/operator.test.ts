import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { exitOf } from '../../../src/cli/exit.ts';
import { createProgram } from '../../../src/cli/program.ts';
import { buildBatch } from '../../../src/wire/kafka/records.ts';

let directory: string;
let broker: Server;
let asked: string[] = [];
let printed = '';
let complained = '';

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'hotfire-operator-'));
  const member = { broker_id: 1, http: 'localhost:8080', state: 'up', raft_state: 'leader' };
  broker = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.setHeader('content-type', 'application/json');
    const isMembers = request.url?.startsWith('/admin/cluster/members') === true;
    response.statusCode = isMembers ? 200 : 503;
    const refusal = { error: { code: 'NOT_READY', message: 'this broker answers nothing else', hint: '' } };
    response.end(JSON.stringify(isMembers ? { cluster_id: 'c', members: [member] } : refusal));
  });
  await new Promise<void>((resolve) => broker.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  broker.closeAllConnections();
  broker.close();
  rmSync(directory, { recursive: true });
});
beforeEach(() => {
  asked = [];
  printed = '';
  complained = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text, ...rest) => {
    printed += text;
    // What waits for a line to be taken goes on.
    for (const each of rest) if (typeof each === 'function') (each as () => void)();
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = 0;
});

/** Runs a command line; resolves to the exit code of the process. */
async function run(...words: string[]): Promise<number> {
  process.exitCode = 0;
  try {
    await (await createProgram('streambus')).parseAsync(['streambus', ...words], { from: 'user' });
    return Number(process.exitCode);
  } catch (error) {
    const { code, text } = exitOf(error);
    complained = text ?? '';
    return code;
  }
}

const brokers = () => ['--brokers', `127.0.0.1:${(broker.address() as AddressInfo).port}`];

test('a rolling restart asks first: without a terminal and without --yes nothing is restarted', async () => {
  const restarted = join(directory, 'restarted');
  const inventory = join(directory, 'inventory.yaml');
  writeFileSync(inventory, `brokers:\n  - { id: 1, restart: "touch ${restarted}" }\n`);
  expect(await run('rolling-restart', ...brokers(), '--inventory', inventory)).toBe(64);
  expect(complained).toContain('Restart broker-1? Nobody is there to be asked: say --yes if you mean it');
  expect(asked).toEqual(['GET /admin/cluster/members']);
  // With --yes it goes on to look whether the cluster can do without the broker.
  expect(await run('rolling-restart', ...brokers(), '--inventory', inventory, '--yes', '--timeout', '0')).toBe(1);
  expect(printed).toContain('✗ stopped before broker-1');
});

test('a segment is named from where the operator stands', async () => {
  const file = join(directory, '00000000000000000000.seg');
  writeFileSync(file, buildBatch([{ timestamp: 1, value: new TextEncoder().encode('x') }]));
  expect(await run('dump-segment', relative(process.cwd(), file))).toBe(0);
  expect(printed).toContain('0');
  expect(await run('dump-segment', 'no-such.seg')).toBe(64);
  expect(complained).toContain('no-such.seg');
  expect(complained).toContain('ENOENT');
});

test('a file of authorities that is not there is wrong usage, named with its option', async () => {
  expect(await run('check-quorum', ...brokers(), '--ca', join(directory, 'none.pem'))).toBe(64);
  expect(complained).toMatch(/--ca .*none\.pem/);
});
