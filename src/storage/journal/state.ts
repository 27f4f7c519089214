import type { Context } from './context.ts';
import { JournalError, type Outcome, type ReadOnlyReason } from './errors.ts';
import type { JournalState } from './types.ts';

/**
 * The state of a journal and why it is in it. Read-only has causes that come and go; failed and damaged win over them;
 * closed is for ever.
 */
export class StateKeeper {
  readonly #context: Context;
  readonly #reasons = new Map<ReadOnlyReason, string>();
  readonly #listeners = new Set<(state: JournalState, why: string) => void>();
  #failure: { readonly why: string; readonly cause: unknown } | undefined;
  #damage: string | undefined;
  #closed = false;
  #shown: JournalState = 'open';

  constructor(context: Context) {
    this.#context = context;
    context.metrics.setState('open');
  }

  get state(): JournalState {
    if (this.#closed) return 'closed';
    if (this.#failure !== undefined) return 'failed';
    if (this.#damage !== undefined) return 'damaged';
    return this.#reasons.size > 0 ? 'read-only' : 'open';
  }

  get why(): string {
    if (this.#closed) return 'closed';
    return this.#failure?.why ?? this.#damage ?? [...this.#reasons.values()][0] ?? '';
  }

  get reasons(): readonly ReadOnlyReason[] {
    return [...this.#reasons.keys()];
  }

  onState(fn: (state: JournalState, why: string) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  hold(reason: ReadOnlyReason, why: string): void {
    this.#reasons.set(reason, why);
    this.#show();
  }

  release(reason: ReadOnlyReason): void {
    if (!this.#reasons.has(reason) || this.#context.mutants.has('read-only-forever')) return;
    this.#reasons.delete(reason);
    this.#context.host.telemetry.sometimes('read-only left', this.state === 'open');
    this.#show();
  }

  fail(why: string, cause: unknown): void {
    this.#failure ??= { why, cause };
    this.#show();
  }

  damaged(why: string | undefined): void {
    this.#damage = why;
    this.#show();
  }

  close(): void {
    this.#closed = true;
    this.#show();
  }

  /** What an append is refused with now; undefined when it may go on. */
  refusal(outcome: Outcome = 'not_applied'): JournalError | undefined {
    const state = this.state;
    if (state === 'open') return undefined;
    const why = this.why;
    if (state === 'read-only') {
      const reason = this.reasons[0];
      return new JournalError('JournalReadOnly', `the journal is read-only: ${why}`, {
        outcome,
        ...(reason && { reason }),
      });
    }
    if (state === 'failed') {
      const message = `the journal has failed: ${why}; it takes appends again after a restart`;
      return new JournalError('JournalFailed', message, { outcome, cause: this.#failure?.cause });
    }
    if (state === 'damaged') {
      return new JournalError('JournalDamaged', `the journal is damaged: ${why}; fill it first`, { outcome });
    }
    return new JournalError('JournalClosed', 'the journal is closed', { outcome });
  }

  #show(): void {
    const state = this.state;
    if (state === this.#shown) return;
    this.#shown = state;
    this.#context.metrics.setState(state);
    const level = state === 'open' || state === 'closed' ? 'info' : 'error';
    this.#context.logger[level]('journal state', { state, why: this.why });
    for (const fn of this.#listeners) fn(state, this.why);
  }
}
