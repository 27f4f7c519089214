import type { Violation } from '../history.ts';
import type { Sent } from './operations.ts';
import type { KeyOrder } from './order.ts';

/** One offset has one value, for everybody and for ever. */
export function inconsistentOffsets(order: KeyOrder): Violation[] {
  return [...order.valuesAt]
    .filter(([, values]) => values.size > 1)
    .map(([offset, values]) => ({
      check: 'inconsistent-offsets',
      message: `offset ${offset} of ${order.key} was seen with the values ${[...values].join(', ')}`,
      operations: touching(order, (at) => at === offset),
      evidence: { key: order.key, offset, values: [...values] },
    }));
}

/** One value stands at one offset. */
export function duplicates(order: KeyOrder): Violation[] {
  return [...order.offsetsOf]
    .filter(([, offsets]) => offsets.size > 1)
    .map(([value, offsets]) => ({
      check: 'duplicate',
      message: `value ${value} of ${order.key} stands at the offsets ${[...offsets].sort((a, b) => a - b).join(', ')}`,
      operations: touching(order, (_, at) => at === value),
      evidence: { key: order.key, value, offsets: [...offsets] },
    }));
}

/** Nobody sees what its sender was told to have failed. */
export function abortedReads(order: KeyOrder): Violation[] {
  return order.sent
    .filter((sent) => sent.operation.outcome === 'fail' && order.seen.has(sent.value))
    .map((sent) => ({
      check: 'aborted-read',
      message: `value ${sent.value} of ${order.key} was polled, but the send of it failed`,
      operations: [sent.operation.id, ...touching(order, (_, value) => value === sent.value)],
      evidence: { key: order.key, value: sent.value },
    }));
}

/** What was acknowledged, and lies before something that somebody polled, was polled by somebody. */
export function lostWrites(order: KeyOrder): Violation[] {
  return order.sent
    .filter((sent) => sent.operation.outcome === 'ok' && isPassedBy(order, sent))
    .map((sent) => ({
      check: 'lost-write',
      message: `value ${sent.value} of ${order.key} was acknowledged at offset ${sent.offset} and never polled, though offset ${order.offsets[order.highestSeen]} was`,
      operations: [sent.operation.id],
      evidence: { key: order.key, value: sent.value, offset: sent.offset },
    }));
}

/** Acknowledged, not polled, and not proven to be lost either: at the end of a run that polls to the end there are none. */
export function unseen(order: KeyOrder): Violation[] {
  return order.sent
    .filter((sent) => sent.operation.outcome === 'ok' && !order.seen.has(sent.value) && !isPassedBy(order, sent))
    .map((sent) => ({
      check: 'unseen',
      message: `value ${sent.value} of ${order.key} was acknowledged${sent.offset === undefined ? '' : ` at offset ${sent.offset}`}, and nobody has polled it`,
      operations: [sent.operation.id],
      evidence: { key: order.key, value: sent.value, offset: sent.offset },
    }));
}

/** A transaction is seen whole: if one of its values was polled, none of the others is passed over. */
export function tornTransactions(orders: ReadonlyMap<string, KeyOrder>): Violation[] {
  const bySender = new Map<number, Sent[]>();
  for (const order of orders.values()) {
    for (const sent of order.sent) {
      const others = bySender.get(sent.operation.id);
      if (others === undefined) bySender.set(sent.operation.id, [sent]);
      else others.push(sent);
    }
  }
  const torn: Violation[] = [];
  for (const [id, sents] of bySender) {
    const seen = sents.find((sent) => orders.get(sent.key)?.seen.has(sent.value) === true);
    const passed = sents.find((sent) => {
      const order = orders.get(sent.key);
      return order !== undefined && isPassedBy(order, sent);
    });
    if (seen === undefined || passed === undefined) continue;
    torn.push({
      check: 'torn-transaction',
      message: `of one transaction the value ${seen.value} of ${seen.key} was polled, and the value ${passed.value} of ${passed.key} passed over`,
      operations: [id],
      evidence: { seen: [seen.key, seen.value], missing: [passed.key, passed.value] },
    });
  }
  return torn;
}

/** Whether somebody polled beyond this value, and nobody the value itself. */
function isPassedBy(order: KeyOrder, { value, offset }: Sent): boolean {
  if (offset === undefined || order.seen.has(value)) return false;
  const rank = order.rankOf.get(offset);
  // A sender whose answer got lost may know an offset that the order does not: it is compared by number then.
  return rank === undefined ? offset < (order.offsets[order.highestSeen] ?? -1) : rank < order.highestSeen;
}

/** Ids of operations that sent or polled a matching record. */
function touching(order: KeyOrder, matches: (offset: number | undefined, value: unknown) => boolean): number[] {
  const ids = new Set<number>();
  for (const { operation, offset, value } of order.sent) if (matches(offset, value)) ids.add(operation.id);
  for (const { operation, records } of order.polled) {
    if (records.some((record) => matches(record.offset, record.value))) ids.add(operation.id);
  }
  return [...ids].sort((a, b) => a - b);
}
