import { readFileSync } from 'node:fs';
import type { ProcessUsage } from '../engines/engine.ts';

/** Clock ticks a second in procfs, on every Linux that Node runs on. */
const ticksPerSecond = 100;
const pageBytes = 4_096;

/** Reads `/proc/PID/stat`, see proc(5); undefined where there is none. */
export function processUsage(pid: number): ProcessUsage | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The name stands in parentheses and may have blanks and parentheses itself.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  // The first of these is the third of proc(5): state; then 14 and 15 user and system time, 24 resident pages, 39 processor.
  const field = (number: number): number => Number(fields[number - 3]);
  const [state = ''] = fields;
  return {
    cpuSeconds: (field(14) + field(15)) / ticksPerSecond,
    residentBytes: field(24) * pageBytes,
    isStopped: state === 'T' || state === 't',
    cpu: field(39),
  };
}
