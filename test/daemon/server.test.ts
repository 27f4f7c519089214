import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Agent, request } from 'undici';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { openApiDocument } from '../../src/daemon/http/openapi.ts';
import { type HttpServer, startHttpServer } from '../../src/daemon/http/server.ts';
import { prepareSettings } from '../../src/daemon/http/settings.ts';
import type { ServerSettings } from '../../src/engines/engine.ts';
import type { Route, RouteRequest, RouteResponse } from '../../src/engines/route.ts';
import type { Logger } from '../../src/host/telemetry.ts';

const directory = mkdtempSync(join(tmpdir(), 'hotfire-server-'));
afterAll(() => rmSync(directory, { recursive: true }));

let server: HttpServer | undefined;
afterEach(async () => {
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

function route(
  method: Route['method'],
  path: string,
  handler: (request: RouteRequest) => Promise<RouteResponse>,
  more: Partial<Route> = {},
): Route {
  return { method, path, summary: path, role: 'read', handler, ...more };
}

async function start(routes: readonly Route[], settings: Partial<ServerSettings> = {}): Promise<string> {
  server = await startHttpServer({
    routes,
    settings: prepareSettings({ bind: '127.0.0.1:0', maxBodyBytes: 1000, ...settings }),
    logger,
  });
  return server.url;
}

const echo = route('POST', '/echo/{name}', async (r) => ({
  status: 200,
  body: { parameters: r.parameters, query: r.query, type: r.headers['content-type'] ?? null, body: [...r.body] },
}));

describe('HTTP server', () => {
  it.each([['application/json'], ['application/x-www-form-urlencoded'], ['text/weird; charset=x'], [undefined]])(
    'should hand a body of type %s to the handler as bytes',
    async (type) => {
      const url = await start([echo]);
      const answer = await request(`${url}/echo/a%2Fb?x=1&y=a+b&x=2`, {
        method: 'POST',
        body: Buffer.from([0, 255, 10]),
        headers: type === undefined ? {} : { 'content-type': type },
      });
      expect(answer.statusCode).toBe(200);
      expect(await answer.body.json()).toEqual({
        parameters: { name: 'a/b' },
        query: { x: '2', y: 'a b' },
        type: type ?? null,
        body: [0, 255, 10],
      });
    },
  );

  it('should answer a wrong route, a wrong method and a path that cannot be decoded in the one shape', async () => {
    const url = await start([echo]);
    const missing = await request(`${url}/ecko/x`, { method: 'POST' });
    expect(missing.statusCode).toBe(404);
    expect(await missing.body.json()).toMatchObject({ error: { code: 'NOT_FOUND', nearest: 'POST /echo/{name}' } });
    const wrong = await request(`${url}/echo/x`, { method: 'PATCH' });
    expect(wrong.statusCode).toBe(405);
    expect(wrong.headers.allow).toBe('POST');
    expect(await wrong.body.json()).toMatchObject({ error: { code: 'METHOD_NOT_ALLOWED' } });
    const malformed = await request(`${url}/echo/%zz`, { method: 'POST' });
    expect(malformed.statusCode).toBe(400);
    expect(await malformed.body.json()).toMatchObject({ error: { code: 'VALIDATION_FAILED' } });
  });

  it('should answer 413 by the limit of the route, with and without a stated length', async () => {
    const url = await start([echo, route('POST', '/small', echo.handler, { maxBodyBytes: 10 })]);
    const body = Buffer.alloc(11);
    expect((await request(`${url}/echo/x`, { method: 'POST', body })).statusCode).toBe(200);
    const stated = await request(`${url}/small`, { method: 'POST', body });
    expect(stated.statusCode).toBe(413);
    expect(await stated.body.json()).toMatchObject({ error: { code: 'TOO_LARGE', outcome: 'not_applied' } });
    const chunked = await request(`${url}/small`, {
      method: 'POST',
      body: Readable.from(
        (async function* () {
          yield body;
        })(),
      ),
    });
    expect(chunked.statusCode).toBe(413);
    await chunked.body.dump();
    const exact = await request(`${url}/small`, { method: 'POST', body: body.subarray(1) });
    expect(exact.statusCode).toBe(200);
    await exact.body.dump();
  });

  it('should send text, bytes, JSON and nothing, and answer HEAD without a body', async () => {
    const url = await start([
      route('GET', '/text', async () => ({ status: 200, body: 'a\n' })),
      route('GET', '/bytes', async () => ({ status: 200, body: new Uint8Array([1, 2]).subarray(1) })),
      route('GET', '/json', async () => ({ status: 201, headers: { 'X-Lsn': '7' }, body: [1] })),
      route('GET', '/none', async () => ({ status: 204 })),
    ]);
    const get = async (path: string, method: 'GET' | 'HEAD' = 'GET') => {
      const answer = await request(`${url}${path}`, { method });
      return [
        answer.statusCode,
        answer.headers['content-type'],
        answer.headers['content-length'],
        await answer.body.text(),
      ];
    };
    expect(await get('/text')).toEqual([200, 'text/plain; charset=utf-8', '2', 'a\n']);
    expect(await get('/text', 'HEAD')).toEqual([200, 'text/plain; charset=utf-8', '2', '']);
    expect(await get('/bytes')).toEqual([200, 'application/octet-stream', '1', '\u0002']);
    expect(await get('/json')).toEqual([201, 'application/json; charset=utf-8', '3', '[1]']);
    expect(await get('/none')).toEqual([204, undefined, undefined, '']);
  });

  it('should stream a body in and answers out, line by line, while the client still sends', async () => {
    const lines = route(
      'POST',
      '/lines',
      async (r) => ({
        status: 200,
        headers: { 'content-type': 'application/x-ndjson' },
        body: (async function* () {
          for await (const chunk of r.stream ?? []) yield `got ${chunk.length}\n`;
        })(),
      }),
      { streaming: ['application/x-ndjson'], maxBodyBytes: 1 },
    );
    const url = await start([lines]);
    const answered: string[] = [];
    let answeredOnce = () => {};
    const first = new Promise<void>((resolve) => {
      answeredOnce = resolve;
    });
    const answer = await request(`${url}/lines`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson; charset=utf-8' },
      body: Readable.from(
        (async function* () {
          yield Buffer.alloc(5);
          await first;
          yield Buffer.alloc(7);
        })(),
      ),
    });
    for await (const chunk of answer.body) {
      answered.push(String(chunk));
      answeredOnce();
    }
    expect(answered.join('')).toBe('got 5\ngot 7\n');
  });

  it('should hold the sender of a stream back while nobody reads it', async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let received = 0;
    const slow = route(
      'POST',
      '/slow',
      async (r) => {
        await held;
        for await (const chunk of r.stream ?? []) received += chunk.length;
        return { status: 200 };
      },
      { streaming: ['x/stream'] },
    );
    const url = await start([slow]);
    const total = 64 * 1024 * 1024;
    let sent = 0;
    const answer = request(`${url}/slow`, {
      method: 'POST',
      headers: { 'content-type': 'x/stream' },
      body: Readable.from(
        (async function* () {
          const chunk = Buffer.alloc(64 * 1024);
          for (; sent < total; sent += chunk.length) yield chunk;
        })(),
      ),
    });
    // The sender stops by itself once the socket's buffers are full: wait until two looks see no progress.
    for (let before = -1; before !== sent || sent === 0; ) {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(sent).toBeLessThan(total / 2);
    release();
    expect((await answer).statusCode).toBe(200);
    expect(received).toBe(total);
  });

  it('should abort the signal when the client is gone', async () => {
    let aborted = () => {};
    const seen = new Promise<void>((resolve) => {
      aborted = resolve;
    });
    let began = () => {};
    const started = new Promise<void>((resolve) => {
      began = resolve;
    });
    const url = await start([
      route('GET', '/wait', (r) => {
        began();
        r.signal.addEventListener('abort', aborted);
        return seen.then(() => ({ status: 200 }));
      }),
    ]);
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.write('GET /wait HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await started;
    socket.destroy();
    await seen;
  });

  it('should answer 500 to a handler that throws, log it, and tell nothing of it', async () => {
    const url = await start([route('POST', '/broken', () => Promise.reject(new Error('secret detail')))]);
    const answer = await request(`${url}/broken`, { method: 'POST' });
    expect(answer.statusCode).toBe(500);
    const text = await answer.body.text();
    expect(JSON.parse(text)).toMatchObject({ error: { code: 'INTERNAL', outcome: 'indeterminate' } });
    expect(text).not.toContain('secret');
    expect(errors).toContain('handler failed');
  });

  it('should refuse a page of a foreign site on loopback, and let a command through', async () => {
    const url = await start([echo]);
    const post = async (headers: Record<string, string>) => {
      const answer = await request(`${url}/echo/x`, { method: 'POST', headers });
      await answer.body.dump();
      return answer.statusCode;
    };
    expect(await post({ origin: 'https://evil.example' })).toBe(403);
    expect(await post({ origin: 'null' })).toBe(403);
    expect(await post({ origin: url })).toBe(200);
    expect(await post({})).toBe(200);
  });

  it('should refuse a foreign Host and what a browser calls cross-site on loopback, also reads; with tokens any Host', async () => {
    const file = join(directory, 'hosts.tokens');
    writeFileSync(file, 'sixteen-characters read\n');
    const read = route('GET', '/read', async () => ({ status: 200, body: {} }));
    const url = await start([read]);
    const get = async (headers: Record<string, string>, of = url) => {
      const answer = await request(`${of}/read`, { headers });
      const body = JSON.parse(await answer.body.text()) as { error?: { code: string } }; // an error or {}
      return [answer.statusCode, body.error?.code];
    };
    const refused = [403, 'FORBIDDEN'];
    for (const host of [
      'evil.example',
      'evil.example:18180',
      '127.0.0.1.evil.example',
      'localhost@evil.example',
      '[::2]',
    ]) {
      expect(await get({ host }), host).toEqual(refused);
    }
    for (const host of ['localhost', 'LOCALHOST:18180', '127.0.0.2:1', '[::1]:18180', new URL(url).host]) {
      expect(await get({ host }), host).toEqual([200, undefined]);
    }
    expect(await get({ 'sec-fetch-site': 'cross-site' })).toEqual(refused);
    for (const site of ['none', 'same-origin', 'same-site']) {
      expect(await get({ 'sec-fetch-site': site }), site).toEqual([200, undefined]);
    }
    await server?.close();
    const guarded = await start([read], { tokensFile: file });
    const authorization = 'Bearer sixteen-characters';
    expect(await get({ host: 'db.example', authorization }, guarded)).toEqual([200, undefined]);
  });

  it('should refuse to listen where somebody listens', async () => {
    const url = await start([echo]);
    const bind = `127.0.0.1:${new URL(url).port}`;
    const again = startHttpServer({
      routes: [],
      settings: prepareSettings({ bind, maxBodyBytes: 1 }),
      logger,
    });
    await expect(again).rejects.toMatchObject({ exitCode: 74, message: expect.stringContaining('EADDRINUSE') });
  });
});

describe('TLS and tokens', () => {
  const certFile = join(directory, 'cert.pem');
  const keyFile = join(directory, 'key.pem');
  const tokensFile = join(directory, 'tokens');
  let hasOpenssl = true;
  try {
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '1',
        '-subj',
        '/CN=localhost',
        '-keyout',
        keyFile,
        '-out',
        certFile,
      ],
      { stdio: 'ignore' },
    );
  } catch {
    hasOpenssl = false;
  }
  writeFileSync(tokensFile, '# comment\nreader-token-000001 read\noperator-token-0001 read,admin\n');
  const tls = { certFile, keyFile };

  it('should refuse to listen beyond loopback without both', () => {
    const prepare = (more: Partial<ServerSettings>) => () =>
      prepareSettings({ bind: '0.0.0.0:1', maxBodyBytes: 1, ...more });
    expect(prepare({})).toThrow('expected TLS (certificate and key) and a tokens file, got none');
    expect(prepare({ tls })).toThrow('expected a tokens file');
    expect(prepare({ tokensFile })).toThrow('expected TLS');
  });

  it.each([
    ['short read\n', 'tokens-bad:1: expected a token of at least 16 characters, got 5'],
    [
      'reader-token-000001 reed\n',
      'tokens-bad:1: expected "token role[,role]" with roles of read, write, admin, got role "reed"',
    ],
    ['reader-token-000001\n', 'got another shape'],
    ['# nothing\n', 'expected at least one line'],
    ['reader-token-000001 read\nreader-token-000001 admin\n', 'tokens-bad:2: expected each token once'],
  ])('should refuse the tokens file %j', (text, message) => {
    const file = join(directory, 'tokens-bad');
    writeFileSync(file, text);
    const prepare = () => prepareSettings({ bind: '127.0.0.1:1', maxBodyBytes: 1, tokensFile: file });
    expect(prepare).toThrow(message);
  });

  it.skipIf(!hasOpenssl)('should ask for a token with the role of the route (openssl)', async () => {
    const routes = [
      route('GET', '/health', async () => ({ status: 200 }), { role: 'none' }),
      route('GET', '/data', async () => ({ status: 200 })),
      route('POST', '/admin', async () => ({ status: 200 }), { role: 'admin' }),
    ];
    const url = await start(routes, { bind: '0.0.0.0:0', tls, tokensFile });
    expect(url).toMatch(/^https:/);
    const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
    const call = async (method: 'GET' | 'POST', path: string, token?: string) => {
      const answer = await request(`https://127.0.0.1:${server?.port}${path}`, {
        method,
        dispatcher,
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      });
      const text = await answer.body.text();
      return `${answer.statusCode} ${text === '' ? '' : JSON.parse(text).error.code}`.trim();
    };
    expect(await call('GET', '/health')).toBe('200');
    expect(await call('GET', '/data')).toBe('401 UNAUTHENTICATED');
    expect(await call('GET', '/data', 'nobodys-token-0001')).toBe('401 UNAUTHENTICATED');
    expect(await call('GET', '/data', 'reader-token-000001')).toBe('200');
    expect(await call('POST', '/admin', 'reader-token-000001')).toBe('403 FORBIDDEN');
    expect(await call('POST', '/admin', 'operator-token-0001')).toBe('200');
    // New tokens come into force without a restart.
    const next = join(directory, 'tokens-next');
    writeFileSync(next, 'reader-token-000002 read\n');
    server?.reload(prepareSettings({ bind: '0.0.0.0:0', maxBodyBytes: 1, tls, tokensFile: next }));
    expect(await call('GET', '/data', 'reader-token-000001')).toBe('401 UNAUTHENTICATED');
    expect(await call('GET', '/data', 'reader-token-000002')).toBe('200');
    // Settings of another door do not open this one.
    expect(server?.reload(prepareSettings({ bind: '127.0.0.1:0', maxBodyBytes: 1, tls }))).toBe(false);
    expect(await call('GET', '/data')).toBe('401 UNAUTHENTICATED');
    await dispatcher.destroy();
  });
});

describe('OpenAPI page', () => {
  it('should describe paths, parameters, bodies and roles from the schemas', () => {
    const document = openApiDocument(
      [
        route('POST', '/v1/agents/{agent}/weight', async () => ({ status: 200 }), {
          role: 'write',
          schema: {
            body: z.strictObject({ weight: z.number().max(1000) }),
            query: z.object({ wait: z.string().optional() }),
            response: z.object({ lsn: z.int() }),
          },
        }),
        route('GET', '/health', async () => ({ status: 200 }), { role: 'none' }),
      ],
      { title: 't', description: 'd', version: '1' },
    );
    expect(document).toMatchObject({
      openapi: '3.1.0',
      paths: {
        '/v1/agents/{agent}/weight': {
          post: {
            operationId: 'postV1AgentsAgentWeight',
            security: [{ token: ['write'] }],
            parameters: [
              { name: 'agent', in: 'path', required: true },
              { name: 'wait', in: 'query', required: false, schema: { type: 'string' } },
            ],
            requestBody: {
              content: {
                'application/json': {
                  schema: { properties: { weight: { maximum: 1000 } }, additionalProperties: false },
                },
              },
            },
            responses: { '2XX': { content: { 'application/json': { schema: { required: ['lsn'] } } } } },
          },
        },
        '/health': { get: { summary: '/health' } },
      },
    });
    expect(JSON.stringify(document)).not.toContain('"/health":{"get":{"security"');
  });
});
