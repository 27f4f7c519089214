/**
 * Events of Chrome's trace event format ("Trace Event Format", the Catapult project), which Perfetto and chrome://tracing
 * open. `ts` and `dur` are microseconds: here of virtual time.
 */
export type TraceEvent = {
  readonly ph: 'M' | 'X' | 'b' | 'e' | 'i' | 'C' | 's' | 'f';
  readonly pid: number;
  readonly tid?: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly name: string;
  readonly cat?: string;
  /** Of an asynchronous slice, by its category, or of a flow. */
  readonly id?: string;
  /** Where an instant is drawn: over its thread, its process, everything. */
  readonly s?: 't' | 'p' | 'g';
  /** A flow ends in the slice that encloses its end. */
  readonly bp?: 'e';
  readonly args?: Readonly<Record<string, unknown>>;
};

/** A row within a machine. */
export interface Track {
  readonly pid: number;
  readonly tid: number;
}

/** The events of a trace while they are gathered. */
export interface TraceBuilder {
  readonly events: readonly TraceEvent[];
  /** Its row of this name, made when first asked for. Machines and rows stand in the order in which they were. */
  track(machine: string, name: string): Track;
  /** A piece of a row. Pieces of one row must lie in each other, or apart. */
  slice(track: Track, name: string, fromMs: number, toMs: number, args?: TraceEvent['args']): void;
  /** A piece that may overlap others of its machine, as `id` of its category. */
  asyncSlice(
    track: Track,
    cat: string,
    id: string,
    name: string,
    fromMs: number,
    toMs: number,
    args?: TraceEvent['args'],
  ): void;
  instant(track: Track, name: string, atMs: number, args?: TraceEvent['args']): void;
  /** An arrow between two pieces of rows: from the one around `fromMs` to the one around `toMs`. */
  flow(id: string, name: string, from: Track, fromMs: number, to: Track, toMs: number): void;
  counter(machine: string, name: string, points: readonly (readonly [number, number])[]): void;
}

/** Virtual milliseconds as microseconds, to the nanosecond. */
export function microseconds(ms: number): number {
  return Math.round(ms * 1e6) / 1e3;
}

export function createTraceBuilder(): TraceBuilder {
  const events: TraceEvent[] = [];
  const machines = new Map<string, { readonly pid: number; readonly tracks: Map<string, Track> }>();

  function machineOf(name: string) {
    let machine = machines.get(name);
    if (machine === undefined) {
      machine = { pid: machines.size + 1, tracks: new Map() };
      machines.set(name, machine);
      const { pid } = machine;
      events.push({ ph: 'M', pid, name: 'process_name', args: { name } });
      events.push({ ph: 'M', pid, name: 'process_sort_index', args: { sort_index: pid } });
    }
    return machine;
  }

  return {
    events,
    track(machine, name) {
      const { pid, tracks } = machineOf(machine);
      let track = tracks.get(name);
      if (track === undefined) {
        track = { pid, tid: tracks.size + 1 };
        tracks.set(name, track);
        events.push({ ph: 'M', ...track, name: 'thread_name', args: { name } });
        events.push({ ph: 'M', ...track, name: 'thread_sort_index', args: { sort_index: track.tid } });
      }
      return track;
    },
    slice(track, name, fromMs, toMs, args) {
      const ts = microseconds(fromMs);
      const dur = Math.max(0, Math.round((microseconds(toMs) - ts) * 1e3) / 1e3);
      events.push({ ph: 'X', ...track, ts, dur, name, ...(args === undefined ? {} : { args }) });
    },
    asyncSlice(track, cat, id, name, fromMs, toMs, args) {
      const common = { ...track, cat, id, name };
      events.push({ ph: 'b', ...common, ts: microseconds(fromMs), ...(args === undefined ? {} : { args }) });
      events.push({ ph: 'e', ...common, ts: microseconds(Math.max(fromMs, toMs)) });
    },
    instant(track, name, atMs, args) {
      events.push({ ph: 'i', ...track, ts: microseconds(atMs), s: 't', name, ...(args === undefined ? {} : { args }) });
    },
    flow(id, name, from, fromMs, to, toMs) {
      const common = { cat: 'message', id, name };
      events.push({ ph: 's', ...from, ts: microseconds(fromMs), ...common });
      events.push({ ph: 'f', ...to, ts: microseconds(toMs), bp: 'e', ...common });
    },
    counter(machine, name, points) {
      const { pid } = machineOf(machine);
      for (const [atMs, value] of points) {
        // JSON has no NaN and no infinity, and a counter no gaps.
        if (Number.isFinite(value)) events.push({ ph: 'C', pid, ts: microseconds(atMs), name, args: { value } });
      }
    },
  };
}

/** The file: what concerns names first, then everything by time; beginnings before ends where times are equal. */
export function traceText(events: readonly TraceEvent[], about: Readonly<Record<string, unknown>>): string {
  const ordered = events
    .map((event, index) => ({ event, index }))
    .sort((a, b) => (a.event.ts ?? -1) - (b.event.ts ?? -1) || a.index - b.index);
  const lines = ordered.map(({ event }) => JSON.stringify(event));
  return `{"displayTimeUnit":"ms","otherData":${JSON.stringify(about)},"traceEvents":[\n${lines.join(',\n')}\n]}\n`;
}
