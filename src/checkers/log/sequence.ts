import type { Operation, Violation } from '../history.ts';
import { type LogAssignment, type LogOperation, polledOf, sentOf } from './operations.ts';
import type { KeyOrder } from './order.ts';

/** Where something stands in one key, and who put it there. */
interface Place {
  readonly offset: number;
  readonly operation: Operation;
}

/**
 * What one client sees goes forward, without a gap: within a transaction (`int-`) unless a rebalance touched the key meanwhile, and from
 * one to the next as long as its assignment keeps the key. Positions move with what was answered `ok`: a consumer whose transaction
 * failed, or is in doubt, goes back. What it sends goes forward, too; others may send in between.
 */
export function sequenceAnomalies(
  operations: readonly LogOperation[],
  orders: ReadonlyMap<string, KeyOrder>,
): Violation[] {
  const found: Violation[] = [];
  for (const own of byProcess(operations).values()) {
    let lastPolled = new Map<string, Place>();
    let lastSent = new Map<string, Place>();
    for (const one of own) {
      const { assignment, operation } = one;
      if (assignment !== undefined) {
        // In doubt it may have taken keys away; what it may have given back is not held against anybody either.
        if (operation.outcome === 'fail') continue;
        lastPolled = assignment.seekToBeginning === true ? new Map() : keptPlaces(lastPolled, assignment);
        lastSent = keptPlaces(lastSent, assignment);
        continue;
      }
      const polled = new Map(lastPolled);
      found.push(...pollAnomalies(one, polled, orders), ...sendAnomalies(one, lastSent, orders));
      if (operation.outcome === 'ok') lastPolled = polled;
    }
  }
  return found;
}

function byProcess(operations: readonly LogOperation[]): Map<number, LogOperation[]> {
  const processes = new Map<number, LogOperation[]>();
  for (const one of operations) {
    const own = processes.get(one.operation.process);
    if (own === undefined) processes.set(one.operation.process, [one]);
    else own.push(one);
  }
  return processes;
}

/** A key that an assignment keeps goes on where it was; one that it adds begins anywhere. */
function keptPlaces(places: Map<string, Place>, { keys }: LogAssignment): Map<string, Place> {
  return new Map([...places].filter(([key]) => keys.includes(key)));
}

function pollAnomalies(
  one: LogOperation,
  last: Map<string, Place>,
  orders: ReadonlyMap<string, KeyOrder>,
): Violation[] {
  const { operation, rebalanced } = one;
  const found: Violation[] = [];
  for (const { key, records } of polledOf(one)) {
    const order = orders.get(key);
    if (order === undefined) continue;
    for (const { offset } of records) {
      const before = last.get(key);
      last.set(key, { offset, operation });
      if (before === undefined || (before.operation === operation && rebalanced.has(key))) continue;
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

function sendAnomalies(
  one: LogOperation,
  last: Map<string, Place>,
  orders: ReadonlyMap<string, KeyOrder>,
): Violation[] {
  const { operation } = one;
  if (operation.outcome === 'fail') return [];
  const found: Violation[] = [];
  for (const { key, value, offset: told } of sentOf(one)) {
    const known = told === undefined ? [...(orders.get(key)?.offsetsOf.get(value) ?? [])] : [];
    // Without an answer the place may be known from polls; of several nobody knows which is this send's.
    const offset = told ?? (known.length === 1 ? known[0] : undefined);
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
