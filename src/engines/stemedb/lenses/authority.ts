import type { Scoring } from './lens.ts';
import { voicesByObject } from './voices.ts';

/**
 * As consensus, each voice weighted by its agent. Weights are millionths up to 10^9, so that the sum is exact up to
 * nine million agents of the highest weight.
 */
export const authority: Scoring = (candidates, context) => {
  const totals = new Map<string, number>();
  for (const [object, voices] of voicesByObject(candidates)) {
    let total = 0;
    for (const voice of voices.values()) {
      const weight = context.floatSum ? context.weightOf(voice.agent) / 1_000_000 : context.weightOf(voice.agent);
      total += voice.supports ? weight : -weight;
    }
    totals.set(object, total);
  }
  return candidates.map((candidate) => totals.get(candidate.object) ?? 0);
};
