import type { Operation } from '../history.ts';
import type { Model } from '../linearizability.ts';

/** Who holds the lock, and the highest fencing token that was ever given out. */
export interface LockState {
  readonly token: number;
  readonly held: boolean;
}

/** Input of `release` and of `use` (the protected thing asks: is this the highest token that I have seen?). */
export interface LockInput {
  readonly token: number;
}

/**
 * A lock with fencing tokens, as a lease gives them (Gray and Cheriton, 1989; M. Kleppmann, "How to do distributed locking", 2016):
 *
 * - `acquire` (output: the token, or null when somebody holds it). Tokens grow with every holder.
 * - `release` (output: true, or false when this token does not hold it any more).
 * - `expire`: the lock was taken away from its holder; the next `acquire` gets a higher token.
 * - `use` (output: true if the protected thing took it, which it may only from the newest token).
 *
 * With `key` in the input there are several locks. An `acquire` without an answer may have taken the lock under a token that nobody knows: the next is higher still.
 */
export const lockModel: Model<LockState> = {
  name: 'lock',
  initial: { token: 0, held: false },
  key: (state) => `${state.token} ${state.held}`,
  partition: ({ input }) => (input as { readonly key?: string } | null | undefined)?.key ?? 0, // none: there is one lock
  isRead: (operation) => operation.f === 'use',
  effect: (operation) => (operation.f === 'release' ? `release ${tokenOf(operation)}` : operation.f),
  describe: ({ token, held }) => (held ? `held with token ${token}` : `free, last token ${token}`),
  step(state, operation) {
    switch (operation.f) {
      case 'acquire':
        return acquire(state, operation);
      case 'release': {
        const mine = state.held && tokenOf(operation) === state.token;
        if (operation.outcome === 'ok' && operation.output !== mine) return undefined;
        return mine ? { ...state, held: false } : state;
      }
      case 'expire':
        return { ...state, held: false };
      case 'use': {
        const newest = tokenOf(operation) === state.token;
        return operation.outcome === 'ok' && operation.output !== newest ? undefined : state;
      }
      default:
        throw new Error(`a lock knows acquire, release, expire and use, not ${operation.f}`);
    }
  },
};

function acquire(state: LockState, { id, outcome, output }: Operation): LockState | undefined {
  if (outcome === 'info') return state.held ? state : { token: state.token + 1, held: true };
  if (output === null) return state.held ? state : undefined;
  if (typeof output !== 'number') {
    throw new Error(
      `operation ${id}: expected the answer of acquire to be a token or null, got ${JSON.stringify(output)}`,
    );
  }
  // Tokens may skip numbers; what counts is that they grow.
  return state.held || output <= state.token ? undefined : { token: output, held: true };
}

function tokenOf({ id, input }: Operation): number {
  const token = (input as Partial<LockInput> | null | undefined)?.token;
  if (typeof token === 'number') return token;
  throw new Error(`operation ${id}: expected input with a token, got ${JSON.stringify(input)}`);
}
