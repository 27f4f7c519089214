import type { Operation, Violation } from '../history.ts';
import { isTransaction, type LogAssignment, polledOf, sentOf } from './operations.ts';
import type { KeyOrder } from './order.ts';

/** Where something stands in one key, and who put it there. */
interface Place {
  readonly offset: number;
  readonly operation: Operation;
}

/**
 * What one client sees goes forward, without a gap: within a transaction (`int-`), and from one to the next as long as its
 * assignment keeps the key. What it sends goes forward, too; others may send in between.
 */
export function sequenceAnomalies(
  operations: readonly Operation[],
  orders: ReadonlyMap<string, KeyOrder>,
): Violation[] {
  const found: Violation[] = [];
  for (const own of byProcess(operations).values()) {
    let lastPolled = new Map<string, Place>();
    const lastSent = new Map<string, Place>();
    for (const operation of own) {
      if (!isTransaction(operation)) {
        if (operation.outcome === 'ok') lastPolled = keptPositions(lastPolled, operation.input as LogAssignment);
        continue;
      }
      found.push(...pollAnomalies(operation, lastPolled, orders), ...sendAnomalies(operation, lastSent));
    }
  }
  return found;
}

function byProcess(operations: readonly Operation[]): Map<number, Operation[]> {
  const processes = new Map<number, Operation[]>();
  for (const operation of operations) {
    const own = processes.get(operation.process);
    if (own === undefined) processes.set(operation.process, [operation]);
    else own.push(operation);
  }
  return processes;
}

/** A key that an assignment keeps goes on where it was; one that it adds, or a new seek, begins anywhere. */
function keptPositions(positions: Map<string, Place>, { keys, seekToBeginning }: LogAssignment): Map<string, Place> {
  if (seekToBeginning === true) return new Map();
  return new Map([...positions].filter(([key]) => keys.includes(key)));
}

function pollAnomalies(
  operation: Operation,
  last: Map<string, Place>,
  orders: ReadonlyMap<string, KeyOrder>,
): Violation[] {
  const found: Violation[] = [];
  for (const { key, records } of polledOf(operation)) {
    const order = orders.get(key);
    if (order === undefined) continue;
    for (const { offset } of records) {
      const before = last.get(key);
      last.set(key, { offset, operation });
      if (before === undefined) continue;
      const step = (order.rankOf.get(offset) ?? 0) - (order.rankOf.get(before.offset) ?? 0);
      if (step === 1) continue;
      const prefix = before.operation === operation ? 'int-' : '';
      const kind = step > 1 ? 'poll-skip' : 'nonmonotonic-poll';
      const from = order.rankOf.get(before.offset) ?? 0;
      const skipped = step > 1 ? order.offsets.slice(from + 1, from + step) : [];
      found.push({
        check: `${prefix}${kind}`,
        message:
          step > 1
            ? `process ${operation.process} polled offset ${before.offset} of ${key}, then ${offset}, and not ${skipped.slice(0, 5).join(', ')}${skipped.length > 5 ? ' …' : ''} between them`
            : `process ${operation.process} polled offset ${before.offset} of ${key}, then ${offset}`,
        operations: [...new Set([before.operation.id, operation.id])],
        evidence: { key, from: before.offset, to: offset, skipped: skipped.slice(0, 20) },
      });
    }
  }
  return found;
}

function sendAnomalies(operation: Operation, last: Map<string, Place>): Violation[] {
  if (operation.outcome !== 'ok') return [];
  const found: Violation[] = [];
  for (const { key, offset } of sentOf(operation)) {
    if (offset === undefined) continue;
    const before = last.get(key);
    last.set(key, { offset, operation });
    if (before === undefined || before.offset < offset) continue;
    found.push({
      check: before.operation === operation ? 'int-nonmonotonic-send' : 'nonmonotonic-send',
      message: `process ${operation.process} sent to ${key} at offset ${before.offset}, then at ${offset}`,
      operations: [...new Set([before.operation.id, operation.id])],
      evidence: { key, from: before.offset, to: offset },
    });
  }
  return found;
}
