import { Seat } from './layout.ts';
import { stateOf } from './seat.ts';
import { seatPlaces } from './seatPlaces.ts';
import type { Segment } from './segment.ts';
import { sourceLeft } from './sourceLeft.ts';

/** A source with a rate that has something, and whose producer is gone. */
export interface LimitedSource {
  readonly producer: number;
  /** Messages a second. */
  readonly rateLimit: number;
  readonly left: number;
}

/** The sources of a segment that go on at their producers' rates although these have ended, in the order of their seats. */
export function limitedSources({ words, layout }: Segment): readonly LimitedSource[] {
  return seatPlaces(layout, 'producer').flatMap((place): LimitedSource[] => {
    const state = stateOf(Atomics.load(words, place.at));
    const hasEnded = state === 'fenced' || state === 'acked' || state === 'draining';
    const rateLimit = words[place.at + Seat.capacityOrRate] ?? 0;
    const left = sourceLeft(words, place) ?? 0;
    return hasEnded && rateLimit > 0 && left > 0 ? [{ producer: place.number, rateLimit, left }] : [];
  });
}
