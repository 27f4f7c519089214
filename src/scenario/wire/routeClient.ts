import type { Method } from '../../engines/route.ts';
import type { Timer } from '../../host/clock.ts';
import type { Host } from '../../host/host.ts';
import { type Address, type Connection, NetworkError, type NetworkErrorCode } from '../../host/network.ts';
import { bodyBytes, concatenate, FrameReader, type ResponseHead, writeMessage } from './frames.ts';

/** Codes that clients see when there is no answer: the network's and this client's own. */
export const clientErrorCodes: readonly string[] = [
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'CLIENT_TIMEOUT',
  'CONNECTION_LOST',
] satisfies readonly (NetworkErrorCode | 'CLIENT_TIMEOUT' | 'CONNECTION_LOST')[];

/** A request of a client. */
export interface ClientRequest {
  readonly method: Method;
  /** With the query string. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A string or bytes go out as they are; anything else as JSON, with its content type. */
  readonly body?: unknown;
  /** From the call to the last byte of the answer, connecting included. Default the client's. */
  readonly timeoutMs?: number;
}

/**
 * What a client knows after a call. `ok`: status below 400. `fail`: the operation did not happen and never will.
 * `info`: nobody knows.
 */
export type ClientResult =
  | {
      readonly outcome: 'ok';
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: unknown;
    }
  | {
      readonly outcome: 'fail' | 'info';
      /** The engine's code, else the network's: `ECONNREFUSED`, `ECONNRESET`, `CLIENT_TIMEOUT`. */
      readonly code: string;
      readonly message: string;
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: unknown;
    };

/** A client of one node's routes. It keeps one connection, makes a new one when that broke, and sends one call at a time. */
export interface RouteClient {
  readonly node: string;
  /** Never rejects: a broken network is an outcome. JSON answers come parsed, others as text. */
  call(request: ClientRequest): Promise<ClientResult>;
  /** Drops the connection. */
  close(): void;
}

export interface RouteClientOptions {
  /** Default time-out of a call, in milliseconds. Default 60,000. */
  readonly timeoutMs?: number;
}

interface Link {
  readonly connection: Connection;
  readonly reader: FrameReader;
}

/** A client of the routes that a node serves at `address`, over the network of `host`. */
export function createRouteClient(host: Host, address: Address, options: RouteClientOptions = {}): RouteClient {
  let link: Link | undefined;
  let last: Promise<unknown> = Promise.resolve();

  async function connect(timeoutMs: number, signal: AbortSignal): Promise<Link> {
    if (link !== undefined) return link;
    const connection = await host.network.connect(address, { timeoutMs, signal });
    const made: Link = { connection, reader: new FrameReader(connection) };
    link = made;
    // A connection that the peer has closed is not used for the next call: its request would be in doubt for nothing.
    void connection.closed.then(() => drop(made));
    return made;
  }

  function drop(used: Link | undefined): void {
    if (used === undefined) return;
    used.connection.destroy();
    if (link === used) link = undefined;
  }

  async function exchange(request: ClientRequest): Promise<ClientResult> {
    const timeoutMs = request.timeoutMs ?? options.timeoutMs ?? 60_000;
    const abort = new AbortController();
    let used: Link | undefined;
    let sent = false;
    let timedOut = false;
    const timer: Timer = host.clock.timer(timeoutMs, () => {
      timedOut = true;
      abort.abort(new Error('time-out'));
      drop(used);
    });
    try {
      used = await connect(timeoutMs, abort.signal);
      sent = true;
      return await roundTrip(used, request);
    } catch (error) {
      drop(used);
      const code = timedOut ? 'CLIENT_TIMEOUT' : error instanceof NetworkError ? error.code : 'CONNECTION_LOST';
      const message = timedOut
        ? `no answer from ${address.host} within ${timeoutMs} ms`
        : error instanceof Error
          ? error.message
          : String(error);
      // What was never sent did not happen, and a read leaves no trace: only a write that was sent is in doubt.
      return { outcome: sent && request.method !== 'GET' ? 'info' : 'fail', code, message };
    } finally {
      timer.cancel();
    }
  }

  return {
    node: address.host,
    call(request) {
      const result = last.then(() => exchange(request));
      last = result;
      return result;
    },
    close: () => drop(link),
  };
}

async function roundTrip(link: Link, request: ClientRequest): Promise<ClientResult> {
  await sendRequest(link.connection, request);
  const head = await link.reader.head();
  if (head === undefined) throw new NetworkError('ECONNRESET', 'read', link.connection.remote);
  const pieces: Uint8Array[] = [];
  for (let chunk = await link.reader.chunk(); chunk !== undefined; chunk = await link.reader.chunk())
    pieces.push(chunk);
  // Both ends of the wire are this folder's own.
  return judge(request, head as ResponseHead, concatenate(pieces));
}

async function sendRequest(connection: Connection, request: ClientRequest): Promise<void> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers ?? {})) headers[name.toLowerCase()] = value;
  const plain = typeof request.body === 'string' || request.body instanceof Uint8Array || request.body === undefined;
  if (!plain) headers['content-type'] ??= 'application/json';
  await writeMessage(connection, { method: request.method, path: request.path, headers }, bodyBytes(request.body));
}

function judge(request: ClientRequest, head: ResponseHead, bytes: Uint8Array): ClientResult {
  const body = parseBody(head, bytes);
  if (head.status < 400) return { outcome: 'ok', status: head.status, headers: head.headers, body };
  const error = errorOf(body);
  // Without a word from the engine: its refusals (4xx) are definite, its failures are not.
  const applied = error?.outcome ?? (head.status < 500 || request.method === 'GET' ? 'not_applied' : 'indeterminate');
  return {
    outcome: applied === 'not_applied' ? 'fail' : 'info',
    code: error?.code ?? `HTTP_${head.status}`,
    message: error?.message ?? `status ${head.status}`,
    status: head.status,
    headers: head.headers,
    body,
  };
}

function parseBody(head: ResponseHead, bytes: Uint8Array): unknown {
  const text = new TextDecoder().decode(bytes);
  return head.headers['content-type']?.startsWith('application/json') ? JSON.parse(text) : text;
}

function errorOf(body: unknown): { code: string; message: string; outcome: string | undefined } | undefined {
  if (typeof body !== 'object' || body === null || !('error' in body)) return undefined;
  const { error } = body;
  if (typeof error !== 'object' || error === null || !('code' in error) || !('message' in error)) return undefined;
  const outcome = 'outcome' in error && typeof error.outcome === 'string' ? error.outcome : undefined;
  return { code: String(error.code), message: String(error.message), outcome };
}
