import type { Trace, TraceEntry } from './trace.ts';

/** The first point at which two runs of one seed did different things. */
export interface TraceDifference {
  /** How many entries before it are equal. */
  readonly index: number;
  /** Undefined if that run had ended. */
  readonly first: TraceEntry | undefined;
  readonly second: TraceEntry | undefined;
}

export interface DeterminismReport {
  readonly equal: boolean;
  readonly fingerprints: readonly [string, string];
  readonly firstDifference?: TraceDifference;
}

function same(a: TraceEntry | undefined, b: TraceEntry | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.atMs === b.atMs &&
    a.kind === b.kind &&
    a.label === b.label &&
    a.process === b.process &&
    Object.is(a.detail, b.detail)
  );
}

/**
 * Runs twice and compares. Recording costs memory, so the runs are only recorded, and run again, when the fingerprints
 * differ; a difference that recording makes go away is reported without a place.
 *
 * @param run makes a new world, with `record` as it is told, runs it, and returns its trace
 */
export async function checkDeterminism(run: (record: boolean) => Promise<Trace>): Promise<DeterminismReport> {
  const fingerprints = [(await run(false)).fingerprint, (await run(false)).fingerprint] as const;
  if (fingerprints[0] === fingerprints[1]) return { equal: true, fingerprints };
  const first = (await run(true)).entries ?? [];
  const second = (await run(true)).entries ?? [];
  const difference = firstDifference(first, second);
  return { equal: false, fingerprints, ...(difference === undefined ? {} : { firstDifference: difference }) };
}

/** Where two recorded traces part; undefined if they do not. */
export function firstDifference(
  first: readonly TraceEntry[],
  second: readonly TraceEntry[],
): TraceDifference | undefined {
  for (let index = 0; index < Math.max(first.length, second.length); index++) {
    if (!same(first[index], second[index])) return { index, first: first[index], second: second[index] };
  }
  return undefined;
}

/** One line for people: `event 17: at 3.5 ms draw "election" of n1#1 (4711), in the other run at …`. */
export function describeDifference({ index, first, second }: TraceDifference): string {
  return `event ${index}: ${describeEntry(first)}; in the other run ${describeEntry(second)}`;
}

/** One entry of a trace for people; none is the end of the run. */
export function describeEntry(entry: TraceEntry | undefined): string {
  if (entry === undefined) return 'the run had ended';
  return `at ${entry.atMs} ms ${entry.kind} "${entry.label}" of ${entry.process} (${entry.detail})`;
}
