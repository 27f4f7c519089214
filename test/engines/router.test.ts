import { describe, expect, it } from 'vitest';
import type { Method, Route } from '../../src/engines/route.ts';
import { createRouter, parseQuery } from '../../src/engines/router.ts';

function route(method: Method, path: string): Route {
  return {
    method,
    path,
    summary: path,
    role: 'read',
    handler: async (request) => ({
      status: 200,
      body: { path, method: request.method, parameters: request.parameters },
    }),
  };
}

const router = createRouter([
  route('GET', '/v1/assertions/{hash}'),
  route('GET', '/v1/assertions/latest'),
  route('POST', '/v1/agents/{agent}/weight'),
  route('POST', '/v1/admin/rate-limit'),
  route('GET', '/v1/admin/rate-limit'),
  route('DELETE', '/v1/admin/rate-limit'),
]);

function dispatch(method: string, path: string) {
  const signal = new AbortController().signal;
  return router.dispatch({ method, path, query: {}, headers: {}, body: new Uint8Array(), signal });
}

describe('router', () => {
  it('should decode parameters and prefer a literal segment', async () => {
    expect(await dispatch('POST', '/v1/agents/a%2Fb%20c/weight')).toMatchObject({
      status: 200,
      body: { parameters: { agent: 'a/b c' } },
    });
    expect(await dispatch('GET', '/v1/assertions/latest')).toMatchObject({ body: { path: '/v1/assertions/latest' } });
    expect(await dispatch('GET', '/v1/assertions/ab')).toMatchObject({ body: { parameters: { hash: 'ab' } } });
  });

  it('should answer HEAD by the GET of the path', async () => {
    expect(await dispatch('HEAD', '/v1/assertions/ab')).toMatchObject({ status: 200, body: { method: 'GET' } });
  });

  it('should answer 404 with the nearest route', async () => {
    expect(await dispatch('POST', '/v1/admin/rate_limit')).toEqual({
      status: 404,
      headers: {},
      body: {
        error: {
          code: 'NOT_FOUND',
          hint: 'did you mean POST /v1/admin/rate-limit?',
          message: 'no route POST /v1/admin/rate_limit; the nearest is POST /v1/admin/rate-limit',
          outcome: 'not_applied',
          nearest: 'POST /v1/admin/rate-limit',
        },
      },
    });
    expect(await dispatch('POST', '/v1/agent/someone-with-a-long-name/weight')).toMatchObject({
      body: { error: { nearest: 'POST /v1/agents/{agent}/weight' } },
    });
  });

  it('should not let an empty segment stand for a parameter', async () => {
    expect(await dispatch('GET', '/v1/assertions/')).toMatchObject({ status: 404 });
  });

  it('should answer 405 with the methods that the path takes', async () => {
    const answer = await dispatch('PUT', '/v1/admin/rate-limit');
    expect(answer.status).toBe(405);
    expect(answer.headers).toEqual({ allow: 'GET, POST, DELETE' });
    expect(answer.body).toMatchObject({
      error: { code: 'METHOD_NOT_ALLOWED', hint: expect.stringMatching(/^use /), outcome: 'not_applied' },
    });
  });

  it('should answer 400 to a path that is not well encoded', async () => {
    expect(await dispatch('GET', '/v1/assertions/%zz')).toMatchObject({
      status: 400,
      body: { error: { code: 'VALIDATION_FAILED' } },
    });
  });

  it('should refuse two routes of one shape', () => {
    expect(() => createRouter([route('GET', '/a/{x}'), route('GET', '/a/{y}')])).toThrow('two routes for GET /a/{y}');
  });

  it('should take the last one of a repeated query name', () => {
    expect({ ...parseQuery('?a=1&b=x%20y&a=2') }).toEqual({ a: '2', b: 'x y' });
  });
});
