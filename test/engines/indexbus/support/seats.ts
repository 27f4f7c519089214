import { type SeatStateName, stateOf } from '../../../../src/engines/indexbus/seat.ts';
import { type SeatKindName, seatPlace } from '../../../../src/engines/indexbus/seatPlaces.ts';
import type { Segment } from '../../../../src/engines/indexbus/segment.ts';

/** State of a seat in a segment; undefined for a damaged one. */
export function seatStateOf({ words, layout }: Segment, kind: SeatKindName, number: number): SeatStateName | undefined {
  return stateOf(Atomics.load(words, seatPlace(layout, kind, number).at));
}
