import type { Operation, Violation } from '../checkers/history.ts';
import { momentsOf, nearestTo } from '../scenario/moments.ts';
import type { LogRecord, MessageRecord, SpanRecord, StateRecord } from '../scenario/observations.ts';
import type { RunRecord } from '../scenario/runRecord.ts';

/** Rows that a page gets of each kind; more would make it slow to open. */
export const pageRowsMax = {
  messages: 100_000,
  spans: 20_000,
  logs: 20_000,
  history: 20_000,
  timeline: 150_000,
  violationsOfCheck: 200,
  /** Times of one axis of metrics. */
  samples: 4_000,
} as const;

/** Longest evidence of a violation that the page holds, in characters of JSON. */
export const evidenceLengthMax = 100_000;

/** States of an order that the picture of linearizability shows at most (`page/linearization.js`). */
export const statesDrawn = 14;

/** Longest input and output of an operation that a row shows, in characters of JSON. */
const valueLengthMax = 240;

/**
 * Messages in columns of equal length, by ascending time of sending. Times are whole microseconds: `sentUs` counts from
 * the message before (the first: from the beginning of the run), `flightUs` from sending to arrival, −1 if it never came.
 */
export interface PageMessages {
  /** What `from` and `to` are indexes of. */
  readonly machines: readonly string[];
  /** What `label` is an index of. */
  readonly labels: readonly string[];
  readonly sentUs: readonly number[];
  readonly flightUs: readonly number[];
  readonly from: readonly number[];
  readonly to: readonly number[];
  readonly bytes: readonly number[];
  readonly label: readonly number[];
}

/**
 * A span: start and end in virtual ms (null: its process ended before it did), node, incarnation, name, id, id of its
 * parent or '', trace id, status, message or '', attributes, events, links.
 */
export type PageSpanRow = readonly [
  startMs: number,
  endMs: number | null,
  node: string,
  incarnation: number,
  name: string,
  id: string,
  parentId: string,
  traceId: string,
  status: SpanRecord['status'],
  message: string,
  attributes: SpanRecord['attributes'],
  events: NonNullable<SpanRecord['events']>,
  links: readonly string[],
];

/** A line that was logged: virtual ms, node, incarnation, level, message, fields. */
export type PageLogRow = readonly [
  atMs: number,
  node: string,
  incarnation: number,
  level: LogRecord['level'],
  message: string,
  fields: LogRecord['fields'],
];

/** A change of a node's state: virtual ms, node, state. */
export type PageStateRow = readonly [atMs: number, node: string, state: StateRecord['state']];

/**
 * An operation of a client, by ascending id: id, process, name, node or '', outcome, invocation and completion in virtual
 * ms (null: no answer came), input and output as JSON (cut with …; '' without one), code of the error or '', its message or
 * '', ids of the faults that were open while it ran.
 */
export type PageOperationRow = readonly [
  id: number,
  process: number,
  f: string,
  node: string,
  outcome: Operation['outcome'],
  invokedMs: number,
  completedMs: number | null,
  input: string,
  output: string,
  code: string,
  message: string,
  faults: readonly number[],
];

/** Puts messages, by time of sending, into columns. */
export function messageColumns(records: readonly MessageRecord[]): PageMessages {
  const machines = indexer();
  const labels = indexer();
  const sentUs: number[] = [];
  const flightUs: number[] = [];
  const from: number[] = [];
  const to: number[] = [];
  const bytes: number[] = [];
  const label: number[] = [];
  let beforeUs = 0;
  for (const message of records) {
    const atUs = Math.round(message.sentMs * 1000);
    sentUs.push(atUs - beforeUs);
    beforeUs = atUs;
    flightUs.push(message.receivedMs === undefined ? -1 : Math.round(message.receivedMs * 1000) - atUs);
    from.push(machines.of(message.from));
    to.push(machines.of(message.to));
    bytes.push(message.bytes);
    label.push(labels.of(message.label));
  }
  return { machines: machines.values, labels: labels.values, sentUs, flightUs, from, to, bytes, label };
}

export function spanRow(span: SpanRecord): PageSpanRow {
  return [
    span.startMs,
    span.endMs ?? null,
    span.node,
    span.incarnation,
    span.name,
    span.id,
    span.parentId ?? '',
    span.traceId,
    span.status,
    span.message ?? '',
    span.attributes,
    span.events ?? [],
    span.links ?? [],
  ];
}

export function logRow({ atMs, node, incarnation, level, message, fields }: LogRecord): PageLogRow {
  return [atMs, node, incarnation, level, message, fields];
}

export function stateRow({ atMs, node, state }: StateRecord): PageStateRow {
  return [atMs, node, state];
}

/**
 * At most `max` operations for a page, by id: all that violations name, however many, then those that were invoked nearest to
 * the moments of the run.
 *
 * @param moments as of `momentsOf`
 */
export function chooseOperations(
  operations: readonly Operation[],
  violations: readonly Violation[],
  moments: readonly number[],
  max: number,
): readonly Operation[] {
  if (operations.length <= max) return operations;
  const named = new Set(violations.flatMap((violation) => violation.operations ?? []));
  const always = operations.filter(({ id }) => named.has(id));
  const others = operations.filter(({ id }) => !named.has(id));
  const chosen = nearestTo(moments, others, ({ invokedAt }) => invokedAt, Math.max(0, max - always.length));
  return [...always, ...chosen].sort((a, b) => a.id - b.id);
}

/** The moments of a run that was recorded. */
export function recordedMoments({ faults, alerts, violations, history = [], observations }: RunRecord): number[] {
  return momentsOf({ faults, alerts, violations, states: observations?.states ?? [], operations: history });
}

export function operationRow(operation: Operation): PageOperationRow {
  const { id, process, f, node = '', outcome, invokedAt, completedAt, input, output, error, faults = [] } = operation;
  const isAnswered = completedAt !== null && Number.isFinite(completedAt); // null: a record that was read back
  return [
    id,
    process,
    f,
    node,
    outcome,
    invokedAt,
    isAnswered ? completedAt : null,
    shown(input),
    shown(output),
    error?.code ?? '',
    error?.message ?? '',
    faults,
  ];
}

function shown(value: unknown): string {
  const text = value === undefined ? '' : JSON.stringify(value);
  return text.length <= valueLengthMax ? text : `${text.slice(0, valueLengthMax - 1)}…`;
}

/** Gives each text the index of its first appearance. */
function indexer(): { readonly values: readonly string[]; of(text: string): number } {
  const values: string[] = [];
  const known = new Map<string, number>();
  return {
    values,
    of(text) {
      let index = known.get(text);
      if (index === undefined) {
        index = values.length;
        known.set(text, index);
        values.push(text);
      }
      return index;
    },
  };
}
