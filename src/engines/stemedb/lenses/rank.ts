import type { Candidate, DecidedBy, LensContext, Ranked, Resolution, Scoring } from './lens.ts';

/** One scoring lens, and the name under which it appears in `decidedBy` when there are several. */
export interface Layer {
  readonly name: string;
  readonly scoring: Scoring;
}

/**
 * Orders candidates: scores of the layers in turn, higher first; then the newer timestamp; then the id, ascending by
 * bytes. Ids differ, so the order is total and does not depend on the order of arrival.
 */
export function rank(candidates: readonly Candidate[], layers: readonly Layer[], context: LensContext): Resolution {
  const scores = layers.map((layer) => layer.scoring(candidates, context));
  const ranked: Ranked[] = candidates.map((candidate, i) => ({
    candidate,
    scores: scores.map((layer) => layer[i] ?? 0),
  }));
  ranked.sort((a, b) => compare(a, b, context.tieByArrival));
  return { ranked, winner: ranked[0]?.candidate, decidedBy: decidedBy(ranked, layers) };
}

function compare(a: Ranked, b: Ranked, tieByArrival: boolean): number {
  for (const [layer, score] of a.scores.entries()) {
    const other = b.scores[layer] ?? 0;
    if (score !== other) return score > other ? -1 : 1;
  }
  if (tieByArrival) return a.candidate.row - b.candidate.row;
  if (a.candidate.timestamp !== b.candidate.timestamp) return b.candidate.timestamp - a.candidate.timestamp;
  return a.candidate.id < b.candidate.id ? -1 : 1;
}

function decidedBy(ranked: readonly Ranked[], layers: readonly Layer[]): DecidedBy {
  const [first, second] = ranked;
  if (first === undefined) return 'none';
  if (second === undefined) return 'only';
  const layer = first.scores.findIndex((score, i) => score !== second.scores[i]);
  if (layer >= 0) return layers.length === 1 ? 'score' : `${layers[layer]?.name ?? ''}:score`;
  return first.candidate.timestamp === second.candidate.timestamp ? 'id' : 'timestamp';
}
