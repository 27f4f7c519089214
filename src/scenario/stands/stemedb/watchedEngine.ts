import type { ServerRequest } from '../../../checkers/stemedb/evidence.ts';
import type { EngineDefinition, RunningEngine } from '../../../engines/engine.ts';
import type { Route, RouteRequest, RouteResponse } from '../../../engines/route.ts';
import type { Host } from '../../../host/host.ts';
import { asStand } from '../../../sim/inside.ts';
import { idOf } from './claims.ts';
import { writeAnswerOf } from './workload.ts';

/** Who is told of the requests of one process. */
export interface RequestWatch {
  readonly now: () => number;
  readonly order: () => number;
  readonly arrived: (request: ServerRequest) => void;
  /** The engine has started; its routes answer from now on. */
  readonly started: (running: RunningEngine) => void;
}

/** Which watch belongs to the host that a process was given: entered by the stand when it decorates the host. */
const watches = new WeakMap<Host, RequestWatch>();

/** Has the requests of the process with this host told to `watch`. */
export function watchRequests(host: Host, watch: RequestWatch): void {
  watches.set(host, watch);
}

/** The engine with routes that write down what arrives and what is answered; a host without a watch is left alone. */
export function watchedEngine<Config>(engine: EngineDefinition<Config>): EngineDefinition {
  const watched: EngineDefinition<Config> = {
    ...engine,
    async start(host, config) {
      const running = await engine.start(host, config);
      const watch = watches.get(host);
      if (watch === undefined) return running;
      const seen = { ...running, routes: running.routes.map((route) => watchRoute(route, host, watch)) };
      asStand(() => watch.started(seen));
      return seen;
    },
  };
  // Sound as in the engines' registry: a configuration that goes into `start` was parsed by this definition's schema.
  return watched as EngineDefinition;
}

function watchRoute(route: Route, host: Host, watch: RequestWatch): Route {
  if (route.path === '/metrics' || route.path.startsWith('/health')) return route;
  return { ...route, handler: (request) => watchCall(route, request, host, watch) };
}

async function watchCall(route: Route, request: RouteRequest, host: Host, watch: RequestWatch): Promise<RouteResponse> {
  const asked = askedOf(route, request);
  const seen: ServerRequest = {
    node: host.name,
    incarnation: host.incarnation,
    method: route.method,
    path: route.path,
    arrivedAtMs: watch.now(),
    arrivedOrder: watch.order(),
    answeredAtMs: Number.POSITIVE_INFINITY,
    answeredOrder: Number.POSITIVE_INFINITY,
    status: 0,
    ids: asked.ids,
    bodyBytes: request.body.length,
    atomic: asked.atomic,
    ...(asked.rateLimit === undefined ? {} : { rateLimit: asked.rateLimit }),
    acks: [],
  };
  watch.arrived(seen);
  const response = await route.handler(request);
  seen.answeredAtMs = watch.now();
  seen.answeredOrder = watch.order();
  seen.status = response.status;
  note(seen, response);
  return response;
}

interface Asked {
  readonly ids: readonly string[];
  readonly atomic: boolean;
  readonly rateLimit?: number;
}

/** What a request asks to store, or to limit. A body that is no JSON asks for nothing. */
function askedOf(route: Route, request: RouteRequest): Asked {
  const nothing: Asked = { ids: [], atomic: false };
  if (route.path === '/v1/admin/rate-limit') {
    if (route.method === 'DELETE') return { ...nothing, rateLimit: 0 };
    if (route.method === 'POST') {
      const limit = objectOf(parse(request.body)).max_writes_per_sec;
      return typeof limit === 'number' ? { ...nothing, rateLimit: limit } : { ...nothing, rateLimit: 0 };
    }
    return nothing;
  }
  const kind = writeKinds[route.path];
  if (route.method !== 'POST' || kind === undefined || request.stream !== undefined) return nothing;
  const body = objectOf(parse(request.body));
  if (route.path === '/v1/assert/batch') {
    const items = Array.isArray(body.assertions) ? body.assertions : [];
    return { ids: items.map((item) => contentId(kind, objectOf(item), request)), atomic: body.atomic === true };
  }
  return { ids: [contentId(kind, body, request)], atomic: false };
}

const writeKinds: Readonly<Record<string, string>> = {
  '/v1/assert': 'assertion',
  '/v1/assert/batch': 'assertion',
  '/v1/vote': 'vote',
  '/v1/epoch': 'epoch',
  '/v1/agents/{agent}/weight': 'agent-weight',
};

function contentId(kind: string, body: Readonly<Record<string, unknown>>, request: RouteRequest): string {
  const { signatures: _, ...content } = body;
  return idOf({ ...content, v: 1, kind, ...request.parameters });
}

/** Takes acknowledgements and errors out of an answer. */
function note(seen: ServerRequest, response: RouteResponse): void {
  if (seen.ids.length === 0) return;
  const body = objectOf(response.body);
  if (response.status < 400) {
    const { acks } = writeAnswerOf(body);
    seen.acks = acks ?? [];
    if (Array.isArray(body.results)) seen.itemErrors = itemErrorsOf(seen.ids, body.results);
    return;
  }
  seen.error = errorOf(body);
}

function itemErrorsOf(ids: readonly string[], results: readonly unknown[]): NonNullable<ServerRequest['itemErrors']> {
  return results.flatMap((result, index) => {
    const item = objectOf(result);
    const id = ids[index];
    return item.error === undefined || id === undefined ? [] : [{ id, ...errorOf(item) }];
  });
}

function errorOf(body: Readonly<Record<string, unknown>>): { readonly code: string; readonly outcome: string } {
  const error = objectOf(body.error);
  return { code: String(error.code), outcome: String(error.outcome) };
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
  } catch {
    return undefined;
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}
