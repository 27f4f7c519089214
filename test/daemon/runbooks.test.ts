import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { request } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { keysOf } from '../../src/daemon/config/keys.ts';
import { stemeConfigSchema } from '../../src/engines/stemedb/config.ts';
import { type DaemonProcess, HOTFIRE, isInstalled, killLeftovers, startDaemon } from './daemonProcess.ts';
import { assertionOf } from './load.ts';

// The commands of the documentation, run as they are printed there.

const docs = resolve(import.meta.dirname, '../../docs');
const runbooks = readdirSync(join(docs, 'runbooks/stemedb')).map((name) => join('runbooks/stemedb', name));

/** Commands of the `sh` blocks of a page that begin with `program`; continued lines are one command. */
function commandsOf(page: string, program: string): string[] {
  const text = readFileSync(join(docs, page), 'utf8');
  const blocks = [...text.matchAll(/^ *```sh\n([\s\S]*?)^ *```/gm)].map((match) => match[1] ?? '');
  return blocks.flatMap((block) => {
    const commands: string[] = [];
    let open = '';
    for (const line of block.split('\n').map((part) => part.replace(/^ {0,3}/, ''))) {
      open += open === '' ? line : `\n${line}`;
      const isOpen = line.endsWith('\\') || (open.match(/'/g) ?? []).length % 2 === 1;
      if (!isOpen) {
        commands.push(open);
        open = '';
      }
    }
    return commands.filter((command) => command.startsWith(`${program} `));
  });
}

/** True if somebody listens where the runbook expects the daemon. */
function isTaken(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });
}

const portTaken = await isTaken(18180);
const hasCurl = isInstalled('curl');
let directory = '';
let daemon: DaemonProcess | undefined;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'hotfire-runbooks-'));
});
afterEach(killLeftovers);
afterAll(() => rmSync(directory, { recursive: true }));

function shell(command: string): string {
  const [node, script] = HOTFIRE;
  const here = command
    .replace(/^hotfire /, `'${node}' '${script}' `)
    .replaceAll('/var/lib/stemedb-baseline.json', join(directory, 'baseline.json'))
    .replaceAll('/var/lib/stemedb', directory)
    // A watched command is run once, a measurement is short.
    .replace('--seconds 10', '--seconds 1')
    .replace('--sequential', '--sequential --seconds 1')
    // Exit code 1 is its answer for a slow disk, which one that others use too may be.
    .replace(/^.* bench-fsync .*$/m, (measurement) => `${measurement} || [ $? = 1 ]`);
  return execFileSync('sh', ['-ec', here], { encoding: 'utf8', stdio: 'pipe' });
}

describe.skipIf(portTaken || !hasCurl)('the curls of the documentation (curl, port 18180)', () => {
  it.each([...runbooks, 'stemedb.md'])('should all work in %s', async (page) => {
    daemon = await startDaemon({ directory, config: { server: { bind: '127.0.0.1:18180' } } });
    const commands = commandsOf(page, 'curl');
    expect(commands.length).toBeGreaterThan(0);
    for (const command of commands) {
      const output = shell(command);
      expect(output, command).not.toBe('');
      expect(output, command).not.toContain('"error"');
    }
  });

  it('should print what the runbook of StemeDB expects of them', async () => {
    daemon = await startDaemon({ directory, config: { server: { bind: '127.0.0.1:18180' } } });
    await request(`${daemon.url}/v1/assert`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(assertionOf(0, 1)),
    }).then((answer) => answer.body.dump());
    const quantiles = shell('curl -s http://localhost:18180/metrics | grep wal_fsync_duration_seconds');
    for (const quantile of ['0.5', '0.9', '0.99']) {
      expect(quantiles).toMatch(
        new RegExp(`^stemedb_wal_fsync_duration_seconds\\{quantile="${quantile}"\\} 0\\.\\d+$`, 'm'),
      );
    }
    expect(shell('curl -s http://localhost:18180/metrics | grep wal_fsync_duration')).toContain('_count');
    expect(shell('curl -s http://localhost:18180/metrics | grep wal_fsync_total')).toMatch(
      /^stemedb_wal_fsync_total [1-9]/m,
    );
    expect(
      JSON.parse(
        shell(`curl -s -X POST http://localhost:18180/v1/admin/rate-limit \\\n  -d '{"max_writes_per_sec": 500}'`),
      ),
    ).toMatchObject({
      max_writes_per_sec: 500,
      persistent: false,
    });
    const status = shell(`curl -s -o /dev/null -w '%{http_code}' -X POST http://localhost:18180/v1/admin/node/drain`);
    expect(status).toBe('202');
    expect(shell('curl -s http://localhost:18180/v1/admin/node')).toMatch(/"state":"drain(ing|ed)"/);
  });
});

describe('the other commands of the documentation', () => {
  it.each(runbooks)('should all work in %s', async (page) => {
    daemon = await startDaemon({ directory });
    const commands = commandsOf(page, 'hotfire').filter((command) => !command.includes(' replay '));
    expect(commands.length + (page.endsWith('disk-full.md') ? 0 : 1)).toBeGreaterThan(0);
    for (const command of commands) expect(shell(command), command).not.toBe('');
  });
});

describe('docs/stemedb.md', () => {
  const text = readFileSync(join(docs, 'stemedb.md'), 'utf8');

  it('should name every key of the configuration', () => {
    for (const leaf of keysOf(stemeConfigSchema).leaves) expect(text).toContain(`\`${leaf.join('.')}\``);
  });

  it('should name every route and every metric, and none that is not there', async () => {
    const { url } = await startDaemon({ directory });
    const { body } = await request(`${url}/openapi.json`);
    const paths = z
      .object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) })
      .parse(await body.json()).paths;
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const table = text.slice(text.indexOf('| route | role |'), text.indexOf('Admin routes read JSON'));
    const documented = [...table.matchAll(/`((?:GET|POST|PUT|DELETE) [^`]+)`/g)].map((match) => match[1] ?? '');
    expect(documented.sort()).toEqual(routes.sort());

    const metrics = await (await request(`${url}/metrics`)).body.text();
    const names = [...metrics.matchAll(/^# TYPE stemedb_(\S+) /gm)].map((match) => match[1] ?? '');
    const metricTable = text.slice(
      text.indexOf('All names begin with `stemedb_`'),
      text.indexOf('Beside them are the'),
    );
    const rows = metricTable
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) => line.split('|')[1] ?? '');
    const documentedMetrics = rows.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? ''));
    expect(documentedMetrics.sort()).toEqual(names.sort());
  });
});
