import type { Violation } from '../checkers/history.ts';
import { nearestGroups, nearestTo } from '../scenario/moments.ts';
import type { MetricRecord, RunRecord, TimelineEntry } from '../scenario/runRecord.ts';
import { type ChartPreset, chartPresets } from './chartPresets.ts';
import { type Guilt, guiltOf } from './guilt.ts';
import {
  chooseOperations,
  evidenceLengthMax,
  logRow,
  messageColumns,
  operationRow,
  type PageLogRow,
  type PageMessages,
  type PageOperationRow,
  type PageSpanRow,
  type PageStateRow,
  pageRowsMax,
  recordedMoments,
  spanRow,
  stateRow,
  statesDrawn,
} from './pageObservations.ts';
import { type Story, tellStory } from './story.ts';
import { violationCount } from './violationCount.ts';

/** A metric in columns: for each series one value for each time of its axis, null where it was not scraped. */
export interface PageMetric {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  /** Index into `axes`. */
  readonly axis: number;
  readonly series: readonly {
    readonly labels: Readonly<Record<string, string>>;
    readonly values: readonly (number | null)[];
  }[];
}

/** A line of the timeline as a row: time, kind, node or '', text, data or nothing. */
export type PageTimelineRow = readonly [number, TimelineEntry['kind'], string, string, unknown?];

/** All that the page shows: the record in the form that draws fastest. */
export interface PageData extends Omit<RunRecord, 'metrics' | 'timeline' | 'history' | 'observations'> {
  readonly story: Story;
  /** Where it went wrong, one stretch for each violated check on each node; empty for a run that held. */
  readonly guilt: readonly Guilt[];
  readonly presets: readonly ChartPreset[];
  /** Time axes that metrics share, in milliseconds. */
  readonly axes: readonly (readonly number[])[];
  readonly metrics: readonly PageMetric[];
  readonly timeline: readonly PageTimelineRow[];
  /** Whether the run was observed: if not, everything below is empty. */
  readonly observed: boolean;
  readonly messages: PageMessages;
  /** By ascending start. */
  readonly spans: readonly PageSpanRow[];
  readonly logs: readonly PageLogRow[];
  readonly states: readonly PageStateRow[];
  /** Operations of clients, among them always those that the violations of the page name. */
  readonly history: readonly PageOperationRow[];
  /** Operations that are in `history.ndjson.gz` and not here. */
  readonly historyLeftOut: number;
  /** What was not kept by the run or is not shown for want of room; violations by their checks. */
  readonly leftOut: {
    readonly messages: number;
    readonly spans: number;
    readonly logs: number;
    readonly timeline: number;
    readonly samples: number;
    readonly violations: Readonly<Record<string, number>>;
  };
  /** How many violations were found, in words: checks keep only their first. */
  readonly violationCount: string;
}

/** Makes the page's data of a record. */
export function pageData(record: RunRecord): PageData {
  const { metrics, timeline, violations: found, history = [], observations, ...rest } = record;
  const { messages = [], spans = [], logs = [], states = [], dropped } = observations ?? {};
  const moments = recordedMoments(record);
  const { violations, leftOut: violationsLeftOut } = chooseViolations(found);
  const shown = {
    timeline: nearestTo(moments, timeline, ({ atMs }) => atMs, pageRowsMax.timeline),
    messages: nearestTo(moments, messages, ({ sentMs }) => sentMs, pageRowsMax.messages),
    spans: nearestGroups(
      moments,
      spans,
      ({ startMs }) => startMs,
      ({ traceId }) => traceId,
      pageRowsMax.spans,
    ),
    logs: nearestTo(moments, logs, ({ atMs }) => atMs, pageRowsMax.logs),
    history: chooseOperations(history, violations, moments, pageRowsMax.history),
  };
  const axes: Axes = new Map();
  return {
    ...rest,
    violations,
    violationCount: violationCount(found),
    story: tellStory(record),
    guilt: guiltOf(record),
    presets: chartPresets(record.engine),
    metrics: metrics.map((metric) => columns(metric, axes, moments)),
    axes: [...axes.values()].map(({ times }) => times),
    timeline: shown.timeline.map(
      ({ atMs, kind, node = '', text, data }): PageTimelineRow =>
        data === undefined ? [atMs, kind, node, text] : [atMs, kind, node, text, data],
    ),
    observed: observations !== undefined,
    messages: messageColumns(shown.messages),
    spans: shown.spans.map(spanRow),
    logs: shown.logs.map(logRow),
    states: states.map(stateRow),
    history: shown.history.map(operationRow),
    historyLeftOut: history.length - shown.history.length,
    leftOut: {
      messages: messages.length - shown.messages.length + (dropped?.messages ?? 0),
      spans: spans.length - shown.spans.length + (dropped?.spans ?? 0),
      logs: logs.length - shown.logs.length + (dropped?.logs ?? 0),
      timeline: timeline.length - shown.timeline.length,
      samples: [...axes.values()].reduce((sum, { leftOut }) => sum + leftOut, 0),
      violations: violationsLeftOut,
    },
  };
}

/** The first violations of each check, and of the others how many there are. */
function chooseViolations(found: readonly Violation[]): {
  readonly violations: readonly Violation[];
  readonly leftOut: Readonly<Record<string, number>>;
} {
  const seen = new Map<string, number>();
  const violations: Violation[] = [];
  for (const violation of found) {
    const before = seen.get(violation.check) ?? 0;
    seen.set(violation.check, before + 1);
    if (before < pageRowsMax.violationsOfCheck) violations.push(boundEvidence(violation));
  }
  const more = [...seen].filter(([, count]) => count > pageRowsMax.violationsOfCheck);
  return {
    violations,
    leftOut: Object.fromEntries(more.map(([check, count]) => [check, count - pageRowsMax.violationsOfCheck])),
  };
}

/** Evidence of any size is in `report.json`; what nobody could read on a page is left there. */
function boundEvidence(violation: Violation): Violation {
  if (violation.evidence === undefined || isShort(violation.evidence)) return violation;
  const drawn = onlyDrawn(violation.evidence);
  if (isShort(drawn)) return { ...violation, evidence: drawn };
  const { length } = JSON.stringify(violation.evidence);
  return { ...violation, evidence: `${length} characters of JSON: they are in report.json` };
}

function isShort(evidence: unknown): boolean {
  return (JSON.stringify(evidence) ?? '').length <= evidenceLengthMax;
}

/** Of a check of linearizability the states that its picture shows: those after the last operations of the order. */
function onlyDrawn(evidence: unknown): unknown {
  if (typeof evidence !== 'object' || evidence === null || !('statesAlong' in evidence)) return evidence;
  const { statesAlong } = evidence;
  if (!Array.isArray(statesAlong)) return evidence;
  const first = statesAlong.length - statesDrawn;
  return { ...evidence, statesAlong: statesAlong.map((state, rank) => (rank < first ? '' : state)) };
}

/** Time axes by their times. */
type Axes = Map<string, { readonly index: number; readonly times: readonly number[]; readonly leftOut: number }>;

function columns({ name, help, type, series }: MetricRecord, axes: Axes, moments: readonly number[]): PageMetric {
  const all = [...new Set(series.flatMap(({ points }) => points.map(([time]) => time)))].sort((a, b) => a - b);
  const key = all.join();
  let axis = axes.get(key);
  if (axis === undefined) {
    const times = chooseTimes(all, moments);
    axis = { index: axes.size, times, leftOut: all.length - times.length };
    axes.set(key, axis);
  }
  const { index, times } = axis;
  return {
    name,
    help,
    type,
    axis: index,
    series: series.map(({ labels, points }) => {
      const byTime = new Map(points);
      return { labels, values: times.map((time) => finite(byTime.get(time))) };
    }),
  };
}

/** Of too many times of an axis half: those nearest to the moments; and as many of all, at even distances. */
function chooseTimes(times: readonly number[], moments: readonly number[]): readonly number[] {
  if (times.length <= pageRowsMax.samples) return times;
  const half = pageRowsMax.samples / 2;
  const near = new Set(nearestTo(moments, times, (time) => time, half));
  const step = Math.ceil(times.length / half);
  return times.filter((time, index) => index % step === 0 || near.has(time));
}

/** JSON has no NaN and no infinity: they are gaps. */
function finite(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null;
}
