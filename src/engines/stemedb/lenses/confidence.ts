import type { Scoring } from './lens.ts';

/** The highest confidence, in millionths, wins. */
export const confidence: Scoring = (candidates) => candidates.map((candidate) => candidate.confidence);
