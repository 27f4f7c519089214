import type { Millis } from '../../../host/clock.ts';
import { ProposalLost, type Proposed } from './group.ts';

interface Pending {
  readonly index: number;
  readonly term: number;
  readonly begunMs: Millis;
  journalMs: Millis;
  readonly resolve: (proposed: Proposed) => void;
  readonly reject: (error: ProposalLost) => void;
}

/** Entries of the array's beginning that are done are cut off once they are this many and half of it. */
const trimAt = 256;

/** What this broker has proposed to a group and not yet applied, by index; bounded by what the core lets be uncommitted. */
export class Proposals {
  #pending: Pending[] = [];
  /** The first that is not applied, the first that is not durable here. */
  #head = 0;
  #undurable = 0;
  #syncWaiters: { readonly index: number; readonly resolve: () => void; readonly reject: (error: Error) => void }[] =
    [];

  get size(): number {
    return this.#pending.length - this.#head;
  }

  /** Waits for the entry that was appended at `index` in `term`. */
  wait(index: number, term: number, now: Millis): Promise<Proposed> {
    return new Promise((resolve, reject) =>
      this.#pending.push({ index, term, begunMs: now, journalMs: 0, resolve, reject }),
    );
  }

  /** Resolves when the entries up to `index` are durable here. */
  untilDurable(index: number): Promise<void> {
    return new Promise((resolve, reject) => this.#syncWaiters.push({ index, resolve, reject }));
  }

  /** This broker's journal has the entries up to `index`. */
  durable(index: number, now: Millis): void {
    for (; this.#undurable < this.#pending.length; this.#undurable++) {
      const pending = this.#pending[this.#undurable];
      if (pending === undefined || pending.index > index) break;
      pending.journalMs = now - pending.begunMs;
    }
    if (this.#syncWaiters.length === 0) return;
    const ready = this.#syncWaiters.filter((waiter) => waiter.index <= index);
    this.#syncWaiters = this.#syncWaiters.filter((waiter) => waiter.index > index);
    for (const { resolve } of ready) resolve();
  }

  /** The entry was applied. */
  applied(index: number, term: number, result: unknown): void {
    const pending = this.#pending[this.#head];
    if (pending === undefined || pending.index > index) return;
    if (pending.index < index)
      throw new Error(`entry ${pending.index} was proposed here and ${index} applied before it`);
    this.#head++;
    this.#undurable = Math.max(this.#undurable, this.#head);
    if (this.#head >= trimAt && this.#head * 2 >= this.#pending.length) {
      this.#pending.splice(0, this.#head);
      this.#undurable -= this.#head;
      this.#head = 0;
    }
    if (pending.term === term) pending.resolve({ index, term, result, journalMs: pending.journalMs });
    else pending.reject(new ProposalLost(`another leader's entry stands at ${index}`));
  }

  /** The lead was lost: what of it will be committed is open. */
  lose(why: string): void {
    const lost = this.#pending.slice(this.#head);
    const waiters = this.#syncWaiters;
    this.#pending = [];
    this.#syncWaiters = [];
    this.#head = 0;
    this.#undurable = 0;
    for (const { reject } of lost) reject(new ProposalLost(why));
    for (const { reject } of waiters) reject(new ProposalLost(why));
  }
}
