import { beforeEach, describe, expect, it } from 'vitest';
import type { Route } from '../../src/engines/route.ts';
import { errorResponse } from '../../src/engines/router.ts';
import { parseFault } from '../../src/faults/registry.ts';
import { type ClientResult, createRouteClient, type RouteClient } from '../../src/scenario/wire/routeClient.ts';
import { serveRoutes } from '../../src/scenario/wire/routeServer.ts';
import type { Machine } from '../../src/sim/machine.ts';
import { World } from '../../src/sim/world.ts';

const port = 80;
let world: World;
let server: Machine;
let client: RouteClient;
let defects: string[];
let aborted: boolean;

const routes: Route[] = [
  {
    method: 'GET',
    path: '/items/{id}',
    summary: '',
    role: 'none',
    handler: async (request) => ({ status: 200, body: { ...request.parameters, ...request.query } }),
  },
  {
    method: 'POST',
    path: '/echo',
    summary: '',
    role: 'none',
    maxBodyBytes: 200_000,
    handler: async ({ body }) => ({ status: 201, body }),
  },
  {
    method: 'POST',
    path: '/refuse',
    summary: '',
    role: 'none',
    handler: async () => errorResponse(503, 'BUSY', 'busy'),
  },
  {
    method: 'POST',
    path: '/doubt',
    summary: '',
    role: 'none',
    handler: async () => errorResponse(500, 'LOST', 'lost', { outcome: 'indeterminate' }),
  },
  { method: 'POST', path: '/broken', summary: '', role: 'none', handler: () => Promise.reject(new Error('broken')) },
  {
    method: 'POST',
    path: '/slow',
    summary: '',
    role: 'none',
    handler: ({ signal }) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          aborted = true;
          resolve({ status: 200 });
        });
      }),
  },
  {
    method: 'POST',
    path: '/lines',
    summary: '',
    role: 'none',
    streaming: ['application/x-ndjson'],
    async handler({ stream }) {
      const decoder = new TextDecoder();
      async function* answers() {
        for await (const chunk of stream ?? []) yield `${decoder.decode(chunk).length}\n`;
      }
      return { status: 200, body: answers() };
    },
  },
];

beforeEach(() => {
  world = new World({ seed: 3 });
  defects = [];
  aborted = false;
  server = world.addMachine('server');
  const serve = () =>
    server.start('server', async (host) => {
      await serveRoutes(host, routes, {
        port,
        maxBodyBytes: 1000,
        onDefect: (error, request) => void defects.push(`${request}: ${error}`),
      });
    });
  server.supervisor = () => void serve();
  serve();
  const { host } = world.addMachine('client').start('client', () => {});
  client = createRouteClient(host, { host: 'server', port }, { timeoutMs: 5000 });
});

/** Runs the world until the call has its result. */
async function run<T>(promise: Promise<T>): Promise<T> {
  let result: { value: T } | undefined;
  void promise.then((value) => {
    result = { value };
  });
  // The call begins in a microtask: a world without events would end its run before.
  await new Promise((resolve) => setImmediate(resolve));
  await world.run({ until: () => result !== undefined, toMs: world.now + 60_000 });
  if (result === undefined) throw new Error('no result within a minute of virtual time');
  return result.value;
}

const post = (path: string, body?: unknown, headers = {}): Promise<ClientResult> =>
  client.call({ method: 'POST', path, headers, ...(body === undefined ? {} : { body }) });

function apply(name: string, targets: string[], parameters: unknown = {}) {
  const fault = parseFault(name, parameters);
  return fault.definition.apply({ world, targets }, fault.parameters);
}

describe('routes over the simulated network', () => {
  it('should carry paths, queries, bodies larger than a frame, and answers', async () => {
    expect(await run(client.call({ method: 'GET', path: '/items/a%20b?x=1&y=2' }))).toMatchObject({
      outcome: 'ok',
      status: 200,
      body: { id: 'a b', x: '1', y: '2' },
    });
    const large = 'x'.repeat(150_000);
    expect(await run(post('/echo', large))).toMatchObject({ outcome: 'ok', status: 201, body: large });
  });

  it('should take many calls at once, one after the other', async () => {
    const results = await run(Promise.all([1, 2, 3].map((id) => client.call({ method: 'GET', path: `/items/${id}` }))));
    expect(results.map((result) => result.body)).toEqual([{ id: '1' }, { id: '2' }, { id: '3' }]);
  });

  it('should answer a wrong request as the daemon does', async () => {
    expect(await run(post('/ecko'))).toMatchObject({
      outcome: 'fail',
      status: 404,
      code: 'NOT_FOUND',
      message: expect.stringContaining('POST /echo'),
    });
    expect(await run(client.call({ method: 'DELETE', path: '/echo' }))).toMatchObject({
      outcome: 'fail',
      status: 405,
      headers: { allow: 'POST' },
    });
    expect(await run(post('/refuse', 'x'.repeat(2000)))).toMatchObject({
      outcome: 'fail',
      status: 413,
      code: 'TOO_LARGE',
    });
  });

  it('should believe the outcome that an error states', async () => {
    expect(await run(post('/refuse'))).toMatchObject({ outcome: 'fail', code: 'BUSY', status: 503 });
    expect(await run(post('/doubt'))).toMatchObject({ outcome: 'info', code: 'LOST', status: 500 });
  });

  it('should report a handler that throws as a defect, and leave its client in doubt', async () => {
    expect(await run(post('/broken'))).toMatchObject({ outcome: 'info', status: 500, code: 'INTERNAL' });
    expect(defects).toEqual(['POST /broken: Error: broken']);
  });

  it('should stream a body and its answer', async () => {
    const result = await run(post('/lines', 'y'.repeat(100_000), { 'content-type': 'application/x-ndjson' }));
    expect(result).toMatchObject({ outcome: 'ok', status: 200 });
    const sizes = String(result.body).trim().split('\n').map(Number);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(100_000);
  });

  it('should give a definite failure when nobody listens, and doubt when the answer is cut off', async () => {
    server.kill();
    expect(await run(post('/echo', 'a'))).toMatchObject({ outcome: 'fail', code: 'ECONNREFUSED' });
    server.restart();
    expect(await run(post('/echo', 'a'))).toMatchObject({ outcome: 'ok' });
    const cut = post('/slow');
    await world.run({ toMs: world.now + 100 });
    server.kill();
    expect(await run(cut)).toMatchObject({ outcome: 'info', code: 'ECONNRESET' });
  });

  it('should time out in doubt across a partition, and go on when it heals', async () => {
    await run(post('/echo', 'a'));
    const heal = apply('network.partition', ['server', 'client'], { groups: [['server'], ['client']] });
    const before = world.now;
    expect(await run(post('/echo', 'b'))).toMatchObject({ outcome: 'info', code: 'CLIENT_TIMEOUT' });
    expect(world.now - before).toBeCloseTo(5000, -1);
    expect(await run(post('/echo', 'c'))).toMatchObject({ outcome: 'fail' });
    await heal?.();
    expect(await run(post('/echo', 'd'))).toMatchObject({ outcome: 'ok', body: 'd' });
  });

  it('should fail a read that got no answer: it left no trace', async () => {
    await run(post('/echo', 'a'));
    server.pause();
    expect(await run(client.call({ method: 'GET', path: '/items/1' }))).toMatchObject({
      outcome: 'fail',
      code: 'CLIENT_TIMEOUT',
    });
  });

  it('should abort the signal of a request whose client is gone', async () => {
    expect(await run(client.call({ method: 'POST', path: '/slow', timeoutMs: 300 }))).toMatchObject({
      outcome: 'info',
    });
    await world.run({ toMs: world.now + 1000 });
    expect(aborted).toBe(true);
  });
});
