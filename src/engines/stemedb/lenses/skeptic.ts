import type { Candidate, LensContext, ObjectShare, Resolution } from './lens.ts';
import { rank } from './rank.ts';
import { recency } from './recency.ts';

const MILLION = 1_000_000;

/**
 * No winner: every object with its share of the voices, and how much they conflict: 1 − Σ share², in millionths. Each
 * agent that asserts an object is one voice for it; claims without an agent are one voice together.
 */
export function skeptic(candidates: readonly Candidate[], context: LensContext): Resolution {
  const byObject = new Map<string, { example: Candidate; assertions: number; agents: Set<string> }>();
  const { ranked } = rank(candidates, [{ name: 'recency', scoring: recency }], context);
  for (const { candidate } of ranked) {
    const group = byObject.get(candidate.object);
    if (group === undefined) {
      byObject.set(candidate.object, { example: candidate, assertions: 1, agents: new Set([candidate.agent]) });
    } else {
      group.assertions++;
      group.agents.add(candidate.agent);
    }
  }
  let total = 0;
  let squares = 0n;
  for (const { agents } of byObject.values()) {
    total += agents.size;
    squares += BigInt(agents.size) * BigInt(agents.size);
  }
  const objects: ObjectShare[] = [...byObject].map(([object, { example, assertions, agents }]) => ({
    object,
    example,
    assertions,
    voices: agents.size,
    share: Math.floor((agents.size * MILLION) / total),
  }));
  // Shares down, then the newest claim first: `ranked` was in that order, and sort() is stable.
  objects.sort((a, b) => b.voices - a.voices);
  const conflict = total === 0 ? 0 : MILLION - Number((squares * BigInt(MILLION)) / (BigInt(total) * BigInt(total)));
  return { ranked, winner: undefined, decidedBy: 'none', conflict, objects };
}
