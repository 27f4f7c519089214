import type { Operation } from '../history.ts';
import type { ClientInput, ServerRequest, StemeEvidence } from './evidence.ts';

/** Operations that one violation names at most: the first and the last tell what became of an id. */
const namedMax = 20;

/** Clients' operations by the ids that they speak of; made when the first violation asks. */
const indexes = new WeakMap<StemeEvidence['operations'], ReadonlyMap<string, readonly Operation[]>>();

/** Numbers of the clients' operations that send or ask for one of these ids, in order of invocation. */
export function operationsAbout(evidence: StemeEvidence, ids: Iterable<string>): number[] {
  const index = indexOf(evidence.operations);
  const found = new Set<number>();
  for (const id of ids) for (const operation of index.get(id) ?? []) found.add(operation.id);
  const all = [...found].sort((a, b) => a - b);
  return all.length <= namedMax ? all : [...all.slice(0, namedMax / 2), ...all.slice(-namedMax / 2)];
}

/** Number of the client's operation that a request is of: none for one of an operator. */
export function operationsOf(evidence: StemeEvidence, request: ServerRequest): number[] {
  const [id = ''] = request.ids;
  const own = (indexOf(evidence.operations).get(id) ?? []).findLast(
    (operation) =>
      isWrite(operation) &&
      operation.invokedAt <= request.arrivedAtMs &&
      operation.completedAt >= request.arrivedAtMs &&
      // One that was answered was answered after the request was.
      (operation.outcome === 'info' || operation.completedAt >= request.answeredAtMs),
  );
  return own === undefined ? [] : [own.id];
}

/**
 * Until when all that was heard of an id was well, before an operation that was answered wrongly: the answer of the last
 * operation about it that succeeded before that one began, but for those that are known to be wrong; else the call of the
 * first operation about it, before which nothing was asked of it.
 */
export function wellUntil(
  evidence: StemeEvidence,
  id: string,
  wrong: Operation,
  isWrong: (id: number) => boolean,
): number {
  const all = indexOf(evidence.operations).get(id) ?? [];
  const answers = all
    .filter((each) => each.outcome === 'ok' && each.completedOrder < wrong.invokedOrder && !isWrong(each.id))
    .map((each) => each.completedAt);
  if (answers.length > 0) return Math.max(...answers);
  return Math.min(wrong.invokedAt, ...all.map((each) => each.invokedAt));
}

function isWrite(operation: Operation): boolean {
  return (operation.input as ClientInput).f === 'write'; // the evidence holds the stand's own clients
}

function indexOf(operations: StemeEvidence['operations']): ReadonlyMap<string, readonly Operation[]> {
  const known = indexes.get(operations);
  if (known !== undefined) return known;
  const index = new Map<string, Operation[]>();
  for (const operation of operations) {
    for (const id of idsOf(operation.input)) {
      const list = index.get(id);
      if (list === undefined) index.set(id, [operation]);
      else list.push(operation);
    }
  }
  indexes.set(operations, index);
  return index;
}

function idsOf(input: ClientInput): readonly string[] {
  if (input.f === 'write') return input.submissions.map((submission) => submission.id);
  return input.f === 'get' ? [input.id] : [];
}
