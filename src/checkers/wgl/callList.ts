import type { Operation } from '../history.ts';
import { at } from './at.ts';

/** Calls and returns in order of time, doubly linked, so that an operation leaves and comes back in constant time (porcupine). */
export class CallList {
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #hasReturn: Uint8Array;

  /**
   * Node 2i + 1 is the call of operation i, 2i + 2 its return; 0 is the head, -1 the end. Only `ok` returns: whatever else
   * came back to the client says nothing about when the operation took effect.
   */
  constructor(operations: readonly Operation[]) {
    this.#next = new Int32Array(2 * operations.length + 1).fill(-1);
    this.#previous = new Int32Array(2 * operations.length + 1).fill(-1);
    this.#hasReturn = Uint8Array.from(operations, ({ outcome }) => (outcome === 'ok' ? 1 : 0));
    const nodes: { readonly node: number; readonly order: number }[] = [];
    for (const [index, { outcome, invokedOrder, completedOrder }] of operations.entries()) {
      nodes.push({ node: 2 * index + 1, order: invokedOrder });
      if (outcome === 'ok') nodes.push({ node: 2 * index + 2, order: completedOrder });
    }
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
    return node > 0 && (node & 1) === 1;
  }
  operationOf(node: number): number {
    return (node - 1) >> 1;
  }
  callOf(index: number): number {
    return 2 * index + 1;
  }
  lift(index: number): void {
    this.#unlink(2 * index + 1);
    if (this.#hasReturn[index] === 1) this.#unlink(2 * index + 2);
  }
  /** Undoes the last `lift` that has not been undone. */
  unlift(index: number): void {
    if (this.#hasReturn[index] === 1) this.#relink(2 * index + 2);
    this.#relink(2 * index + 1);
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
