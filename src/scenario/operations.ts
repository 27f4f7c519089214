import type { Operation } from '../checkers/history.ts';
import type { LatencySummary, OperationsSummary } from './runRecord.ts';

/** Windows that a run is cut into for the charts. */
const windows = 120;

/** What the clients saw: totals, latencies by name, errors by code, and windows of time. */
export function summarizeOperations(operations: readonly Operation[], endMs: number): OperationsSummary {
  const byName = new Map<string, Operation[]>();
  const errors: Record<string, number> = {};
  for (const operation of operations) {
    const named = byName.get(operation.f);
    if (named === undefined) byName.set(operation.f, [operation]);
    else named.push(operation);
    if (operation.error !== undefined) errors[operation.error.code] = (errors[operation.error.code] ?? 0) + 1;
  }
  return {
    total: operations.length,
    ...outcomes(operations),
    byName: Object.fromEntries(
      [...byName].map(([name, named]) => [name, { ...outcomes(named), latency: summarizeLatency(named) }]),
    ),
    errors,
    windows: cutWindows(operations, endMs),
  };
}

function outcomes(operations: readonly Operation[]): { ok: number; fail: number; info: number } {
  const counts = { ok: 0, fail: 0, info: 0 };
  for (const operation of operations) counts[operation.outcome]++;
  return counts;
}

function summarizeLatency(operations: readonly Operation[]): LatencySummary {
  const latencies = sortedLatencies(operations);
  return {
    count: latencies.length,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    maxMs: latencies.at(-1) ?? 0,
  };
}

/** Of the operations that were answered with success. */
function sortedLatencies(operations: readonly Operation[]): number[] {
  return operations
    .filter((operation) => operation.outcome === 'ok')
    .map((operation) => operation.completedAt - operation.invokedAt)
    .sort((a, b) => a - b);
}

/** The smallest value that at least this share of the values does not exceed; 0 of none. */
function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

function cutWindows(operations: readonly Operation[], endMs: number): OperationsSummary['windows'] {
  const width = Math.max(1000, Math.ceil(endMs / windows / 1000) * 1000);
  const buckets = Array.from({ length: Math.max(1, Math.ceil(endMs / width)) }, (): Operation[] => []);
  for (const operation of operations) {
    const ended = Math.min(operation.completedAt, endMs);
    buckets[Math.min(buckets.length - 1, Math.floor(ended / width))]?.push(operation);
  }
  return buckets.map((bucket, index) => ({
    fromMs: index * width,
    toMs: Math.min(endMs, (index + 1) * width),
    ...outcomes(bucket),
    p99Ms: summarizeLatency(bucket).p99Ms,
  }));
}
