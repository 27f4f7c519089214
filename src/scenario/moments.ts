import type { Operation, Violation } from '../checkers/history.ts';
import type { StateRecord } from './observations.ts';
import type { AlertLogEntry, FaultLogEntry } from './runRecord.ts';

/** Where a run's moments come from. */
export interface MomentSources {
  readonly faults: readonly FaultLogEntry[];
  readonly alerts: readonly AlertLogEntry[];
  readonly states: readonly StateRecord[];
  readonly violations: readonly Violation[];
  readonly operations: readonly Operation[];
}

/**
 * The moments of a run that people ask about, ascending, in virtual milliseconds: its beginning, faults that strike and heal,
 * alerts, changes of nodes' states, violations, and the calls and answers that violations name.
 */
export function momentsOf({ faults, alerts, states, violations, operations }: MomentSources): number[] {
  const named = new Set(violations.flatMap((violation) => violation.operations ?? []));
  const times: (number | undefined)[] = [
    0,
    ...faults.flatMap(({ startMs, endMs }) => [startMs, endMs]),
    ...alerts.flatMap(({ pendingMs, firingMs, resolvedMs }) => [pendingMs, firingMs, resolvedMs]),
    ...states.map(({ atMs }) => atMs),
    ...violations.map(({ atMs }) => atMs),
    ...operations.filter(({ id }) => named.has(id)).flatMap(({ invokedAt, completedAt }) => [invokedAt, completedAt]),
  ];
  const known = times.filter((time): time is number => Number.isFinite(time));
  return [...new Set(known)].sort((a, b) => a - b);
}

/**
 * At most `max` of the values, in their order: those nearest to any of the moments. What is left is whole around each moment,
 * which tells more than a sample of everything.
 *
 * @param moments ascending; at least one
 * @param values by ascending time
 */
export function nearestTo<T>(
  moments: readonly number[],
  values: readonly T[],
  timeOf: (value: T) => number,
  max: number,
): readonly T[] {
  if (values.length <= max) return values;
  const distances = new Float64Array(values.length);
  let next = 0;
  for (const [index, value] of values.entries()) {
    const time = timeOf(value);
    while (next < moments.length && (moments[next] ?? 0) < time) next++;
    const before = next === 0 ? Number.POSITIVE_INFINITY : time - (moments[next - 1] ?? 0);
    const after = (moments[next] ?? Number.POSITIVE_INFINITY) - time;
    distances[index] = Math.min(before, after);
  }
  const limit = distances.slice().sort()[max] ?? 0;
  let atLimit = max;
  for (const distance of distances) if (distance < limit) atLimit--;
  return values.filter((_, index) => {
    const distance = distances[index] ?? 0;
    return distance < limit || (distance === limit && atLimit-- > 0);
  });
}
