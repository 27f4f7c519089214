import type { Candidate, LensContext, Resolution } from './lens.ts';
import { rank } from './rank.ts';
import { recency } from './recency.ts';

/**
 * The newest claim that keeps to the rules. Both lists hold ids of assertions or of agents: what is forbidden, or made
 * by somebody forbidden, is left out; with `mustUse` everything is left out that it does not name.
 */
export function constraints(
  candidates: readonly Candidate[],
  mustUse: readonly string[] | undefined,
  forbidden: readonly string[] | undefined,
  context: LensContext,
): Resolution {
  const required = mustUse === undefined ? undefined : new Set(mustUse);
  const barred = new Set(forbidden);
  const allowed = candidates.filter(
    ({ id, agent }) =>
      !barred.has(id) && !barred.has(agent) && (required === undefined || required.has(id) || required.has(agent)),
  );
  return rank(allowed, [{ name: 'recency', scoring: recency }], context);
}
