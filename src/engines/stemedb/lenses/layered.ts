import type { ScoringLens } from '../model.ts';
import { authority } from './authority.ts';
import { confidence } from './confidence.ts';
import { consensus } from './consensus.ts';
import { epoch } from './epoch.ts';
import type { Candidate, LensContext, Resolution, Scoring } from './lens.ts';
import { rank } from './rank.ts';
import { recency } from './recency.ts';

/** Every lens that scores, by name. */
export const SCORINGS: Readonly<Record<ScoringLens, Scoring>> = { recency, confidence, consensus, authority, epoch };

/** Lenses in order, each breaking the ties of those before it. */
export function layered(
  candidates: readonly Candidate[],
  lenses: readonly ScoringLens[],
  context: LensContext,
): Resolution {
  return rank(
    candidates,
    lenses.map((name) => ({ name, scoring: SCORINGS[name] })),
    context,
  );
}
