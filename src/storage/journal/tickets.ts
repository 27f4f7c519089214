import type { JournalError } from './errors.ts';
import type { GroupTrace } from './groupTrace.ts';
import type { Lsn, Ticket } from './types.ts';

/**
 * What becomes of one batch, shared by the tickets of all appends in it: one promise a batch, made when first asked for.
 */
export class BatchOutcome {
  /** Set when one of the appends is traced. */
  trace: GroupTrace | undefined;
  #state: 'pending' | 'durable' | 'rejected' = 'pending';
  #error: JournalError | undefined;
  #promise: Promise<void> | undefined;
  #resolve: (() => void) | undefined;
  #reject: ((error: JournalError) => void) | undefined;

  promise(): Promise<void> {
    if (this.#promise === undefined) {
      if (this.#state === 'durable') this.#promise = Promise.resolve();
      else if (this.#state === 'rejected') this.#promise = Promise.reject(this.#error);
      else {
        this.#promise = new Promise((resolve, reject) => {
          this.#resolve = resolve;
          this.#reject = reject;
        });
      }
    }
    return this.#promise;
  }

  get settled(): boolean {
    return this.#state !== 'pending';
  }

  acknowledge(): void {
    if (this.#state !== 'pending') throw new Error(`a batch that is ${this.#state} cannot be acknowledged`);
    this.#state = 'durable';
    this.trace?.ended();
    this.#resolve?.();
  }

  reject(error: JournalError): void {
    if (this.#state !== 'pending') throw new Error(`a batch that is ${this.#state} cannot be rejected`);
    this.#state = 'rejected';
    this.#error = error;
    this.trace?.ended(error);
    this.#reject?.(error);
  }
}

/** The ticket of one append. */
export class AppendTicket implements Ticket {
  readonly first: Lsn;
  readonly last: Lsn;
  readonly #outcome: BatchOutcome;

  constructor(first: Lsn, last: Lsn, outcome: BatchOutcome) {
    this.first = first;
    this.last = last;
    this.#outcome = outcome;
  }

  durable(): Promise<void> {
    return this.#outcome.promise();
  }
}
