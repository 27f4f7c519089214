import type { ReadState } from '../../../consensus/types.ts';
import { NotProposed } from './group.ts';

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: NotProposed) => void;
}

interface Round {
  readonly waiters: readonly Waiter[];
  /** Undefined until the quorum has confirmed the lead. */
  index: number | undefined;
}

/** Reads that wait for ReadIndex (Raft thesis §6.4): those of one turn share a round. */
export class ReadBarriers {
  #next: Waiter[] = [];
  readonly #rounds = new Map<number, Round>();
  #lastRound = 0;

  /** Joins the round that the next turn begins. */
  wait(): Promise<void> {
    return new Promise((resolve, reject) => this.#next.push({ resolve, reject }));
  }

  /** Somebody has joined a round that has not begun. */
  get isAwaited(): boolean {
    return this.#next.length > 0;
  }

  /** Begins a round for those who joined: gives its context; undefined when nobody did. */
  begin(): Uint8Array | undefined {
    if (this.#next.length === 0) return undefined;
    const round = ++this.#lastRound;
    this.#rounds.set(round, { waiters: this.#next, index: undefined });
    this.#next = [];
    const context = new Uint8Array(8);
    new DataView(context.buffer).setFloat64(0, round);
    return context;
  }

  confirmed({ index, context }: ReadState): void {
    if (context.length !== 8) return;
    const round = this.#rounds.get(new DataView(context.buffer, context.byteOffset).getFloat64(0));
    if (round !== undefined) round.index = index;
  }

  /** Lets those go whose index is applied. */
  applied(index: number): void {
    for (const [number, round] of this.#rounds) {
      if (round.index === undefined || round.index > index) continue;
      this.#rounds.delete(number);
      for (const { resolve } of round.waiters) resolve();
    }
  }

  get isEmpty(): boolean {
    return this.#rounds.size === 0 && this.#next.length === 0;
  }

  fail(why: string): void {
    const waiters = [...this.#next, ...[...this.#rounds.values()].flatMap((round) => round.waiters)];
    this.#next = [];
    this.#rounds.clear();
    for (const { reject } of waiters) reject(new NotProposed('not-leader', why));
  }
}
