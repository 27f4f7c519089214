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
  return `${formatTime(entry.atMs).padStart(11)}  ${words[entry.kind].padEnd(9)} ${entry.text}`;
}

/** Virtual milliseconds as `m:ss.mmm`. */
export function formatTime(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  const seconds = (ms % 60_000) / 1000;
  return `${minutes}:${seconds.toFixed(3).padStart(6, '0')}`;
}
