/**
 * Anomalies of a replicated log, as the Kafka workload of Jepsen defines them (jepsen.tests.kafka; K. Kingsbury, "Redpanda
 * 21.10.1", 2022, section 3). From a history of sends and polls alone; nothing of the log's inside is asked for.
 */
import type { Operation, Violation } from '../history.ts';
import { readLog } from './operations.ts';
import { orderOf } from './order.ts';
import { sequenceAnomalies } from './sequence.ts';
import { abortedReads, duplicates, inconsistentOffsets, lostWrites, tornTransactions, unseen } from './visibility.ts';

export const logAnomalies = [
  'inconsistent-offsets',
  'duplicate',
  'lost-write',
  'unseen',
  'aborted-read',
  'torn-transaction',
  'poll-skip',
  'int-poll-skip',
  'nonmonotonic-poll',
  'int-nonmonotonic-poll',
  'nonmonotonic-send',
  'int-nonmonotonic-send',
] as const;
export type LogAnomaly = (typeof logAnomalies)[number];

export interface LogCheckOptions {
  /**
   * How consumers got their keys. Under `subscribe` a rebalance may take a key away and give it back elsewhere between two
   * polls, so that skips and steps back between transactions are allowed; within one they are not. Default `assign`.
   */
  readonly consumers?: 'assign' | 'subscribe';
  /** Whether somebody polled every key to its end after the last send: then nothing may be unseen. Default true. */
  readonly polledToEnd?: boolean;
  /** At least once: a retry may put a value down twice. Default false. */
  readonly duplicatesAllowed?: boolean;
}

/** The anomalies that these options excuse. */
export function allowedAnomalies(options: LogCheckOptions): ReadonlySet<LogAnomaly> {
  const allowed = new Set<LogAnomaly>();
  if (options.consumers === 'subscribe') allowed.add('poll-skip').add('nonmonotonic-poll');
  if (options.polledToEnd === false) allowed.add('unseen');
  if (options.duplicatesAllowed === true) allowed.add('duplicate');
  return allowed;
}

/**
 * Every anomaly in a history of `txn`, `send`, `poll`, `assign` and `subscribe` operations that the options do not allow. Throws for
 * an operation that is none of these.
 */
export function checkLog(operations: readonly Operation[], options: LogCheckOptions = {}): Violation[] {
  const read = readLog(operations);
  const orders = orderOf(read);
  const allowed: ReadonlySet<string> = allowedAnomalies(options);
  const byKey = [...orders.values()].flatMap((order) => [
    ...inconsistentOffsets(order),
    ...duplicates(order),
    ...lostWrites(order),
    ...unseen(order),
    ...abortedReads(order),
  ]);
  const torn = tornTransactions(orders, options.polledToEnd !== false);
  return [...byKey, ...torn, ...sequenceAnomalies(read, orders)].filter((violation) => !allowed.has(violation.check));
}
