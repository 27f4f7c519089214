/**
 * Operations on a log of many keys (partitions), as in Jepsen's Kafka workload: producers send values, consumers poll
 * them, transactions do several of both at once. Values are unique within a key: that is what makes anomalies visible.
 */
import type { Operation } from '../history.ts';

/** A value of the log: unique within its key. */
export type LogValue = number | string;

/** One step of a transaction. A plain `send` or `poll` is a transaction of one step. */
export type LogStep =
  /** The offset is known from the answer, if the client was told one. */
  | { readonly kind: 'send'; readonly key: string; readonly value: LogValue; readonly offset?: number }
  /** What came, by key, in the order in which it came. Empty at the invocation. */
  | { readonly kind: 'poll'; readonly records: Readonly<Record<string, readonly LogRecord[]>> };

export interface LogRecord {
  readonly offset: number;
  readonly value: LogValue;
}

/** Input and output of `txn`: its steps, at the output with offsets and records filled in. */
export type LogTransaction = readonly LogStep[];

/**
 * Input of `assign` (the consumer reads these keys) and `subscribe` (it reads what its group gives it, of these topics). With
 * `seekToBeginning` positions begin anew.
 */
export interface LogAssignment {
  readonly keys: readonly string[];
  readonly seekToBeginning?: boolean;
}

/** A value that somebody sent, and what became of it as far as the sender knows. */
export interface Sent {
  readonly operation: Operation;
  readonly key: string;
  readonly value: LogValue;
  readonly offset: number | undefined;
}

/** Records of one key that one step polled. */
export interface Polled {
  readonly operation: Operation;
  /** Number of the step in its transaction. */
  readonly step: number;
  readonly key: string;
  readonly records: readonly LogRecord[];
}

/** Steps of an operation: of the answer where there is one, otherwise of the question. */
export function stepsOf(operation: Operation): LogTransaction {
  const steps = operation.outcome === 'ok' ? operation.output : operation.input;
  if (!Array.isArray(steps)) {
    throw new Error(
      `operation ${operation.id} (${operation.f}): expected steps of a transaction, got ${JSON.stringify(steps)}`,
    );
  }
  return steps as LogTransaction; // by the contract of the log's checks
}

/** True for an operation that has steps; the others are `assign` and `subscribe`. */
export function isTransaction(operation: Operation): boolean {
  return operation.f === 'txn';
}

/** Everything that was sent, in the order of the history. */
export function sentOf(operation: Operation): Sent[] {
  return stepsOf(operation).flatMap((step) =>
    step.kind === 'send' ? [{ operation, key: step.key, value: step.value, offset: step.offset }] : [],
  );
}

/** Everything that was polled, in the order of the steps. What a transaction polled that did not commit was read, too. */
export function polledOf(operation: Operation): Polled[] {
  if (operation.output === undefined && operation.outcome !== 'ok') return [];
  const steps = (operation.output ?? []) as LogTransaction; // by the contract of the log's checks
  return steps.flatMap((step, number) =>
    step.kind === 'poll'
      ? Object.entries(step.records).map(([key, records]) => ({ operation, step: number, key, records }))
      : [],
  );
}
