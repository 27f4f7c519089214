import type { LensName, ScoringLens } from '../model.ts';
import { constraints } from './constraints.ts';
import { layered, SCORINGS } from './layered.ts';
import type { Candidate, LensContext, Resolution } from './lens.ts';
import { rank } from './rank.ts';
import { skeptic } from './skeptic.ts';

/** Which lens, with what it needs. */
export interface LensChoice {
  readonly lens: LensName;
  readonly lenses?: readonly ScoringLens[] | undefined;
  readonly must_use?: readonly string[] | undefined;
  readonly forbidden?: readonly string[] | undefined;
}

/** Resolves candidates under a lens. */
export function resolve(candidates: readonly Candidate[], choice: LensChoice, context: LensContext): Resolution {
  switch (choice.lens) {
    case 'skeptic':
      return skeptic(candidates, context);
    case 'layered':
      return layered(candidates, choice.lenses ?? [], context);
    case 'constraints':
      return constraints(candidates, choice.must_use, choice.forbidden, context);
    default:
      return rank(candidates, [{ name: choice.lens, scoring: SCORINGS[choice.lens] }], context);
  }
}

/** Whether the lens listens to votes: if not, they need not be gathered. */
export function countsVoices(choice: LensChoice): boolean {
  const names: readonly string[] = choice.lens === 'layered' ? (choice.lenses ?? []) : [choice.lens];
  return names.includes('consensus') || names.includes('authority');
}
