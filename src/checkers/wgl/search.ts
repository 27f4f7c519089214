import type { Operation } from '../history.ts';
import type { LinearizabilityVerdict, Model } from '../linearizability.ts';
import { at } from './at.ts';
import { CallList } from './callList.ts';
import { Configurations } from './configurations.ts';
import { impossible, Transitions } from './states.ts';

/** Bounds of one search. */
export interface SearchLimits {
  readonly maxConfigurations: number;
  readonly maxSteps: number;
  /** Memory of the tables of configurations, as they grow too, and of their states and the keys of these, in bytes. */
  readonly maxBytes: number;
}

export interface SearchResult<State> {
  readonly verdict: LinearizabilityVerdict;
  /** The order that was found; otherwise the one that held the most answered operations. */
  readonly path: readonly number[];
  /** Every state in which the answered operations of `path` were seen to leave things, its own first; up to `shownStates`. */
  readonly ends: readonly State[];
  /** Configurations remembered, and the memory of their tables, of their states and of the keys of these, in bytes. */
  readonly configurations: number;
  readonly bytes: number;
}

/** States that are kept to be shown. */
const shownStates = 16;

/**
 * The search of Wing and Gong with Lowe's memory of configurations, over the operations of one partition. Three observations keep
 * it from branching where nothing depends on it:
 *
 * - An operation that never changes the state has no alternative once it is put in order: had it come later, moving it here would
 *   change nothing else. If that leads nowhere, nothing does.
 * - One without an answer that would change nothing here is not put in order: it may as well never take effect.
 * - Of several without an answer that do the same, the one invoked first goes first: it can stand wherever the others can.
 */
export function search<State>(
  operations: readonly Operation[],
  model: Model<State>,
  limits: SearchLimits,
): SearchResult<State> {
  const list = new CallList(operations);
  const seen = new Configurations(operations.length);
  const states = new Transitions(model, operations);
  const answered = Uint8Array.from(operations, ({ outcome }) => (outcome === 'ok' ? 1 : 0));
  const reads = Uint8Array.from(operations, (operation) => (model.isRead?.(operation) === true ? 1 : 0));
  const twins = earlierTwins(operations, model);
  const best = new Best(answered);
  const path: number[] = [];
  const before: number[] = [];
  const initial = states.intern(model.initial);
  const total = answered.reduce((sum, one) => sum + one, 0);
  let state = initial;
  let done = 0;
  let steps = 0;
  let isBounded = false;
  let node = list.first();

  while (done < total) {
    if (list.isCall(node)) {
      const index = list.operationOf(node);
      const twin = at(twins, index);
      if (twin !== -1 && !seen.has(twin)) {
        node = list.after(node);
        continue;
      }
      if (++steps > limits.maxSteps) {
        isBounded = true;
        break;
      }
      const next = states.next(state, index);
      const isAnswered = answered[index] === 1;
      if (next !== impossible && (isAnswered || next !== state) && seen.add(index, next)) {
        if (seen.size > limits.maxConfigurations || seen.bytesOfNext + states.bytes > limits.maxBytes) {
          isBounded = true;
          break;
        }
        path.push(index);
        before.push(state);
        state = next;
        list.lift(index);
        if (isAnswered) done++;
        node = list.first();
        continue;
      }
      // A read that fits but has been here before: what follows from it has been tried.
      node = next === state && reads[index] === 1 ? backtrack() : list.after(node);
    } else {
      // A return: its call was not put in order before it, so the last choice was wrong. Or the end of the list.
      node = backtrack();
    }
    if (node === exhausted) break;
  }
  if (isBounded) best.offer(done, path, state);
  return {
    verdict: done === total ? 'linearizable' : isBounded ? 'unknown' : 'illegal',
    path: done === total ? path : best.path,
    ends: (done === total ? [state] : best.states).map((number) => states.value(number)),
    configurations: seen.size,
    bytes: seen.bytes + states.bytes,
  };

  /** Takes back the last choice that had an alternative; gives the node at which to go on. */
  function backtrack(): number {
    best.offer(done, path, state);
    for (;;) {
      const index = path.pop();
      const earlier = before.pop();
      if (index === undefined || earlier === undefined) return exhausted;
      const hadNoEffect = earlier === state;
      state = earlier;
      seen.remove(index);
      if (answered[index] === 1) done--;
      list.unlift(index);
      if (reads[index] === 0 || !hadNoEffect) return list.after(list.callOf(index));
    }
  }
}

/** No node of a list: nothing is left to try. */
const exhausted = -2;

/** For each operation without an answer, the one before it that does the same; -1 for none. */
function earlierTwins<State>(operations: readonly Operation[], model: Model<State>): Int32Array {
  const twins = new Int32Array(operations.length).fill(-1);
  const last = new Map<string | number, number>();
  const open = operations
    .map((operation, index) => ({ operation, index }))
    .filter(({ operation }) => operation.outcome !== 'ok')
    .sort((a, b) => a.operation.invokedOrder - b.operation.invokedOrder);
  for (const { operation, index } of open) {
    const effect = model.effect?.(operation);
    if (effect === undefined) continue;
    twins[index] = last.get(effect) ?? -1;
    last.set(effect, index);
  }
  return twins;
}

/** The furthest that the search has come: by answered operations, as the others prove nothing. `states` begins with that of `path`. */
class Best {
  path: readonly number[] = [];
  states: number[] = [];
  readonly #answered: Uint8Array;
  /** The answered operations of `path`. */
  #set: ReadonlySet<number> = new Set();
  #done = -1;

  constructor(answered: Uint8Array) {
    this.#answered = answered;
  }
  /** To be called where the search can go no further. */
  offer(done: number, path: readonly number[], state: number): void {
    if (done < this.#done) return;
    const isShorter = path.length < this.path.length;
    if (done === this.#done && !isShorter && (this.states.length >= shownStates || this.states.includes(state))) return;
    const isSame = done === this.#done && path.every((index) => this.#answered[index] === 0 || this.#set.has(index));
    // The same with fewer operations in doubt tells more.
    if (done > this.#done || isShorter) {
      this.#done = done;
      this.path = [...path];
      this.states = [state, ...(isSame ? this.states.filter((other) => other !== state) : [])].slice(0, shownStates);
      this.#set = new Set(path.filter((index) => this.#answered[index] === 1));
    } else if (isSame) {
      this.states.push(state);
    }
  }
}
