import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isInstalled, killLeftovers, layoutOf, startDaemon } from './daemonProcess.ts';
import { assertionOf } from './load.ts';

// strace makes the kernel's calls fail or slow for the real daemon, through the real adapter.

const hasStrace = isInstalled('strace');
let directory = '';
let tracer: ChildProcess | undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hotfire-strace-'));
});
afterEach(() => {
  tracer?.kill('SIGKILL');
  killLeftovers();
  rmSync(directory, { recursive: true });
});

/** One thread for disk calls, as strace counts them by thread; and by node:fs, as what goes through io_uring is no call that strace sees. */
const environment = { UV_THREADPOOL_SIZE: '1', HOTFIRE_NATIVE: 'off' };

/** From its second durable write on a file syncs by writing, through a descriptor with O_DSYNC: the first one writes and then syncs. */
const durableCalls = 'pwrite64,pwritev,pwritev2';

/** Attaches strace to a daemon for calls that touch `path`; resolves when it is in force. */
function attach(pid: number, path: string, ...words: readonly string[]): Promise<ChildProcess> {
  const log = join(directory, 'strace.log');
  const child = spawn('strace', ['-f', '-p', String(pid), '-P', path, '-o', log, ...words], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  tracer = child;
  return new Promise((resolve, reject) => {
    let text = '';
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      if (text.includes('attached')) resolve(child);
    });
    child.once('exit', (code) => reject(new Error(`strace ended with ${code}: ${text}`)));
  });
}

function detach(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGINT');
  });
}

async function post(
  url: string,
  number: number,
): Promise<{ status: number; code?: string; outcome?: string; hash?: string }> {
  const answer = await request(`${url}/v1/assert`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(assertionOf(0, number)),
  });
  const body = (await answer.body.json()) as { hash?: string; error?: { code: string; outcome: string } };
  return { status: answer.statusCode, ...body.error, ...(body.hash === undefined ? {} : { hash: body.hash }) };
}

async function get(url: string, path: string): Promise<{ status: number; text: string }> {
  const answer = await request(`${url}${path}`);
  return { status: answer.statusCode, text: await answer.body.text() };
}

describe.skipIf(!hasStrace)('the real daemon on a failing kernel (strace)', () => {
  it('should stop acknowledging after a failed sync, keep reading, and have everything acknowledged after a restart', async () => {
    const daemon = await startDaemon({ directory, environment });
    const segment = join(layoutOf(directory).wal, 'segment-00000001.wal');
    const answers = [await post(daemon.url, 0)];
    const calls = `${durableCalls},fdatasync`;
    await attach(daemon.pid, segment, '-e', `trace=${calls}`, '-e', `inject=${calls}:error=EIO:when=2`);

    for (let number = 1; number < 6; number++) answers.push(await post(daemon.url, number));
    expect(answers.map(({ status, code, outcome }) => [status, code, outcome])).toEqual([
      [201, undefined, undefined],
      [201, undefined, undefined],
      [500, 'WRITE_INDETERMINATE', 'indeterminate'],
      [503, 'WAL_FAILED', 'not_applied'],
      [503, 'WAL_FAILED', 'not_applied'],
      [503, 'WAL_FAILED', 'not_applied'],
    ]);
    expect((await get(daemon.url, `/v1/assertions/${answers[0]?.hash}`)).status).toBe(200);
    expect((await get(daemon.url, '/health/live')).status).toBe(200);
    expect((await get(daemon.url, '/health/ready')).status).toBe(503);
    const { text: metrics } = await get(daemon.url, '/metrics');
    expect(metrics).toContain('stemedb_wal_state{state="failed"} 1');
    expect(metrics).toMatch(/^stemedb_wal_fsync_errors_total\{segment="[^"]+"\} 1$/m);
    // Nothing was written or synced again: a second sync that succeeds would prove nothing.
    const syncs = readFileSync(join(directory, 'strace.log'), 'utf8').match(/(fdatasync|pwritev?2?(64)?)\(/g) ?? [];
    expect(syncs).toHaveLength(2);

    daemon.signal('SIGKILL');
    await daemon.exited;
    const again = await startDaemon({ directory });
    for (const { hash } of answers.slice(0, 2))
      expect((await get(again.url, `/v1/assertions/${hash}`)).status).toBe(200);
    expect((await post(again.url, 2)).status).toBeLessThan(300);
  });

  it('should end with 74 after a failed sync where the configuration says so', async () => {
    const daemon = await startDaemon({ directory, environment, config: { wal: { on_sync_failure: 'exit' } } });
    const segment = join(layoutOf(directory).wal, 'segment-00000001.wal');
    await attach(daemon.pid, segment, '-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=EIO:when=1');
    await post(daemon.url, 0).catch(() => undefined);
    expect((await daemon.exited).code).toBe(74);
    expect(daemon.logs.find((line) => line.msg === 'engine stopped')).toMatchObject({
      code: 'WAL_FAILED',
      exitCode: 74,
    });
  });

  it('should turn read-only when the disk is full and write again by itself when it is not', async () => {
    const daemon = await startDaemon({ directory, environment });
    const segment = join(layoutOf(directory).wal, 'segment-00000001.wal');
    expect((await post(daemon.url, 0)).status).toBe(201);
    const inject = `inject=${durableCalls}:error=ENOSPC`;
    const child = await attach(daemon.pid, segment, '-e', `trace=${durableCalls}`, '-e', inject);
    const first = await post(daemon.url, 1);
    expect([first.status, first.code]).toEqual([500, 'WRITE_INDETERMINATE']);
    const second = await post(daemon.url, 2);
    expect([second.status, second.code, second.outcome]).toEqual([507, 'READ_ONLY', 'not_applied']);
    expect((await get(daemon.url, '/v1/query?subject=subject-0&lens=recency')).status).toBe(200);
    await detach(child);

    const began = performance.now();
    let answer = await post(daemon.url, 3);
    while (answer.status === 507 && performance.now() - began < 10_000) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      answer = await post(daemon.url, 3);
    }
    expect(answer.status).toBe(201);
    console.log(`writes resumed ${Math.round(performance.now() - began)} ms after the disk took bytes again`);
    expect(daemon.logs.filter((line) => line.msg === 'serving')).toHaveLength(1);
  });

  it('should fail-stop when the disk turns out to be full in the sync, and keep what it acknowledged', async () => {
    const daemon = await startDaemon({ directory, environment });
    const segment = join(layoutOf(directory).wal, 'segment-00000001.wal');
    const kept = await post(daemon.url, 0);
    expect(kept.status).toBe(201);
    // What could not be written back is told to every descriptor of the file: to the plain one by fdatasync.
    const calls = `${durableCalls},fdatasync`;
    await attach(daemon.pid, segment, '-e', `trace=${calls}`, '-e', `inject=${calls}:error=ENOSPC`);
    const doubtful = await post(daemon.url, 1);
    expect([doubtful.status, doubtful.code]).toEqual([500, 'WRITE_INDETERMINATE']);
    const refused = await post(daemon.url, 2);
    expect([refused.status, refused.code, refused.outcome]).toEqual([503, 'WAL_FAILED', 'not_applied']);
    daemon.signal('SIGKILL');
    await daemon.exited;
    const again = await startDaemon({ directory });
    expect((await get(again.url, `/v1/assertions/${kept.hash}`)).status).toBe(200);
  });

  it('should say "slow fsync" and show it in the metrics', async () => {
    const daemon = await startDaemon({ directory, environment });
    const segment = join(layoutOf(directory).wal, 'segment-00000001.wal');
    const inject = `inject=${durableCalls}:delay_enter=150000`;
    await attach(daemon.pid, segment, '-e', `trace=${durableCalls}`, '-e', inject);
    for (let number = 0; number < 3; number++) expect((await post(daemon.url, number)).status).toBe(201);
    expect(await daemon.logged('slow fsync')).toMatchObject({ records: 1, durationMs: expect.any(Number) });
    const { text } = await get(daemon.url, '/metrics');
    const p99 = Number(/^stemedb_wal_fsync_duration_seconds\{quantile="0.99"\} (\S+)$/m.exec(text)?.[1]);
    expect(p99).toBeGreaterThan(0.145);
  });
});
