import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { killLeftovers, layoutOf, runHotfire, startDaemon, writeConfig } from './daemonProcess.ts';
import { assertionOf, startLoad } from './load.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hotfire-daemon-'));
});
afterEach(() => {
  killLeftovers();
  rmSync(directory, { recursive: true });
});

async function call(url: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const answer = await request(`${url}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    headers: { 'content-type': 'application/json', ...headers },
  });
  const text = await answer.body.text();
  return { status: answer.statusCode, headers: answer.headers, text, json: () => JSON.parse(text) };
}

describe('a real daemon', () => {
  it('should store, answer, and end with 0 on SIGTERM; what it stored is there after a restart', async () => {
    const first = await startDaemon({ directory });
    const created = await call(first.url, '/v1/assert', assertionOf(0, 1));
    expect(created.status).toBe(201);
    expect(created.headers['stemedb-lsn']).toBe('1');
    expect((await call(first.url, '/v1/assert', assertionOf(0, 1))).status).toBe(200);
    first.signal('SIGTERM');
    expect(await first.exited).toEqual({ code: 0, signal: null });
    expect(first.logs.find((line) => line.msg === 'log state')).toMatchObject({ level: 30, state: 'closed' });

    const second = await startDaemon({ directory });
    expect(second.logs.find((line) => line.msg === 'serving')).toMatchObject({
      incarnation: 2,
      adapters: {
        disk: expect.stringMatching(/^(io_uring$|node:fs \()/),
        sharedMemory: expect.stringMatching(/^(mapped$|within the process \()/),
      },
    });
    const found = await call(second.url, `/v1/assertions/${created.json().hash}`);
    expect(found.json()).toMatchObject({ lsn: 1, content: assertionOf(0, 1) });
    second.signal('SIGINT');
    expect((await second.exited).code).toBe(0);
  });

  it('should answer 404, 405, 413 and 415 in the one shape', async () => {
    const { url } = await startDaemon({ directory });
    const missing = await call(url, '/v1/asert', {});
    expect([missing.status, missing.json().error.nearest]).toEqual([404, 'POST /v1/assert']);
    const wrong = await call(url, '/v1/assert');
    expect([wrong.status, wrong.headers.allow]).toEqual([405, 'POST']);
    const large = await call(url, '/v1/assert', 'x'.repeat(2 ** 20 + 1));
    expect([large.status, large.json().error]).toEqual([
      413,
      expect.objectContaining({ code: 'TOO_LARGE', outcome: 'not_applied' }),
    ]);
    const form = await call(url, '/v1/assert', assertionOf(0, 1), { 'content-type': 'text/plain' });
    expect([form.status, form.json().error.code]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE']);
  });

  it('should describe every route that it has', async () => {
    const { url } = await startDaemon({ directory });
    const { paths } = (await call(url, '/openapi.json')).json();
    expect(Object.keys(paths)).toEqual(
      expect.arrayContaining(['/v1/assert', '/v1/query', '/metrics', '/v1/admin/wal', '/openapi.json']),
    );
  });

  it('should refuse a second process on the directory with 73 and the pid of the first', async () => {
    const { pid } = await startDaemon({ directory });
    const second = runHotfire('serve', 'stemedb', '--config', layoutOf(directory).config);
    expect(second.code).toBe(73);
    expect(second.stdout).toContain(String(pid));
  });

  it('should refuse an address that is taken with 74', async () => {
    const { url } = await startDaemon({ directory });
    const bind = url.replace('http://', '');
    const config = writeConfig({ directory: join(directory, 'other'), config: { server: { bind } } });
    const second = runHotfire('serve', 'stemedb', '--config', config);
    expect(second.code).toBe(74);
    expect(second.stdout).toContain('EADDRINUSE');
  });

  it('should refuse a bad configuration with 78, file, line and nearest key', () => {
    const file = join(directory, 'api.toml');
    writeFileSync(file, '[wal]\ngroup_comit_max_wait_ms = 10\nsegment_bytes = 1048576\n');
    for (const words of [['--validate-config'], []]) {
      const run = runHotfire('serve', 'stemedb', '--config', file, ...words);
      expect(run.code).toBe(78);
      expect(run.stderr).toContain(`${file}:2: wal.group_comit_max_wait_ms`);
      expect(run.stderr).toContain('did you mean wal.group_commit_max_wait_ms?');
    }
    writeFileSync(file, '[wal]\n\nsegment_bytes = 1048576\n');
    const run = runHotfire('serve', 'stemedb', '--config', file, '--validate-config');
    expect(run.code).toBe(78);
    expect(run.stderr).toContain(`${file}:3: wal.segment_bytes: expected at least 4 × wal.max_record_bytes`);
    writeFileSync(file, '[server]\nbind = "0.0.0.0:18180"\n');
    expect(runHotfire('serve', 'stemedb', '--config', file, '--validate-config').code).toBe(78);
    const hostname = join(directory, 'hostname');
    writeFileSync(hostname, 'stemedb-1\n');
    const layout = layoutOf(directory);
    writeFileSync(
      file,
      `[wal]\ndir = "${layout.wal}"\n[store]\ndir = "${layout.store}"\n[server.tls]\ncert = "${hostname}"\nkey = "${hostname}"\n`,
    );
    for (const words of [['--validate-config'], []]) {
      const refused = runHotfire('serve', 'stemedb', '--config', file, ...words);
      expect(refused.code).toBe(78);
      expect(refused.stderr).toContain(`TLS: expected a PEM certificate and its key in ${hostname}`);
    }
    expect([existsSync(layout.wal), existsSync(layout.store)]).toEqual([false, false]);
    writeFileSync(file, '[server]\nbind = "127.0.0.1:18181"\n');
    const good = runHotfire('serve', 'stemedb', '--config', file, '--validate-config');
    expect([good.code, good.stdout]).toEqual([0, `${file}: valid; would listen on 127.0.0.1:18181\n`]);
  });

  it('should make nothing when its address is taken', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => blocker.once('listening', resolve));
    const { port } = blocker.address() as AddressInfo; // of a TCP server that listens
    const file = writeConfig({ directory, config: { server: { bind: `127.0.0.1:${port}` } } });
    const run = runHotfire('serve', 'stemedb', '--config', file);
    expect([run.code, run.stdout]).toEqual([74, expect.stringContaining('LISTEN_FAILED')]);
    expect([existsSync(layoutOf(directory).wal), existsSync(layoutOf(directory).store)]).toEqual([false, false]);
    await new Promise((resolve) => blocker.close(resolve));
  });

  it('should reload on SIGHUP what can be reloaded, and keep the old configuration when the new one is wrong', async () => {
    const daemon = await startDaemon({ directory });
    writeConfig({ directory, config: { wal: { group_commit_max_wait_ms: 25, max_bytes: 2 ** 29 } } });
    daemon.signal('SIGHUP');
    expect(await daemon.logged('reloaded')).toMatchObject({
      applied: ['wal.group_commit_max_wait_ms'],
      needRestart: ['wal.max_bytes'],
    });
    expect((await call(daemon.url, '/v1/admin/wal')).json()).toMatchObject({ max_wait_ms: 25 });
    writeConfig({ directory, config: { wal: { group_commit_max_wait_ms: -1 } } });
    daemon.signal('SIGHUP');
    expect(await daemon.logged('reload refused, the old configuration stays')).toMatchObject({
      reason: expect.stringContaining('wal.group_commit_max_wait_ms: expected at least 0, got -1'),
    });
    expect((await call(daemon.url, '/v1/admin/wal')).json()).toMatchObject({ max_wait_ms: 25 });
  });

  it('should refuse to make a store where the configuration forbids it, and make it with --init', async () => {
    const config = { store: { create: 'never' } };
    const refused = runHotfire('serve', 'stemedb', '--config', writeConfig({ directory, config }));
    expect(refused.code).toBe(65);
    expect(refused.stdout).toContain('expected a journal, found none');
    const made = await startDaemon({ directory, config, words: ['--init'] });
    made.signal('SIGTERM');
    expect((await made.exited).code).toBe(0);
    const found = await startDaemon({ directory, config });
    expect((await call(found.url, '/health/ready')).status).toBe(200);
  });

  it('should answer /metrics also under load', async () => {
    const daemon = await startDaemon({ directory });
    const load = startLoad(daemon.url, 0, 16);
    const took: number[] = [];
    let text = '';
    for (let scrape = 0; scrape < 30; scrape++) {
      const began = performance.now();
      text = (await call(daemon.url, '/metrics')).text;
      took.push(performance.now() - began);
    }
    daemon.signal('SIGKILL');
    await load.ended;
    took.sort((a, b) => a - b);
    console.log(
      `/metrics under load: median ${took[15]?.toFixed(1)} ms, slowest ${took[29]?.toFixed(1)} ms, ${text.length} bytes`,
    );
    for (const name of ['stemedb_wal_fsync_total', 'stemedb_build_info', 'process_resident_memory_bytes']) {
      expect(text).toMatch(new RegExp(`^${name}`, 'm'));
    }
    expect(load.acknowledged.length).toBeGreaterThan(0);
  });
});
