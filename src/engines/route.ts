import type { ZodType } from 'zod';

/** What a route's handler is given. */
export interface RouteRequest {
  readonly method: Method;
  /** Values of the `{name}` parts of the path, decoded. */
  readonly parameters: Readonly<Record<string, string>>;
  /** The query string, decoded; the last one of a repeated name. */
  readonly query: Readonly<Record<string, string>>;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** The whole body; empty if there is none. Not set on a route with `streaming`. */
  readonly body: Uint8Array;
  /** On a route with `streaming`: the body as it arrives. Not reading it holds the sender back. */
  readonly stream?: AsyncIterable<Uint8Array>;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
}

/** What a route's handler answers. */
export interface RouteResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A string or bytes go out as they are; an iterable is streamed with back-pressure; anything else as JSON. */
  readonly body?: unknown;
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** Who may call a route where tokens are in force. */
export type Role = 'read' | 'write' | 'admin' | 'none';

/**
 * An HTTP route as data: the daemon mounts it on its HTTP server, the stand calls the handler, so the same request runs
 * the same code in both.
 */
export interface Route {
  readonly method: Method;
  /** `/v1/assertions/{hash}`. */
  readonly path: string;
  readonly summary: string;
  readonly role: Role;
  /** Shapes, for the OpenAPI page. The handler itself checks what arrives. */
  readonly schema?: { readonly body?: ZodType; readonly query?: ZodType; readonly response?: ZodType };
  /** Largest body in bytes; default the daemon's. The server answers 413 beyond it. */
  readonly maxBodyBytes?: number;
  /** Content types whose body is handed over as it arrives, in `stream`. */
  readonly streaming?: readonly string[];
  readonly handler: (request: RouteRequest) => Promise<RouteResponse>;
}
