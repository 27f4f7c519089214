import type { Operation } from '../history.ts';
import type { LogAssignment, LogRecord, LogStep, LogValue } from './operations.ts';

/** Steps of a transaction, and the keys of the rebalances that happened meanwhile. */
export interface AnsweredSteps {
  readonly steps: readonly LogStep[];
  readonly rebalanced: ReadonlySet<string>;
}

/** What was asked for: nothing was polled yet, and no offset is known. */
export function askedSteps(operation: Operation): LogStep[] {
  return stepsOf(operation, operation.input).map((step) =>
    step.kind === 'poll' ? { kind: 'poll', records: {} } : { kind: 'send', key: step.key, value: step.value },
  );
}

/** What was answered: the steps, or `{ steps, rebalanceLog }`. */
export function answeredSteps(operation: Operation): AnsweredSteps {
  const { output } = operation;
  if (!isRecord(output)) return { steps: stepsOf(operation, output), rebalanced: new Set() };
  const { steps, rebalanceLog = [] } = output;
  if (!Array.isArray(rebalanceLog)) {
    return wrong(operation, 'a rebalanceLog of [{ keys }]', rebalanceLog);
  }
  const rebalanced = rebalanceLog.flatMap((event: unknown) => keysOf(operation, isRecord(event) ? event.keys : event));
  return { steps: stepsOf(operation, steps), rebalanced: new Set(rebalanced) };
}

/** The keys of `assign` and `subscribe`. */
export function assignmentOf(operation: Operation): LogAssignment {
  const { input } = operation;
  if (!isRecord(input)) return { keys: keysOf(operation, input) };
  return { keys: keysOf(operation, input.keys), seekToBeginning: input.seekToBeginning === true };
}

function keysOf(operation: Operation, value: unknown): string[] {
  if (Array.isArray(value) && value.every(isValue)) return value.map(String);
  return wrong(operation, 'a list of keys', value);
}

function stepsOf(operation: Operation, value: unknown): LogStep[] {
  if (!Array.isArray(value)) return wrong(operation, 'steps of a transaction', value);
  return value.map((step: unknown) => stepOf(operation, step));
}

function stepOf(operation: Operation, step: unknown): LogStep {
  if (Array.isArray(step)) return jepsenStep(operation, step);
  if (isRecord(step)) {
    const { kind, key, value, offset, records = {} } = step;
    if (kind === 'poll' && isRecord(records)) return { kind, records: recordsOf(operation, records) };
    if (kind === 'send' && isValue(key) && isValue(value) && isOffset(offset)) {
      return { kind, key: String(key), value, ...(typeof offset === 'number' ? { offset } : {}) };
    }
  }
  return wrong(operation, 'a step { kind: "send", key, value } or { kind: "poll", records }', step);
}

/** `["send", key, value]`, `["send", key, [offset, value]]`, `["poll"]`, `["poll", { key: [[offset, value]] }]`. */
function jepsenStep(operation: Operation, [kind, key, what]: readonly unknown[]): LogStep {
  if (kind === 'poll' && (key === undefined || key === null || isRecord(key))) {
    return { kind, records: recordsOf(operation, key ?? {}) };
  }
  const [offset, value]: readonly unknown[] = Array.isArray(what) ? what : [undefined, what];
  if (kind === 'send' && isValue(key) && isValue(value) && isOffset(offset)) {
    return { kind, key: String(key), value, ...(typeof offset === 'number' ? { offset } : {}) };
  }
  return wrong(operation, 'a step ["send", key, value] or ["poll", records]', [kind, key, what]);
}

function recordsOf(operation: Operation, byKey: Readonly<Record<string, unknown>>): Record<string, LogRecord[]> {
  return Object.fromEntries(
    Object.entries(byKey).map(([key, records]) => {
      if (!Array.isArray(records)) return wrong(operation, `a list of what was polled of ${key}`, records);
      return [key, records.map((record: unknown) => recordOf(operation, record))];
    }),
  );
}

function recordOf(operation: Operation, record: unknown): LogRecord {
  const { offset, value } = isRecord(record)
    ? record
    : { offset: (record as readonly unknown[])?.[0], value: (record as readonly unknown[])?.[1] }; // tested below
  if (typeof offset === 'number' && isOffset(offset) && isValue(value)) return { offset, value };
  return wrong(operation, 'a record { offset, value } or [offset, value]', record);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isValue(value: unknown): value is LogValue {
  return typeof value === 'number' || typeof value === 'string';
}

/** None, or a whole number from 0. */
function isOffset(value: unknown): boolean {
  return value === undefined || value === null || (Number.isSafeInteger(value) && Number(value) >= 0);
}

function wrong({ id, f }: Operation, expected: string, got: unknown): never {
  throw new Error(`operation ${id} (${f}): expected ${expected}, got ${JSON.stringify(got)}`);
}
