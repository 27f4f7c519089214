import { ROOT_CONTEXT, type Span, type Tracer, trace } from '@opentelemetry/api';
import { type Context, contextOf, failSpan } from '../../host/tracing.ts';
import type { Lsn } from './types.ts';

/** Other spans that the span of a commit names; a group may have thousands of appends. */
const linksMax = 64;

/** What a commit writes. */
export interface CommitFacts {
  readonly firstLsn: Lsn;
  readonly lastLsn: Lsn;
  readonly records: number;
  readonly bytes: number;
  readonly appends: number;
  readonly segmentId: number;
}

/**
 * The spans of a batch of which at least one append is traced: each append's wait in the queue (`journal.queue`), then one
 * `journal.commit` for all of them. A span has one parent, so the commit belongs to the first append's trace, and is linked to
 * the waits of the others.
 */
export class GroupTrace {
  readonly #tracer: Tracer;
  #waits: { readonly span: Span; readonly parent: Context }[] = [];
  #commit: Span | undefined;

  constructor(tracer: Tracer) {
    this.#tracer = tracer;
  }

  /** An append of the batch waits from now on. */
  appended(parent: Context, firstLsn: Lsn, records: number): void {
    const attributes = { 'journal.first_lsn': firstLsn, 'journal.records': records };
    this.#waits.push({ span: this.#tracer.startSpan('journal.queue', { attributes }, parent), parent });
  }

  /** The batch is written from now on. Gives the context for the parts of that. */
  submitted(facts: CommitFacts): Context | undefined {
    const [first, ...others] = this.#waits;
    if (first === undefined) throw new Error('a traced batch has an append that is traced');
    for (const { span } of this.#waits) span.end();
    this.#waits = [];
    this.#commit = this.#tracer.startSpan(
      'journal.commit',
      {
        attributes: {
          'journal.first_lsn': facts.firstLsn,
          'journal.last_lsn': facts.lastLsn,
          'journal.records': facts.records,
          'journal.bytes': facts.bytes,
          'journal.appends': facts.appends,
          'journal.segment': facts.segmentId,
        },
        links: others.slice(0, linksMax).map(({ span }) => ({ context: span.spanContext() })),
      },
      first.parent,
    );
    return contextOf(this.#commit, first.parent);
  }

  /** The batch is acknowledged, or with an error given up. */
  ended(error?: unknown): void {
    const open = this.#commit === undefined ? this.#waits.map(({ span }) => span) : [this.#commit];
    for (const span of open) {
      if (error !== undefined) failSpan(span, error);
      span.end();
    }
  }
}

/** Begins the span of one durable write; undefined outside of a trace. */
export function writeSpan(
  tracer: Tracer,
  parent: Context | undefined,
  facts: { readonly segmentId: number; readonly offset: number; readonly bytes: number },
): Span | undefined {
  if (parent === undefined) return undefined;
  const { segmentId, offset, bytes } = facts;
  const attributes = { 'journal.segment': segmentId, 'journal.offset': offset, 'journal.bytes': bytes };
  return tracer.startSpan('journal.write', { attributes }, parent);
}

/** Begins the root span of a rotation, which belongs to no append: whoever comes next waits for it. */
export function rotationSpan(tracer: Tracer, segmentId: number): { span: Span; context: Context | undefined } {
  const span = tracer.startSpan('journal.rotate', { root: true, attributes: { 'journal.segment': segmentId } });
  return { span, context: span.isRecording() ? trace.setSpan(ROOT_CONTEXT, span) : undefined };
}
