import type { FaultLogEntry, TimelineEntry, TimelineKind } from './runRecord.ts';

/** The story of a run, line by line, as it happens. */
export interface Timeline {
  readonly entries: readonly TimelineEntry[];
  add(kind: TimelineKind, text: string, node?: string, data?: unknown): void;
}

/** A timeline whose times come from `now`; each line is also given to `onEntry` at once. */
export function createTimeline(now: () => number, onEntry?: (entry: TimelineEntry) => void): Timeline {
  const entries: TimelineEntry[] = [];
  return {
    entries,
    add(kind, text, node, data) {
      const entry: TimelineEntry = {
        atMs: now(),
        kind,
        text,
        ...(node === undefined ? {} : { node }),
        ...(data === undefined ? {} : { data }),
      };
      entries.push(entry);
      onEntry?.(entry);
    },
  };
}

/** A fault as it is applied and healed; `endMs` is written when it ends. */
export type OpenFault = { -readonly [Key in keyof FaultLogEntry]: FaultLogEntry[Key] };
