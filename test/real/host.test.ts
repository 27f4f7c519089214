import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { getHeapStatistics } from 'node:v8';
import { afterAll, expect, test } from 'vitest';
import { type Connection, NetworkError } from '../../src/host/network.ts';
import { createRealHost } from '../../src/real/host.ts';

const directory = mkdtempSync(join(tmpdir(), 'hotfire-host-'));
afterAll(() => rmSync(directory, { recursive: true }));

function certificate(): { certificate: string; key: string } {
  const [key, crt] = [join(directory, 'key.pem'), join(directory, 'crt.pem')];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'].concat([
      '-keyout',
      key,
      '-out',
      crt,
      '-subj',
      '/CN=node.test',
      '-addext',
      'subjectAltName=DNS:node.test',
    ]),
    { stdio: 'ignore' },
  );
  return { certificate: readFileSync(crt, 'utf8'), key: readFileSync(key, 'utf8') };
}

test('TLS carries bytes both ways, and a certificate that is not trusted is ETLS', async () => {
  const { network } = createRealHost({ name: 'here' });
  const tls = certificate();
  const accepted = Promise.withResolvers<Connection>();
  const listener = await network.listen({ host: '127.0.0.1', port: 0 }, accepted.resolve, { tls });
  const near = await network.connect(listener.address, {
    tls: { authorities: tls.certificate, serverName: 'node.test' },
  });
  const far = await accepted.promise;
  await near.write(new Uint8Array([1, 2, 3]));
  expect([...((await far.read()) ?? [])]).toEqual([1, 2, 3]);
  await far.write(new Uint8Array([4]));
  expect([...((await near.read()) ?? [])]).toEqual([4]);
  near.destroy();
  far.destroy();
  await Promise.all([near.closed, far.closed]);

  const untrusted = await network
    .connect(listener.address, { tls: { serverName: 'node.test' } })
    .catch((e: unknown) => e);
  expect(untrusted).toBeInstanceOf(NetworkError);
  expect((untrusted as NetworkError).code).toBe('ETLS');
  await listener.close();
});

test('log lines are JSON with level, message, fields of the line and of the child', () => {
  const lines: string[] = [];
  const options = {
    level: 'info',
    fields: { node: 'n1' },
    destination: { write: (line: string) => void lines.push(line) },
  } as const;
  const { telemetry } = createRealHost({ name: 'here', telemetry: { options } });
  telemetry.logger.debug('not written');
  telemetry.logger.child({ part: 'journal' }).warn('disk is slow', { ms: 3 });
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    level: 40,
    msg: 'disk is slow',
    node: 'n1',
    part: 'journal',
    ms: 3,
  });
});

test('in production no fault point fires and no bug can be planted', () => {
  const { telemetry } = createRealHost({ name: 'here' });
  telemetry.sometimes('anything', true);
  expect([telemetry.buggify('flush-early'), telemetry.mutant('ack-early')]).toEqual([false, false]);
});

test('two hosts draw different numbers', () => {
  const draw = (): number[] => {
    const stream = createRealHost({ name: 'here' }).random.stream('x');
    return Array.from({ length: 4 }, () => stream.uint32());
  };
  expect(draw()).not.toEqual(draw());
});

test('the host knows how much memory this process may use', () => {
  const { memoryBytes = 0 } = createRealHost({ name: 'here' });
  expect(memoryBytes).toBeGreaterThan(16 * 2 ** 20);
  expect(memoryBytes).toBeLessThanOrEqual(totalmem());
});

test('the host knows how much memory the process uses, buffers outside of the heap too, and how far the heap may grow', () => {
  const { memory } = createRealHost({ name: 'here' });
  const before = memory?.usedBytes() ?? 0;
  const held = Buffer.allocUnsafeSlow(64 * 2 ** 20).fill(1);
  const grown = (memory?.usedBytes() ?? 0) - before;
  expect(held.length).toBe(64 * 2 ** 20);
  expect(before).toBeGreaterThan(20 * 2 ** 20);
  expect(grown).toBeGreaterThan(56 * 2 ** 20);
  expect(memory?.heapLimitBytes).toBe(getHeapStatistics().heap_size_limit);
});
