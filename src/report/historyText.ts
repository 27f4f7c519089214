import type { Operation } from '../checkers/history.ts';
import type { LinearizabilityResult } from '../checkers/linearizability.ts';

/** Operations of the longest prefix that a picture shows: the last ones, nearest to where it stopped. */
const shownOfPrefix = 8;
const shownStuck = 6;
/** Columns of the lanes. */
const laneWidth = 60;
const longestWord = 40;

/**
 * Where a history stopped being linearizable, as text: how many operations could be put in order, the last of them with
 * their numbers in that order, and those that cannot follow (`✗`); each as a bar from its call to its answer.
 */
export function drawFailure(
  operations: readonly Operation[],
  failure: LinearizabilityResult['failures'][number],
): string[] {
  const byId = new Map(operations.map((operation) => [operation.id, operation]));
  const rankOf = new Map(failure.longestPrefix.map((id, index) => [id, index + 1]));
  const shown = [...failure.longestPrefix.slice(-shownOfPrefix), ...failure.stuck.slice(0, shownStuck)].flatMap(
    (id) => byId.get(id) ?? [],
  );
  const named = shown
    .map((operation) => ({
      operation,
      mark: rankOf.has(operation.id) ? `${rankOf.get(operation.id)}.` : '✗',
      words: wordsOf(operation),
    }))
    .sort((a, b) => a.operation.invokedOrder - b.operation.invokedOrder);
  const markWidth = Math.max(...named.map(({ mark }) => mark.length));
  const wordWidth = Math.max(...named.map(({ words }) => words.length));
  const columnOf = columns(shown);
  const { length } = failure.longestPrefix;
  const hidden = failure.stuck.length - shownStuck;
  return [
    `partition ${failure.partition}: ${length} ${length === 1 ? 'operation' : 'operations'} in order, then none of ${failure.stuck.length} can follow` +
      (failure.statesBefore.length === 0 ? '' : ` in ${shortened(failure.statesBefore.join(' or '))}`),
    ...named.map(
      ({ operation, mark, words }) =>
        `${mark.padStart(markWidth)} ${words.padEnd(wordWidth)} ${barOf(operation, columnOf)}`,
    ),
    ...(hidden > 0 ? [`  and ${hidden} more that cannot follow`] : []),
  ];
}

/** `p3 write 4 → ok`. */
function wordsOf({ process, f, input, output, outcome }: Operation): string {
  const asked = input === undefined ? '' : ` ${JSON.stringify(input)}`;
  const answered = outcome === 'info' ? '?' : output === undefined ? 'ok' : JSON.stringify(output);
  const words = `p${process} ${f}${asked} → ${answered}`;
  return shortened(words);
}

function shortened(words: string): string {
  return words.length <= longestWord ? words : `${words.slice(0, longestWord - 1)}…`;
}

/** Calls and answers, spread evenly over the lanes in their order: times may lie far apart, or all at one moment. */
function columns(operations: readonly Operation[]): (order: number) => number {
  const orders = operations
    .flatMap(({ invokedOrder, completedOrder }) => [invokedOrder, completedOrder])
    .filter((order) => Number.isFinite(order))
    .sort((a, b) => a - b);
  const step = (laneWidth - 1) / Math.max(1, orders.length - 1);
  const column = new Map(orders.map((order, index) => [order, Math.round(index * step)]));
  return (order) => column.get(order) ?? laneWidth - 1;
}

function barOf({ invokedOrder, completedOrder }: Operation, columnOf: (order: number) => number): string {
  const from = columnOf(invokedOrder);
  const open = !Number.isFinite(completedOrder);
  const to = open ? laneWidth - 1 : columnOf(completedOrder);
  return `${' '.repeat(from)}├${'─'.repeat(Math.max(0, to - from - 1))}${open ? '→' : '┤'}`;
}
