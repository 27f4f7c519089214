/** What `hotfire check` can hold a history against: for each model, its checks, and what state at the end it takes. */
import { z } from 'zod';
import { checkMessagesConserved, type Delivery } from '../checkers/conservation/messages.ts';
import { checkSumsConserved } from '../checkers/conservation/sums.ts';
import { checkDurability } from '../checkers/contents/durability.ts';
import { checkNoPhantom } from '../checkers/contents/noPhantom.ts';
import { checkNoResurrection } from '../checkers/contents/noResurrection.ts';
import { finalState, type Observation, readsOf } from '../checkers/contents/operations.ts';
import { checkPrefix } from '../checkers/contents/prefix.ts';
import { checkSetMonotonicReads, checkSetReadYourWrites } from '../checkers/contents/sessions.ts';
import { checkConvergence } from '../checkers/convergence.ts';
import type { Operation, Violation } from '../checkers/history.ts';
import { checkLeases } from '../checkers/lease.ts';
import { checkSessions, sessionGuarantees } from '../checkers/versions.ts';

/** Options of all models; each takes its own. */
export interface HistoryCheckOptions {
  /** `set` and `list`: reads may be old; only the final state must hold what was acknowledged. */
  readonly staleReads: boolean;
  readonly delivery: Delivery;
  readonly clockErrorMs: number;
}

/** A model whose checks look for violations one by one. */
export interface HistoryCheck {
  /** Names of its checks, as violations bear them. */
  readonly checks: readonly string[];
  /** Whether there must be a state at the end. */
  readonly final: 'none' | 'optional' | 'required';
  /** Throws when the operations or the state at the end are not what the model knows. */
  run(operations: readonly Operation[], final: unknown, options: HistoryCheckOptions): Looked;
}

/** What was found. */
export interface Looked {
  /** Everything that the operations and the state at the end violate. */
  readonly violations: readonly Violation[];
  /** Why it cannot be said that all is well, even without violations. */
  readonly undecided?: string;
}

const element = z.union([z.string(), z.number()]);
const finalElements = z.strictObject({ elements: z.array(element) });
const finalHeld = z.strictObject({ held: z.array(element) });
const finalBalances = z.strictObject({ balances: z.record(z.string(), z.int()) });
const finalReplicas = z.strictObject({ replicas: z.record(z.string(), z.json()) });

export const historyChecks: ReadonlyMap<string, HistoryCheck> = new Map<string, HistoryCheck>([
  [
    'set',
    {
      checks: ['durable', 'no-phantom', 'no-resurrection', 'monotonic-reads', 'read-your-writes'],
      final: 'optional',
      run: (operations, final, options) => checkContents('set', operations, final, options),
    },
  ],
  [
    'list',
    {
      checks: ['durable', 'prefix', 'no-phantom', 'no-resurrection', 'monotonic-reads', 'read-your-writes'],
      final: 'optional',
      run(operations, final, options) {
        const { violations, ...rest } = checkContents('list', operations, final, options);
        return { violations: [...checkPrefix(operations, looksOf(operations, final)), ...violations], ...rest };
      },
    },
  ],
  [
    'versions',
    { checks: sessionGuarantees, final: 'none', run: (operations) => ({ violations: checkSessions(operations) }) },
  ],
  [
    'messages',
    {
      checks: ['conserved'],
      final: 'optional',
      run(operations, final, { delivery }) {
        if (final !== undefined) {
          return { violations: checkMessagesConserved(operations, { delivery, held: finalHeld.parse(final).held }) };
        }
        const violations = checkMessagesConserved(operations, { delivery });
        const missing = checkMessagesConserved(operations, { delivery, held: [] }).length - violations.length;
        const undecided = 'acknowledged messages did not come out: expected --final with those that are still held';
        return { violations, ...(missing > 0 ? { undecided } : {}) };
      },
    },
  ],
  [
    'sums',
    {
      checks: ['conserved'],
      final: 'optional',
      run: (operations, final) => ({
        violations: checkSumsConserved(
          operations,
          final === undefined ? {} : { final: finalBalances.parse(final).balances },
        ),
      }),
    },
  ],
  [
    'lease',
    {
      checks: ['lease-exclusive', 'token-grows', 'fenced'],
      final: 'none',
      run: (operations, _, { clockErrorMs }) => ({ violations: checkLeases(operations, { clockErrorMs }) }),
    },
  ],
  [
    'replicas',
    {
      checks: ['converged'],
      final: 'required',
      run: (operations, final) => ({
        violations: checkConvergence(finalReplicas.parse(final).replicas, { operations }),
      }),
    },
  ],
]);

function checkContents(
  model: string,
  operations: readonly Operation[],
  final: unknown,
  { staleReads }: HistoryCheckOptions,
): Looked {
  const looks = looksOf(operations, final);
  const current = staleReads ? looks.filter(({ operation }) => operation === undefined) : looks;
  const violations = [
    ...checkDurability(operations, current),
    ...checkNoPhantom(operations, looks),
    ...checkNoResurrection(operations, current),
    ...checkSetMonotonicReads(operations),
    ...checkSetReadYourWrites(operations),
  ];
  if (looks.length > 0) return { violations };
  return { violations, undecided: `nobody looked at the ${model}: expected an answered read, or --final` };
}

function looksOf(operations: readonly Operation[], final: unknown): Observation[] {
  return [...readsOf(operations), ...(final === undefined ? [] : [finalState(finalElements.parse(final).elements)])];
}
