import type { Operation } from '../checkers/history.ts';

/** When a fault was open: one that strikes and is over has equal times, one that was never healed ends at Infinity. */
export interface FaultWindow {
  readonly id: number;
  readonly fromMs: number;
  readonly toMs: number;
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
