/**
 * Operations on a log of many keys (partitions), as in Jepsen's Kafka workload: producers send values, consumers poll
 * them, transactions do several of both at once. Values are unique within a key: that is what makes anomalies visible.
 */
import type { Operation } from '../history.ts';
import { type AnsweredSteps, answeredSteps, askedSteps, assignmentOf } from './steps.ts';

/** A value of the log: unique within its key. */
export type LogValue = number | string;

/** One step of a transaction. A plain `send` or `poll` is a transaction of such steps alone. */
export type LogStep =
  /** The offset is known from the answer, if the client was told one. */
  | { readonly kind: 'send'; readonly key: string; readonly value: LogValue; readonly offset?: number }
  /** What came, by key, in the order in which it came. Empty at the invocation. */
  | { readonly kind: 'poll'; readonly records: Readonly<Record<string, readonly LogRecord[]>> };

export interface LogRecord {
  readonly offset: number;
  readonly value: LogValue;
}

/**
 * Input and output of `txn`, `send` and `poll`: its steps, at the output with offsets and records filled in. The output may also be
 * `{ steps, rebalanceLog }`. Jepsen's own form of a step is read, too: `["send", key, value]`, answered `["send", key, [offset, value]]`,
 * and `["poll"]`, answered `["poll", { key: [[offset, value]] }]`. With `fail` and `info` an output says how far it came.
 */
export type LogTransaction = readonly LogStep[];

/** Keys that a rebalance took away or gave while a transaction was under way. */
export interface LogRebalance {
  readonly keys: readonly string[];
}

/**
 * Input of `assign` (the consumer reads these keys) and `subscribe` (it reads what its group gives it, of these topics); a bare
 * list of keys is the same. With `seekToBeginning` positions begin anew.
 */
export interface LogAssignment {
  readonly keys: readonly string[];
  readonly seekToBeginning?: boolean;
}

/** An operation, its steps read: of the answer where there is one, otherwise of the question, which polled nothing and knows no offsets. */
export interface LogOperation extends AnsweredSteps {
  readonly operation: Operation;
  /** Of `assign` and `subscribe`, which have no steps. */
  readonly assignment?: LogAssignment;
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
  readonly key: string;
  readonly records: readonly LogRecord[];
}

/** What Jepsen's workload does beside, which says nothing of the log. */
const silent: ReadonlySet<string> = new Set(['crash', 'debug-topic-partitions']);

/** Reads a history, in its order of invocations. Throws for an operation that a log does not know, or whose steps are none. */
export function readLog(operations: readonly Operation[]): LogOperation[] {
  return [...operations]
    .sort((a, b) => a.invokedOrder - b.invokedOrder)
    .flatMap((operation): LogOperation[] => {
      const { id, f } = operation;
      if (silent.has(f)) return [];
      if (f === 'assign' || f === 'subscribe') {
        return [{ operation, steps: [], rebalanced: new Set(), assignment: assignmentOf(operation) }];
      }
      if (f !== 'txn' && f !== 'send' && f !== 'poll') {
        throw new Error(`operation ${id}: a log knows txn, send, poll, assign and subscribe, not ${f}`);
      }
      const hasAnswer = operation.outcome === 'ok' || (operation.output !== undefined && operation.output !== null);
      const read = hasAnswer
        ? answeredSteps(operation)
        : { steps: askedSteps(operation), rebalanced: new Set<string>() };
      const foreign = f === 'txn' ? undefined : read.steps.find(({ kind }) => kind !== f);
      if (foreign !== undefined)
        throw new Error(`operation ${id}: expected steps of ${f} alone, got a ${foreign.kind}`);
      return [{ operation, ...read }];
    });
}

/** Everything that was sent, in the order of the steps. */
export function sentOf({ operation, steps }: LogOperation): Sent[] {
  return steps.flatMap((step) =>
    step.kind === 'send' ? [{ operation, key: step.key, value: step.value, offset: step.offset }] : [],
  );
}

/** Everything that was polled, in the order of the steps. What a transaction polled that did not commit was read, too. */
export function polledOf({ operation, steps }: LogOperation): Polled[] {
  return steps.flatMap((step) =>
    step.kind === 'poll' ? Object.entries(step.records).map(([key, records]) => ({ operation, key, records })) : [],
  );
}
