import { type Span, SpanKind, SpanStatusCode, type Tracer } from '@opentelemetry/api';
import type { Clock, Millis } from '../../../host/clock.ts';
import { type Context, callerContext, contextOf, failSpan } from '../../../host/tracing.ts';
import type { Refusal } from '../../engine.ts';
import type { Route, RouteRequest, RouteResponse } from '../../route.ts';
import type { Endpoint } from '../admission.ts';
import { errorResponse, StemeError } from '../errors.ts';
import type { StemeNode } from '../stemeNode.ts';

/** What the handlers of a store work with. */
export interface HttpContext {
  readonly clock: Clock;
  readonly tracer: Tracer;
  readonly db: StemeNode;
}

/** A route before it is measured: its handler may throw `StemeError`. */
export type PlainRoute = Omit<Route, 'handler'> & {
  /** Whose request rate it counts against; none for health and metrics. */
  readonly endpoint?: Endpoint;
  /** With the context of the request's span, if that is recorded. */
  readonly handler: (request: RouteRequest, trace: Context | undefined) => Promise<RouteResponse>;
};

/** Puts measuring, a span, the endpoint's rate and the answers to errors around a route's handler. */
export function finishRoute({ clock, db, tracer }: HttpContext, { endpoint, ...route }: PlainRoute): Route {
  const { metrics } = db;
  const spanName = `${route.method} ${route.path}`;
  const spanOptions = {
    kind: SpanKind.SERVER,
    attributes: { 'http.request.method': route.method, 'http.route': route.path },
  };

  async function answer(request: RouteRequest, trace: Context | undefined): Promise<RouteResponse> {
    try {
      if (endpoint !== undefined) db.admit(endpoint);
      return await route.handler(request, trace);
    } catch (error) {
      if (!(error instanceof StemeError)) throw error;
      if (error.code === 'RATE_LIMITED') metrics.rateLimited.inc({ endpoint: endpoint ?? 'none' });
      return errorResponse(error);
    }
  }

  async function traced(request: RouteRequest): Promise<RouteResponse> {
    const caller = callerContext(request.headers.traceparent);
    const span = tracer.startSpan(spanName, spanOptions, caller);
    const trace = contextOf(span, caller);
    if (trace === undefined) return answer(request, undefined);
    let status = 500;
    let isStreamed = false;
    try {
      const response = await answer(request, trace);
      status = response.status;
      if (!isIterable(response.body)) return response;
      isStreamed = true;
      return { ...response, body: endingSpan(span, response.body) };
    } finally {
      span.setAttribute('http.response.status_code', status);
      if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
      if (!isStreamed) span.end();
    }
  }

  async function handler(request: RouteRequest): Promise<RouteResponse> {
    const began = clock.now();
    let status = 500;
    try {
      // What monitoring asks for every few seconds tells nobody anything in a trace.
      const response = await (endpoint === undefined ? answer(request, undefined) : traced(request));
      status = response.status;
      return response;
    } finally {
      metrics.http.observe({ route: route.path, status }, (clock.now() - began) / 1000);
    }
  }

  return { ...route, handler };
}

function isIterable(body: unknown): body is AsyncIterable<unknown> {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body;
}

/**
 * A streamed body that ends the request's span when its last piece was taken, when it fails, or when nobody takes more. It hands
 * on the promises of the body itself: whoever reads waits no longer for being traced.
 */
function endingSpan<T>(span: Span, body: AsyncIterable<T>): AsyncIterable<T> {
  const failed = (error: unknown): void => {
    failSpan(span, error);
    span.end();
  };
  return {
    [Symbol.asyncIterator]() {
      const pieces = body[Symbol.asyncIterator]();
      return {
        next() {
          const piece = pieces.next();
          piece.then(({ done }) => void (done === true && span.end()), failed);
          return piece;
        },
        return(value) {
          span.end();
          return pieces.return?.(value) ?? Promise.resolve({ done: true, value });
        },
      };
    },
  };
}

/** The label of requests that no route takes. */
const NO_ROUTE = 'none';

/** Counts what the HTTP server refused before a handler was asked, like any other answer; as a write where it is one. */
export function countRefusal({ db }: HttpContext, { method, route, status, code, seconds }: Refusal): void {
  db.metrics.http.observe({ route: route?.path ?? NO_ROUTE, status }, seconds);
  const isWrite = route === undefined ? method !== 'GET' && method !== 'HEAD' : route.role === 'write';
  if (isWrite) db.metrics.rejections.inc({ code });
}

const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * The JSON of a body.
 *
 * @throws StemeError TOO_LARGE, VALIDATION_FAILED
 */
export function parseJson(body: Uint8Array, maxBytes: number): unknown {
  if (body.length > maxBytes) throw tooLarge(maxBytes, body.length);
  try {
    return JSON.parse(decoder.decode(body));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const got = body.length === 0 ? 'an empty body' : reason;
    throw new StemeError('VALIDATION_FAILED', `expected a JSON body in UTF-8, got ${got}`, {
      details: [{ path: '', expected: 'JSON in UTF-8', got }],
      cause: error,
    });
  }
}

/** The JSON of a data route, which insists on its content type. @throws StemeError also UNSUPPORTED_MEDIA_TYPE */
export function parseDataBody(request: RouteRequest, maxBytes: number): unknown {
  requireContentType(request, ['application/json']);
  return parseJson(request.body, maxBytes);
}

/** @throws StemeError UNSUPPORTED_MEDIA_TYPE */
export function requireContentType(request: RouteRequest, allowed: readonly string[]): void {
  const type = contentType(request);
  if (allowed.includes(type)) return;
  const got = type === '' ? 'none' : type;
  throw new StemeError('UNSUPPORTED_MEDIA_TYPE', `expected content-type ${allowed.join(' or ')}, got ${got}`);
}

/** Runs `read`, which checks a write before the store sees it, and counts its refusal like any other. */
export function refusalCounted<T>({ db }: HttpContext, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof StemeError) db.metrics.rejections.inc({ code: error.code });
    throw error;
  }
}

/** The media type of a request without its parameters, in lower case; empty if it names none. */
export function contentType(request: RouteRequest): string {
  return (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

export function tooLarge(maxBytes: number, got: number | string): StemeError {
  return new StemeError('TOO_LARGE', `expected a body of at most ${maxBytes} bytes, got ${got}`);
}

/**
 * The result of a write, or 504 when it takes longer than `timeoutMs`. The write goes on: what became of it is not known,
 * and sending it again is safe.
 */
export function withTimeout<T>({ clock, db }: HttpContext, write: Promise<T>): Promise<T> {
  const timeoutMs: Millis = db.config.server.request_timeout_ms;
  return new Promise((resolve, reject) => {
    const timer = clock.timer(timeoutMs, () => {
      db.metrics.rejections.inc({ code: 'WRITE_TIMEOUT' });
      reject(
        new StemeError(
          'WRITE_TIMEOUT',
          `not durable after ${timeoutMs} ms: it may still become so; sending it again is safe`,
        ),
      );
    });
    write.then(resolve, reject).finally(() => timer.cancel());
  });
}
