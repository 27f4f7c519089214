import type { Route, RouteResponse } from '../../engines/route.ts';
import { createRouter, errorResponse, parseQuery, type Router, refusal } from '../../engines/router.ts';
import type { Host } from '../../host/host.ts';
import type { Connection, Listener } from '../../host/network.ts';
import {
  bodyBytes,
  concatenate,
  FrameReader,
  type RequestHead,
  writeBody,
  writeEnd,
  writeHead,
  writeMessage,
} from './frames.ts';

export interface RouteServerOptions {
  readonly port: number;
  /** Largest body in bytes where the route says nothing; 413 beyond it. */
  readonly maxBodyBytes: number;
  /** A handler threw: a defect of the engine. The client gets 500 with an unknown outcome. */
  readonly onDefect: (error: unknown, request: string) => void;
}

/**
 * Serves an engine's routes on the network of its host, as the daemon does over HTTP: the same router, the same handlers.
 * A connection takes one request after the other. It lives and dies with the process, so crashes, partitions and half-open
 * connections are felt by its clients.
 */
export function serveRoutes(host: Host, routes: readonly Route[], options: RouteServerOptions): Promise<Listener> {
  const router = createRouter(routes);
  return host.network.listen({ host: host.name, port: options.port }, (connection) => {
    void serveConnection(connection, router, options);
  });
}

async function serveConnection(connection: Connection, router: Router, options: RouteServerOptions): Promise<void> {
  const reader = new FrameReader(connection);
  try {
    for (;;) {
      const head = await reader.head();
      if (head === undefined) break;
      // Both ends are this file's own; a head that is no head would be a defect of the client's side.
      await serveRequest(connection, reader, head as RequestHead, router, options);
    }
    await connection.end();
  } catch {
    // The client is gone or broke off; what it had asked for goes on without an answer.
    connection.destroy();
  }
}

async function serveRequest(
  connection: Connection,
  reader: FrameReader,
  head: RequestHead,
  router: Router,
  options: RouteServerOptions,
): Promise<void> {
  const [path = '', search = ''] = splitOnce(head.path, '?');
  const matched = router.match(head.method, path);
  const abort = new AbortController();
  const contentType = head.headers['content-type']?.split(';')[0]?.trim() ?? '';
  const streamed = matched.kind === 'found' && (matched.route.streaming?.includes(contentType) ?? false);
  const limit = (matched.kind === 'found' ? matched.route.maxBodyBytes : undefined) ?? options.maxBodyBytes;

  const body = streamed ? { bytes: new Uint8Array(0), tooLarge: false } : await readBody(reader, limit);
  const stream = streamed ? bodyStream(reader) : undefined;
  let response: RouteResponse;
  if (body.tooLarge) {
    response = errorResponse(413, 'TOO_LARGE', `expected a body of at most ${limit} bytes`);
  } else if (matched.kind !== 'found') {
    response = refusal({ method: head.method, path }, matched);
  } else {
    if (!streamed) void reader.gone().then(() => abort.abort(new Error('the client is gone')));
    try {
      response = await matched.route.handler({
        method: matched.route.method,
        parameters: matched.parameters,
        query: parseQuery(search),
        headers: head.headers,
        body: body.bytes,
        signal: abort.signal,
        ...(stream === undefined ? {} : { stream: stream.chunks }),
      });
    } catch (error) {
      options.onDefect(error, `${head.method} ${path}`);
      response = errorResponse(500, 'INTERNAL', `${head.method} ${path} failed unexpectedly`, {
        outcome: 'indeterminate',
      });
    }
  }
  await writeResponse(connection, response);
  // A handler may answer before it has read everything: the rest is in the way of the next request.
  await stream?.drain();
}

async function readBody(reader: FrameReader, limit: number): Promise<{ bytes: Uint8Array; tooLarge: boolean }> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for (let chunk = await reader.chunk(); chunk !== undefined; chunk = await reader.chunk()) {
    length += chunk.length;
    if (length <= limit) pieces.push(chunk);
  }
  return { bytes: length <= limit ? concatenate(pieces) : new Uint8Array(0), tooLarge: length > limit };
}

/** The body chunk by chunk, each read only when the handler asks: it holds the sender back. */
function bodyStream(reader: FrameReader): { chunks: AsyncIterable<Uint8Array>; drain: () => Promise<void> } {
  let ended = false;
  async function next(): Promise<Uint8Array | undefined> {
    if (ended) return undefined;
    const chunk = await reader.chunk();
    ended = chunk === undefined;
    return chunk;
  }
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let chunk = await next(); chunk !== undefined; chunk = await next()) yield chunk;
  }
  async function drain(): Promise<void> {
    while ((await next()) !== undefined);
  }
  return { chunks: chunks(), drain };
}

async function writeResponse(connection: Connection, response: RouteResponse): Promise<void> {
  const { body } = response;
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.headers ?? {})) headers[name.toLowerCase()] = value;
  if (isIterable(body)) {
    await writeHead(connection, { status: response.status, headers });
    for await (const part of body) await writeBody(connection, bodyBytes(part));
    await writeEnd(connection);
  } else {
    headers['content-type'] ??=
      typeof body === 'string' || body instanceof Uint8Array ? 'text/plain; charset=utf-8' : 'application/json';
    await writeMessage(connection, { status: response.status, headers }, bodyBytes(body));
  }
}

function isIterable(body: unknown): body is AsyncIterable<unknown> {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body;
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)];
}
