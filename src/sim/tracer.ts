import {
  type Attributes,
  type AttributeValue,
  type Context,
  type Exception,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  type SpanOptions,
  type SpanStatus,
  SpanStatusCode,
  type TimeInput,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import type { Millis } from '../host/clock.ts';
import { avalanche, hashText, hex32 } from './hash.ts';

/** OpenTelemetry's default limits of one span. */
const attributesMax = 128;
const eventsMax = 128;
const linksMax = 128;

/** A span of a simulated process as it stands; `endMs` is written when it ends, and never if the process ends before. */
export interface SimSpanData {
  /** 16 hexadecimal digits. */
  readonly id: string;
  readonly parentId?: string;
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  readonly node: string;
  readonly incarnation: number;
  name: string;
  readonly startMs: Millis;
  endMs?: Millis;
  readonly attributes: Record<string, AttributeValue>;
  status: 'unset' | 'ok' | 'error';
  message?: string;
  events?: { readonly atMs: Millis; readonly name: string; readonly attributes?: Attributes }[];
  links?: string[];
}

/** Takes each span when it begins; it is filled in afterwards, in place. */
export type SpanSink = (span: SimSpanData) => void;

/** Whose spans they are. */
export interface SpanOrigin {
  readonly seed: number;
  readonly machine: string;
  readonly incarnation: number;
  readonly traceName: string;
  readonly now: () => Millis;
  readonly alive: () => boolean;
  /** Where spans go; undefined while nobody watches. */
  readonly sink: () => SpanSink | undefined;
}

/**
 * A tracer in virtual time. The parent of a span is the one in the given context; there is no active one, since contexts
 * are handed from caller to callee. Times that a caller gives are not used: a span begins and ends when that is said.
 *
 * Ids are hashes of seed, process and the number of the span in it. They are no draws of a stream, which would be in the
 * fingerprint, and are the same whether anybody watches or not: what a program does with an id cannot tell it.
 */
export class SimTracer implements Tracer {
  readonly #origin: SpanOrigin;
  readonly #lanes: readonly number[];
  #count = 0;

  constructor(origin: SpanOrigin) {
    this.#origin = origin;
    this.#lanes = [1, 2, 3, 4].map((salt) => hashText(`${origin.seed}/${origin.traceName}/span`, salt));
  }

  startSpan(name: string, options: SpanOptions = {}, context: Context = ROOT_CONTEXT): Span {
    const sink = this.#origin.alive() ? this.#origin.sink() : undefined;
    const parent = options.root === true ? undefined : trace.getSpanContext(context);
    const span = new SimSpan(this.#origin, this.#lanes, ++this.#count, parent);
    if (sink !== undefined) sink(span.record(name, options));
    return span;
  }

  startActiveSpan<F extends (span: Span) => ReturnType<F>>(name: string, fn: F): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => ReturnType<F>>(name: string, options: SpanOptions, fn: F): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => ReturnType<F>>(
    name: string,
    options: SpanOptions,
    context: Context,
    fn: F,
  ): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => ReturnType<F>>(
    name: string,
    ...rest: [F] | [SpanOptions, F] | [SpanOptions, Context, F]
  ): ReturnType<F> {
    const [options, context, fn] =
      rest.length === 1
        ? [{}, ROOT_CONTEXT, rest[0]]
        : rest.length === 2
          ? [rest[0], ROOT_CONTEXT, rest[1]]
          : [rest[0], rest[1], rest[2]];
    return fn(this.startSpan(name, options, context));
  }
}

class SimSpan implements Span {
  readonly #origin: SpanOrigin;
  readonly #lanes: readonly number[];
  readonly #number: number;
  readonly #parent: SpanContext | undefined;
  #context: SpanContext | undefined;
  #data: SimSpanData | undefined;
  #ended = false;
  #attributeCount = 0;

  constructor(origin: SpanOrigin, lanes: readonly number[], number: number, parent: SpanContext | undefined) {
    this.#origin = origin;
    this.#lanes = lanes;
    this.#number = number;
    this.#parent = parent;
  }

  /** Keeps from now on what the span is told. */
  record(name: string, options: SpanOptions): SimSpanData {
    const { traceId, spanId } = this.spanContext();
    const { machine, incarnation, now } = this.#origin;
    const data: SimSpanData = {
      id: spanId,
      ...(this.#parent === undefined ? {} : { parentId: this.#parent.spanId }),
      traceId,
      node: machine,
      incarnation,
      name,
      startMs: now(),
      attributes: {},
      status: 'unset',
    };
    this.#data = data;
    if (options.attributes !== undefined) this.setAttributes(options.attributes);
    if (options.links !== undefined) this.addLinks(options.links);
    return data;
  }

  spanContext(): SpanContext {
    this.#context ??= {
      traceId: this.#parent?.traceId ?? this.#digits(0) + this.#digits(1) + this.#digits(2) + this.#digits(3),
      spanId: this.#digits(2) + this.#digits(3),
      traceFlags: TraceFlags.SAMPLED,
    };
    return this.#context;
  }

  /** Eight digits, never all zero: an id of zeros is none. */
  #digits(lane: number): string {
    return hex32(avalanche((this.#lanes[lane] ?? 0) ^ Math.imul(this.#number, 0x9e3779b1)) || 1);
  }

  isRecording(): boolean {
    return this.#data !== undefined && !this.#ended;
  }

  setAttribute(key: string, value: AttributeValue): this {
    const attributes = this.#open()?.attributes;
    if (attributes === undefined) return this;
    if (!Object.hasOwn(attributes, key)) {
      if (this.#attributeCount === attributesMax) return this;
      this.#attributeCount++;
    }
    attributes[key] = value;
    return this;
  }

  setAttributes(attributes: Attributes): this {
    for (const key in attributes) {
      const value = attributes[key];
      if (value !== undefined) this.setAttribute(key, value);
    }
    return this;
  }

  addEvent(name: string, attributesOrTime?: Attributes | TimeInput): this {
    const data = this.#open();
    if (data === undefined) return this;
    data.events ??= [];
    if (data.events.length >= eventsMax) return this;
    const atMs = this.#origin.now();
    data.events.push(isAttributes(attributesOrTime) ? { atMs, name, attributes: attributesOrTime } : { atMs, name });
    return this;
  }

  addLink(link: Link): this {
    const data = this.#open();
    if (data === undefined) return this;
    data.links ??= [];
    if (data.links.length < linksMax) data.links.push(link.context.spanId);
    return this;
  }

  addLinks(links: Link[]): this {
    for (const link of links) this.addLink(link);
    return this;
  }

  setStatus({ code, message }: SpanStatus): this {
    const data = this.#open();
    // As the specification has it: ok is final.
    if (data === undefined || data.status === 'ok' || code === SpanStatusCode.UNSET) return this;
    data.status = code === SpanStatusCode.OK ? 'ok' : 'error';
    if (data.status === 'error' && message !== undefined) data.message = message;
    else delete data.message;
    return this;
  }

  updateName(name: string): this {
    const data = this.#open();
    if (data !== undefined) data.name = name;
    return this;
  }

  recordException(exception: Exception): void {
    const { name, code, message } =
      typeof exception === 'string' ? { name: undefined, code: undefined, message: exception } : exception;
    this.addEvent('exception', {
      'exception.type': name ?? (code === undefined ? 'Error' : String(code)),
      'exception.message': message ?? '',
    });
  }

  end(): void {
    const data = this.#open();
    this.#ended = true;
    if (data !== undefined) data.endMs = this.#origin.now();
  }

  /** What is kept, as long as it may be changed: not after the end, nor after that of the process. */
  #open(): SimSpanData | undefined {
    return this.#ended || !this.#origin.alive() ? undefined : this.#data;
  }
}

function isAttributes(value: Attributes | TimeInput | undefined): value is Attributes {
  return typeof value === 'object' && !Array.isArray(value) && !('getTime' in value);
}
