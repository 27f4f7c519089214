import type { TimelineEntry, TimelineKind } from '../scenario/runRecord.ts';

/** The word before a line of the timeline. */
const words: Readonly<Record<TimelineKind, string>> = {
  phase: '=====',
  load: 'load',
  'fault-start': 'FAULT',
  'fault-end': 'heal',
  'alert-pending': 'pending',
  'alert-firing': 'ALERT',
  'alert-resolved': 'resolved',
  operator: 'operator',
  log: 'log',
  crash: 'CRASH',
  start: 'start',
  exit: 'exit',
  expectation: 'check',
  violation: 'VIOLATED',
  note: '',
};

/** `  12:34.567  ALERT     WALFsyncSlow fires`, in minutes and seconds of virtual time. */
export function timelineLine(entry: TimelineEntry): string {
  return `${formatTime(entry.atMs).padStart(11)}  ${words[entry.kind].padEnd(9)} ${entry.text}${fieldsOf(entry)}`;
}

/** Fields that a line of the log shows, and the longest text of one. */
const fieldsMax = 5;
const fieldWidthMax = 60;

/** The numbers and short texts of a log line: `  durationMs=412.3 records=3`. */
function fieldsOf({ kind, data }: TimelineEntry): string {
  if (kind !== 'log' || typeof data !== 'object' || data === null) return '';
  const shown = Object.entries(data).flatMap(([key, value]: [string, unknown]) => {
    if (typeof value === 'number') return [`${key}=${Number(value.toFixed(1))}`];
    return typeof value === 'string' && value !== '' && value.length <= fieldWidthMax ? [`${key}=${value}`] : [];
  });
  return shown.length === 0 ? '' : `  ${shown.slice(0, fieldsMax).join(' ')}`;
}

/** Lines of the log that repeat without anything else between them, told as one. */
export interface RepeatFold {
  entry(entry: TimelineEntry): void;
  /** Tells what is still held back. */
  flush(): void;
}

/** Gives every line to `print`, but of log lines that repeat only the first, and then how many more there were. */
export function foldRepeats(print: (line: string) => void): RepeatFold {
  let first: TimelineEntry | undefined;
  let repeats: TimelineEntry[] = [];
  function flush(): void {
    const last = repeats.at(-1);
    if (repeats.length === 1 && last !== undefined) print(timelineLine(last));
    else if (first !== undefined && last !== undefined) {
      const more = `${first.text}: ${repeats.length} more lines until ${formatTime(last.atMs)}${durationsOf(repeats)}`;
      print(timelineLine({ atMs: repeats[0]?.atMs ?? last.atMs, kind: 'log', text: more }));
    }
    repeats = [];
  }
  return {
    entry(entry) {
      if (entry.kind === 'log' && entry.text === first?.text && entry.node === first.node) {
        repeats.push(entry);
        return;
      }
      flush();
      first = entry.kind === 'log' ? entry : undefined;
      print(timelineLine(entry));
    },
    flush,
  };
}

/** `, 210 to 540 ms`, where the lines say how long something took. */
function durationsOf(entries: readonly TimelineEntry[]): string {
  const took = entries.flatMap(({ data }) => {
    const ms = (data as { durationMs?: unknown } | undefined)?.durationMs; // whatever a log line carries
    return typeof ms === 'number' ? [ms] : [];
  });
  return took.length === 0 ? '' : `, ${Math.round(Math.min(...took))} to ${Math.round(Math.max(...took))} ms`;
}

/** Virtual milliseconds as `m:ss.mmm`. */
export function formatTime(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  const seconds = (ms % 60_000) / 1000;
  return `${minutes}:${seconds.toFixed(3).padStart(6, '0')}`;
}
