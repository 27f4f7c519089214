import { distance } from './cursor.ts';
import { DetachReason, ProducerCursor, Seat } from './layout.ts';
import { stateOf } from './seat.ts';
import type { SeatPlace } from './seatPlaces.ts';

/**
 * Messages that a source has for the router, whoever has its seat: what a producer flushed before it was fenced, or went, is routed, and what it
 * flushed after its fence never was. Undefined in the moment in which a producer is fenced and nothing says yet where its source ends.
 */
export function sourceLeft(words: Int32Array, { at, cursors }: Pick<SeatPlace, 'at' | 'cursors'>): number | undefined {
  const head = Atomics.load(words, cursors + ProducerCursor.sourceHead);
  const state = stateOf(Atomics.load(words, at));
  const hasEnded = state === 'fenced' || state === 'acked' || state === 'draining';
  // A reason beside a fence says that its tail is written.
  if (hasEnded && Atomics.load(words, at + Seat.reason) === DetachReason.none) return undefined;
  const tail = Atomics.load(words, hasEnded ? at + Seat.fenceTail : cursors + ProducerCursor.sourceTail);
  return Math.max(0, distance(tail, head));
}
