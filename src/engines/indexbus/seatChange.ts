import type { Region } from '../../host/sharedMemory.ts';
import { changed, mayFollow, type SeatStateName, stateOf } from './seat.ts';

/**
 * Changes the state of the seat whose first word is `at`, if it is the one expected and the state may follow: one compare-and-swap.
 *
 * @param word the seat's word as the caller has seen it
 * @returns false if somebody else was faster: look again
 */
export function changeSeat(region: Region, at: number, word: number, to: SeatStateName, point: number): boolean {
  const from = stateOf(word);
  if (from === undefined || !mayFollow(from, to)) return false;
  region.step(point);
  return Atomics.compareExchange(region.words, at, word, changed(word, to)) === word;
}

/** Raises a wake sequence and wakes who sleeps on it. */
export function wake(region: Region, word: number): void {
  Atomics.add(region.words, word, 1);
  region.wake(word, 1);
}
