import type { ProducerState } from './producers.ts';

interface TailEntry {
  /** Undefined: expired in the tail. */
  state: ProducerState | undefined;
  /** Entries of this producer that are appended and not applied. */
  pending: number;
  /** The newest of them. */
  last: Promise<unknown>;
}

/**
 * What a leader knows beyond the applied state: the end of its log, with the producers whose batches are appended and not yet
 * committed. Built when it begins to lead, dropped when it ends.
 */
export class Tail {
  readonly term: number;
  /** Offset that the next batch gets. */
  next: number;
  readonly #producers = new Map<number, TailEntry>();

  constructor(term: number, next: number) {
    this.term = term;
    this.next = next;
  }

  /** Producers with something under way. */
  get producers(): number {
    return this.#producers.size;
  }

  isPending(producerId: number): boolean {
    return this.#producers.has(producerId);
  }

  /** A producer's state after everything appended. */
  get(producerId: number, applied: ReadonlyMap<number, ProducerState>): ProducerState | undefined {
    const entry = this.#producers.get(producerId);
    return entry === undefined ? applied.get(producerId) : entry.state;
  }

  /** The newest proposal of this producer that is not applied. */
  underWay(producerId: number): Promise<unknown> | undefined {
    return this.#producers.get(producerId)?.last;
  }

  /** An entry that leads to this state was proposed. */
  appended(producerId: number, state: ProducerState | undefined, proposed: Promise<unknown>): void {
    const entry = this.#producers.get(producerId);
    if (entry === undefined) {
      this.#producers.set(producerId, { state, pending: 1, last: proposed });
      return;
    }
    entry.state = state;
    entry.pending += 1;
    entry.last = proposed;
  }

  /** An entry of this producer was applied. */
  applied(producerId: number): void {
    const entry = this.#producers.get(producerId);
    if (entry === undefined) return;
    entry.pending -= 1;
    if (entry.pending === 0) this.#producers.delete(producerId);
  }
}
