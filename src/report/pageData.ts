import { nearestTo } from '../scenario/moments.ts';
import type { MetricRecord, RunRecord, TimelineEntry } from '../scenario/runRecord.ts';
import { type ChartPreset, chartPresets } from './chartPresets.ts';
import { type Guilt, guiltOf } from './guilt.ts';
import {
  chooseOperations,
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
} from './pageObservations.ts';
import { type Story, tellStory } from './story.ts';

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
  /** Operations of clients, among them always those that violations name. */
  readonly history: readonly PageOperationRow[];
  /** Operations that are in `history.ndjson.gz` and not here. */
  readonly historyLeftOut: number;
  /** What was not kept by the run or is not shown for want of room. */
  readonly leftOut: { readonly messages: number; readonly spans: number; readonly logs: number };
}

/** Makes the page's data of a record. */
export function pageData(record: RunRecord): PageData {
  const { metrics, timeline, history = [], observations, ...rest } = record;
  const { messages = [], spans = [], logs = [], states = [], dropped } = observations ?? {};
  const moments = recordedMoments(record);
  const shown = {
    messages: nearestTo(moments, messages, ({ sentMs }) => sentMs, pageRowsMax.messages),
    spans: nearestTo(moments, spans, ({ startMs }) => startMs, pageRowsMax.spans),
    logs: nearestTo(moments, logs, ({ atMs }) => atMs, pageRowsMax.logs),
    history: chooseOperations(history, record.violations, moments, pageRowsMax.history),
  };
  const axes = new Map<string, { readonly index: number; readonly times: readonly number[] }>();
  return {
    ...rest,
    story: tellStory(record),
    guilt: guiltOf(record),
    presets: chartPresets(record.engine),
    metrics: metrics.map((metric) => columns(metric, axes)),
    axes: [...axes.values()].map(({ times }) => times),
    timeline: timeline.map(
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
    },
  };
}

function columns(
  { name, help, type, series }: MetricRecord,
  axes: Map<string, { readonly index: number; readonly times: readonly number[] }>,
): PageMetric {
  const times = [...new Set(series.flatMap(({ points }) => points.map(([time]) => time)))].sort((a, b) => a - b);
  const key = times.join();
  const axis = axes.get(key) ?? { index: axes.size, times };
  axes.set(key, axis);
  return {
    name,
    help,
    type,
    axis: axis.index,
    series: series.map(({ labels, points }) => {
      const byTime = new Map(points);
      return { labels, values: times.map((time) => finite(byTime.get(time))) };
    }),
  };
}

/** JSON has no NaN and no infinity: they are gaps. */
function finite(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null;
}
