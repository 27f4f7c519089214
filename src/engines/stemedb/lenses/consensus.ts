import type { Scoring } from './lens.ts';
import { voicesByObject } from './voices.ts';

/** The object with the most supports less disputes wins, one voice an agent. */
export const consensus: Scoring = (candidates) => {
  const totals = new Map<string, number>();
  for (const [object, voices] of voicesByObject(candidates)) {
    let total = 0;
    for (const voice of voices.values()) total += voice.supports ? 1 : -1;
    totals.set(object, total);
  }
  return candidates.map((candidate) => totals.get(candidate.object) ?? 0);
};
