import { nearestTo } from './moments.ts';

/** What is gathered of one kind while a run goes on, within a bound. */
export interface Gathering<T> {
  add(value: T): void;
  /** By ascending time. */
  readonly values: readonly T[];
  /** How many were let go. */
  readonly dropped: number;
}

/**
 * Gathers values that come by ascending time, at most `max` of them. When they are as many, older ones go: the latest half
 * stays whole, since what went wrong may yet be found in it, and of those before it half of them, which are nearest to the
 * moments that are known by then.
 *
 * @param moments ascending, at least one; asked when there is too much
 */
export function createGathering<T>(
  max: number,
  timeOf: (value: T) => number,
  moments: () => readonly number[],
): Gathering<T> {
  let values: T[] = [];
  let dropped = 0;
  return {
    add(value) {
      if (values.length >= max) {
        const latest = values.slice(-Math.ceil(max / 2));
        const before = values.slice(0, values.length - latest.length);
        const kept = nearestTo(moments(), before, timeOf, Math.floor(before.length / 2));
        dropped += before.length - kept.length;
        values = kept.concat(latest);
      }
      values.push(value);
    },
    get values() {
      return values;
    },
    get dropped() {
      return dropped;
    },
  };
}
