import type { SpanRecord } from '../../scenario/observations.ts';

/** A span with its place: the number of the row of its node, from 0, and where it is drawn to end. */
export interface PlacedSpan {
  readonly span: SpanRecord;
  readonly lane: number;
  readonly endMs: number;
}

/** One row: the spans that are open at its end, the outermost first. */
interface Lane {
  readonly open: { readonly id: string; readonly endMs: number }[];
}

/**
 * Gives the spans of one node rows in which they lie in each other or apart: a span goes into its parent's row if it fits
 * there, else into the first that is empty then. The rows are as many as were busy at once.
 *
 * @param endOf when a span that never ended is drawn to end, in virtual milliseconds
 */
export function placeSpans(spans: readonly SpanRecord[], endOf: (span: SpanRecord) => number): PlacedSpan[] {
  const ordered = spans
    .map((span, index) => ({ span, index, endMs: span.endMs ?? endOf(span) }))
    .sort((a, b) => a.span.startMs - b.span.startMs || b.endMs - a.endMs || a.index - b.index);
  const lanes: Lane[] = [];
  const laneOf = new Map<string, number>();
  return ordered.map(({ span, endMs }) => {
    for (const { open } of lanes) {
      while (open.length > 0 && (open.at(-1)?.endMs ?? 0) <= span.startMs) open.pop();
    }
    const parents = span.parentId === undefined ? undefined : laneOf.get(span.parentId);
    const lane = fits(lanes, parents, span, endMs) ?? firstEmpty(lanes);
    lanes[lane]?.open.push({ id: span.id, endMs });
    laneOf.set(span.id, lane);
    return { span, lane, endMs };
  });
}

/** The parent's row, if the innermost span that is open there encloses this one. */
function fits(lanes: readonly Lane[], lane: number | undefined, span: SpanRecord, endMs: number): number | undefined {
  if (lane === undefined) return undefined;
  const innermost = lanes[lane]?.open.at(-1);
  return innermost !== undefined && innermost.id === span.parentId && innermost.endMs >= endMs ? lane : undefined;
}

function firstEmpty(lanes: Lane[]): number {
  const empty = lanes.findIndex(({ open }) => open.length === 0);
  return empty >= 0 ? empty : lanes.push({ open: [] }) - 1;
}
