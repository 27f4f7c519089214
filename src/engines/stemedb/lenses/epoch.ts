import type { Scoring } from './lens.ts';

/** The claim whose epoch comes last in its chain of supersession wins; claims without an epoch come last. */
export const epoch: Scoring = (candidates) => candidates.map((candidate) => candidate.epochDepth);
