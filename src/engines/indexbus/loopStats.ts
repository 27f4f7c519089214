/**
 * What the router's loop tells of itself: numbers that its thread writes and the main thread reads, without either waiting for the other.
 * Each is one aligned double, so it is read whole; together they are no cut.
 */
export const LoopStat = {
  polls: 0,
  /** Polls that took a message. */
  busyPolls: 1,
  /** When the last poll began, on the machine's clock, in milliseconds. */
  lastPollAt: 2,
  sleeps: 3,
  /** Length of the last sleep that nobody ended, in milliseconds. */
  lastFullSleepMs: 4,
  /** Commands that were carried out. */
  commands: 5,
  /** Sum of what is in the buckets of batches, and of those of waits (in seconds). */
  batchSum: 6,
  waitSum: 7,
  /** Clock when the router was ready; 0 before. */
  readyAt: 8,
  /** How long the recovery took, in milliseconds, and whether it finished a predecessor's commit. */
  recoveryMs: 9,
  redoFinished: 10,
  parksBlocking: 11,
  parksHold: 12,
  wakesConsumers: 13,
  wakesProducers: 14,
  parksCredit: 15,
} as const;

/** Upper bounds of the buckets of `batch_messages`; the last one is infinite. */
export const batchBounds = [1, 4, 16, 64, 128, 256, 512, 1_024, 2_048, 4_096] as const;
/** Upper bounds of the buckets of `source_wait_seconds`: 1 µs to 1 s. */
export const waitBounds = [
  0.000001, 0.0000025, 0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
  0.05, 0.1, 0.25, 0.5, 1,
] as const;

const batchFrom = 16;
const waitFrom = batchFrom + batchBounds.length + 1;
const total = waitFrom + waitBounds.length + 1;

/** The numbers of one loop. */
export interface LoopStats {
  readonly buffer: SharedArrayBuffer;
  /** By `LoopStat`. */
  readonly values: Float64Array;
  /** How many commits, by their messages, and waits fell into each bucket; the last is above all bounds. */
  readonly batches: Float64Array;
  readonly waits: Float64Array;
}

/** Numbers over a buffer of another thread, or over a new one. */
export function loopStats(buffer: SharedArrayBuffer = new SharedArrayBuffer(total * 8)): LoopStats {
  const values = new Float64Array(buffer);
  return {
    buffer,
    values,
    batches: values.subarray(batchFrom, waitFrom),
    waits: values.subarray(waitFrom, total),
  };
}

/** Counts a value into its bucket. */
export function countInto(buckets: Float64Array, bounds: readonly number[], value: number): void {
  let bucket = 0;
  while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket += 1;
  buckets[bucket] = (buckets[bucket] ?? 0) + 1;
}

/** Adds to a number. */
export function addTo(values: Float64Array, stat: number, more: number): void {
  values[stat] = (values[stat] ?? 0) + more;
}

/** Numbers of LoopStat that only grow, each loop from 0. */
const growing = [
  LoopStat.polls,
  LoopStat.busyPolls,
  LoopStat.sleeps,
  LoopStat.commands,
  LoopStat.batchSum,
  LoopStat.waitSum,
  LoopStat.parksBlocking,
  LoopStat.parksHold,
  LoopStat.wakesConsumers,
  LoopStat.wakesProducers,
  LoopStat.parksCredit,
] as const;

/** What a loop and those before it have counted together; the other numbers are the loop's own. */
export function countedByLoops(now: LoopStats, before: LoopStats | undefined): LoopStats {
  const sum = loopStats();
  sum.values.set(now.values);
  if (before === undefined) return sum;
  for (const stat of growing) addTo(sum.values, stat, before.values[stat] ?? 0);
  for (const [to, from] of [
    [sum.batches, before.batches],
    [sum.waits, before.waits],
  ] as const) {
    for (const [bucket, count] of from.entries()) addTo(to, bucket, count);
  }
  return sum;
}
