import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { flagsForHeap, hasHeapLimit } from '../../src/daemon/heapLimit.ts';
import { killLeftovers, serveProcess } from './daemonProcess.ts';

const MIB = 2 ** 20;

describe('flagsForHeap', () => {
  const owner = { execArgv: ['--inspect'], environment: {}, limitBytes: 4288 * MIB };

  it('should add the limit to the flags that the process was given', () => {
    expect(flagsForHeap(owner, 153.6 * MIB)).toEqual(['--max-heap-size=153', '--inspect']);
  });

  it('should leave a process alone that has the limit already, or was started for it', () => {
    expect(flagsForHeap({ ...owner, limitBytes: 153 * MIB }, 153.6 * MIB)).toBeUndefined();
    expect(flagsForHeap({ ...owner, environment: { HOTFIRE_HEAP_LIMIT: '153' } }, 153 * MIB)).toBeUndefined();
  });

  it.each([
    '--max-old-space-size=100',
    '--max_old_space_size=100',
    '--max-heap-size=100',
    '--max-old-space-size-percentage=50',
  ])('should leave the decision to whoever has given %s', (flag) => {
    expect(flagsForHeap({ ...owner, execArgv: [flag] }, 153 * MIB)).toBeUndefined();
    expect(
      flagsForHeap({ ...owner, environment: { NODE_OPTIONS: `--no-deprecation ${flag}` } }, 153 * MIB),
    ).toBeUndefined();
  });
});

it('should compare limits to the mebibyte', () => {
  expect([hasHeapLimit(153 * MIB, 153.9 * MIB), hasHeapLimit(152.9 * MIB, 153 * MIB)]).toEqual([true, false]);
});

describe('a real broker', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hotfire-heap-'));
  });
  afterEach(() => {
    killLeftovers();
    rmSync(directory, { recursive: true });
  });

  async function freePorts(count: number): Promise<readonly number[]> {
    const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
    await Promise.all(servers.map((server) => new Promise((resolve) => server.once('listening', resolve))));
    const ports = servers.map((server) => (server.address() as AddressInfo).port); // of a TCP server that listens
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    return ports;
  }

  async function serve(environment: Readonly<Record<string, string>>) {
    const [port, rpc, http] = await freePorts(3);
    const file = join(directory, 'broker.json');
    const server = { host: '127.0.0.1', port, rpc_port: rpc, http_port: http, max_memory: '256MB' };
    writeFileSync(file, JSON.stringify({ server, storage: { data_dir: join(directory, 'data') } }));
    return serveProcess('streambus', file, { environment });
  }

  it('should have a heap of 60 % of max_memory, in the process that was started', async () => {
    const daemon = await serve({ GOGC: '50' });
    const limitBytes = 153 * MIB;
    expect(daemon.logs.find(({ msg }) => msg === 'serving')).toMatchObject({ heapLimitBytes: limitBytes });
    expect(daemon.logs.map(({ warning }) => warning).join()).toContain('GOGC has no effect');
    expect(daemon.logs.map(({ msg }) => msg)).not.toContain(
      'the heap has another limit than the configuration gives it',
    );
    // Replaced, not a child: what a service manager started is what serves.
    expect(readFileSync(`/proc/${daemon.pid}/cmdline`, 'utf8')).toContain('--max-heap-size=153');
    expect(readFileSync(`/proc/${daemon.pid}/stat`, 'utf8').split(' ')[3]).toBe(String(process.pid));

    const metrics = await (await fetch(`${daemon.url}/metrics`)).text();
    const gauge = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(metrics)?.[1]);
    expect(gauge('streambus_heap_limit_bytes')).toBe(limitBytes);
    expect(gauge('streambus_memory_limit_bytes')).toBe(256 * MIB);
    // A broker without work fits into its memory, and is more than the batches that it has not got.
    expect(gauge('streambus_memory_used_bytes')).toBeGreaterThan(60 * MIB);
    expect(gauge('streambus_memory_used_bytes')).toBeLessThan(0.9 * 256 * MIB);
    expect(gauge('streambus_memory_counted_bytes')).toBeLessThan(MIB);
    const host = await (await fetch(`${daemon.url}/admin/host`)).json();
    expect(host).toMatchObject({ memory: { limit_bytes: 256 * MIB, heap_limit_bytes: limitBytes } });

    daemon.signal('SIGTERM');
    expect(await daemon.exited).toEqual({ code: 0, signal: null });
  }, 60_000);

  it('should say so where whoever started it has given the heap another limit', async () => {
    const daemon = await serve({ NODE_OPTIONS: '--max-old-space-size=300' });
    expect(
      daemon.logs.find(({ msg }) => msg === 'the heap has another limit than the configuration gives it'),
    ).toMatchObject({
      wantedBytes: Math.floor(0.6 * 256 * MIB),
      limitBytes: daemon.logs.find(({ msg }) => msg === 'serving')?.heapLimitBytes,
    });
    daemon.signal('SIGKILL');
    expect(await daemon.exited).toEqual({ code: null, signal: 'SIGKILL' });
  }, 60_000);
});
