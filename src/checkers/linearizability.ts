/**
 * Linearizability of a history against a sequential model: the algorithm of Wing and Gong with Lowe's memory of
 * configurations ("Testing for linearizability", 2017), P-compositionality (Horn and Kroening, 2015), and the linked
 * list of calls and returns of porcupine. States are interned, so a configuration is a bit set and one number.
 */
import type { Operation } from './history.ts';

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
  /** True for an operation that changes no state: without an answer it says nothing and is left out. Default: none. */
  isRead?(operation: Operation): boolean;
}

/** Bounds of the search; beyond one the verdict is `unknown`. */
export interface LinearizabilityLimits {
  /** Configurations remembered in one partition. Default 1,000,000. */
  readonly maxConfigurations?: number;
  /** Steps of the model in one partition. Default 20,000,000. */
  readonly maxSteps?: number;
}

export type LinearizabilityVerdict = 'linearizable' | 'illegal' | 'unknown';

export interface LinearizabilityResult {
  readonly verdict: LinearizabilityVerdict;
  /** One for each partition that is not linearizable, or undecided. */
  readonly failures: readonly {
    readonly partition: string | number;
    readonly verdict: 'illegal' | 'unknown';
    /** Ids of the longest sequence of operations that could be put in order. */
    readonly longestPrefix: readonly number[];
    /** Ids of the answered operations that could not follow it. */
    readonly stuck: readonly number[];
  }[];
}

/** Decides a whole history. `illegal` in any partition wins over `unknown`. `fail` operations took no effect: left out. */
export function checkLinearizability<State>(
  operations: readonly Operation[],
  model: Model<State>,
  limits: LinearizabilityLimits = {},
): LinearizabilityResult {
  const partitions = new Map<string | number, Operation[]>();
  for (const operation of operations) {
    if (operation.outcome === 'fail') continue;
    if (operation.outcome === 'info' && model.isRead?.(operation) === true) continue;
    const key = model.partition?.(operation) ?? 0;
    const list = partitions.get(key);
    if (list === undefined) partitions.set(key, [operation]);
    else list.push(operation);
  }
  const failures: LinearizabilityResult['failures'][number][] = [];
  for (const [partition, list] of partitions) {
    const result = checkPartition(list, model, limits);
    if (result.verdict !== 'linearizable') failures.push({ partition, ...result, verdict: result.verdict });
  }
  if (failures.some((failure) => failure.verdict === 'illegal')) return { verdict: 'illegal', failures };
  return { verdict: failures.length === 0 ? 'linearizable' : 'unknown', failures };
}

interface PartitionResult {
  readonly verdict: LinearizabilityVerdict;
  readonly longestPrefix: readonly number[];
  readonly stuck: readonly number[];
}

function checkPartition<State>(
  operations: readonly Operation[],
  model: Model<State>,
  limits: LinearizabilityLimits,
): PartitionResult {
  const maxConfigurations = limits.maxConfigurations ?? 1_000_000;
  const maxSteps = limits.maxSteps ?? 20_000_000;
  const list = new CallList(operations);
  const seen = new Configurations(operations.length);
  const states = new Interner(model);
  const path: { operation: number; state: number }[] = [];
  let state = states.intern(model.initial);
  let unanswered = operations.filter((operation) => operation.outcome === 'ok').length;
  let longest: number[] = [];
  let steps = 0;
  let node = list.first();

  while (unanswered > 0) {
    if (list.isCall(node)) {
      const index = list.operationOf(node);
      const operation = at(operations, index);
      if (++steps > maxSteps) return result('unknown');
      const next = model.step(states.value(state), operation);
      if (next !== undefined) {
        const nextState = states.intern(next);
        if (seen.add(index, nextState)) {
          if (seen.size > maxConfigurations) return result('unknown');
          path.push({ operation: index, state });
          if (path.length > longest.length) longest = path.map((step) => step.operation);
          state = nextState;
          if (operation.outcome === 'ok') unanswered--;
          list.lift(index);
          node = list.first();
          continue;
        }
      }
      node = list.after(node);
      continue;
    }
    // A return: its call was not put in order before it, so the last choice was wrong. Or the end of the list.
    const last = path.pop();
    if (last === undefined) return result('illegal');
    state = last.state;
    seen.remove(last.operation);
    if (at(operations, last.operation).outcome === 'ok') unanswered++;
    list.unlift(last.operation);
    node = list.after(list.callOf(last.operation));
  }
  return { verdict: 'linearizable', longestPrefix: path.map((step) => at(operations, step.operation).id), stuck: [] };

  function result(verdict: 'illegal' | 'unknown'): PartitionResult {
    const inPrefix = new Set(longest);
    const firstReturn = operations.reduce(
      (order, operation, index) => (inPrefix.has(index) ? order : Math.min(order, operation.completedOrder)),
      Number.POSITIVE_INFINITY,
    );
    const stuck = operations.filter(
      (operation, index) => !inPrefix.has(index) && operation.outcome === 'ok' && operation.invokedOrder <= firstReturn,
    );
    return {
      verdict,
      longestPrefix: longest.map((index) => at(operations, index).id),
      stuck: stuck.map((operation) => operation.id),
    };
  }
}

/** Calls and returns in order of time, doubly linked, so that an operation leaves and comes back in constant time. */
class CallList {
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #count: number;

  /** Node 2i + 1 is the call of operation i, 2i + 2 its return; 0 is the head, -1 the end. */
  constructor(operations: readonly Operation[]) {
    this.#count = operations.length;
    this.#next = new Int32Array(2 * operations.length + 1).fill(-1);
    this.#previous = new Int32Array(2 * operations.length + 1).fill(-1);
    const nodes = operations.flatMap((operation, index) => {
      const call = { node: 2 * index + 1, order: operation.invokedOrder };
      return operation.outcome === 'ok' ? [call, { node: 2 * index + 2, order: operation.completedOrder }] : [call];
    });
    nodes.sort((a, b) => a.order - b.order || a.node - b.node);
    let last = 0;
    for (const { node } of nodes) {
      this.#next[last] = node;
      this.#previous[node] = last;
      last = node;
    }
  }
  first(): number {
    return at(this.#next, 0);
  }
  after(node: number): number {
    return at(this.#next, node);
  }
  isCall(node: number): boolean {
    return node > 0 && node % 2 === 1;
  }
  operationOf(node: number): number {
    return (node - 1) >> 1;
  }
  callOf(index: number): number {
    return 2 * index + 1;
  }
  lift(index: number): void {
    this.#unlink(2 * index + 1);
    if (this.#hasReturn(index)) this.#unlink(2 * index + 2);
  }
  /** Undoes the last `lift` that has not been undone. */
  unlift(index: number): void {
    if (this.#hasReturn(index)) this.#relink(2 * index + 2);
    this.#relink(2 * index + 1);
  }
  #hasReturn(index: number): boolean {
    return index < this.#count && at(this.#previous, 2 * index + 2) !== -1;
  }
  #unlink(node: number): void {
    const before = at(this.#previous, node);
    const after = at(this.#next, node);
    this.#next[before] = after;
    if (after !== -1) this.#previous[after] = before;
  }
  #relink(node: number): void {
    this.#next[at(this.#previous, node)] = node;
    const after = at(this.#next, node);
    if (after !== -1) this.#previous[after] = node;
  }
}

/** Configurations that have been visited: which operations are in order, and the state after them. */
class Configurations {
  readonly #bits: Uint32Array;
  readonly #weights: Uint32Array;
  readonly #seen = new Map<number, { bits: Uint32Array; state: number }[]>();
  #hash = 0;
  size = 0;

  constructor(operations: number) {
    this.#bits = new Uint32Array((operations + 31) >> 5);
    this.#weights = new Uint32Array(operations);
    for (let index = 0; index < operations; index++) this.#weights[index] = scramble(index + 1);
  }
  /** Adds the operation to the set; false (and nothing changed) if that configuration was visited before. */
  add(index: number, state: number): boolean {
    this.#flip(index);
    const key = (this.#hash ^ scramble(state)) >>> 0;
    const bucket = this.#seen.get(key);
    if (bucket?.some((entry) => entry.state === state && equalBits(entry.bits, this.#bits)) === true) {
      this.#flip(index);
      return false;
    }
    const entry = { bits: this.#bits.slice(), state };
    if (bucket === undefined) this.#seen.set(key, [entry]);
    else bucket.push(entry);
    this.size++;
    return true;
  }
  remove(index: number): void {
    this.#flip(index);
  }
  #flip(index: number): void {
    const word = index >> 5;
    this.#bits[word] = at(this.#bits, word) ^ (1 << (index & 31));
    this.#hash ^= at(this.#weights, index);
  }
}

class Interner<State> {
  readonly #numbers = new Map<string | number, number>();
  readonly #values: State[] = [];
  readonly #model: Model<State>;

  constructor(model: Model<State>) {
    this.#model = model;
  }
  intern(state: State): number {
    const key = this.#model.key(state);
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#values.length;
      this.#values.push(state);
      this.#numbers.set(key, number);
    }
    return number;
  }
  value(number: number): State {
    return at(this.#values, number);
  }
}

function equalBits(a: Uint32Array, b: Uint32Array): boolean {
  for (let word = 0; word < a.length; word++) if (a[word] !== b[word]) return false;
  return true;
}

/** The finalizer of MurmurHash3: spreads small numbers over 32 bits. */
function scramble(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function at<T>(list: { readonly [index: number]: T; readonly length: number }, index: number): T {
  const value = list[index];
  if (value === undefined) throw new Error(`index ${index} is outside 0..${list.length - 1}`);
  return value;
}
