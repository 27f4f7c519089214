import { distance, frozen, isFrozen } from './cursor.ts';
import { LaneCursor } from './layout.ts';
import type { SeatPlace } from './seatPlaces.ts';

/** Where a lane's consumer stands, also while the router has frozen its head. */
export function headOf(words: Int32Array, { cursors }: Pick<SeatPlace, 'cursors'>): number {
  const tail = Atomics.load(words, cursors + LaneCursor.tail);
  const head = Atomics.load(words, cursors + LaneCursor.head);
  return isFrozen(head, tail) ? frozen(head) : head;
}

/** Messages in a lane that its consumer has not received. */
export function unreadIn(words: Int32Array, place: Pick<SeatPlace, 'cursors'>): number {
  return Math.max(0, distance(Atomics.load(words, place.cursors + LaneCursor.tail), headOf(words, place)));
}
