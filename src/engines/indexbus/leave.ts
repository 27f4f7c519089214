import { ringSeatsBell } from './bells.ts';
import type { Attachment, HeldSeat } from './join.ts';
import { Point } from './points.ts';
import { isRetired } from './retirement.ts';
import { changed, epochOf, SeatState, seatWord, stateOf } from './seat.ts';
import { sourceLeft } from './sourceLeft.ts';
import { waitForRouter } from './wakeWait.ts';

/** Longest wait for the router once the bus closes, whatever was asked for, in milliseconds. */
export const closingMs = 5000;

/**
 * Says that the holder of a fenced seat knows: from here on it writes nothing there, and its seat can be drained, so it needs no lock any more. A
 * seat in another state stays as it is.
 */
export function acknowledgeFence(attachment: Pick<Attachment, 'segment'>, seat: HeldSeat): void {
  const { region, words } = attachment.segment;
  region.step(Point.acknowledgeFence);
  const fenced = seatWord(seat.epoch, SeatState.fenced);
  if (Atomics.compareExchange(words, seat.place.at, fenced, changed(fenced, 'acked')) === fenced) ringSeatsBell(region);
  seat.release();
}

/**
 * Says that the holder of a seat leaves: it writes nothing there any more, and its router takes back what is left. Where the seat was taken from it
 * before, that is acknowledged instead.
 *
 * @returns false where the seat was fenced before
 */
export function sayLeaving(attachment: Pick<Attachment, 'segment'>, seat: HeldSeat): boolean {
  const { region, words } = attachment.segment;
  const { at } = seat.place;
  region.step(Point.seatLeaving);
  const live = seatWord(seat.epoch, SeatState.live);
  if (Atomics.compareExchange(words, at, live, changed(live, 'leaving')) !== live) {
    acknowledgeFence(attachment, seat);
    return false;
  }
  region.step(Point.leaverRings);
  ringSeatsBell(region);
  return true;
}

/**
 * Gives a seat back and waits until the router is through with it, of a producer until it has taken what was flushed. The lock is kept so long,
 * since a seat in use without its lock is one in doubt. The holder has ended everything of its own before. While its bus closes that takes five
 * seconds at most. A router that is not through after `drainTimeoutMs` goes on without this process.
 */
export async function leave(attachment: Attachment, seat: HeldSeat, drainTimeoutMs: number): Promise<void> {
  const { segment, host, closing } = attachment;
  const { words } = segment;
  const { at, kind, wake } = seat.place;
  const isLeaving = sayLeaving(attachment, seat);
  const deadline = host.clock.now() + drainTimeoutMs;
  const isGone = (): boolean => {
    // A roll does without those that it has fenced: no router may be left to drain them.
    if (!isLeaving && isRetired(segment)) return true;
    const word = Atomics.load(words, at);
    if (epochOf(word) !== seat.epoch || stateOf(word) === 'free') return true;
    // A producer's seat drains until lanes have none of its slots any more: nothing that its holder could wait for or hurt.
    return kind === 'producer' && stateOf(word) === 'draining' && sourceLeft(words, seat.place) === 0;
  };
  const end = await waitForRouter(attachment, wake, deadline, isGone, closing);
  if (end === 'closing') {
    await waitForRouter(attachment, wake, Math.min(deadline, host.clock.now() + closingMs), isGone);
  }
  seat.release();
}
