import type { Method, Route, RouteRequest, RouteResponse } from '../../route.ts';
import { createRouter, refusal } from '../../router.ts';
import { RpcError } from '../broker/rpc.ts';
import type { BrokerId } from '../ids.ts';
import { decodeJson, encodeJson } from '../meta/json.ts';
import { AdminRefusal, type AdminRoute, refused, refuseUnknownQuery } from './answer.ts';
import type { AdminContext } from './context.ts';
import { expectKnown } from './standing.ts';

const requestName = 'admin.http';
/** As long as the longest profile, and some. */
const forwardMs = 320_000;
/** A broker that cannot be reached for so long is down, which is what the operator is told then. */
const connectMs = 2_000;

interface ForwardedRequest {
  readonly method: Method;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/**
 * Puts around each route what all have in common: refusals become answers, faults are counted, and `?broker=N` has another broker answer,
 * so that it is enough to reach one.
 */
export function finishRoutes(context: AdminContext, routes: readonly AdminRoute[]): readonly Route[] {
  const { services } = context;
  const local = routes.map((route): Route => {
    const { isLocal: _, needs: __, takesAnyQuery: ___, ...plain } = route;
    return { ...plain, role: route.role ?? 'admin', handler: (request) => answer(context, route, request) };
  });
  const router = createRouter(local);
  services.rpc.serve(requestName, async (bytes, _from, signal) => {
    const request = decodeJson(bytes) as ForwardedRequest; // a broker of the cluster wrote it
    const found = router.match(request.method, request.path);
    if (found.kind !== 'found') return encodeJson(refusal(request, found));
    const { method, query, body } = request;
    const response = await found.route.handler({
      method,
      query,
      body,
      signal,
      headers: {},
      parameters: found.parameters,
    });
    return encodeJson(response);
  });
  return local.map((route, at) => {
    if (routes[at]?.isLocal === true) return route;
    return {
      ...route,
      handler: async (request) => {
        const { broker: wanted } = request.query;
        if (wanted === undefined || wanted === String(services.broker)) return route.handler(request);
        try {
          const { broker: _, ...query } = request.query;
          return await forwardTo(
            context,
            brokerNamed(context, wanted),
            {
              method: request.method,
              path: pathOf(route.path, request.parameters),
              query,
              body: request.body,
            },
            request.signal,
          );
        } catch (error) {
          if (error instanceof AdminRefusal) return refused(error);
          throw error;
        }
      },
    };
  });
}

async function answer(context: AdminContext, route: AdminRoute, request: RouteRequest): Promise<RouteResponse> {
  try {
    refuseUnknownQuery(route, request);
    if (route.needs !== undefined) expectKnown(context, route.needs);
    return await route.handler(request);
  } catch (error) {
    if (!(error instanceof AdminRefusal)) throw error;
    context.metrics.httpFailed(error.status);
    return refused(error);
  }
}

/** Has another broker answer a request. @throws AdminRefusal 503 when it does not */
export async function forwardTo(
  context: AdminContext,
  broker: BrokerId,
  request: ForwardedRequest,
  signal: AbortSignal,
): Promise<RouteResponse> {
  try {
    const body = encodeJson(request);
    const bytes = await context.services.rpc.call(broker, requestName, body, {
      timeoutMs: forwardMs,
      connectMs,
      signal,
    });
    return decodeJson(bytes) as RouteResponse; // a broker of the cluster wrote it
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    throw new AdminRefusal(503, 'BROKER_UNREACHABLE', `broker ${broker} did not answer: ${error.message}`);
  }
}

/** @throws AdminRefusal 404 UNKNOWN_BROKER, 503 NOT_READY */
export function brokerNamed(context: AdminContext, text: string): BrokerId {
  const { brokers } = context.services.metadata;
  const broker = Number(text);
  if (brokers.has(broker)) return broker;
  expectKnown(context, 'metadata');
  const known = [...brokers.keys()].sort((left, right) => left - right).join(', ');
  throw new AdminRefusal(404, 'UNKNOWN_BROKER', `there is no broker ${text}`, `brokers of the cluster: ${known}`);
}

function pathOf(template: string, parameters: Readonly<Record<string, string>>): string {
  return template.replaceAll(/\{([A-Za-z0-9_]+)\}/g, (_, name: string) => encodeURIComponent(parameters[name] ?? ''));
}
