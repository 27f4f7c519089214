import { createServer as createHttpServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { createServer as createHttpsServer, Server as HttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import type { Refusal } from '../../engines/engine.ts';
import { encodeResponse } from '../../engines/responseBody.ts';
import type { Route, RouteResponse } from '../../engines/route.ts';
import { createRouter, errorResponse, parseQuery, refusal } from '../../engines/router.ts';
import type { Logger } from '../../host/telemetry.ts';
import { describeError } from '../describeError.ts';
import { refuseUnauthorized } from './authorize.ts';
import { BodyRefused, BodyRoom, overloaded, readBody } from './body.ts';
import { answerGarbage } from './garbage.ts';
import { certificatesOf, listenFailed, type PreparedSettings } from './settings.ts';
import { STREAMS_MAX, streamedBody } from './stream.ts';

/** Connections at one time; further ones are closed at once. */
const CONNECTIONS_MAX = 10_000;
/** Longer than the idle time-out of the usual load balancers (60 s), so that they, not the server, end a connection. */
const KEEP_ALIVE_MS = 72_000;
/** How long `close` waits for answers under way before it cuts their connections. */
const CLOSE_MS = 5_000;

export interface HttpServerOptions {
  readonly routes: readonly Route[];
  readonly settings: PreparedSettings;
  readonly logger: Logger;
  /** Told of every answer that was given without asking a route's handler. */
  readonly onRefused?: (refusal: Refusal) => void;
}

/** A listening server. */
export interface HttpServer {
  readonly url: string;
  readonly port: number;
  /**
   * Takes over certificates, tokens and limits of new settings. Settings for another address, or with TLS where there
   * was none (or the other way round), are left for a restart as a whole: tokens that loopback does not need must
   * not be dropped from a server that the world can reach. False in that case.
   */
  reload(settings: PreparedSettings): boolean;
  /** Stops accepting, lets answers under way finish for 5 s, then cuts them. */
  close(): Promise<void>;
}

/**
 * Serves the routes over HTTP, or HTTPS if the settings have certificates. Any content type reaches a handler as bytes.
 *
 * @throws EngineError with exit code 74 if the address cannot be had
 */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const router = createRouter(options.routes);
  const server = createServer(options.settings);
  let settings = options.settings;
  const app = fastify({
    serverFactory: (handler) => server.on('request', handler),
    // A path that cannot be decoded never reaches a route of fastify's: the router answers it like any other.
    frameworkErrors: (_error, request, reply) => void handle(request, reply),
    clientErrorHandler: (error, socket) => answerGarbage(error, socket),
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    exposeHeadRoutes: false,
  });
  // Bodies are read by the handler below, which knows the limit of the route; fastify only passes the stream on.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  app.all('*', handle);
  app.setNotFoundHandler(handle);
  app.setErrorHandler((error: { readonly code?: string }, request, reply) => {
    // A content type that is none never reaches a handler of fastify's: which types will do is a route's own affair.
    if (error.code?.startsWith('FST_ERR_CTP_') === true) return handle(request, reply);
    options.logger.error('handler failed', { route: `${request.method} ${request.url}`, ...describeError(error) });
    const outcome = request.method === 'GET' ? 'not_applied' : 'indeterminate';
    return send(
      reply,
      errorResponse(500, 'INTERNAL', 'the request failed for a reason that the log names', { outcome }),
    );
  });

  const room = new BodyRoom();
  let streams = 0;

  async function handle(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const began = performance.now();
    const method = request.method;
    const { path, search } = splitUrl(request.raw.url ?? '/');
    const matched = router.match(method, path);
    const refused = (route: Route | undefined, response: RouteResponse): RouteResponse => {
      const { error } = response.body as { readonly error: { readonly code: string } }; // as errorResponse makes it
      const seconds = (performance.now() - began) / 1000;
      options.onRefused?.({ method, route, status: response.status, code: error.code, seconds });
      return response;
    };
    if (matched.kind !== 'found') return send(reply, refused(undefined, refusal({ method, path }, matched)));
    const { route, parameters } = matched;
    return send(reply, await run(route, parameters, request, reply, search, (response) => refused(route, response)));
  }

  async function run(
    route: Route,
    parameters: Readonly<Record<string, string>>,
    request: FastifyRequest,
    reply: FastifyReply,
    search: string,
    refused: (response: RouteResponse) => RouteResponse,
  ): Promise<RouteResponse | undefined> {
    const headers = flatHeaders(request.raw.headers);
    const unauthorized = refuseUnauthorized(route, headers, settings.tokens);
    if (unauthorized !== undefined) return refused(unauthorized);
    const isStreaming = route.streaming?.includes(mediaTypeOf(headers)) === true;
    if (isStreaming && streams >= STREAMS_MAX) {
      return refused(overloaded(`${STREAMS_MAX} bodies are being streamed: end one, or try again later`));
    }
    if (isStreaming) streams += 1;
    const gone = new AbortController();
    const { signal } = gone;
    reply.raw.once('close', () => {
      if (isStreaming) streams -= 1;
      if (!reply.raw.writableFinished) gone.abort(new Error('the client is gone'));
    });
    let body = EMPTY;
    try {
      if (!isStreaming) body = await readBody(request.raw, route.maxBodyBytes ?? settings.maxBodyBytes, room);
      const response = await route.handler({
        method: route.method,
        parameters,
        query: search === '' ? NO_QUERY : parseQuery(search),
        headers,
        body,
        ...(isStreaming ? { stream: streamedBody(request.raw) } : {}),
        signal,
      });
      return watched(response, route, signal);
    } catch (error) {
      if (error instanceof BodyRefused) return error.response === undefined ? undefined : refused(error.response);
      if (signal.aborted) return undefined;
      options.logger.error('handler failed', { route: `${route.method} ${route.path}`, ...describeError(error) });
      const outcome = route.method === 'GET' ? 'not_applied' : 'indeterminate';
      return errorResponse(500, 'INTERNAL', 'the request failed for a reason that the log names', { outcome });
    } finally {
      room.give(body.length);
    }
  }

  /** The response; what its body throws while it is sent is logged, since no handler is left to hear it. */
  function watched(response: RouteResponse, route: Route, signal: AbortSignal): RouteResponse {
    const { body } = response;
    if (body === null || typeof body !== 'object' || !(Symbol.asyncIterator in body)) return response;
    const pieces = body as AsyncIterable<string | Uint8Array>; // what RouteResponse allows to be iterated
    async function* sent(): AsyncGenerator<string | Uint8Array> {
      try {
        yield* pieces;
      } catch (error) {
        if (!signal.aborted) {
          options.logger.error('answer cut off', { route: `${route.method} ${route.path}`, ...describeError(error) });
        }
        throw error;
      }
    }
    return { ...response, body: sent() };
  }

  await listen(app, settings);
  // What listens is an address with a port, as prepareSettings knows no other kind.
  const { port } = server.address() as AddressInfo;
  const host = settings.host.includes(':') ? `[${settings.host}]` : settings.host;
  return {
    url: `${settings.tls === undefined ? 'http' : 'https'}://${host}:${port}`,
    port,
    reload: (next) => {
      const isSameDoor = next.host === settings.host && next.port === settings.port;
      if (!isSameDoor || (next.tls === undefined) !== (settings.tls === undefined)) return false;
      if (server instanceof HttpsServer && next.tls !== undefined) server.setSecureContext(certificatesOf(next.tls));
      settings = next;
      return true;
    },
    close: async () => {
      const cut = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
      await app.close().finally(() => clearTimeout(cut));
    },
  };
}

const EMPTY: Uint8Array = new Uint8Array();
const NO_QUERY: Readonly<Record<string, string>> = {};

function createServer(settings: PreparedSettings): Server | HttpsServer {
  const server = settings.tls === undefined ? createHttpServer() : createSecureServer(settings.tls);
  server.maxConnections = CONNECTIONS_MAX;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  // A streamed body may take any time; other bodies have a deadline of their own (BODY_TIMEOUT_MS).
  server.requestTimeout = 0;
  return server;
}

function createSecureServer(tls: NonNullable<PreparedSettings['tls']>): HttpsServer {
  const clients = tls.ca === undefined ? {} : { requestCert: true, rejectUnauthorized: true };
  return createHttpsServer({ ...certificatesOf(tls), ...clients, minVersion: 'TLSv1.2' });
}

async function listen(app: FastifyInstance, settings: PreparedSettings): Promise<void> {
  try {
    await app.listen({ host: settings.host, port: settings.port });
  } catch (error) {
    throw listenFailed(settings, error);
  }
}

function send(reply: FastifyReply, response: RouteResponse | undefined): FastifyReply {
  if (response === undefined) {
    // Nobody is left to answer.
    reply.hijack();
    reply.raw.destroy();
    return reply;
  }
  const { status, headers, body } = encodeResponse(response);
  reply.code(status).headers(headers);
  if (body === undefined || typeof body === 'string') return reply.send(body);
  if (body instanceof Uint8Array) return reply.send(Buffer.from(body.buffer, body.byteOffset, body.byteLength));
  return reply.send(Readable.from(body, { objectMode: false }));
}

function splitUrl(url: string): { path: string; search: string } {
  const mark = url.indexOf('?');
  return mark < 0 ? { path: url, search: '' } : { path: url.slice(0, mark), search: url.slice(mark + 1) };
}

function mediaTypeOf(headers: Readonly<Record<string, string>>): string {
  return (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

function flatHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined) flat[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return flat;
}
