import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type HttpServer, startHttpServer } from '../../src/daemon/http/server.ts';
import { prepareSettings } from '../../src/daemon/http/settings.ts';
import { STREAMS_MAX } from '../../src/daemon/http/stream.ts';
import type { Refusal } from '../../src/engines/engine.ts';
import type { Route } from '../../src/engines/route.ts';
import type { Logger } from '../../src/host/telemetry.ts';

const MIB = 2 ** 20;
let server: HttpServer | undefined;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server?.close();
  server = undefined;
});

const errors: string[] = [];
const logger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error: (message) => errors.push(message),
  child: () => logger,
};

async function start(routes: readonly Route[]): Promise<{ url: string; port: number; refusals: Refusal[] }> {
  const refusals: Refusal[] = [];
  server = await startHttpServer({
    routes,
    settings: prepareSettings({ bind: '127.0.0.1:0', maxBodyBytes: 16 * MIB }),
    logger,
    onRefused: (refusal) => refusals.push(refusal),
  });
  return { url: server.url, port: server.port, refusals };
}

/** A connection that speaks HTTP by hand, and everything that was answered so far. */
async function byHand(port: number): Promise<{ socket: Socket; answered: () => string }> {
  const socket = connect(port, '127.0.0.1');
  sockets.push(socket);
  let text = '';
  socket.on('data', (piece) => {
    text += String(piece);
  });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return { socket, answered: () => text };
}

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !holds(); tries++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(holds()).toBe(true);
}

const count: Route = {
  method: 'POST',
  path: '/count',
  summary: 'length of the body',
  role: 'write',
  handler: async ({ body }) => ({ status: 200, body: { length: body.length, sum: body.reduce((a, b) => a + b, 0) } }),
};
const lines: Route = {
  method: 'POST',
  path: '/lines',
  summary: 'streams',
  role: 'write',
  streaming: ['x/lines'],
  handler: async ({ stream }) => ({
    status: 200,
    body: (async function* () {
      for await (const piece of stream ?? []) {
        if (piece.includes(0x21)) throw new Error('planted');
        yield `${piece.length}\n`;
      }
    })(),
  }),
};

describe('bodies of requests', () => {
  it('should take no more memory when they come byte by byte', async () => {
    const { port } = await start([count]);
    const { socket, answered } = await byHand(port);
    socket.write('POST /count HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n');
    const before = process.memoryUsage();
    let most = 0;
    const pieces = 1_000_000;
    for (let sent = 0; sent < pieces; sent += 50_000) {
      if (!socket.write('1\r\n\u0001\r\n'.repeat(50_000))) await once(socket, 'drain');
      const { heapUsed, external } = process.memoryUsage();
      most = Math.max(most, heapUsed + external - before.heapUsed - before.external);
    }
    socket.write('0\r\n\r\n');
    await until(() => answered().includes('}'));
    expect(answered()).toContain(`{"length":${pieces},"sum":${pieces}}`);
    // A list of a million buffers takes more than 150 MB.
    expect(most).toBeLessThan(100 * MIB);
  });

  it('should be refused with 503 beyond what all may hold together, and taken again when others are done', async () => {
    const { port, refusals } = await start([count]);
    const held = await Promise.all(Array.from({ length: 8 }, () => byHand(port)));
    const piece = Buffer.alloc(10 * MIB);
    for (const { socket } of held) {
      socket.write(`POST /count HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${piece.length + 1}\r\n\r\n`);
      socket.write(piece);
    }
    // 6 × 10 MiB fit into 64 MiB.
    await until(() => held.filter(({ answered }) => answered().startsWith('HTTP/1.1 503')).length === 2);
    const refused = held.find(({ answered }) => answered() !== '');
    expect(refused?.answered()).toMatch(/retry-after: 1\r\n/);
    expect(refused?.answered()).toContain('"code":"OVERLOADED"');
    expect(refusals.map(({ code, route }) => [code, route?.path])).toEqual([
      ['OVERLOADED', '/count'],
      ['OVERLOADED', '/count'],
    ]);
    for (const { socket, answered } of held) if (answered() === '') socket.write('x');
    await until(() => held.every(({ answered }) => answered() !== ''));
    const again = await fetch(`http://127.0.0.1:${port}/count`, { method: 'POST', body: Buffer.alloc(16 * MIB) });
    expect(again.status).toBe(200);
  });

  it('should be streamed by so many at once and no more; a place is free again when its client is gone', async () => {
    const { port } = await start([lines]);
    const head =
      'POST /lines HTTP/1.1\r\nhost: localhost\r\ncontent-type: x/lines\r\ntransfer-encoding: chunked\r\n\r\n';
    const open = await Promise.all(Array.from({ length: STREAMS_MAX }, () => byHand(port)));
    for (const { socket } of open) socket.write(`${head}2\r\nab\r\n`);
    await until(() => open.every(({ answered }) => answered().includes('2\n')));
    const late = await byHand(port);
    late.socket.write(`${head}2\r\nab\r\n`);
    await until(() => late.answered().startsWith('HTTP/1.1 503'));
    open[0]?.socket.destroy();
    let taken = '';
    for (let tries = 0; tries < 100 && !taken.startsWith('HTTP/1.1 200'); tries++) {
      const next = await byHand(port);
      next.socket.write(`${head}2\r\nab\r\n`);
      await until(() => next.answered() !== '');
      taken = next.answered();
    }
    expect(taken).toMatch(/^HTTP\/1.1 200/);
  });

  it('should be named in the log when an answer breaks off because its source threw', async () => {
    const { port } = await start([lines]);
    const { socket, answered } = await byHand(port);
    socket.write(
      'POST /lines HTTP/1.1\r\nhost: localhost\r\ncontent-type: x/lines\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n',
    );
    await until(() => answered().includes('2\n'));
    socket.write('1\r\n!\r\n');
    await once(socket, 'close');
    expect(errors).toContain('answer cut off');
  });

  it('should be counted when no handler saw them: route, status and code', async () => {
    const { url, refusals } = await start([count]);
    const ask = async (path: string, init: RequestInit) => (await fetch(url + path, init)).status;
    expect(await ask('/none', { method: 'POST' })).toBe(404);
    expect(await ask('/count', { method: 'GET' })).toBe(405);
    expect(await ask('/count', { method: 'POST', headers: { origin: 'http://example.com' } })).toBe(403);
    expect(await ask('/count', { method: 'POST', body: Buffer.alloc(16 * MIB + 1) }).catch(() => 413)).toBe(413);
    expect(refusals.map(({ method, route, status, code }) => [method, route?.path, status, code])).toEqual([
      ['POST', undefined, 404, 'NOT_FOUND'],
      ['GET', undefined, 405, 'METHOD_NOT_ALLOWED'],
      ['POST', '/count', 403, 'FORBIDDEN'],
      ['POST', '/count', 413, 'TOO_LARGE'],
    ]);
    expect(refusals.every(({ seconds }) => seconds >= 0 && seconds < 10)).toBe(true);
  });

  it('should be answered in the one shape when they are no requests, or of a type that is none', async () => {
    const { port, url } = await start([count]);
    const ask = async (text: string) => {
      const { socket, answered } = await byHand(port);
      socket.write(text);
      await once(socket, 'close');
      const [head = '', body = ''] = answered().split('\r\n\r\n');
      return [head.split('\r\n')[0], JSON.parse(body).error.code];
    };
    expect(await ask('NONSENSE\r\n\r\n')).toEqual(['HTTP/1.1 400 Bad Request', 'VALIDATION_FAILED']);
    const long = `GET / HTTP/1.1\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`;
    expect(await ask(long)).toEqual(['HTTP/1.1 431 Request Header Fields Too Large', 'TOO_LARGE']);
    const odd = await fetch(`${url}/count`, { method: 'POST', body: 'ab', headers: { 'content-type': 'foo' } });
    expect([odd.status, await odd.json()]).toEqual([200, { length: 2, sum: 195 }]);
  });
});
