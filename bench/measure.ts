/** What the benchmarks share: medians and ranges, CPU time, the load of the machine. */
import { availableParallelism, loadavg } from 'node:os';

/** The value below which the fraction `q` of the values lies; NaN of none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Median and range in one column. */
export function spread(values: readonly number[], digits = 0): string {
  const show = (value: number) =>
    value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${show(median(values)).padStart(10)}  (${show(Math.min(...values))} … ${show(Math.max(...values))})`;
}

/** Begins to count the CPU time of this process, all its threads; the result gives the microseconds since. */
export function cpuMeter(): () => number {
  const began = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(began);
    return user + system;
  };
}

/** Says how busy the machine is: on one that others use too only ratios and CPU times mean something. */
export function loadNote(): string {
  return `load ${(loadavg()[0] ?? 0).toFixed(1)} on ${availableParallelism()} cores`;
}

/** Whether a target was met, for the end of a line. */
export function verdict(value: number, relation: '≥' | '≤', target: number): string {
  const isMet = relation === '≥' ? value >= target : value <= target;
  return `(target ${relation} ${target.toLocaleString('en')}: ${isMet ? 'met' : 'missed'})`;
}
