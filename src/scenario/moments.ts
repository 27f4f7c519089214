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
  const distances = distancesTo(moments, values, timeOf);
  const limit = distances.slice().sort()[max] ?? 0;
  let atLimit = max;
  for (const distance of distances) if (distance < limit) atLimit--;
  return values.filter((_, index) => {
    const distance = distances[index] ?? 0;
    return distance < limit || (distance === limit && atLimit-- > 0);
  });
}

/**
 * As `nearestTo`, of groups that mean something whole alone, as the spans of a trace: at most `max` values, in groups that
 * have a value nearest to any of the moments. A group of more than `max` is left out, unless there is nothing else.
 */
export function nearestGroups<T>(
  moments: readonly number[],
  values: readonly T[],
  timeOf: (value: T) => number,
  groupOf: (value: T) => string,
  max: number,
): readonly T[] {
  if (values.length <= max) return values;
  const groups = new Map<string, { size: number; distance: number }>();
  const distances = distancesTo(moments, values, timeOf);
  for (const [index, value] of values.entries()) {
    const distance = distances[index] ?? 0;
    const group = groups.get(groupOf(value));
    if (group === undefined) {
      groups.set(groupOf(value), { size: 1, distance });
    } else {
      group.size++;
      group.distance = Math.min(group.distance, distance);
    }
  }
  const kept = new Set<string>();
  let room = max;
  for (const [name, { size }] of [...groups].sort(([, a], [, b]) => a.distance - b.distance)) {
    if (size > max) continue;
    if (size > room) break;
    kept.add(name);
    room -= size;
  }
  if (kept.size === 0) return nearestTo(moments, values, timeOf, max);
  return values.filter((value) => kept.has(groupOf(value)));
}

/** The distance of each value to the moment that is nearest to it. */
function distancesTo<T>(
  moments: readonly number[],
  values: readonly T[],
  timeOf: (value: T) => number,
): Float64Array<ArrayBuffer> {
  const distances = new Float64Array(values.length);
  let next = 0;
  for (const [index, value] of values.entries()) {
    const time = timeOf(value);
    while (next < moments.length && (moments[next] ?? 0) < time) next++;
    const before = next === 0 ? Number.POSITIVE_INFINITY : time - (moments[next - 1] ?? 0);
    const after = (moments[next] ?? Number.POSITIVE_INFINITY) - time;
    distances[index] = Math.min(before, after);
  }
  return distances;
}
