import type { Operation } from '../history.ts';
import type { Model } from '../linearizability.ts';

/** Who holds the lock, and the highest fencing token that was ever given out. */
export interface LockState {
  readonly token: number;
  readonly held: boolean;
  /** The highest token that the protected thing has taken; 0: none. */
  readonly used: number;
}

/** Input of `release` and of `use` (the protected thing asks: have I taken a higher token?). */
export interface LockInput {
  readonly token: number;
}

/**
 * A lock with fencing tokens, as a lease gives them (Gray and Cheriton, 1989; M. Kleppmann, "How to do distributed locking", 2016):
 *
 * - `acquire` (output: the token, or null when somebody holds it). Tokens grow with every holder.
 * - `release` (output: true, or false when this token does not hold it any more).
 * - `expire`: the lock was taken away from its holder; the next `acquire` gets a higher token.
 * - `use` (output: true if the protected thing took it, which it does unless it has taken a higher token: it knows what it has seen,
 *   not what was given out, so a holder that was overtaken is refused once the next one has been there).
 *
 * With `key` in the input there are several locks. An `acquire` without an answer may have taken the lock under a token that nobody knows: the next is higher still.
 */
export const lockModel: Model<LockState> = {
  name: 'lock',
  initial: { token: 0, held: false, used: 0 },
  key: (state) => `${state.token} ${state.held} ${state.used}`,
  partition: ({ input }) => (input as { readonly key?: string } | null | undefined)?.key ?? 0, // none: there is one lock
  isRead: ({ f, outcome, output }) => f === 'use' && outcome === 'ok' && output === false,
  effect: (operation) =>
    operation.f === 'release' || operation.f === 'use' ? `${operation.f} ${tokenOf(operation)}` : operation.f,
  describe: ({ token, held, used }) =>
    `${held ? `held with token ${token}` : `free, last token ${token}`}${used === 0 ? '' : `, highest used ${used}`}`,
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
        const token = tokenOf(operation);
        const taken = token >= state.used;
        if (operation.outcome === 'ok' && operation.output !== taken) return undefined;
        return taken ? { ...state, used: token } : state;
      }
      default:
        throw new Error(`a lock knows acquire, release, expire and use, not ${operation.f}`);
    }
  },
};

function acquire(state: LockState, { id, outcome, output }: Operation): LockState | undefined {
  if (outcome === 'info') return state.held ? state : { ...state, token: state.token + 1, held: true };
  if (output === null) return state.held ? state : undefined;
  if (typeof output !== 'number') {
    throw new Error(
      `operation ${id}: expected the answer of acquire to be a token or null, got ${JSON.stringify(output)}`,
    );
  }
  // Tokens may skip numbers; what counts is that they grow.
  return state.held || output <= state.token ? undefined : { ...state, token: output, held: true };
}

function tokenOf({ id, input }: Operation): number {
  const token = (input as Partial<LockInput> | null | undefined)?.token;
  if (typeof token === 'number') return token;
  throw new Error(`operation ${id}: expected input with a token, got ${JSON.stringify(input)}`);
}
