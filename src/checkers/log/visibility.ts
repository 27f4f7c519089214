import type { Violation } from '../history.ts';
import type { Sent } from './operations.ts';
import type { KeyOrder } from './order.ts';
import { valueText } from './valueText.ts';

/** One offset has one value, for everybody and for ever. */
export function inconsistentOffsets(order: KeyOrder): Violation[] {
  return [...order.valuesAt]
    .filter(([, values]) => values.size > 1)
    .map(([offset, values]) => ({
      check: 'inconsistent-offsets',
      message: `offset ${offset} of ${order.key} was seen with the values ${[...values].map(valueText).join(', ')}`,
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
      message: `value ${valueText(value)} of ${order.key} stands at the offsets ${[...offsets].sort((a, b) => a - b).join(', ')}`,
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
      message: `value ${valueText(sent.value)} of ${order.key} was polled, but the send of it failed`,
      operations: [sent.operation.id, ...touching(order, (_, value) => value === sent.value)],
      evidence: { key: order.key, value: sent.value },
    }));
}

/** What took effect for certain, and lies before something that somebody polled, was polled by somebody. */
export function lostWrites(order: KeyOrder): Violation[] {
  return order.sent
    .filter((sent) => order.committed.has(sent.operation) && isPassedBy(order, sent))
    .map((sent) => ({
      check: 'lost-write',
      message: `value ${valueText(sent.value)} of ${order.key} was written at offset ${lastOffset(order, sent)} and never polled, though offset ${order.offsets[order.highestSeen]} was`,
      operations: [sent.operation.id],
      evidence: { key: order.key, value: sent.value, offset: lastOffset(order, sent) },
    }));
}

/** Acknowledged, not polled, and not proven to be lost either: at the end of a run that polls to the end there are none. */
export function unseen(order: KeyOrder): Violation[] {
  return order.sent
    .filter((sent) => sent.operation.outcome === 'ok' && !order.seen.has(sent.value) && !isPassedBy(order, sent))
    .map((sent) => ({
      check: 'unseen',
      message: `value ${valueText(sent.value)} of ${order.key} was acknowledged${sent.offset === undefined ? '' : ` at offset ${sent.offset}`}, and nobody has polled it`,
      operations: [sent.operation.id],
      evidence: { key: order.key, value: sent.value, offset: sent.offset },
    }));
}

/**
 * A transaction is seen whole: if one in doubt is proven by one of its values, the others are there, too. Missing is what was passed
 * over and, once every key was polled to its end, what nobody polled. One that was answered is not looked at: its missing values are
 * `lost-write` or `unseen`.
 */
export function tornTransactions(orders: ReadonlyMap<string, KeyOrder>, isPolledToEnd: boolean): Violation[] {
  const bySender = new Map<number, Sent[]>();
  for (const order of orders.values()) {
    for (const sent of order.sent) {
      if (sent.operation.outcome !== 'info' || !order.committed.has(sent.operation)) continue;
      const others = bySender.get(sent.operation.id);
      if (others === undefined) bySender.set(sent.operation.id, [sent]);
      else others.push(sent);
    }
  }
  return [...bySender].flatMap(([id, sents]) => {
    const isSeen = ({ key, value }: Sent) => orders.get(key)?.seen.has(value) === true;
    const seen = sents.find(isSeen);
    const missing = sents.find((sent) => {
      const order = orders.get(sent.key);
      return order !== undefined && (isPassedBy(order, sent) || (isPolledToEnd && !isSeen(sent)));
    });
    if (seen === undefined || missing === undefined) return [];
    return [
      {
        check: 'torn-transaction',
        message: `of one transaction the value ${valueText(seen.value)} of ${seen.key} was polled, and the value ${valueText(missing.value)} of ${missing.key} was not`,
        operations: [id],
        evidence: { seen: [seen.key, seen.value], missing: [missing.key, missing.value] },
      },
    ];
  });
}

/** Whether somebody polled beyond this value, wherever it stands, and nobody the value itself. */
function isPassedBy(order: KeyOrder, sent: Sent): boolean {
  if (order.seen.has(sent.value)) return false;
  const last = lastOffset(order, sent);
  return last !== undefined && (order.rankOf.get(last) ?? Number.POSITIVE_INFINITY) <= order.highestSeen;
}

/** The last place at which anybody knows the value to stand. */
function lastOffset(order: KeyOrder, { value }: Sent): number | undefined {
  const offsets = order.offsetsOf.get(value);
  return offsets === undefined ? undefined : Math.max(...offsets);
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
