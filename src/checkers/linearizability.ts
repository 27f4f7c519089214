/**
 * Linearizability of a history against a sequential model: the algorithm of Wing and Gong with Lowe's memory of
 * configurations ("Testing for linearizability", 2017), P-compositionality (Horn and Kroening, 2015), and the linked
 * list of calls and returns of porcupine. States are interned, so a configuration is a bit set and one number.
 */
import type { Operation } from './history.ts';
import { at } from './wgl/at.ts';
import { search } from './wgl/search.ts';

/** A sequential specification. States are immutable values; `step` is deterministic. */
export interface Model<State> {
  readonly name: string;
  readonly initial: State;
  /**
   * The state after this operation, or undefined if it cannot have happened there with this answer. An operation whose
   * outcome is `info` has no answer that counts: it must be accepted in every state, with its effect there.
   */
  step(state: State, operation: Operation): State | undefined;
  /** Equal states have equal keys. */
  key(state: State): string | number;
  /** Operations with different partitions do not touch each other. Default: all in one. */
  partition?(operation: Operation): string | number;
  /**
   * True for an operation that changes no state, whichever it meets: a read, or a compare-and-set that answered that the value
   * differed. Without an answer it says nothing and is left out; with one it needs no choice of its place. Default: none.
   */
  isRead?(operation: Operation): boolean;
  /**
   * Operations without an answer for which this is the same do the same in every state, so that it does not matter which of them
   * did it. Default: undefined, which is nobody's twin.
   */
  effect?(operation: Operation): string | number | undefined;
  /** A state in words, for reports. Default: its key. */
  describe?(state: State): string;
}

/** Bounds of the search; beyond one the verdict is `unknown`. */
export interface LinearizabilityLimits {
  /** Configurations remembered in one partition. Default 1,000,000. */
  readonly maxConfigurations?: number;
  /**
   * Memory of these and of their states, in bytes: n / 8 + 16 for each configuration of n operations, in tables that double as they
   * grow. The old beside the new counts, so that the search stops before it takes more than this. Default 512 MiB.
   */
  readonly maxBytes?: number;
  /** Steps of the model in one partition. Default 20,000,000. */
  readonly maxSteps?: number;
}

export type LinearizabilityVerdict = 'linearizable' | 'illegal' | 'unknown';

/** A partition that is not linearizable, or undecided: what a picture of it needs. Plain data; states in the model's words. */
export interface LinearizabilityFailure {
  readonly partition: string | number;
  readonly verdict: 'illegal' | 'unknown';
  /** Ids of the operations that could be put in order, in that order: the most answered ones that the search placed, with the fewest of those in doubt. */
  readonly longestPrefix: readonly number[];
  /** The state after each operation of `longestPrefix`. */
  readonly statesAlong: readonly string[];
  /** Every state in which the answered operations of `longestPrefix` may leave things, in this order first; 16 at most. */
  readonly statesBefore: readonly string[];
  /** Ids of the answered operations of which one had to come next: none can follow in any of `statesBefore`. */
  readonly stuck: readonly number[];
}

export interface LinearizabilityResult {
  readonly verdict: LinearizabilityVerdict;
  /** One for each partition that is not linearizable, or undecided. */
  readonly failures: readonly LinearizabilityFailure[];
  /** Most configurations that a partition remembered, and the most memory that it took for them and their states, in bytes. */
  readonly configurations: number;
  readonly tableBytes: number;
}

/** Decides a whole history. `illegal` in any partition wins over `unknown`. `fail` operations took no effect: left out. */
export function checkLinearizability<State>(
  operations: readonly Operation[],
  model: Model<State>,
  limits: LinearizabilityLimits = {},
): LinearizabilityResult {
  const { maxConfigurations = 1_000_000, maxSteps = 20_000_000, maxBytes = 512 << 20 } = limits;
  const failures: LinearizabilityFailure[] = [];
  let configurations = 0;
  let tableBytes = 0;
  for (const [partition, own] of partitionsOf(operations, model)) {
    const result = search(own, model, { maxConfigurations, maxSteps, maxBytes });
    configurations = Math.max(configurations, result.configurations);
    tableBytes = Math.max(tableBytes, result.bytes);
    if (result.verdict === 'linearizable') continue;
    const { path, ends, verdict } = result;
    failures.push({ partition, verdict, ...picture(own, model, path, ends) });
  }
  const verdict = failures.some((failure) => failure.verdict === 'illegal')
    ? 'illegal'
    : failures.length === 0
      ? 'linearizable'
      : 'unknown';
  return { verdict, failures, configurations, tableBytes };
}

/** What can be put in order at all, partition by partition. */
function partitionsOf<State>(
  operations: readonly Operation[],
  model: Model<State>,
): ReadonlyMap<string | number, readonly Operation[]> {
  const partitions = new Map<string | number, Operation[]>();
  for (const operation of operations) {
    if (operation.outcome === 'fail') continue;
    if (operation.outcome === 'info' && model.isRead?.(operation) === true) continue;
    const key = model.partition?.(operation) ?? 0;
    const list = partitions.get(key);
    if (list === undefined) partitions.set(key, [operation]);
    else list.push(operation);
  }
  return partitions;
}

function picture<State>(
  operations: readonly Operation[],
  model: Model<State>,
  path: readonly number[],
  ends: readonly State[],
): Omit<LinearizabilityFailure, 'partition' | 'verdict'> {
  const describe = (state: State): string => model.describe?.(state) ?? String(model.key(state));
  const placed = new Set(path);
  const prefix = path.map((index) => at(operations, index));
  const missing = operations.filter((operation, index) => !placed.has(index) && operation.outcome === 'ok');
  const firstReturn = missing.reduce((order, { completedOrder }) => Math.min(order, completedOrder), Infinity);
  const statesAlong: string[] = [];
  let state = model.initial;
  for (const operation of prefix) {
    const next = model.step(state, operation);
    if (next === undefined)
      throw new Error(`the model ${model.name} is not deterministic at operation ${operation.id}`);
    state = next;
    statesAlong.push(describe(state));
  }
  return {
    longestPrefix: prefix.map(({ id }) => id),
    statesAlong,
    statesBefore: ends.map(describe),
    stuck: missing.filter(({ invokedOrder }) => invokedOrder <= firstReturn).map(({ id }) => id),
  };
}
