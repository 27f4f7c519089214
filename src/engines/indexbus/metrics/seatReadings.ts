import { type SeatKindName, seatPlaces } from '../seatPlaces.ts';
import type { Serving } from '../serving.ts';
import { seatState } from '../views.ts';
import type { Reading } from './register.ts';

/** Numbers of the seats of a kind that somebody has. */
export function heldSeats({ segment }: Serving, kind: SeatKindName): readonly number[] {
  return seatPlaces(segment.layout, kind)
    .filter((place) => seatState(segment, place) !== 'free')
    .map(({ number }) => number);
}

/** A value of each lane, of those too that nobody has, or a former generation had: a counter does not go away with its consumer. */
export function everyLane({ counters }: Serving, read: (lane: number) => number): readonly Reading[] {
  return Array.from({ length: counters.lanes }, (_, lane) => [{ lane: String(lane) }, read(lane)]);
}

/** A value of each producer's seat, of those too that nobody has. */
export function everyProducer({ counters }: Serving, read: (seat: number) => number): readonly Reading[] {
  return Array.from({ length: counters.producers }, (_, seat) => [{ producer: String(seat) }, read(seat)]);
}
