import type { RouteResponse } from './route.ts';

/** A response as a server sends it. */
export interface EncodedResponse {
  readonly status: number;
  /** Those of the handler, in lower case, and a content type where there is a body. */
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined: no body. An iterable is sent chunk by chunk, no faster than the client reads. */
  readonly body: string | Uint8Array | Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array> | undefined;
}

/**
 * Decides how a handler's answer goes over the wire: strings and bytes as they are, iterables as streams, anything else
 * (arrays among it) as JSON.
 */
export function encodeResponse(response: RouteResponse): EncodedResponse {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.headers ?? {})) headers[name.toLowerCase()] = value;
  const { body } = response;
  if (body === undefined) return { status: response.status, headers, body };
  if (typeof body === 'string') return withType(response.status, headers, 'text/plain; charset=utf-8', body);
  if (body instanceof Uint8Array || isIterable(body)) {
    return withType(response.status, headers, 'application/octet-stream', body);
  }
  return withType(response.status, headers, 'application/json; charset=utf-8', JSON.stringify(body));
}

function withType(
  status: number,
  headers: Readonly<Record<string, string>>,
  type: string,
  body: EncodedResponse['body'],
): EncodedResponse {
  return {
    status,
    headers: headers['content-type'] === undefined ? { ...headers, 'content-type': type } : headers,
    body,
  };
}

type Chunks = Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;

function isIterable(body: unknown): body is Chunks {
  if (body === null || typeof body !== 'object' || Array.isArray(body)) return false;
  return Symbol.asyncIterator in body || Symbol.iterator in body;
}
