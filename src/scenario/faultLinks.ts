import type { Operation } from '../checkers/history.ts';
import type { FaultLogEntry } from './runRecord.ts';

/** When a fault was open: one that strikes and is over has equal times, one that was never healed ends at Infinity. */
export interface FaultWindow {
  readonly id: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Until when a fault was felt, in virtual milliseconds: Infinity for one that nobody healed and that does not end by itself. */
export function feltUntil({ startMs, endMs, lastsMs }: Pick<FaultLogEntry, 'startMs' | 'endMs' | 'lastsMs'>): number {
  return Math.min(endMs ?? Number.POSITIVE_INFINITY, startMs + (lastsMs ?? Number.POSITIVE_INFINITY));
}

/** Writes into each operation the ids of the faults that were open at some moment between its invocation and completion. */
export function linkFaults(operations: readonly Operation[], windows: readonly FaultWindow[]): void {
  if (windows.length === 0) return;
  for (const operation of operations) {
    const { invokedAt, completedAt } = operation;
    const met = windows.filter(({ fromMs, toMs }) => fromMs <= completedAt && toMs >= invokedAt).map(({ id }) => id);
    if (met.length > 0) operation.faults = met;
  }
}
