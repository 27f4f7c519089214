import { z } from 'zod';

/**
 * What the trace event format demands ("Trace Event Format", the Catapult project) and what Perfetto's importer needs beside:
 * the fields of each phase, ends to every beginning, pieces of a row that lie in each other or apart, arrows with both ends in
 * pieces of rows.
 */

const place = { pid: z.int().positive(), tid: z.int().positive() };
const ts = z.number().nonnegative();
const args = z.record(z.string(), z.unknown());
const eventSchema = z.discriminatedUnion('ph', [
  z.strictObject({
    ph: z.literal('M'),
    pid: place.pid,
    tid: place.tid.optional(),
    name: z.enum(['process_name', 'process_sort_index', 'thread_name', 'thread_sort_index']),
    args: z.union([z.strictObject({ name: z.string().min(1) }), z.strictObject({ sort_index: z.int() })]),
  }),
  z.strictObject({
    ph: z.literal('X'),
    ...place,
    ts,
    dur: z.number().nonnegative(),
    name: z.string().min(1),
    args: args.optional(),
  }),
  z.strictObject({
    ph: z.enum(['b', 'e']),
    ...place,
    ts,
    name: z.string().min(1),
    cat: z.string().min(1),
    id: z.string().min(1),
    args: args.optional(),
  }),
  z.strictObject({
    ph: z.literal('i'),
    ...place,
    ts,
    s: z.enum(['t', 'p', 'g']),
    name: z.string().min(1),
    args: args.optional(),
  }),
  z.strictObject({
    ph: z.literal('C'),
    pid: place.pid,
    ts,
    name: z.string().min(1),
    args: z.strictObject({ value: z.number() }),
  }),
  z.strictObject({ ph: z.literal('s'), ...place, ts, name: z.string(), cat: z.string(), id: z.string() }),
  z.strictObject({
    ph: z.literal('f'),
    ...place,
    ts,
    bp: z.literal('e'),
    name: z.string(),
    cat: z.string(),
    id: z.string(),
  }),
]);

const fileSchema = z.strictObject({
  displayTimeUnit: z.enum(['ms', 'ns']),
  otherData: args,
  traceEvents: z.array(eventSchema),
});

export type Event = z.output<typeof eventSchema>;

/** Times are in microseconds with three digits behind the point: sums of two may be a billionth off. */
const tolerance = 1e-6;

/** Reads a trace and tells everything that is wrong with it. */
export function readTraceFile(text: string): {
  readonly events: readonly Event[];
  readonly mistakes: readonly string[];
} {
  const { traceEvents: events } = fileSchema.parse(JSON.parse(text));
  return {
    events,
    mistakes: [...named(events), ...inOrder(events), ...pairs(events), ...nested(events), ...arrows(events)],
  };
}

function keyOf({ pid, tid }: { pid: number; tid?: number | undefined }): string {
  return `${pid}/${tid}`;
}

/** Every machine and every row that is drawn on has a name, once. */
function named(events: readonly Event[]): string[] {
  const names = events.flatMap((event) => (event.ph === 'M' && 'name' in event.args ? [event] : []));
  const processes = names.filter(({ name }) => name === 'process_name').map(({ pid }) => String(pid));
  const threads = names.filter(({ name }) => name === 'thread_name').map(keyOf);
  const mistakes: string[] = [];
  if (new Set(processes).size !== processes.length) mistakes.push('a process has two names');
  if (new Set(threads).size !== threads.length) mistakes.push('a thread has two names');
  for (const event of events) {
    if (!processes.includes(String(event.pid))) mistakes.push(`process ${event.pid} has no name`);
    if (event.ph !== 'M' && event.ph !== 'C' && !threads.includes(keyOf(event)))
      mistakes.push(`thread ${keyOf(event)} has no name`);
  }
  return [...new Set(mistakes)];
}

function inOrder(events: readonly Event[]): string[] {
  const times = events.map((event) => (event.ph === 'M' ? -1 : event.ts));
  const fall = times.findIndex((time, index) => time < (times[index - 1] ?? -1));
  return fall < 0 ? [] : [`event ${fall}: its time is before that of the one before it`];
}

/** Asynchronous slices by category and id, within their process: each has one beginning and, not before it, one end. */
function pairs(events: readonly Event[]): string[] {
  const open = new Map<string, number>();
  const mistakes: string[] = [];
  for (const event of events) {
    if (event.ph !== 'b' && event.ph !== 'e') continue;
    const key = `${event.pid} ${event.cat} ${event.id} ${event.name}`;
    if (event.ph === 'b') {
      if (open.has(key)) mistakes.push(`${key} begins twice`);
      open.set(key, event.ts);
    } else if (!open.delete(key)) {
      mistakes.push(`${key} ends before it begins`);
    }
  }
  return [...mistakes, ...[...open.keys()].map((key) => `${key} does not end`)];
}

/** Pieces of one row lie in each other or apart. */
function nested(events: readonly Event[]): string[] {
  const mistakes: string[] = [];
  const rows = Map.groupBy(
    events.filter((event) => event.ph === 'X'),
    keyOf,
  );
  for (const [row, slices] of rows) {
    const open: { readonly name: string; readonly end: number }[] = [];
    for (const { ts: from, dur, name } of slices.toSorted((a, b) => a.ts - b.ts || b.dur - a.dur)) {
      while ((open.at(-1)?.end ?? Number.POSITIVE_INFINITY) <= from + tolerance) open.pop();
      const outer = open.at(-1);
      const end = from + dur;
      if (outer !== undefined && end > outer.end + tolerance)
        mistakes.push(`${row}: ${name} at ${from} leaves ${outer.name}`);
      open.push({ name, end });
    }
  }
  return mistakes;
}

/** An arrow has two ends, in the order of time, each within a piece of its row. */
function arrows(events: readonly Event[]): string[] {
  const starts = new Map<string, Event & { ph: 's' }>();
  const mistakes: string[] = [];
  const pieces = new Map<string, { readonly ts: number; readonly dur: number }[]>();
  for (const event of events) {
    if (event.ph !== 'X') continue;
    const row = pieces.get(keyOf(event));
    if (row === undefined) pieces.set(keyOf(event), [event]);
    else row.push(event);
  }
  const isWithin = (event: Event & { ph: 's' | 'f' }): boolean => {
    // Rows are in order: the piece begins at this time.
    const row = pieces.get(keyOf(event)) ?? [];
    let low = 0;
    let high = row.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((row[middle]?.ts ?? 0) < event.ts) low = middle + 1;
      else high = middle;
    }
    return row[low]?.ts === event.ts;
  };
  for (const event of events) {
    if (event.ph === 's') {
      if (starts.has(event.id)) mistakes.push(`arrow ${event.id} begins twice`);
      starts.set(event.id, event);
    }
    if (event.ph === 's' || event.ph === 'f') {
      if (!isWithin(event)) mistakes.push(`arrow ${event.id}: no piece of its row is around ${event.ts}`);
    }
    if (event.ph !== 'f') continue;
    const start = starts.get(event.id);
    if (start === undefined || start.ts > event.ts) mistakes.push(`arrow ${event.id} ends before it begins`);
    if (start?.name !== event.name) mistakes.push(`arrow ${event.id} has two names`);
    starts.delete(event.id);
  }
  return [...mistakes, ...[...starts.keys()].map((id) => `arrow ${id} does not end`)];
}
