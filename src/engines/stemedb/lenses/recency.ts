import type { Scoring } from './lens.ts';

/** The newest timestamp wins. */
export const recency: Scoring = (candidates) => candidates.map((candidate) => candidate.timestamp);
