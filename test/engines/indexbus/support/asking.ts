import type { BusNode } from '../../../../src/engines/indexbus/busNode.ts';
import { routerRoutes } from '../../../../src/engines/indexbus/http/routes.ts';
import type { Method } from '../../../../src/engines/route.ts';
import { createRouter } from '../../../../src/engines/router.ts';

export interface Answered {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: bodies of many shapes, each looked at by its test
  readonly body: any;
}

/** Asks the routes of a router that is one of the test's peers. */
export async function ask(node: BusNode, method: Method, path: string, body?: unknown): Promise<Answered> {
  const response = await createRouter(routerRoutes(node)).dispatch({
    method,
    path: `/v1/segments/bus${path}`,
    query: {},
    headers: {},
    body: body === undefined ? new Uint8Array() : new TextEncoder().encode(JSON.stringify(body)),
    signal: new AbortController().signal,
  });
  return { status: response.status, body: response.body };
}
