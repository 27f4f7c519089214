import { isLoopback } from '../../engines/loopback.ts';
import type { Role, Route, RouteResponse } from '../../engines/route.ts';
import { errorResponse } from '../../engines/router.ts';
import { type Tokens, tokenDigest } from './settings.ts';

/**
 * Says why a request may not have this route, or undefined if it may.
 *
 * With tokens in force: a bearer token that has the route's role. Without (loopback): anyone on this machine, but no
 * page of a stranger's site that runs in a browser here. Such a page may send a POST without asking (the admin routes
 * read any content type), and its browser says so in `Origin` and `Sec-Fetch-Site`; or it has its own name resolve to
 * this machine, to read the answers too, and then that name stands in `Host`.
 */
export function refuseUnauthorized(
  route: Route,
  headers: Readonly<Record<string, string>>,
  tokens: Tokens | undefined,
): RouteResponse | undefined {
  if (tokens === undefined) return refuseForeignPage(route, headers);
  if (route.role === 'none') return undefined;
  const token = /^Bearer +([^\s]+)$/i.exec(headers.authorization ?? '')?.[1];
  const roles: ReadonlySet<Role> | undefined = token === undefined ? undefined : tokens.get(tokenDigest(token));
  if (roles === undefined) {
    const got = token === undefined ? 'none' : 'one that is not known';
    return errorResponse(
      401,
      'UNAUTHENTICATED',
      `expected "Authorization: Bearer TOKEN", got ${got}`,
      { hint: 'send one of the tokens of the file that the configuration names' },
      { 'www-authenticate': 'Bearer' },
    );
  }
  if (roles.has(route.role)) return undefined;
  const message = `${route.method} ${route.path} needs role ${route.role}, the token has ${[...roles].join(', ')}`;
  const hint = `roles do not include one another: give the token this one too, as in "TOKEN ${[...roles, route.role].join(',')}"`;
  return errorResponse(403, 'FORBIDDEN', message, { hint });
}

function refuseForeignPage(route: Route, headers: Readonly<Record<string, string>>): RouteResponse | undefined {
  const { host, origin } = headers;
  if (host !== undefined && !isLocalHost(host)) {
    return errorResponse(
      403,
      'FORBIDDEN',
      `expected a Host of this machine (localhost, 127.0.0.0/8, [::1]), got ${JSON.stringify(host)}; configure tokens to be reached by another name`,
    );
  }
  if (headers['sec-fetch-site'] === 'cross-site') {
    return errorResponse(403, 'FORBIDDEN', 'expected a request from this machine, got one from a page of another site');
  }
  if (origin === undefined || route.method === 'GET') return undefined;
  const from = URL.parse(origin)?.hostname.replace(/^\[|\]$/g, '');
  if (from !== undefined && isLoopback(from)) return undefined;
  return errorResponse(403, 'FORBIDDEN', `expected a request from this machine, got one from a page of ${origin}`);
}

/** Whether a `Host` header names this machine. The address that is bound does, since without tokens it is of loopback. */
function isLocalHost(header: string): boolean {
  const parts = /^(?:\[([^\]]+)\]|([^:]+))(?::\d*)?$/.exec(header.trim().toLowerCase());
  const name = parts?.[1] ?? parts?.[2];
  return name !== undefined && isLoopback(name);
}
