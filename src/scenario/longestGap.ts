import type { Operation } from '../checkers/history.ts';

export interface GapQuestion {
  readonly operations: readonly Operation[];
  readonly fromMs: number;
  readonly toMs: number;
  /** Parts of the service that an operation wrote to. Without it every operation is of the one part there is. */
  readonly partsWritten?: (operation: Operation) => readonly string[];
}

export interface LongestGap {
  readonly part: string;
  readonly gapMs: number;
  /** When something succeeded again, or the window ended. */
  readonly endedMs: number;
  /** How many parts were looked at. */
  readonly parts: number;
}

/**
 * The longest time, within a window, in which no operation on one part succeeded. Parts are those to which something was written before the
 * window: of another nobody can say that it was without. Undefined where there is none.
 */
export function longestGap({ operations, fromMs, toMs, partsWritten }: GapQuestion): LongestGap | undefined {
  const ends = new Map<string, number[]>();
  for (const operation of operations) {
    if (operation.outcome !== 'ok' || operation.completedAt > toMs) continue;
    for (const part of new Set(partsWritten?.(operation) ?? [''])) {
      const times = ends.get(part);
      if (times === undefined) ends.set(part, [operation.completedAt]);
      else times.push(operation.completedAt);
    }
  }
  let longest: Omit<LongestGap, 'parts'> | undefined;
  let parts = 0;
  for (const [part, times] of ends) {
    times.sort((left, right) => left - right);
    if ((times[0] ?? toMs) > fromMs) continue;
    parts++;
    // What went before the window counts from its beginning.
    let sinceMs = fromMs;
    for (const endedMs of [...times.filter((time) => time > fromMs), toMs]) {
      const gapMs = endedMs - sinceMs;
      if (gapMs > (longest?.gapMs ?? -1)) longest = { part, gapMs, endedMs };
      sinceMs = endedMs;
    }
  }
  return longest && { ...longest, parts };
}
