import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';

/**
 * The trace that a piece of work belongs to is handed from caller to callee as a `Context`: what is kept beside the code
 * (AsyncLocalStorage) belongs to the runtime, not to the host. Undefined: nobody records it, and no span is begun for
 * it, so that work which is not traced pays for one comparison.
 */
export type { Context } from '@opentelemetry/api';

/** The context under which a span's own parts are begun; undefined when the span is not recorded. */
export function contextOf(span: Span, parent: Context = ROOT_CONTEXT): Context | undefined {
  return span.isRecording() ? trace.setSpan(parent, span) : undefined;
}

/**
 * Runs `work` within a span of its own, handing it the context for what it begins in turn. The span ends when `work` has,
 * with the error if it threw one. Without a parent it is the root of a trace.
 */
export async function inSpan<T>(
  tracer: Tracer,
  name: string,
  parent: Context | undefined,
  work: (context: Context | undefined, span: Span) => Promise<T>,
  attributes?: Attributes,
): Promise<T> {
  const span = tracer.startSpan(name, attributes === undefined ? {} : { attributes }, parent ?? ROOT_CONTEXT);
  try {
    return await work(contextOf(span, parent), span);
  } catch (error) {
    failSpan(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/** Notes on a span that its work failed. */
export function failSpan(span: Span, error: unknown): void {
  if (!span.isRecording()) return;
  const message = error instanceof Error ? error.message : String(error);
  span.recordException(error instanceof Error ? error : message);
  span.setStatus({ code: SpanStatusCode.ERROR, message });
}

/** Version 00 of W3C Trace Context: version, trace id, parent id, flags; a later version may add fields behind them. */
const traceparentPattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/**
 * The context of a caller's trace from its `traceparent` header (W3C Trace Context, level 1, §3.2). What is malformed, of the
 * forbidden version ff, or has an id of zeros only is ignored, as the recommendation says: the root context comes back.
 */
export function callerContext(traceparent: string | undefined): Context {
  if (traceparent === undefined) return ROOT_CONTEXT;
  const [, version, traceId = '', spanId = '', flags = '', more] = traceparentPattern.exec(traceparent) ?? [];
  const isForm = version === '00' ? more === undefined : version !== undefined && version !== 'ff';
  if (!isForm || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return ROOT_CONTEXT;
  const traceFlags = Number.parseInt(flags, 16) & TraceFlags.SAMPLED;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}
