import type { Operation } from '../history.ts';
import type { Model } from '../linearizability.ts';
import { at } from './at.ts';

/** What `Transitions.next` gives where the operation cannot have happened. */
export const impossible = -1;

/** Entries of transitions that are remembered in one partition, 4 bytes each. */
const rememberedMax = 1 << 20;
/** What a state takes beside its key and its entries: headers, a map as it grows, three lists. Measured: 200,000 states of a queue. */
const stateBytes = 256;
/** A state is worth remembering for once it was asked about so often. */
const worthIt = 8;

/** States by number, and the steps between them, each asked of the model once where that pays. */
export class Transitions<State> {
  readonly #model: Model<State>;
  readonly #operations: readonly Operation[];
  readonly #numbers = new Map<string | number, number>();
  readonly #values: State[] = [];
  readonly #asked: number[] = [];
  /** By state: for each operation 0 (not asked), 1 (impossible), or the next state + 2. */
  readonly #known: (Int32Array | undefined)[] = [];
  #remembered = 0;
  /** Memory of all states, as far as lists and texts tell it, of their keys and of the transitions that are remembered, in bytes. */
  bytes = 0;

  constructor(model: Model<State>, operations: readonly Operation[]) {
    this.#model = model;
    this.#operations = operations;
  }
  intern(state: State): number {
    const key = this.#model.key(state);
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#values.length;
      this.#values.push(state);
      this.#asked.push(0);
      this.#known.push(undefined);
      this.#numbers.set(key, number);
      this.bytes += stateBytes + textBytes(key) + (Array.isArray(state) ? 8 * state.length : textBytes(state));
    }
    return number;
  }
  value(number: number): State {
    return at(this.#values, number);
  }
  /** The state after this operation, or `impossible`. */
  next(state: number, index: number): number {
    const row = this.#known[state] ?? this.#rowOf(state);
    if (row !== undefined) {
      const known = at(row, index);
      if (known !== 0) return known - 2;
    }
    const value = this.#model.step(this.value(state), at(this.#operations, index));
    const next = value === undefined ? impossible : this.intern(value);
    if (row !== undefined) row[index] = next + 2;
    return next;
  }
  #rowOf(state: number): Int32Array | undefined {
    const asked = at(this.#asked, state) + 1;
    this.#asked[state] = asked;
    const { length } = this.#operations;
    if (asked < worthIt || this.#remembered + length > rememberedMax) return undefined;
    this.#remembered += length;
    this.bytes += 4 * length;
    const row = new Int32Array(length);
    this.#known[state] = row;
    return row;
  }
}

/** V8 keeps texts with one or two bytes a character. */
function textBytes(value: unknown): number {
  return typeof value === 'string' ? 2 * value.length : 0;
}
