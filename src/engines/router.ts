import { editDistance } from '../host/nearest.ts';
import type { Method, Route, RouteRequest, RouteResponse } from './route.ts';

/** What a router says of a method and a path. */
export type RouteMatch =
  | { readonly kind: 'found'; readonly route: Route; readonly parameters: Readonly<Record<string, string>> }
  /** The path is known, but not with this method. */
  | { readonly kind: 'wrong-method'; readonly allow: readonly Method[] }
  /** `nearest` is undefined only if there are no routes at all. */
  | { readonly kind: 'missing'; readonly nearest: Route | undefined }
  /** The path is not well percent-encoded. */
  | { readonly kind: 'malformed' };

/** A request before its route is known. `path` is without the query string, still percent-encoded. */
export type UnroutedRequest = Omit<RouteRequest, 'parameters' | 'method'> & {
  readonly method: string;
  readonly path: string;
};

/** Finds the route of a request. The daemon and the stand share it, so both answer a wrong request alike. */
export interface Router {
  readonly routes: readonly Route[];
  match(method: string, path: string): RouteMatch;
  /** Runs the handler of the request's route, or answers 404, 405 or 400. What a handler throws goes through. */
  dispatch(request: UnroutedRequest): Promise<RouteResponse>;
}

/** The one shape of an error answer. `hint` says what to do, `outcome` whether a write may have happened. */
export function errorResponse(
  status: number,
  code: string,
  message: string,
  extra: Readonly<Record<string, unknown>> = {},
  headers: Readonly<Record<string, string>> = {},
): RouteResponse {
  return { status, headers, body: { error: { code, message, hint: '', outcome: 'not_applied', ...extra } } };
}

/** The query string (with or without `?`) as names and values, decoded; the last one of a repeated name. */
export function parseQuery(search: string): Record<string, string> {
  const query: Record<string, string> = Object.create(null);
  for (const [name, value] of new URLSearchParams(search)) query[name] = value;
  return query;
}

interface CompiledRoute {
  readonly route: Route;
  readonly segments: readonly { readonly literal?: string; readonly parameter?: string }[];
  /** Literal segments; among routes that fit, the most literal one is taken. */
  readonly literals: number;
}

/**
 * A router over `routes`. Parts of a path in braces (`{hash}`) take one non-empty segment each; a literal segment wins
 * over one in braces. HEAD is answered by a path's GET.
 *
 * @throws Error if two routes have the same method and the same shape of path
 */
export function createRouter(routes: readonly Route[]): Router {
  const compiled = routes.map(compile).sort((a, b) => b.literals - a.literals);
  refuseDuplicates(compiled);
  // Most requests go to a path without braces: one look-up, and a literal path wins over any other anyway.
  const literalPaths = new Map(
    compiled
      .filter((candidate) => candidate.literals === candidate.segments.length)
      .map(({ route }) => [`${route.method} ${route.path}`, { kind: 'found', route, parameters: {} } as const]),
  );

  function match(method: string, path: string): RouteMatch {
    const wanted = method === 'HEAD' ? 'GET' : method;
    const literal = literalPaths.get(`${wanted} ${path}`);
    if (literal !== undefined) return literal;
    const segments = path.split('/').slice(1);
    const fitting = path.startsWith('/') ? compiled.filter((candidate) => fits(candidate, segments)) : [];
    if (fitting.length === 0) return { kind: 'missing', nearest: nearestRoute(compiled, wanted, path, segments) };
    const found = fitting.find((candidate) => candidate.route.method === wanted);
    if (found === undefined) return { kind: 'wrong-method', allow: allowedMethods(fitting) };
    const parameters = decodeParameters(found, segments);
    return parameters === undefined ? { kind: 'malformed' } : { kind: 'found', route: found.route, parameters };
  }

  async function dispatch(request: UnroutedRequest): Promise<RouteResponse> {
    const matched = match(request.method, request.path);
    if (matched.kind !== 'found') return refusal(request, matched);
    const { path: _, ...rest } = request;
    return matched.route.handler({ ...rest, method: matched.route.method, parameters: matched.parameters });
  }

  return { routes, match, dispatch };
}

/** The answer to a request that no route takes. */
export function refusal(
  request: { readonly method: string; readonly path: string },
  matched: Exclude<RouteMatch, { kind: 'found' }>,
): RouteResponse {
  switch (matched.kind) {
    case 'wrong-method': {
      const allow = matched.allow.join(', ');
      const message = `${request.path} takes ${allow}, got ${request.method}`;
      return errorResponse(
        405,
        'METHOD_NOT_ALLOWED',
        message,
        { hint: `use ${matched.allow.join(' or ')}`, allow: matched.allow },
        { allow },
      );
    }
    case 'malformed':
      return errorResponse(400, 'VALIDATION_FAILED', `path ${request.path}: expected percent-encoded UTF-8`, {
        hint: 'write % itself as %25',
      });
    case 'missing': {
      const nearest = matched.nearest === undefined ? undefined : `${matched.nearest.method} ${matched.nearest.path}`;
      const hint = nearest === undefined ? '' : `; the nearest is ${nearest}`;
      return errorResponse(
        404,
        'NOT_FOUND',
        `no route ${request.method} ${request.path}${hint}`,
        nearest === undefined ? {} : { hint: `did you mean ${nearest}?`, nearest },
      );
    }
  }
}

function compile(route: Route): CompiledRoute {
  if (!route.path.startsWith('/'))
    throw new Error(`route ${route.method} ${route.path}: expected a path that begins with /`);
  const segments = route.path
    .split('/')
    .slice(1)
    .map((part) => {
      const name = /^\{([A-Za-z][A-Za-z0-9_]*)\}$/.exec(part)?.[1];
      return name === undefined ? { literal: part } : { parameter: name };
    });
  return { route, segments, literals: segments.filter((segment) => segment.literal !== undefined).length };
}

function refuseDuplicates(compiled: readonly CompiledRoute[]): void {
  const seen = new Set<string>();
  for (const { route, segments } of compiled) {
    const shape = `${route.method} /${segments.map((segment) => segment.literal ?? '{}').join('/')}`;
    if (seen.has(shape)) throw new Error(`two routes for ${route.method} ${route.path}: expected one`);
    seen.add(shape);
  }
}

function fits(candidate: CompiledRoute, segments: readonly string[]): boolean {
  if (candidate.segments.length !== segments.length) return false;
  return candidate.segments.every((segment, index) =>
    segment.literal === undefined ? segments[index] !== '' : segment.literal === segments[index],
  );
}

function allowedMethods(fitting: readonly CompiledRoute[]): Method[] {
  const order: readonly Method[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];
  return order.filter((method) => fitting.some((candidate) => candidate.route.method === method));
}

function decodeParameters(found: CompiledRoute, segments: readonly string[]): Record<string, string> | undefined {
  const parameters: Record<string, string> = {};
  for (const [index, segment] of found.segments.entries()) {
    if (segment.parameter === undefined) continue;
    try {
      parameters[segment.parameter] = decodeURIComponent(segments[index] ?? '');
    } catch {
      return undefined;
    }
  }
  return parameters;
}

/** The route whose path takes the fewest edits; between equals one with the method that was asked for. */
function nearestRoute(
  compiled: readonly CompiledRoute[],
  method: string,
  path: string,
  segments: readonly string[],
): Route | undefined {
  let best: Route | undefined;
  let bestCost = Number.POSITIVE_INFINITY;
  for (const { route, segments: parts } of compiled) {
    // What stands in braces fits anything, so it costs nothing where the caller has a segment too.
    const filled = parts.map((part, index) => part.literal ?? (segments[index] || `{${part.parameter}}`));
    const cost = 2 * editDistance(path, `/${filled.join('/')}`) + (route.method === method ? 0 : 1);
    if (cost < bestCost) {
      best = route;
      bestCost = cost;
    }
  }
  return best;
}
