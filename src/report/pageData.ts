import type { MetricRecord, RunRecord, TimelineEntry } from '../scenario/runRecord.ts';
import { type ChartPreset, chartPresets } from './chartPresets.ts';
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
export interface PageData extends Omit<RunRecord, 'metrics' | 'timeline'> {
  readonly story: Story;
  readonly presets: readonly ChartPreset[];
  /** Time axes that metrics share, in milliseconds. */
  readonly axes: readonly (readonly number[])[];
  readonly metrics: readonly PageMetric[];
  readonly timeline: readonly PageTimelineRow[];
}

/** Makes the page's data of a record. */
export function pageData(record: RunRecord): PageData {
  const { metrics, timeline, ...rest } = record;
  const axes = new Map<string, { readonly index: number; readonly times: readonly number[] }>();
  return {
    ...rest,
    story: tellStory(record),
    presets: chartPresets(record.engine),
    metrics: metrics.map((metric) => columns(metric, axes)),
    axes: [...axes.values()].map(({ times }) => times),
    timeline: timeline.map(
      ({ atMs, kind, node = '', text, data }): PageTimelineRow =>
        data === undefined ? [atMs, kind, node, text] : [atMs, kind, node, text, data],
    ),
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
