import type { Operation } from '../checkers/history.ts';
import { feltUntil } from '../scenario/faultLinks.ts';
import { nearestGroups, nearestTo } from '../scenario/moments.ts';
import type { LogRecord, SpanRecord } from '../scenario/observations.ts';
import type { RunRecord, TimelineEntry, TimelineKind } from '../scenario/runRecord.ts';
import { chartPresets } from './chartPresets.ts';
import { chooseOperations, recordedMoments } from './pageObservations.ts';
import { drawMessages } from './perfetto/messages.ts';
import { placeSpans } from './perfetto/spanLanes.ts';
import { createTraceBuilder, type TraceBuilder, traceText } from './perfetto/traceEvents.ts';

/** Name of the trace for Perfetto in a report's directory. */
export const perfettoFileName = 'trace.perfetto.json';

/** How many of each kind a trace holds: it stays under about 20 MB. */
const most = {
  messages: 10_000,
  spans: 20_000,
  operations: 10_000,
  logs: 5_000,
  instants: 5_000,
  counters: 32,
} as const;

const runName = 'run';
const operationsName = 'operations of clients';

/** Lines of the timeline that are instants; the others are drawn as what they are part of. */
const instants: ReadonlySet<TimelineKind> = new Set([
  'phase',
  'load',
  'operator',
  'crash',
  'start',
  'exit',
  'expectation',
  'violation',
  'note',
]);

/**
 * A run as a trace for https://ui.perfetto.dev, which is read there and sent nowhere: a process for each machine with rows for
 * its state, its faults, its log, its engine's spans and the messages that it sent and received (arrows between them); before
 * them one for the run with phases, operator, alerts and faults, and one for the operations of clients. Metrics of the charts are
 * counters. Times are virtual.
 */
export function perfettoTrace(record: RunRecord): string {
  const builder = createTraceBuilder();
  const { history = [], observations, timeline, violations } = record;
  const { messages = [], spans = [], logs = [] } = observations ?? {};
  const moments = recordedMoments(record);
  const told = timeline.filter(({ kind }) => instants.has(kind));
  const shown = {
    instants: nearestTo(moments, told, ({ atMs }) => atMs, most.instants),
    operations: chooseOperations(history, violations, moments, most.operations),
    spans: nearestGroups(
      moments,
      spans,
      ({ startMs }) => startMs,
      ({ traceId }) => traceId,
      most.spans,
    ),
    logs: nearestTo(moments, logs, ({ atMs }) => atMs, most.logs),
    messages: nearestTo(moments, messages, ({ sentMs }) => sentMs, most.messages),
  };
  drawRun(builder, record, shown.instants);
  drawOperations(builder, record, shown.operations);
  drawSpans(builder, record, shown.spans);
  drawLogs(builder, shown.logs);
  drawMessages(builder, shown.messages);
  drawCounters(builder, record);
  const leftOut = {
    operations: history.length - shown.operations.length,
    spans: spans.length - shown.spans.length,
    logs: logs.length - shown.logs.length,
    messages: messages.length - shown.messages.length,
  };
  const { title, engine, seed, verdict, fingerprint, command } = record;
  return traceText(builder.events, { title, engine, seed, verdict, fingerprint, command, leftOut });
}

function drawRun(builder: TraceBuilder, record: RunRecord, lines: readonly TimelineEntry[]): void {
  const { faults, alerts, virtualMs, nodes, observations } = record;
  const run = builder.track(runName, 'timeline');
  for (const { atMs, kind, text, node } of lines) {
    builder.instant(run, text, atMs, { kind, ...(node === undefined ? {} : { node }) });
  }
  const alertTrack = builder.track(runName, 'alerts');
  for (const [index, alert] of alerts.entries()) {
    const { name, labels, annotations, expr, pendingMs, firingMs, resolvedMs = virtualMs } = alert;
    const args = { labels, annotations, expr };
    const id = String(index + 1);
    builder.asyncSlice(alertTrack, 'alert', `${id}p`, `${name} pending`, pendingMs, firingMs ?? resolvedMs, args);
    if (firingMs === undefined) continue;
    builder.asyncSlice(alertTrack, 'alert', `${id}f`, `${name} firing`, firingMs, resolvedMs, args);
  }
  // Machines in the order of the cluster, whatever is drawn of them first.
  for (const { name, role } of nodes) if (role === 'engine') builder.track(name, 'state');
  for (const fault of faults) {
    const { id, name, text, parameters, nodes: targets, startMs, lastsMs } = fault;
    for (const target of targets.length === 0 ? [runName] : targets) {
      const track = builder.track(target, 'faults');
      const args = { text, parameters };
      // What strikes and is over is an instant, not a slice without length; what nobody healed lasts to the end.
      if (lastsMs === 0) builder.instant(track, name, startMs, args);
      else
        builder.asyncSlice(
          track,
          'fault',
          `${id}/${target}`,
          name,
          startMs,
          Math.min(feltUntil(fault), virtualMs),
          args,
        );
    }
  }
  const open = new Map<string, { readonly state: string; readonly atMs: number }>();
  const end = (node: string, toMs: number) => {
    const before = open.get(node);
    if (before !== undefined) builder.slice(builder.track(node, 'state'), before.state, before.atMs, toMs);
  };
  for (const { node, state, atMs } of observations?.states ?? []) {
    end(node, atMs);
    open.set(node, { state, atMs });
  }
  for (const node of open.keys()) end(node, virtualMs);
}

function drawOperations(
  builder: TraceBuilder,
  { violations, virtualMs }: RunRecord,
  operations: readonly Operation[],
): void {
  const named = new Set(violations.flatMap((violation) => violation.operations ?? []));
  for (const operation of operations) {
    const track = builder.track(operationsName, 'operations');
    const { id, f, invokedAt, completedAt } = operation;
    const isAnswered = completedAt !== null && Number.isFinite(completedAt); // null: a record that was read back
    const name = operation.outcome === 'ok' ? f : `${f} (${operation.outcome})`;
    const args = { ...argsOf(operation), ...(named.has(id) ? { violates: true } : {}) };
    builder.asyncSlice(track, 'operation', String(id), name, invokedAt, isAnswered ? completedAt : virtualMs, args);
  }
}

function argsOf({ id, process, node, outcome, error, faults }: Operation): Record<string, unknown> {
  return {
    id,
    process,
    outcome,
    ...(node === undefined ? {} : { node }),
    ...(error === undefined ? {} : { error: error.code }),
    ...(faults === undefined ? {} : { faults }),
  };
}

function drawSpans(builder: TraceBuilder, { observations, virtualMs }: RunRecord, spans: readonly SpanRecord[]): void {
  const { states = [] } = observations ?? {};
  const byNode = Map.groupBy(spans, ({ node }) => node);
  for (const [node, members] of byNode) {
    const ends = states.filter(({ node: of, state }) => of === node && isDown(state)).map(({ atMs }) => atMs);
    // A span that never ended was open when its process went: that is the next end of one.
    const placed = placeSpans(members, ({ startMs }) => ends.find((atMs) => atMs >= startMs) ?? virtualMs);
    for (const { span, lane, endMs } of placed) {
      const { id, parentId, traceId, incarnation, attributes, status, message, events, links } = span;
      builder.slice(builder.track(node, `spans ${lane + 1}`), span.name, span.startMs, endMs, {
        ...attributes,
        id,
        ...(parentId === undefined ? {} : { parent: parentId }),
        trace: traceId,
        incarnation,
        ...(status === 'unset' ? {} : { status }),
        ...(message === undefined ? {} : { message }),
        ...(events === undefined ? {} : { events }),
        ...(links === undefined ? {} : { links }),
        ...(span.endMs === undefined ? { 'did not end': true } : {}),
      });
    }
  }
}

function isDown(state: string): boolean {
  return state === 'crashed' || state === 'exited' || state === 'stopped';
}

function drawLogs(builder: TraceBuilder, logs: readonly LogRecord[]): void {
  for (const { atMs, node, incarnation, level, message, fields } of logs) {
    builder.instant(builder.track(node, 'log'), `${level}: ${message}`, atMs, { incarnation, ...fields });
  }
}

/** The metrics of the engine's charts, on the machine of their instance; a counter as its growth a second. */
function drawCounters(builder: TraceBuilder, { engine, metrics, nodes }: RunRecord): void {
  const names = new Set(nodes.map(({ name }) => name));
  let drawn = 0;
  for (const { metric: wanted, show, title } of chartPresets(engine)) {
    const metric = metrics.find(({ name }) => name === wanted);
    if (metric === undefined || show === 'state') continue;
    for (const { labels, points } of metric.series) {
      const { instance = '', job: _, ...rest } = labels;
      const host = instance.split(':', 1)[0] ?? '';
      if (drawn++ >= most.counters) return;
      const suffix = Object.entries(rest).map(([key, value]) => ` ${key}=${value}`);
      const values = show === 'rate' ? growth(points) : points;
      builder.counter(names.has(host) ? host : runName, `${title}${suffix.join('')}`, values);
    }
  }
}

/** Growth a second between neighbours; a counter that fell was reset, and began at 0. */
function growth(points: readonly (readonly [number, number])[]): [number, number][] {
  return points.slice(1).map(([atMs, value], index) => {
    const [beforeMs = 0, before = 0] = points[index] ?? [];
    const grown = value >= before ? value - before : value;
    return [atMs, atMs > beforeMs ? (grown * 1000) / (atMs - beforeMs) : 0];
  });
}
